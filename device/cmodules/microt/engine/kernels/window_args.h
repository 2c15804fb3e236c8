// SPDX-License-Identifier: MIT
//
// The arguments of CONV_2D and DEPTHWISE_CONV_2D.

#ifndef MICROT_KERNELS_WINDOW_ARGS_H
#define MICROT_KERNELS_WINDOW_ARGS_H

#include "../kernels.h"

// In the file's order; a depthwise convolution has its multiplier after them.
typedef struct _microt_window_args_t {
    int32_t stride_h, stride_w, dilation_h, dilation_w;
    int32_t pad_top, pad_left, pad_bottom, pad_right;
    int32_t low, high;
    int32_t kernel_h, kernel_w;
} microt_window_args_t;

static inline microt_window_args_t microt_window_args(const microt_op_t *op) {
    microt_window_args_t a;
    memcpy(&a, op->args, sizeof(a));
    return a;
}

#endif // MICROT_KERNELS_WINDOW_ARGS_H
