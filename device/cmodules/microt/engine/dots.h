// SPDX-License-Identifier: MIT
//
// Exact integer products of one int16 vector with int8 rows: what projections and Gram matrices are made of.
// The same sums on every machine; two multiplications an instruction where the core has SMLAD.

#ifndef MICROT_DOTS_H
#define MICROT_DOTS_H

#include <stddef.h>
#include <stdint.h>

// Values at a time: 512 products of at most 2^15 * 2^7 fit an int32.
#define MICROT_DOTS_MAX (512)

// The position of value i of an int16 vector of n: with SMLAD fours lie as 0, 2, 1, 3.
static inline size_t microt_dots_place(size_t i, size_t n) {
    #if defined(__ARM_FEATURE_DSP)
    static const uint8_t place[4] = {0, 2, 1, 3};
    return i < (n & ~(size_t)3) ? (i & ~(size_t)3) + place[i & 3] : i;
    #else
    (void)n;
    return i;
    #endif
}

// out[r] = sum a[i] * rows[r * stride + i], i below n (at most MICROT_DOTS_MAX), r below 4; a as microt_dots_place says
void microt_dots4(const int16_t *a, const int8_t *rows, size_t stride, size_t n, int32_t *out);

// the same for one row
int32_t microt_dots1(const int16_t *a, const int8_t *row, size_t n);

#endif // MICROT_DOTS_H
