// SPDX-License-Identifier: MIT
//
// Dot products of one row of inputs with two rows of weights, in TensorFlow Lite's order, any length: FULLY_CONNECTED,
// and CONV_2D where no layout fits.

#include "assembly.h"

#ifdef MICROT_MVE_ASSEMBLY

// void microt_mve_dots(const int8_t *x, const int8_t *w0, const int8_t *w1, int32_t n, int32_t sums[4])
// sums: x . w0, x . w1, sum of w0, sum of w1. 7 instructions for 32 products.
    FUNCTION microt_mve_dots
    push {r4-r8, lr}
    movs r4, #0
    movs r6, #0
    mov r8, #0
    mov r12, #0
    dlstp.8 lr, r3
1:  vldrb.8 q0, [r0], #16
    vldrb.8 q1, [r1], #16
    vldrb.8 q2, [r2], #16
    vmladava.s8 r4, q0, q1
    vmladava.s8 r6, q0, q2
    vaddva.s8 r8, q1
    vaddva.s8 r12, q2
    letp lr, 1b
    ldr r3, [sp, #24]
    strd r4, r6, [r3]
    strd r8, r12, [r3, #8]
    pop {r4-r8, pc}
    FUNCTION_END microt_mve_dots

#endif
