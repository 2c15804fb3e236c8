# SPDX-License-Identifier: MIT
CPU_FLAGS = -mcpu=cortex-m4 -mfpu=fpv4-sp-d16 -mfloat-abi=hard
MPY_CROSS_FLAGS += -march=armv7emsp
