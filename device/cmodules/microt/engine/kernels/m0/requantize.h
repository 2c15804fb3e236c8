// SPDX-License-Identifier: MIT
//
// From a sum to an int8 without 64-bit arithmetic, bit for bit M(x, m, -e) + zero point of mtb.c, saturated.
//
// A record says how: i32[5] {bias, e << 27 | range, offset, m, first}, with m in the lower 31 bits of its word. The output is -128 for sums below first and 127 from
// first + range on. The kernels' accumulators start from bias, which has first taken away (and the input's zero point
// folded in), so one unsigned comparison with range finds both. Between them
//     ((sum - first) >> s) * factor + offset          s = max(e - 8, 0), factor = m / 2^min(e + 7, 15), rounded
// is the output times 2^24, modulo 2^32. It is never too low to reach an output's lower end, and where it reaches
// one too early the lowest 24 bits are below the layer's window: then the exact value is computed, for about one sum in 100.
// The compiler finds first, range, offset and window from the sums at which the output changes (layout_m0.py).

#ifndef MICROT_KERNELS_M0_REQUANTIZE_H
#define MICROT_KERNELS_M0_REQUANTIZE_H

#include <stdint.h>

#define RECORD_WORDS (5)

typedef struct _microt_m0_record_t {
    int32_t bias;
    uint32_t e_range;
    uint32_t offset;
    uint32_t m; // WIDE and FIRST: and SMALL_WEIGHTS, in the first record of a pair of channels
    int32_t first;
} microt_m0_record_t;

#define SMALL_WEIGHTS (0x80000000u) // of each quad of taps of both channels |w0| + |w1| + |w2| + |w3| <= 255

// What the loops read: i32[4], in a row.
typedef struct _microt_m0_requant_t {
    uint32_t range, s, factor, offset;
} microt_m0_requant_t;

static inline void microt_m0_load(const microt_m0_record_t *record, microt_m0_requant_t *out) {
    const uint32_t e = record->e_range >> 27;
    const uint32_t drop = e < 8 ? e + 7 : 15;
    out->range = record->e_range & 0x7FFFFFF;
    out->s = e < 8 ? 0 : e - 8;
    out->factor = ((record->m & ~SMALL_WEIGHTS) + (1u << (drop - 1))) >> drop;
    out->offset = record->offset;
}

// The output of first + above, exactly; records may hold anything.
int32_t microt_m0_exact(uint32_t above, const microt_m0_record_t *record, int32_t zero_point);

#endif // MICROT_KERNELS_M0_REQUANTIZE_H
