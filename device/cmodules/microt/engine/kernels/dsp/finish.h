// SPDX-License-Identifier: MIT
//
// From the sum of an output channel to its value in layout 0, any multiplier and shift.

#ifndef MICROT_KERNELS_DSP_FINISH_H
#define MICROT_KERNELS_DSP_FINISH_H

#include "../../kernels.h"
#include "../fixed.h"

// Bias, requantisation, zero point, clamp. FULLY_CONNECTED is rounded once (mtb.c).
static inline int8_t finish_channel(const microt_op_t *op, int32_t channel, int32_t sum, int32_t low,
    int32_t high) {
    const int32_t multiplier = microt_i32(op->requant + 8 * channel);
    const int32_t shift = microt_i32(op->requant + 8 * channel + 4);
    int32_t y = microt_wrap_add(sum, microt_i32(op->bias + 4 * channel));
    y = op->code == MICROT_FULLY_CONNECTED
        ? microt_requantize_once(y, multiplier, shift) : microt_requantize(y, multiplier, shift);
    return (int8_t)microt_clamp(microt_wrap_add(y, op->out.zero_point), low, high);
}

#endif // MICROT_KERNELS_DSP_FINISH_H
