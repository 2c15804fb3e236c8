// SPDX-License-Identifier: MIT
//
// Fixed-point arithmetic of the quantised operators, as defined at the top of mtb.c. Sums that a
// hostile file can push out of range wrap around.

#ifndef MICROT_KERNELS_FIXED_H
#define MICROT_KERNELS_FIXED_H

#include <stdint.h>

static inline int32_t microt_wrap_add(int32_t a, int32_t b) {
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

// a * b / 2^31, rounded to nearest, halves upwards; not for a = b = -2^31.
static inline int32_t microt_high_mul(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b + ((int64_t)1 << 30)) >> 31);
}

// x / 2^exponent, rounded to nearest, halves away from zero; exponent 0 to 31.
static inline int32_t microt_round_shift(int32_t x, int exponent) {
    const int32_t mask = (int32_t)(((uint32_t)1 << exponent) - 1);
    const int32_t half = (mask >> 1) + (x < 0 ? 1 : 0);
    return (x >> exponent) + ((x & mask) > half ? 1 : 0);
}

// M(x, multiplier, shift) of mtb.c.
static inline int32_t microt_requantize(int32_t x, int32_t multiplier, int32_t shift) {
    if (__builtin_expect(shift >= 0, 0)) {
        return microt_high_mul((int32_t)((uint32_t)x << shift), multiplier);
    }
    // As microt_round_shift: halves go upwards after one is taken from negative numbers. The
    // product is above -2^31 and below 2^31 - 1, so neither sum overflows.
    const int32_t y = microt_high_mul(x, multiplier);
    return (((y + (y >> 31)) >> (-shift - 1)) + 1) >> 1;
}

// M1(x, multiplier, shift) of mtb.c, saturated to 31 bits.
static inline int32_t microt_requantize_once(int32_t x, int32_t multiplier, int32_t shift) {
    const int64_t product = (int64_t)x * multiplier;
    const int64_t half = (int64_t)1 << (30 - shift);
    const int64_t size = ((product < 0 ? -product : product) + half) >> (31 - shift);
    const int32_t y = (int32_t)(size < (1 << 30) ? size : (1 << 30));
    return product < 0 ? -y : y;
}

static inline int32_t microt_min(int32_t a, int32_t b) {
    return a < b ? a : b;
}

static inline int32_t microt_max(int32_t a, int32_t b) {
    return a > b ? a : b;
}

static inline int32_t microt_clamp(int32_t x, int32_t low, int32_t high) {
    return x < low ? low : x > high ? high : x;
}

// sum / count, rounded to nearest, halves away from zero.
static inline int32_t microt_round_divide(int32_t sum, int32_t count) {
    return (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
}

#endif // MICROT_KERNELS_FIXED_H
