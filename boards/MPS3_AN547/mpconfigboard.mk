# SPDX-License-Identifier: MIT
CPU_FLAGS = -mcpu=cortex-m55 -mfloat-abi=hard
MPY_CROSS_FLAGS += -march=armv7emdp
# gchelper_thumb2.s is for Armv7-M and does not link with Armv8.1-M code.
GCHELPER_C = shared/runtime/gchelper_generic.c
GCHELPER_S =
