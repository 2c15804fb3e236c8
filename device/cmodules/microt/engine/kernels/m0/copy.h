// SPDX-License-Identifier: MIT
//
// Short runs of bytes: the C library's functions for this core go byte by byte, or ask for more than they give.

#ifndef MICROT_KERNELS_M0_COPY_H
#define MICROT_KERNELS_M0_COPY_H

#include <stdint.h>

static inline void copy(int8_t *to, const int8_t *from, int32_t n) {
    if ((((uintptr_t)to | (uintptr_t)from | (uintptr_t)n) & 3) == 0) {
        for (int32_t i = 0; i < n; i += 4) {
            *(int32_t *)(to + i) = *(const int32_t *)(from + i);
        }
        return;
    }
    for (int32_t i = 0; i < n; i++) {
        to[i] = from[i];
        __asm volatile ("" ::: "memory"); // stays a loop
    }
}

static inline void fill(int8_t *to, int32_t value, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        to[i] = (int8_t)value;
        __asm volatile ("" ::: "memory");
    }
}

#endif // MICROT_KERNELS_M0_COPY_H
