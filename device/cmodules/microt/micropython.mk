# SPDX-License-Identifier: MIT
MICROT_MOD_DIR := $(USERMOD_DIR)

# The bindings are scanned for names; the engine is plain C with its own optimisation, whatever the port's is. Kernels for
# an instruction set compile to nothing where there is none.
SRC_USERMOD_C += $(MICROT_MOD_DIR)/modmicrot.c $(MICROT_MOD_DIR)/modmicrot_picture.c
SRC_USERMOD_LIB_C += $(wildcard $(addprefix $(MICROT_MOD_DIR)/engine/,*.c $(foreach set,ref c m0 dsp mve,kernels/$(set)/*.c)))
SRC_USERMOD_LIB_ASM += $(wildcard $(addprefix $(MICROT_MOD_DIR)/engine/kernels/,m0/*.S dsp/*.S mve/*.S))

# MICROT_REFERENCE=1: the reference kernels run every op on every board. In a build folder of its own.
ifeq ($(MICROT_REFERENCE),1)
CFLAGS_USERMOD += -DMICROT_REFERENCE=1
endif

# Small by default: most files run once a file, are bound by memory or have their inner loops in assembly or
# unrolled by hand.
MICROT_FAST := front_end $(patsubst $(MICROT_MOD_DIR)/engine/%.c,%,$(wildcard $(addprefix $(MICROT_MOD_DIR)/engine/kernels/,c/*.c m0/*.c mve/*.c))) \
    $(addprefix kernels/ref/,average_pool_2d conv_2d depthwise_conv_2d fully_connected mean)
$(BUILD)/microt/engine/%.o: CFLAGS += -Os -ffp-contract=off -fno-math-errno
$(addprefix $(BUILD)/microt/engine/,$(addsuffix .o,$(MICROT_FAST))): CFLAGS += -O2

# MicroPython's rules make no object anew when flags change, and none of assembly when what it includes does.
MICROT_OBJ = $(patsubst $(MICROT_MOD_DIR)/%,$(BUILD)/microt/%.o,$(basename $(1)))
$(call MICROT_OBJ,$(SRC_USERMOD_C) $(SRC_USERMOD_LIB_C) $(SRC_USERMOD_LIB_ASM)): $(MICROT_MOD_DIR)/micropython.mk
$(call MICROT_OBJ,$(SRC_USERMOD_LIB_ASM)): $(wildcard $(MICROT_MOD_DIR)/engine/kernels/*/assembly.h)
