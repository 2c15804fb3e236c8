// SPDX-License-Identifier: MIT
//
// What the run code and the kernels share. One reference kernel for each operator, in plain C, is
// the specification; faster ones for an instruction set must agree with it bit for bit.

#ifndef MICROT_KERNELS_H
#define MICROT_KERNELS_H

#include "engine.h"

// Weight layouts that every build has; targets number theirs from 16.
enum {
    MICROT_TENSORFLOW = 0,
    MICROT_IN_PLACE = 1,
    MICROT_TARGET_LAYOUTS = 16
};

// One op as a kernel sees it; pointers into the file, unaligned.
typedef struct _microt_op_t {
    uint8_t code;
    uint8_t inputs;
    microt_tensor_t in[MICROT_MAX_INPUTS];
    microt_tensor_t out;
    const uint8_t *args; // i32[]
    const int8_t *weights;
    const uint8_t *bias; // i32[channels]
    const uint8_t *requant; // i32[channels][2] {multiplier, shift}
    uint32_t args_size, weights_size, bias_size, requant_size; // bytes
    uint8_t layout; // of the weights
    uint32_t scratch, scratch_size; // the kernel's own bytes in the arena: offset, a multiple of 16
} microt_op_t;

// A kernel reads op->in and writes op->out, all in the arena.
typedef void microt_kernel_t(const microt_op_t *op, uint8_t *arena);

microt_kernel_t microt_ref_conv_2d;
microt_kernel_t microt_ref_depthwise_conv_2d;
microt_kernel_t microt_ref_depthwise_in_place; // layout MICROT_IN_PLACE
microt_kernel_t microt_ref_fully_connected;
microt_kernel_t microt_ref_add;
microt_kernel_t microt_ref_pad;
microt_kernel_t microt_ref_average_pool_2d;
microt_kernel_t microt_ref_mean;
microt_kernel_t microt_ref_reshape;
microt_kernel_t microt_ref_softmax;
microt_kernel_t microt_ref_concatenation;
microt_kernel_t microt_ref_max_pool_2d;
microt_kernel_t microt_ref_lookup;
microt_kernel_t microt_ref_arithmetic;
microt_kernel_t microt_ref_strided_copy;

// Fills op from the record; checks nothing.
void microt_load_op(const microt_model_t *model, unsigned index, microt_op_t *op);

// Copies the first n args to out.
static inline void microt_args(const microt_op_t *op, int32_t *out, unsigned n) {
    memcpy(out, op->args, 4 * n);
}

static inline int8_t *microt_data(const microt_tensor_t *tensor, uint8_t *arena) {
    return (int8_t *)(arena + tensor->offset);
}

#endif // MICROT_KERNELS_H
