// SPDX-License-Identifier: MIT
//
// From the sum of a convolution's channel to its output.

#ifndef MICROT_KERNELS_REF_FINISH_H
#define MICROT_KERNELS_REF_FINISH_H

#include "../../kernels.h"
#include "../fixed.h"

static inline int8_t microt_finish(const microt_op_t *op, int32_t channel, int32_t sum, int32_t low,
    int32_t high) {
    const uint8_t *requant = op->requant + 8 * channel;
    int32_t y = microt_wrap_add(sum, microt_i32(op->bias + 4 * channel));
    y = microt_requantize(y, microt_i32(requant), microt_i32(requant + 4));
    return (int8_t)microt_clamp(microt_wrap_add(y, op->out.zero_point), low, high);
}

#endif // MICROT_KERNELS_REF_FINISH_H
