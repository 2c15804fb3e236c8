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

#endif // MICROT_KERNELS_MVE_COPY_H
