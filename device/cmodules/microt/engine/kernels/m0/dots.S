// SPDX-License-Identifier: MIT
//
// Products of a row of inputs with the weights of two or four output channels, from bytes at any address.
// void microt_m0_dotsN(const int8_t *inputs, const int8_t *weights, const microt_m0_dots_t *d, int32_t *sums)
// sums[i] = sum of (inputs[k] + offset) * weights[i * pitch + k], for k in [0, depth), depth not 0. Four channels: 15
// instructions an input, 3.75 a product.

#include "assembly.h"

#ifdef MICROT_M0_ASSEMBLY

// Offsets of microt_m0_dots_t (fully_connected.c).
    .equ D_PITCH, 0
    .equ D_DEPTH, 4
    .equ D_OFFSET, 8

    .macro PRODUCT weights sum
    ldrsb   r7, [\weights, r5]
    muls    r7, r6, r7
    add     \sum, r7
    .endm

// r0 inputs, r1-r4 weights, r5 index, r6 input; r8-r11 sums, r12 depth, lr offset.
    .macro DOTS channels tap_bytes
    FUNCTION microt_m0_dots\channels
    PUSH_ALL
    push    {r3}
    ldr     r6, [r2, #D_PITCH]
    ldr     r7, [r2, #D_DEPTH]
    mov     r12, r7
    ldr     r5, [r2, #D_OFFSET]
    mov     lr, r5
    adds    r2, r1, r6
    .if \channels == 4
    adds    r3, r2, r6
    adds    r4, r3, r6
    .endif
    negs    r7, r7
    movs    r5, #3
    ands    r7, r5                  // taps to leave out at first
    movs    r5, #\tap_bytes
    muls    r7, r5, r7
    adr     r5, 1f
    adds    r7, r7, r5
    movs    r5, #0
    mov     r8, r5
    mov     r9, r5
    mov     r10, r5
    mov     r11, r5
    mov     pc, r7
    .balign 4
1:
    .rept 4
    ldrsb   r6, [r0, r5]
    add     r6, lr
    PRODUCT r1, r8
    PRODUCT r2, r9
    .if \channels == 4
    PRODUCT r3, r10
    PRODUCT r4, r11
    .endif
    adds    r5, #1
    .endr
    cmp     r5, r12
    bne     1b
    pop     {r3}
    mov     r4, r8
    mov     r5, r9
    stmia   r3!, {r4, r5}
    .if \channels == 4
    mov     r4, r10
    mov     r5, r11
    stmia   r3!, {r4, r5}
    .endif
    POP_ALL
    FUNCTION_END microt_m0_dots\channels
    .endm

    DOTS 4, 30
    DOTS 2, 18

#endif
