// SPDX-License-Identifier: MIT
//
// From the sum of a convolution's channel to its output.

#ifndef MICROT_KERNELS_REF_FINISH_H
#define MICROT_KERNELS_REF_FINISH_H

#include "../../kernels.h"
#include "../fixed.h"

typedef struct _microt_finish_t {
    const uint8_t *bias; // i32[channels]
    const uint8_t *requant; // i32[channels][2] {multiplier, shift}
    int32_t zero_point, low, high;
} microt_finish_t;

// Bias, requantisation, zero point, clamp of n neighbouring channels. Kept out of line: inlined,
// it takes the registers that the loops around it need.
__attribute__((noinline)) static void microt_finish(const microt_finish_t *f, int32_t channel,
    const int32_t *sum, int32_t n, int8_t *y) {
    const uint8_t *bias = f->bias + 4 * channel;
    const uint8_t *requant = f->requant + 8 * channel;
    const int32_t zero_point = f->zero_point, low = f->low, high = f->high;
    for (const int8_t *end = y + n; y < end; y++) {
        int32_t value = microt_wrap_add(*sum++, microt_i32(bias));
        value = microt_requantize(value, microt_i32(requant), microt_i32(requant + 4));
        *y = (int8_t)microt_clamp(microt_wrap_add(value, zero_point), low, high);
        bias += 4;
        requant += 8;
    }
}

#endif // MICROT_KERNELS_REF_FINISH_H
