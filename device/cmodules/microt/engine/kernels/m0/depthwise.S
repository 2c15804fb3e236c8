// SPDX-License-Identifier: MIT
//
// Depthwise convolution of a strip of one channel's plane. Pair products are pointwise.S's.
//
//   plane     rows of words a(2i) + a(2i+1) 2^16: two neighbouring columns, padding included; the first column is the
//             first tap of the first output
//   stream    bias, bias; the taps of each row in pairs; the requantisation words (requantize.h)
//
// Two neighbouring outputs at once. Stride 1: output 0 takes of a row the words whole and the last one's lower half,
// output 1 the first one's upper half and the others whole, so that a word takes two pairs of taps: (w1 + w0 2^16, w0),
// (w3 + w2 2^16, w2 + w1 2^16) .. (w(k-1) 2^16, w(k-1) + w(k-2) 2^16). Stride 2: output 1 takes the words that begin one
// later, so both take the pairs w1 + w0 2^16 .. w(k-1) 2^16. 3x3: 48 instructions for the sums of two outputs.

#include "assembly.h"

#ifdef MICROT_M0_ASSEMBLY

// ---- void microt_m0_plane_KxK_sS(const microt_m0_plane_t *p) ------------------------------------------------------
// Offsets of microt_m0_plane_t (depthwise_conv_2d.c).
    .equ P_STREAM, 0
    .equ P_PLANE, 4
    .equ P_OUT, 8
    .equ P_PITCH, 12
    .equ P_ROWS, 16
    .equ P_STEPS, 20
    .equ P_ODD, 24
    .equ P_ROW_BYTES, 28
    .equ P_WINDOW, 32
    .equ P_RECORD, 36
    .equ P_ZERO, 40

// Of the frame: the row's first word, its end, where to go on after a step, rows left, the struct.
    .equ F_ROW, 0
    .equ F_END, 4
    .equ F_BACK, 8
    .equ F_ROWS, 12
    .equ F_STRUCT, 16
    .equ FRAME, 20

// Rows of taps: r6 and r7 sum outputs 0 and 1, r0 and r1 go past the row's words.
    .macro ROW_3_S1
    ldmia   r1!, {r2, r3}
    ldmia   r0!, {r4, r5}
    MAC2    r6, r2, r4
    MAC2    r7, r2, r5
    ldmia   r0!, {r4, r5}
    MAC2    r6, r3, r4
    MAC2    r7, r3, r5
    .endm

    .macro ROW_5_S1
    ROW_3_S1
    ldmia   r1!, {r2}
    ldmia   r0!, {r4, r5}
    MAC2    r6, r2, r4
    MAC2    r7, r2, r5
    .endm

    .macro ROW_7_S1
    ROW_3_S1
    ROW_3_S1
    .endm

    .macro ROW_3_S2
    ldmia   r1!, {r2}
    NEXT_4_S2
    .endm

    .macro ROW_5_S2
    ROW_3_S2
    ldmia   r1!, {r3}
    ldmia   r0!, {r4}
    MAC2    r6, r4, r2
    MAC2    r7, r3, r4
    .endm

    .macro ROW_7_S2
    ROW_3_S2
    NEXT_4_S2
    .endm

// Two pairs of taps; r2 holds the first one's word and then the next one's.
    .macro NEXT_4_S2
    ldmia   r1!, {r3}
    ldmia   r0!, {r4, r5}
    MAC2    r6, r4, r2
    MAC2    r7, r3, r4
    ldmia   r1!, {r2}
    MAC2    r6, r5, r3
    MAC2    r7, r2, r5
    .endm

// r0 stream, r1 plane, r2-r5, r6 r7 sums; r8 stream's start, r9 a sum kept for the exact path, r10 window << 8, r11 out,
// r12 from the end of a row's words to the next row, lr bytes between outputs (0: only the first of two counts).
    .macro REQUANTIZE acc saturated doubtful done
    cmp     \acc, r2
    bhs     \saturated
    mov     r9, \acc
    lsrs    \acc, r3
    muls    \acc, r4, \acc
    adds    \acc, \acc, r5
    lsls    r0, \acc, #8
    cmp     r0, r10
    blo     \doubtful
    lsrs    \acc, \acc, #24
\done:
    .endm

    .macro DOUBTFUL acc done
    mov     \acc, lr                // kept by the call, as are r4 and r5
    mov     r0, r12
    push    {r0-r3}
    mov     r0, r9
    ldr     r1, [sp, #F_STRUCT + 16]
    ldr     r2, [r1, #P_ZERO]
    ldr     r1, [r1, #P_RECORD]
    bl      microt_m0_exact
    mov     lr, \acc
    movs    \acc, r0
    pop     {r0-r3}
    mov     r12, r0
    b       \done
    .endm

// words: of a row that r1 passes
    .macro PLANE name k row words step
    FUNCTION \name
    PUSH_ALL
    sub     sp, #FRAME
    str     r0, [sp, #F_STRUCT]
    ldr     r1, [r0, #P_STREAM]
    mov     r8, r1
    ldr     r1, [r0, #P_WINDOW]
    lsls    r1, r1, #8
    mov     r10, r1
    ldr     r1, [r0, #P_OUT]
    mov     r11, r1
    ldr     r1, [r0, #P_PITCH]
    mov     lr, r1
    ldr     r1, [r0, #P_ROW_BYTES]
    movs    r2, #\k
    muls    r2, r1, r2
    subs    r2, #\step
    negs    r2, r2
    str     r2, [sp, #F_BACK]
    subs    r1, #4 * \words
    mov     r12, r1
    ldr     r1, [r0, #P_ROWS]
    str     r1, [sp, #F_ROWS]
    ldr     r1, [r0, #P_PLANE]
1:
    str     r1, [sp, #F_ROW]
    ldr     r0, [sp, #F_STRUCT]
    ldr     r0, [r0, #P_STEPS]
    adds    r0, r0, r1
    str     r0, [sp, #F_END]
    cmp     r0, r1
    bne     2f
    b       8f
2:
    mov     r0, r8
    ldmia   r0!, {r6, r7}
    .rept \k
    \row
    add     r1, r12
    .endr
    ldmia   r0!, {r2-r5}
    REQUANTIZE r6, 4f, 6f, 10
    REQUANTIZE r7, 5f, 7f, 11
    mov     r2, r11
    mov     r3, lr
    strb    r7, [r2, r3]
    strb    r6, [r2]
    add     r11, lr
    add     r11, lr
    ldr     r2, [sp, #F_BACK]
    adds    r1, r1, r2
    ldr     r2, [sp, #F_END]
    cmp     r1, r2
    beq     8f
3:
    b       2b
4:
    SATURATED r6, r0
    b       10b
5:
    SATURATED r7, r0
    b       11b
6:
    DOUBTFUL r6, 10b
7:
    DOUBTFUL r7, 11b
8:                                  // the end of a row: one output more when the width is odd
    ldr     r0, [sp, #F_STRUCT]
    ldr     r2, [r0, #P_ODD]
    cmp     r2, #0
    beq     9f
    mov     r3, lr
    cmp     r3, #0
    beq     12f
    movs    r3, #0
    mov     lr, r3
    ldr     r2, [sp, #F_END]
    adds    r2, #\step
    str     r2, [sp, #F_END]
    b       3b
12:
    ldr     r3, [r0, #P_PITCH]
    mov     lr, r3
    add     r11, lr
9:
    ldr     r2, [sp, #F_ROWS]
    subs    r2, #1
    str     r2, [sp, #F_ROWS]
    beq     13f
    ldr     r1, [sp, #F_ROW]
    ldr     r3, [r0, #P_ROW_BYTES]
    adds    r1, r1, r3
    .if \step == 8
    adds    r1, r1, r3
    .endif
    b       1b
13:
    add     sp, #FRAME
    POP_ALL
    FUNCTION_END \name
    .endm

    PLANE microt_m0_plane_3x3_s1, 3, ROW_3_S1, 2, 4
    PLANE microt_m0_plane_5x5_s1, 5, ROW_5_S1, 3, 4
    PLANE microt_m0_plane_7x7_s1, 7, ROW_7_S1, 4, 4
    PLANE microt_m0_plane_3x3_s2, 3, ROW_3_S2, 3, 8
    PLANE microt_m0_plane_5x5_s2, 5, ROW_5_S2, 4, 8
    PLANE microt_m0_plane_7x7_s2, 7, ROW_7_S2, 5, 8

// ---- int32_t *microt_m0_taps_sS(const int8_t *weights, int32_t *words, int32_t rows, int32_t pairs) ----------------
// The taps of rows of 2 pairs + 1 weights, as the kernels above want them; returns what is behind them.
    .macro TAPS name stride
    FUNCTION \name
    push    {r4-r7, lr}
    movs    r7, #1
    negs    r7, r7
1:
    mov     r12, r3
    .if \stride == 1
    movs    r6, #0                  // w before, times 2^16
    .endif
2:
    adds    r0, #1
    ldrsb   r4, [r0, r7]
    adds    r0, #1
    ldrsb   r5, [r0, r7]
    .if \stride == 1
    adds    r6, r6, r4
    .endif
    lsls    r4, r4, #16
    adds    r4, r4, r5
    .if \stride == 1
    stmia   r1!, {r4, r6}
    lsls    r6, r5, #16
    .else
    stmia   r1!, {r4}
    .endif
    subs    r3, #1
    bne     2b
    adds    r0, #1
    ldrsb   r4, [r0, r7]
    .if \stride == 1
    adds    r6, r6, r4
    lsls    r4, r4, #16
    stmia   r1!, {r4, r6}
    .else
    lsls    r4, r4, #16
    stmia   r1!, {r4}
    .endif
    mov     r3, r12
    subs    r2, #1
    bne     1b
    movs    r0, r1
    pop     {r4-r7, pc}
    FUNCTION_END \name
    .endm

    TAPS microt_m0_taps_s1, 1
    TAPS microt_m0_taps_s2, 2

// ---- void microt_m0_gather(const int8_t *in, int32_t *plane, const microt_m0_gather_t *g) --------------------------
// The rows of a channel's plane. Offsets of microt_m0_gather_t (depthwise_conv_2d.c).
    .equ G_CHANNELS, 0
    .equ G_ROWS, 4
    .equ G_LEAD, 8
    .equ G_ODD_PAIR, 12
    .equ G_FOURS, 16
    .equ G_TAIL, 20
    .equ G_SKIP, 24
    .equ G_ZERO, 28

// r0 input, r1 plane, r2 bytes between pixels, r3 twice that, r4 and r5 words, r6 0; r8 rows left, r9 end of the whole
// fours of columns, r10 bytes of them, r11 from the end of a row to the next; r12 the struct.
    .macro GATHER word t            // a pair of pixels
    ldrsb   \word, [r0, r6]
    ldrsb   \t, [r0, r2]
    lsls    \t, \t, #16
    adds    \word, \word, \t
    adds    r0, r0, r3
    .endm

    FUNCTION microt_m0_gather
    PUSH_ALL
    mov     r12, r2
    ldr     r3, [r2, #G_ROWS]
    mov     r8, r3
    ldr     r3, [r2, #G_FOURS]
    mov     r10, r3
    ldr     r3, [r2, #G_SKIP]
    mov     r11, r3
    ldr     r2, [r2, #G_CHANNELS]
    lsls    r3, r2, #1
    movs    r6, #0
1:
    mov     r7, r12
    ldr     r4, [r7, #G_LEAD]
    cmp     r4, #0
    beq     2f
    ldrsb   r5, [r0, r6]            // (zero point, first)
    lsls    r5, r5, #16
    ldr     r4, [r7, #G_ZERO]
    adds    r5, r5, r4
    stmia   r1!, {r5}
    adds    r0, r0, r2
2:
    ldr     r4, [r7, #G_ODD_PAIR]
    cmp     r4, #0
    beq     3f
    GATHER  r4, r5
    stmia   r1!, {r4}
3:
    mov     r4, r10
    cmp     r4, #0
    beq     5f
    adds    r4, r4, r1
    mov     r9, r4
4:
    GATHER  r4, r7
    GATHER  r5, r7
    stmia   r1!, {r4, r5}
    cmp     r1, r9
    bne     4b
    mov     r7, r12
5:
    ldr     r4, [r7, #G_TAIL]
    cmp     r4, #0
    beq     6f
    ldrsb   r5, [r0, r6]            // (last, zero point)
    ldr     r4, [r7, #G_ZERO]
    lsls    r4, r4, #16
    adds    r5, r5, r4
    stmia   r1!, {r5}
    adds    r0, r0, r2
6:
    add     r1, r11
    mov     r4, r8
    subs    r4, #1
    mov     r8, r4
    bne     1b
    POP_ALL
    FUNCTION_END microt_m0_gather

#endif
