// SPDX-License-Identifier: MIT
//
// The ways through DEPTHWISE_CONV_2D.

#ifndef MICROT_KERNELS_MVE_DEPTHWISE_H
#define MICROT_KERNELS_MVE_DEPTHWISE_H

#include "shapes.h"

// All write op->out, saturated to int8 but not clamped further.
void microt_mve_planes(const microt_op_t *op, const microt_window_args_t *a, const int8_t *in, int8_t *out,
    uint8_t *scratch);
void microt_mve_blocks(const microt_op_t *op, const microt_window_args_t *a, const int8_t *in, int8_t *out,
    uint8_t *scratch);

#endif // MICROT_KERNELS_MVE_DEPTHWISE_H
