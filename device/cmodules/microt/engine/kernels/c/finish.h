// SPDX-License-Identifier: MIT
//
// From sums to outputs, and what the kernels share besides.

#ifndef MICROT_KERNELS_C_FINISH_H
#define MICROT_KERNELS_C_FINISH_H

#include "../fixed.h"
#include "c.h"

// Loops over a constant count of sums are unrolled, so that the sums stay in registers.
#ifdef __clang__
#define UNROLL(n) _Pragma("clang loop unroll(full)")
#define UNROLL_BY(n)
#else
#define UNROLL(n) UNROLL_BY(n)
#define UNROLL_BY(n) UNROLL_PRAGMA(GCC unroll n)
#endif
#define UNROLL_PRAGMA(text) _Pragma(#text)

// The same for all channels of an op.
typedef struct _microt_c_range_t {
    int32_t zero_point, low, high;
} microt_c_range_t;

// Whether bias and requant can be read as words.
static inline bool microt_c_words(const microt_op_t *op) {
    return (((uintptr_t)op->bias | (uintptr_t)op->requant) & 3) == 0;
}

// microt_requantize for multipliers of 0 and more, as all are, and right shifts. Half of 2^32 is the bit below the upper
// word of the product with twice the multiplier: a multiplication of signed by unsigned, upper and lower word, a shift and
// an addition round it.
static inline int32_t microt_c_requantize(int32_t x, int32_t multiplier, int32_t shift) {
    const int64_t product = (int64_t)x * ((uint32_t)multiplier << 1);
    const int32_t y = (int32_t)(product >> 32) + (int32_t)((uint32_t)product >> 31);
    return (((y + (y >> 31)) >> (-shift - 1)) + 1) >> 1;
}

// The same for any shift. Channels that hardly vary have left shifts.
static inline int32_t microt_c_requantize_any(int32_t x, int32_t multiplier, int32_t shift) {
    return __builtin_expect(shift >= 0, 0) ? microt_high_mul((int32_t)((uint32_t)x << shift), multiplier)
        : microt_c_requantize(x, multiplier, shift);
}

static inline int32_t microt_c_output(int32_t scaled, microt_c_range_t range) {
    return microt_clamp(microt_wrap_add(scaled, range.zero_point), range.low, range.high);
}

#endif // MICROT_KERNELS_C_FINISH_H
