// SPDX-License-Identifier: MIT
//
// The exact requantisation behind the quick one.

#include "m0.h"

#ifdef MICROT_HAVE_M0

#include "requantize.h"

int32_t microt_m0_exact(uint32_t above, const microt_m0_record_t *record, int32_t zero_point) {
    const uint32_t e = record->e_range >> 27;
    const uint32_t sum = above + (uint32_t)record->first;
    // sum = 2^16 high + low, low signed; |sum| < 2^29, so that nothing below overflows. m = 2^16 upper + lower.
    const uint32_t low = (uint32_t)(int32_t)(int16_t)sum, high = (uint32_t)((int32_t)(sum - low) >> 16);
    const uint32_t upper = (record->m & ~SMALL_WEIGHTS) >> 16, lower = record->m & 0xFFFF;
    const uint32_t middle = high * lower + low * upper + (uint32_t)((int32_t)(low * lower) >> 16) + (1u << 14);
    const uint32_t y = 2 * high * upper + (uint32_t)((int32_t)middle >> 15);
    const uint32_t half = (1u << e) >> 1;
    return ((int32_t)(y + (uint32_t)((int32_t)y >> 31) + half) >> e) + zero_point;
}

#endif
