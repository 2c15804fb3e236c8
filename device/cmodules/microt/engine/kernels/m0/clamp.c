// SPDX-License-Identifier: MIT
//
// Clamps of whole tensors.

#include "m0.h"

#ifdef MICROT_HAVE_M0

#include "../fixed.h"
#include "clamp.h"

void microt_m0_clamp(int8_t *out, int32_t n, int32_t low, int32_t high) {
    if (low == -128 && high == 127) {
        return;
    }
    for (int32_t i = 0; i < n; i++) {
        out[i] = (int8_t)microt_clamp(out[i], low, high);
    }
}

#endif
