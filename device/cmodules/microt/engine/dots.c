// SPDX-License-Identifier: MIT

#include <string.h>

#include "dots.h"

#if defined(__ARM_FEATURE_DSP)

#include <arm_acle.h>

static inline int8x4_t four(const int8_t *p) {
    int8x4_t word;
    memcpy(&word, p, 4);
    return word;
}

static inline int16x2_t two(const int16_t *p) {
    int16x2_t word;
    memcpy(&word, p, 4);
    return word;
}

// bytes 0 and 2, and bytes 1 and 3, each as two int16
#define EVEN(word) (__sxtb16(word))
#define ODD(word) (__sxtb16((int8x4_t)((uint32_t)(word) >> 8 | (uint32_t)(word) << 24)))

void microt_dots4(const int16_t *a, const int8_t *rows, size_t stride, size_t n, int32_t *out) {
    const int8_t *r0 = rows, *r1 = rows + stride, *r2 = r1 + stride, *r3 = r2 + stride;
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const int16x2_t even = two(a + i), odd = two(a + i + 2);
        int8x4_t w = four(r0 + i);
        s0 = __smlad(ODD(w), odd, __smlad(EVEN(w), even, s0));
        w = four(r1 + i);
        s1 = __smlad(ODD(w), odd, __smlad(EVEN(w), even, s1));
        w = four(r2 + i);
        s2 = __smlad(ODD(w), odd, __smlad(EVEN(w), even, s2));
        w = four(r3 + i);
        s3 = __smlad(ODD(w), odd, __smlad(EVEN(w), even, s3));
    }
    for (; i < n; i++) {
        s0 += a[i] * r0[i];
        s1 += a[i] * r1[i];
        s2 += a[i] * r2[i];
        s3 += a[i] * r3[i];
    }
    out[0] = s0;
    out[1] = s1;
    out[2] = s2;
    out[3] = s3;
}

int32_t microt_dots1(const int16_t *a, const int8_t *row, size_t n) {
    int32_t sum = 0;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const int8x4_t w = four(row + i);
        sum = __smlad(ODD(w), two(a + i + 2), __smlad(EVEN(w), two(a + i), sum));
    }
    for (; i < n; i++) {
        sum += a[i] * row[i];
    }
    return sum;
}

#else

void microt_dots4(const int16_t *a, const int8_t *rows, size_t stride, size_t n, int32_t *out) {
    const int8_t *r0 = rows, *r1 = rows + stride, *r2 = r1 + stride, *r3 = r2 + stride;
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (size_t i = 0; i < n; i++) {
        s0 += a[i] * r0[i];
        s1 += a[i] * r1[i];
        s2 += a[i] * r2[i];
        s3 += a[i] * r3[i];
    }
    out[0] = s0;
    out[1] = s1;
    out[2] = s2;
    out[3] = s3;
}

int32_t microt_dots1(const int16_t *a, const int8_t *row, size_t n) {
    int32_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += a[i] * row[i];
    }
    return sum;
}

#endif
