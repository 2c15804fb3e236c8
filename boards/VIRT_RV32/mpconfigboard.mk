# SPDX-License-Identifier: MIT
CPU_FLAGS = -march=rv32imac -mabi=ilp32
AFLAGS += $(CPU_FLAGS)
MPY_CROSS_FLAGS += -march=rv32imc
GCHELPER_S = shared/runtime/gchelper_rv32i.s
SRC_LIB_LIBM_SQRT_C = $(SRC_LIB_LIBM_SQRT_SW_C)
