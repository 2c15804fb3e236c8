// SPDX-License-Identifier: MIT
//
// Running a decoded model: to an exit, on to the next, op by op.

#include "mtb.h"

#include "kernels/c/c.h"
#include "kernels/dsp/dsp.h"
#include "kernels/m0/m0.h"
#include "kernels/mve/mve.h"

// Kernels that take any op of theirs, without scratch, leave no work for the reference ones.
#if defined(MICROT_HAVE_DSP) || defined(MICROT_HAVE_MVE)
#define UNLESS_REPLACED(kernel) (NULL)
#define UNLESS_REPLACED_ANYWHERE(kernel) (NULL)
#elif defined(MICROT_HAVE_M0)
#define UNLESS_REPLACED(kernel) (kernel)
#define UNLESS_REPLACED_ANYWHERE(kernel) (NULL)
#else
#define UNLESS_REPLACED(kernel) (kernel)
#define UNLESS_REPLACED_ANYWHERE(kernel) (kernel)
#endif

// By weight layout and operator. bench finds the kernels in the objects called so.
static microt_kernel_t *const kernels[2][MICROT_OPCODES] = {
    [MICROT_TENSORFLOW] = {
        [MICROT_CONV_2D] = microt_ref_conv_2d,
        [MICROT_DEPTHWISE_CONV_2D] = UNLESS_REPLACED(microt_ref_depthwise_conv_2d),
        [MICROT_FULLY_CONNECTED] = UNLESS_REPLACED_ANYWHERE(microt_ref_fully_connected),
        [MICROT_ADD] = microt_ref_add,
        [MICROT_PAD] = microt_ref_pad,
        [MICROT_AVERAGE_POOL_2D] = UNLESS_REPLACED_ANYWHERE(microt_ref_average_pool_2d),
        [MICROT_MEAN] = UNLESS_REPLACED_ANYWHERE(microt_ref_mean),
        [MICROT_RESHAPE] = microt_ref_reshape,
        [MICROT_SOFTMAX] = microt_ref_softmax,
        [MICROT_CONCATENATION] = microt_ref_concatenation,
        [MICROT_MAX_POOL_2D] = microt_ref_max_pool_2d,
        [MICROT_LOOKUP] = microt_ref_lookup,
        [MICROT_ARITHMETIC] = microt_ref_arithmetic,
        [MICROT_STRIDED_COPY] = microt_ref_strided_copy,
    },
    [MICROT_IN_PLACE] = {
        [MICROT_DEPTHWISE_CONV_2D] = microt_ref_depthwise_in_place,
    },
};

static const uint8_t *op_record(const microt_model_t *model, unsigned index) {
    return model->ops + MICROT_OP_SIZE * index;
}

microt_tensor_t microt_tensor(const microt_model_t *model, unsigned index) {
    const uint8_t *r = model->tensors + MICROT_TENSOR_SIZE * index;
    microt_tensor_t tensor = {
        .offset = microt_u32(r),
        .h = microt_i32(r + 4),
        .w = microt_i32(r + 8),
        .c = microt_i32(r + 12),
        .scale = microt_f32(r + 16),
        .zero_point = microt_i32(r + 20),
    };
    return tensor;
}

const char *microt_tensor_name(const microt_model_t *model, unsigned index) {
    return model->strings + microt_u32(model->tensors + MICROT_TENSOR_SIZE * index + 24);
}

const char *microt_op_name(const microt_model_t *model, unsigned index) {
    return model->strings + microt_u32(op_record(model, index) + 52);
}

unsigned microt_op_code(const microt_model_t *model, unsigned index) {
    return op_record(model, index)[0];
}

unsigned microt_op_output(const microt_model_t *model, unsigned index) {
    return microt_u16(op_record(model, index) + 12);
}

uint32_t microt_op_macs(const microt_model_t *model, unsigned index) {
    return microt_u32(op_record(model, index) + 48);
}

void microt_load_op(const microt_model_t *model, unsigned index, microt_op_t *op) {
    const uint8_t *r = op_record(model, index);
    op->code = r[0];
    op->layout = r[1];
    op->inputs = r[2];
    for (unsigned i = 0; i < op->inputs; i++) {
        op->in[i] = microt_tensor(model, microt_u16(r + 4 + 2 * i));
    }
    op->out = microt_tensor(model, microt_u16(r + 12));
    op->args = model->file + microt_u32(r + 16);
    op->args_size = microt_u32(r + 20);
    op->weights = (const int8_t *)(model->file + microt_u32(r + 24));
    op->weights_size = microt_u32(r + 28);
    op->bias = model->file + microt_u32(r + 32);
    op->bias_size = microt_u32(r + 36);
    op->requant = model->file + microt_u32(r + 40);
    op->requant_size = microt_u32(r + 44);
    op->scratch = microt_u32(r + 56);
    op->scratch_size = microt_u32(r + 60);
}

static void run_op(const microt_op_t *op, uint8_t *arena) {
    // A file of another target may have less scratch than these kernels need.
    #ifdef MICROT_HAVE_MVE
    if (op->layout != MICROT_IN_PLACE && op->scratch_size >= microt_mve_scratch(op, op->layout)
        && microt_mve_run(op, arena, op->layout, arena + op->scratch)) {
        return;
    }
    #endif
    #ifdef MICROT_HAVE_DSP
    if (op->layout != MICROT_IN_PLACE && op->scratch_size >= microt_dsp_scratch(op, op->layout)
        && microt_dsp_run(op, arena, op->layout, arena + op->scratch)) {
        return;
    }
    #endif
    #ifdef MICROT_HAVE_M0
    if (op->layout != MICROT_IN_PLACE && op->scratch_size >= microt_m0_scratch(op, op->layout)
        && microt_m0_run(op, arena, op->layout, arena + op->scratch)) {
        return;
    }
    #endif
    #ifdef MICROT_HAVE_C
    if (microt_c_run(op, arena)) {
        return;
    }
    #endif
    kernels[op->layout][op->code](op, arena);
}

int microt_begin(const microt_model_t *model, microt_run_t *run, uint8_t *arena, unsigned exit) {
    if (exit >= model->exit_count) {
        return -1;
    }
    run->arena = arena;
    run->exit = (uint16_t)exit;
    run->next = 0;
    run->done = 0;
    return 0;
}

int microt_begin_resume(const microt_model_t *model, microt_run_t *run) {
    if (run->exit + 1u >= model->exit_count) {
        return -1;
    }
    run->exit++;
    return 0;
}

int microt_step(const microt_model_t *model, microt_run_t *run) {
    while (run->next < model->exits[run->exit].end) {
        unsigned index = run->next++;
        unsigned branch = microt_u16(op_record(model, index) + 14);
        if (branch == MICROT_TRUNK || branch == run->exit) {
            microt_op_t op;
            microt_load_op(model, index, &op);
            run_op(&op, run->arena);
            return (int)index;
        }
    }
    run->done |= (uint16_t)(1u << run->exit);
    return -1;
}

int microt_run(const microt_model_t *model, microt_run_t *run, uint8_t *arena, unsigned exit) {
    if (microt_begin(model, run, arena, exit) != 0) {
        return -1;
    }
    while (microt_step(model, run) >= 0) {
    }
    return 0;
}

int microt_resume(const microt_model_t *model, microt_run_t *run) {
    if (microt_begin_resume(model, run) != 0) {
        return -1;
    }
    while (microt_step(model, run) >= 0) {
    }
    return 0;
}
