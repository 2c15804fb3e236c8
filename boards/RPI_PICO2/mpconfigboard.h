// SPDX-License-Identifier: MIT
// 4 MB of flash: 1 MB for the firmware, 2 MB for backbones (/rom), 1 MB for files and what was taught.
#define MICROPY_HW_BOARD_NAME "Raspberry Pi Pico2"
#define MICROPY_HW_ROMFS_BYTES (2048 * 1024)
#define MICROPY_HW_FLASH_STORAGE_BYTES (1024 * 1024)
