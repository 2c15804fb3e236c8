// SPDX-License-Identifier: MIT
//
// The DSP instructions that the C parts use; operands are words of two int16.

#ifndef MICROT_KERNELS_DSP_INSTRUCTIONS_H
#define MICROT_KERNELS_DSP_INSTRUCTIONS_H

#include <stdint.h>

static inline int32_t sxtb16(uint32_t x) { // bytes 0 and 2
    int32_t y;
    __asm("sxtb16 %0, %1" : "=r" (y) : "r" (x));
    return y;
}

static inline int32_t sxtb16_high(uint32_t x) { // bytes 1 and 3
    int32_t y;
    __asm("sxtb16 %0, %1, ror #8" : "=r" (y) : "r" (x));
    return y;
}

static inline int32_t sxtab16(int32_t a, uint32_t x) {
    __asm("sxtab16 %0, %0, %1" : "+r" (a) : "r" (x));
    return a;
}

static inline int32_t sxtab16_high(int32_t a, uint32_t x) {
    __asm("sxtab16 %0, %0, %1, ror #8" : "+r" (a) : "r" (x));
    return a;
}

static inline int32_t ssub16(int32_t a, int32_t b) {
    int32_t y;
    __asm("ssub16 %0, %1, %2" : "=r" (y) : "r" (a), "r" (b));
    return y;
}

static inline int32_t smlad(int32_t a, int32_t b, int32_t sum) {
    int32_t y;
    __asm("smlad %0, %1, %2, %3" : "=r" (y) : "r" (a), "r" (b), "r" (sum));
    return y;
}

static inline int32_t smlabt(int32_t a, int32_t b, int32_t sum) {
    int32_t y;
    __asm("smlabt %0, %1, %2, %3" : "=r" (y) : "r" (a), "r" (b), "r" (sum));
    return y;
}

static inline int32_t smlabb(int32_t a, int32_t b, int32_t sum) {
    int32_t y;
    __asm("smlabb %0, %1, %2, %3" : "=r" (y) : "r" (a), "r" (b), "r" (sum));
    return y;
}

static inline int32_t smlatt(int32_t a, int32_t b, int32_t sum) {
    int32_t y;
    __asm("smlatt %0, %1, %2, %3" : "=r" (y) : "r" (a), "r" (b), "r" (sum));
    return y;
}

// The REQUANTIZE of assembly.h; it does for ReLU as well.
static inline int32_t requantize_doubled(int32_t sum, int32_t m, int32_t round, int32_t e) {
    int32_t y;
    __asm("smmlar %0, %1, %2, %3" : "=r" (y) : "r" (sum), "r" (m), "r" (round + (sum >> 31)));
    y >>= e & 0xFF;
    __asm("ssat %0, #8, %1" : "=r" (y) : "r" (y));
    return y;
}

#endif // MICROT_KERNELS_DSP_INSTRUCTIONS_H
