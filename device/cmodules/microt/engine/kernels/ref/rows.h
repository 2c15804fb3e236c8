// SPDX-License-Identifier: MIT
//
// The inner loops of CONV_2D and FULLY_CONNECTED: sums of products over a contiguous run of
// inputs, for one output channel or for four at once (each input is loaded once for all four).

#ifndef MICROT_KERNELS_REF_ROWS_H
#define MICROT_KERNELS_REF_ROWS_H

#include "../../kernels.h"

static inline int32_t microt_row(int32_t sum, const int8_t *x, const int8_t *w, int32_t n,
    int32_t offset) {
    for (int32_t i = 0; i < n; i++) {
        sum += (x[i] + offset) * w[i];
    }
    return sum;
}

// Weights of neighbouring channels are pitch apart.
static inline void microt_four_rows(int32_t *sum, const int8_t *x, const int8_t *w, int32_t pitch,
    int32_t n, int32_t offset) {
    int32_t a = sum[0], b = sum[1], c = sum[2], d = sum[3];
    const int8_t *end = x + n;
    const int8_t *w2 = w + 2 * pitch;
    while (x < end) {
        const int32_t value = *x++ + offset;
        a += value * w[0];
        b += value * w[pitch];
        c += value * w2[0];
        d += value * w2[pitch];
        w++;
        w2++;
    }
    sum[0] = a;
    sum[1] = b;
    sum[2] = c;
    sum[3] = d;
}

#endif // MICROT_KERNELS_REF_ROWS_H
