// SPDX-License-Identifier: MIT
//
// ADD by tables.
// void microt_m0_add_values(const microt_m0_add_t *p)

#include "assembly.h"

#ifdef MICROT_M0_ASSEMBLY

// Offsets of microt_m0_add_t (add.c).
    .equ P_X1, 0
    .equ P_X2, 4
    .equ P_OUT, 8
    .equ P_END, 12
    .equ P_TABLES, 16
    .equ P_RANGE, 20
    .equ P_S, 24
    .equ P_FACTOR, 28
    .equ P_OFFSET, 32
    .equ P_RECORD, 36
    .equ P_ZERO, 40

// r0 r1 inputs, r2 r3 values, r4 r5 tables, r6 factor, r7 shift; r8 out, r9 range, r10 offset, r11 the sum, r12 window << 8,
// lr end of the output; at sp the struct.
    FUNCTION microt_m0_add_values
    PUSH_ALL
    push    {r0}
    movs    r7, r0
    ldr     r4, [r7, #P_TABLES]
    movs    r5, #1
    lsls    r5, r5, #10
    adds    r5, r5, r4
    ldr     r0, [r7, #P_OUT]
    mov     r8, r0
    ldr     r0, [r7, #P_RANGE]
    mov     r9, r0
    ldr     r0, [r7, #P_OFFSET]
    mov     r10, r0
    movs    r0, #1
    lsls    r0, r0, #26             // 2^18 << 8
    mov     r12, r0
    ldr     r0, [r7, #P_END]
    mov     lr, r0
    ldr     r0, [r7, #P_X1]
    ldr     r1, [r7, #P_X2]
    ldr     r6, [r7, #P_FACTOR]
    ldr     r7, [r7, #P_S]
1:
    ldrb    r2, [r0]
    ldrb    r3, [r1]
    lsls    r2, r2, #2
    lsls    r3, r3, #2
    ldr     r2, [r4, r2]
    ldr     r3, [r5, r3]
    adds    r2, r2, r3
    adds    r0, #1
    adds    r1, #1
    cmp     r2, r9
    bhs     3f
    mov     r11, r2
    lsrs    r2, r7
    muls    r2, r6, r2
    add     r2, r10
    lsls    r3, r2, #8
    cmp     r3, r12
    blo     4f
    lsrs    r2, r2, #24
2:
    mov     r3, r8
    strb    r2, [r3]
    adds    r3, #1
    mov     r8, r3
    cmp     r3, lr
    bne     1b
    pop     {r0}
    POP_ALL
3:
    SATURATED r2, r3
    b       2b
4:
    mov     r2, r12
    mov     r3, lr
    push    {r0-r3}
    mov     r0, r11
    ldr     r1, [sp, #16]
    ldr     r2, [r1, #P_ZERO]
    ldr     r1, [r1, #P_RECORD]
    bl      microt_m0_exact
    mov     r11, r0
    pop     {r0-r3}
    mov     r12, r2
    mov     lr, r3
    mov     r2, r11
    b       2b
    FUNCTION_END microt_m0_add_values

#endif
