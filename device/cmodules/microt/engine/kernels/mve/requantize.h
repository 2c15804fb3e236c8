// SPDX-License-Identifier: MIT
//
// Requantisation of vectors of sums; M of mtb.c.

#ifndef MICROT_KERNELS_MVE_REQUANTIZE_H
#define MICROT_KERNELS_MVE_REQUANTIZE_H

#include <arm_mve.h>

// Right shifts only (shift <= -1). The sign of x stands for that of the product: see REQUANTIZE of assembly.h.
static inline int32x4_t microt_mve_rescale(int32x4_t x, int32x4_t multiplier, int32x4_t shift) {
    const int32x4_t y = vqrdmulhq_s32(x, multiplier);
    return vrshlq_s32(vaddq_s32(y, vshrq_n_s32(x, 31)), shift);
}

// Any shift: wraps x to the left, rounds to the right; the sign is taken away only before a second rounding.
static inline int32x4_t microt_mve_rescale_any(int32x4_t x, int32x4_t multiplier, int32x4_t shift) {
    const int32x4_t zero = vdupq_n_s32(0), right = vminq_s32(shift, zero);
    const int32x4_t y = vqrdmulhq_s32(vshlq_s32(x, vmaxq_s32(shift, zero)), multiplier);
    const int32x4_t sign = vandq_s32(vshrq_n_s32(y, 31), vshrq_n_s32(right, 31));
    return vrshlq_s32(vaddq_s32(y, sign), right);
}

#endif // MICROT_KERNELS_MVE_REQUANTIZE_H
