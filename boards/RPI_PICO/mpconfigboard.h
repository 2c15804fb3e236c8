// SPDX-License-Identifier: MIT
// 2 MB of flash: 640 KB for the firmware, 768 KB for backbones (/rom), 640 KB for files and what was taught.
#define MICROPY_HW_BOARD_NAME "Raspberry Pi Pico"
#define MICROPY_HW_ROMFS_BYTES (768 * 1024)
#define MICROPY_HW_FLASH_STORAGE_BYTES (640 * 1024)
