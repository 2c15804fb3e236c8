# SPDX-License-Identifier: MIT
MCU_SERIES = l4
CMSIS_MCU = STM32L4A6xx
AF_FILE = boards/stm32l496_af.csv
LD_FILES = $(BOARD_DIR)/stm32l4a6.ld boards/common_basic.ld
OPENOCD_CONFIG = boards/openocd_stm32l4.cfg
FROZEN_MANIFEST ?= $(BOARD_DIR)/manifest.py
