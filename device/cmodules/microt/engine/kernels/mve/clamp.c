// SPDX-License-Identifier: MIT
//
// Clamps of whole tensors. The fast kernels saturate to int8, which is what ReLU and ReLU6 mostly come to.

#include "mve.h"

#ifdef MICROT_HAVE_MVE

#include <arm_mve.h>

#include "clamp.h"

void microt_mve_clamp(int8_t *out, int32_t n, int32_t low, int32_t high) {
    if (low == -128 && high == 127) {
        return;
    }
    const int8x16_t lows = vdupq_n_s8((int8_t)low), highs = vdupq_n_s8((int8_t)high);
    for (; n > 0; n -= 16, out += 16) {
        const mve_pred16_t p = vctp8q((uint32_t)n);
        vstrbq_p_s8(out, vminq_s8(vmaxq_s8(vldrbq_z_s8(out, p), lows), highs), p);
    }
}

#endif
