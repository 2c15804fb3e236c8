// SPDX-License-Identifier: MIT
//
// The inputs of a pixel of a 3x3 convolution of 3 channels, from bytes at any address straight to pairs.
// void microt_m0_first(const int8_t *const *rows, int32_t *pairs)
// rows: the addresses of the three rows' 9 bytes; pairs: i32[14], see pointwise.S for their order.

#include "assembly.h"

#ifdef MICROT_M0_ASSEMBLY

// The pairs (b0, b2) (b1, b3) of four bytes at r0. r2 to r5 hold the offsets 0 to 3.
    .macro QUAD
    ldrsb   r6, [r0, r2]
    ldrsb   r7, [r0, r4]
    lsls    r7, r7, #16
    adds    r6, r6, r7
    str     r6, [r1]
    ldrsb   r6, [r0, r3]
    ldrsb   r7, [r0, r5]
    lsls    r7, r7, #16
    adds    r6, r6, r7
    str     r6, [r1, #4]
    adds    r1, #8
    .endm

    FUNCTION microt_m0_first
    push    {r4-r7, lr}
    mov     r12, r0
    movs    r2, #0
    movs    r3, #1
    movs    r4, #2
    movs    r5, #3
    ldr     r0, [r0]
    QUAD
    adds    r0, #4
    QUAD
    mov     r0, r12
    ldr     r0, [r0, #4]
    QUAD
    adds    r0, #4
    QUAD
    mov     r0, r12
    ldr     r0, [r0, #8]
    QUAD
    adds    r0, #4
    QUAD
    movs    r2, #8
    subs    r0, #4
    ldrsb   r6, [r0, r2]            // row 2
    lsls    r6, r6, #16
    mov     r0, r12
    ldr     r7, [r0]
    ldrsb   r7, [r7, r2]            // row 0
    adds    r6, r6, r7
    ldr     r7, [r0, #4]
    ldrsb   r7, [r7, r2]            // row 1
    stmia   r1!, {r6, r7}
    pop     {r4-r7, pc}
    FUNCTION_END microt_m0_first

#endif
