# SPDX-License-Identifier: MIT
CPU_FLAGS = -mcpu=cortex-m0plus -mfloat-abi=soft
MPY_CROSS_FLAGS += -march=armv6m
GCHELPER_S = shared/runtime/gchelper_thumb1.s
SRC_LIB_LIBM_SQRT_C = $(SRC_LIB_LIBM_SQRT_SW_C)
