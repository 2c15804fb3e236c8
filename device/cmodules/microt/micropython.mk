# SPDX-License-Identifier: MIT
MICROT_MOD_DIR := $(USERMOD_DIR)

# The binding is scanned for names; the engine is plain C with its own optimisation, whatever the port's is.
SRC_USERMOD_C += $(MICROT_MOD_DIR)/modmicrot.c
SRC_USERMOD_LIB_C += $(wildcard $(MICROT_MOD_DIR)/engine/*.c $(MICROT_MOD_DIR)/engine/kernels/ref/*.c)

$(BUILD)/microt/engine/%.o: CFLAGS += -O3 -ffp-contract=off -fno-math-errno
