# SPDX-License-Identifier: MIT
CPU_FLAGS = -mcpu=cortex-m7 -mfpu=fpv5-d16 -mfloat-abi=hard
MPY_CROSS_FLAGS += -march=armv7emdp
