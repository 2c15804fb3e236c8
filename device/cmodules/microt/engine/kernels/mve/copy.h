// SPDX-License-Identifier: MIT
//
// Copies of a few dozen bytes from and to any address, 4 instructions for 16 bytes; n may be 0.

#ifndef MICROT_KERNELS_MVE_COPY_H
#define MICROT_KERNELS_MVE_COPY_H

#include <stdint.h>

static inline void microt_mve_copy(int8_t *to, const int8_t *from, int32_t n) {
    __asm volatile (
        "wlstp.8 lr, %2, 2f\n"
        "1: vldrb.8 q0, [%1], #16\n"
        "vstrb.8 q0, [%0], #16\n"
        "letp lr, 1b\n"
        "2:"
        : "+r" (to), "+r" (from) : "r" (n) : "lr", "q0", "memory");
}

static inline void microt_mve_set(int8_t *to, int32_t value, int32_t n) {
    __asm volatile (
        "vdup.8 q0, %1\n"
        "wlstp.8 lr, %2, 2f\n"
        "1: vstrb.8 q0, [%0], #16\n"
        "letp lr, 1b\n"
        "2:"
        : "+r" (to) : "r" (value), "r" (n) : "lr", "q0", "memory");
}

// n steps of 16 bytes to places pitch apart; n is at least 1. Both return the place after the last.
static inline int8_t *microt_mve_copy_steps(int8_t *to, const int8_t *from, int32_t n, int32_t pitch) {
    __asm volatile (
        "dls lr, %2\n"
        "1: vldrb.8 q0, [%1], #16\n"
        "vstrb.8 q0, [%0]\n"
        "add %0, %3\n"
        "le lr, 1b"
        : "+r" (to), "+r" (from) : "r" (n), "r" (pitch) : "lr", "q0", "memory");
    return to;
}

static inline int8_t *microt_mve_set_steps(int8_t *to, int32_t value, int32_t n, int32_t pitch) {
    __asm volatile (
        "vdup.8 q0, %1\n"
        "dls lr, %2\n"
        "1: vstrb.8 q0, [%0]\n"
        "add %0, %3\n"
        "le lr, 1b"
        : "+r" (to) : "r" (value), "r" (n), "r" (pitch) : "lr", "q0", "memory");
    return to;
}

#endif // MICROT_KERNELS_MVE_COPY_H
