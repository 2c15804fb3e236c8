// SPDX-License-Identifier: MIT
#define MICROPY_HW_BOARD_NAME "Generic ESP32S3 module"
#define MICROPY_HW_MCU_NAME "ESP32S3"

// A REPL on the UART too, for modules whose USB connector is behind a bridge.
#define MICROPY_HW_ENABLE_UART_REPL (1)

#define MICROPY_HW_I2C0_SCL (9)
#define MICROPY_HW_I2C0_SDA (8)

// Backbones lie in the partition "romfs" of partitions.csv: /rom, used in place.
#define MICROPY_VFS_ROM (1)
