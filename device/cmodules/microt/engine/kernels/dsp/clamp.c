// SPDX-License-Identifier: MIT
//
// Clamps of whole tensors, four values at a time.

#include "dsp.h"

#ifdef MICROT_HAVE_DSP

#include "clamp.h"
#include "../fixed.h"

void microt_dsp_clamp(int8_t *out, int32_t n, int32_t low, int32_t high) {
    if (low == -128 && high == 127) {
        return;
    }
    const uint32_t lows = (uint32_t)(uint8_t)low * 0x01010101u;
    const uint32_t highs = (uint32_t)(uint8_t)high * 0x01010101u;
    int32_t i = 0;
    for (; i + 4 <= n; i += 4) {
        uint32_t x, t;
        memcpy(&x, out + i, 4);
        // SSUB8 sets GE per byte where x >= bound (signed); SEL picks by it.
        __asm("ssub8 %1, %0, %2\n\tsel %0, %0, %2\n\t"
            "ssub8 %1, %0, %3\n\tsel %0, %3, %0"
            : "+r" (x), "=&r" (t) : "r" (lows), "r" (highs) : "cc");
        memcpy(out + i, &x, 4);
    }
    for (; i < n; i++) {
        out[i] = (int8_t)microt_clamp(out[i], low, high);
    }
}

#endif
