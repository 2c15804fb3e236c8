# SPDX-License-Identifier: MIT
MCU_SERIES = h7
CMSIS_MCU = STM32H7A3xxQ
AF_FILE = boards/stm32h7b3_af.csv
LD_FILES = $(BOARD_DIR)/stm32h7a3.ld boards/common_basic.ld
TEXT0_ADDR = 0x08000000
FROZEN_MANIFEST ?= $(BOARD_DIR)/manifest.py

# The port's flash driver has the sectors of an STM32H743; flash_sectors.c has those of this chip.
LDFLAGS += -Wl,--wrap=flash_get_sector_info -Wl,--wrap=flash_erase
