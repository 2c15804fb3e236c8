// SPDX-License-Identifier: MIT
//
// Pointwise convolution (and any other after im2col): two output channels over the pixels of a tile.
//
// Two products per MULS, exact. Activations in pairs A = a0 + a1 2^16, weights in pairs W = w1 + w0 2^16, all signed. Modulo
// 2^32, A W = a0 w1 + (a0 w0 + a1 w1) 2^16: the upper half is the wanted sum, at most 2^15 - 1 in size where |w0| + |w1| <=
// 255, and too low by one when a0 w1 is negative. Then bit 15 is set; ASRS #16 moves it to the carry and ADCS adds it back:
// MULS, ASRS, ADCS are two multiply-accumulates. Where |w0| + |w1| + |w2| + |w3| <= 255, as is usual in trained networks, two
// products can be added first: four multiply-accumulates in five instructions.
//
//   tile      i32[pixels][depth / 4][2] {a0 + a2 2^16, a1 + a3 2^16}, as microt_m0_expand makes them of bytes a0 a1 a2 a3
//   stream    bias A, bias B; i32[depth / 4][4] {w2 + w0 2^16, w3 + w1 2^16} of A, the same of B: microt_m0_expand of
//             bytes w2 w3 w0 w1; the requantisation words of A and of B (requantize.h)

#include "assembly.h"

#ifdef MICROT_M0_ASSEMBLY

// ---- void microt_m0_expand(const int8_t *bytes, int32_t *pairs, const int8_t *end) --------------------------------
// Four bytes: 9 instructions. bytes at a multiple of 4, a multiple of 4 of them, not none.
    .macro EXPAND4
    ldmia   r0!, {r3}
    eors    r3, r5
    movs    r4, r3
    lsrs    r4, r4, #8
    ands    r3, r6
    ands    r4, r6
    subs    r3, r3, r7
    subs    r4, r4, r7
    stmia   r1!, {r3, r4}
    .endm

    FUNCTION microt_m0_expand
    push    {r4-r7, lr}
    ldr     r5, =0x80808080
    ldr     r6, =0x00FF00FF
    ldr     r7, =0x00800080
    subs    r3, r2, r0
    lsrs    r3, r3, #3              // C: four bytes beside whole steps of 8
    bcc     1f
    EXPAND4
    cmp     r0, r2
    beq     2f
1:
    EXPAND4
    EXPAND4
    cmp     r0, r2
    bne     1b
2:
    pop     {r4-r7, pc}
    .ltorg
    FUNCTION_END microt_m0_expand

// ---- void microt_m0_pairs(const microt_m0_pairs_t *p) --------------------------------------------------------------
// microt_m0_small_pairs is for weights any four of which, as they are stored, are small enough to be added first.
// Offsets of microt_m0_pairs_t (conv_2d.c).
    .equ P_TILE, 0
    .equ P_STREAM, 4
    .equ P_DEPTH, 8
    .equ P_OUT, 12
    .equ P_END, 16
    .equ P_PITCH, 20
    .equ P_WINDOW, 24
    .equ P_RECORD, 28
    .equ P_ZERO, 32

// Four inputs of two channels: 15 instructions, for small weights 13.
    .macro STEP
    ldmia   r0!, {r2, r3}
    ldmia   r1!, {r4, r5}
    MAC2    r6, r2, r4
    MAC2    r6, r3, r5
    ldmia   r1!, {r4, r5}
    MAC2    r7, r2, r4
    MAC2    r7, r3, r5
    .endm

    .macro MAC4 acc
    muls    r4, r2, r4
    muls    r5, r3, r5
    adds    r4, r4, r5
    asrs    r4, r4, #16
    adcs    \acc, r4
    .endm

    .macro SMALL_STEP
    ldmia   r0!, {r2, r3}
    ldmia   r1!, {r4, r5}
    MAC4    r6
    ldmia   r1!, {r4, r5}
    MAC4    r7
    .endm

    .equ STEPS, 8                   // unrolled

    .macro REQUANTIZE acc saturated doubtful done
    ldmia   r1!, {r2-r5}
    cmp     \acc, r2
    bhs     \saturated
    movs    r2, \acc
    lsrs    r2, r3
    muls    r2, r4, r2
    adds    r2, r2, r5
    lsls    r3, r2, #8
    cmp     r3, r12
    blo     \doubtful
    lsrs    \acc, r2, #24
\done:
    .endm

    .macro DOUBTFUL acc record done
    mov     r2, r12
    mov     r3, lr
    push    {r0-r3}
    movs    r0, \acc
    ldr     r1, [sp, #16]
    ldr     r2, [r1, #P_ZERO]
    ldr     r1, [r1, #P_RECORD]
    .if \record
    adds    r1, #20
    .endif
    bl      microt_m0_exact
    movs    \acc, r0
    pop     {r0-r3}
    mov     r12, r2
    mov     lr, r3
    b       \done
    .endm

// r0 tile, r1 stream, r6 r7 sums; r8 stream's start, r9 where to enter the steps, r10 out, r11 pitch, r12 window << 8,
// lr end of the stream's weights; at sp the struct.
    .macro PAIRS name step step_bytes
    FUNCTION \name
    PUSH_ALL
    push    {r0}
    ldr     r1, [r0, #P_STREAM]
    mov     r8, r1
    ldr     r2, [r0, #P_DEPTH]
    lsls    r3, r2, #2              // 2 channels, 2 bytes
    adds    r3, r3, r1
    adds    r3, #8
    mov     lr, r3
    lsrs    r2, r2, #2
    negs    r2, r2
    movs    r3, #STEPS - 1
    ands    r2, r3                  // steps to leave out at first
    movs    r3, #\step_bytes
    muls    r2, r3, r2
    adr     r3, 2f
    adds    r3, r3, r2
    mov     r9, r3
    ldr     r2, [r0, #P_OUT]
    mov     r10, r2
    ldr     r2, [r0, #P_PITCH]
    mov     r11, r2
    ldr     r2, [r0, #P_WINDOW]
    lsls    r2, r2, #8
    mov     r12, r2
    ldr     r0, [r0, #P_TILE]
1:
    mov     r1, r8
    ldmia   r1!, {r6, r7}
    mov     pc, r9
    .balign 4
2:
    .rept STEPS
    \step
    .endr
    cmp     r1, lr
    bne     2b
    REQUANTIZE r6, 3f, 5f, 7
    REQUANTIZE r7, 4f, 6f, 8
    mov     r2, r10
    strb    r6, [r2]
    strb    r7, [r2, #1]
    add     r2, r11
    mov     r10, r2
    ldr     r3, [sp]
    ldr     r3, [r3, #P_END]
    cmp     r2, r3
    beq     9f
    b       1b
9:
    pop     {r0}
    POP_ALL
3:
    SATURATED r6, r2
    b       7b
4:
    SATURATED r7, r2
    b       8b
5:
    DOUBTFUL r6, 0, 7b
6:
    DOUBTFUL r7, 1, 8b
    FUNCTION_END \name
    .endm

    PAIRS microt_m0_pairs, STEP, 30
    PAIRS microt_m0_small_pairs, SMALL_STEP, 26

#endif
