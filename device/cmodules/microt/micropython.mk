# SPDX-License-Identifier: MIT
MICROT_MOD_DIR := $(USERMOD_DIR)

# The bindings are scanned for names; the engine is plain C with its own optimisation, whatever the port's is. Kernels for
# an instruction set compile to nothing where there is none.
SRC_USERMOD_C += $(MICROT_MOD_DIR)/modmicrot.c $(MICROT_MOD_DIR)/modmicrot_picture.c
SRC_USERMOD_LIB_C += $(wildcard $(addprefix $(MICROT_MOD_DIR)/engine/,*.c kernels/ref/*.c kernels/dsp/*.c kernels/mve/*.c))
SRC_USERMOD_LIB_ASM += $(wildcard $(addprefix $(MICROT_MOD_DIR)/engine/kernels/,dsp/*.S mve/*.S))

# MICROT_REFERENCE=1: the reference kernels run every op on every board. In a build folder of its own.
ifeq ($(MICROT_REFERENCE),1)
CFLAGS_USERMOD += -DMICROT_REFERENCE=1
endif

$(BUILD)/microt/engine/%.o: CFLAGS += -O3 -ffp-contract=off -fno-math-errno
# These run once a file, or are bound by memory: small is better.
MICROT_SMALL := mtb mtb_error mtb_features mtb_input mtb_ops mtb_plan targets run picture front_end \
    $(addprefix kernels/ref/,concatenation lookup pad reshape softmax strided_copy)
$(addprefix $(BUILD)/microt/engine/,$(addsuffix .o,$(MICROT_SMALL))): CFLAGS += -Os
$(BUILD)/microt/engine/kernels/ref/arithmetic.o $(BUILD)/microt/engine/kernels/ref/max_pool_2d.o: CFLAGS += -O2
# The inner loops are assembly; -O3 makes what is around them larger, not faster.
$(BUILD)/microt/engine/kernels/dsp/%.o $(BUILD)/microt/engine/kernels/mve/%.o: CFLAGS += -O2
