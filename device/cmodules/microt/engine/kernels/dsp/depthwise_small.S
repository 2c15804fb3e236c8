// SPDX-License-Identifier: MIT
//
// Depthwise convolution onto a 3x3 output plane, straight from (h, w, c): a whole layer in one
// call, channel by channel, the pixels of a channel in six registers, padding taps left out.
//
//   small_3x3      3x3 kernel on a 3x3 plane, padding 1 on each side: 135 instructions a channel
//   small_5x5      5x5 kernel on a 3x3 plane, padding 2 on each side: 169
//
// r0 input, r1 records, r2 output, r3 channels; stack: two halfwords of zero point, input + channels.
// The zero point is taken from the inputs, as padding taps add nothing here.
// Record of a channel: weights (int16 pairs, doubled: per row (w0 w1)(w1 w2), 5x5 (w0 w1)(w2 w3)
// (w1 w2)(w3 w4)), bias (doubled), m, round, e.

#include "assembly.h"

#ifdef MICROT_DSP_ASSEMBLY

// FPU: s0 out, s1 and s4 channels, s2 input, s3 zero points, s5 3 * channels, s6 output.
    .macro LOAD_ROW ab bc zero      // 3 inputs of a row at r0 -> (a b)(b c)
    ldrsb   \ab, [r0]
    ldrsb   r10, [r0, r1]
    ldrsb   \bc, [r0, r1, lsl #1]
    add     r0, r0, r11
    pkhbt   \ab, \ab, r10, lsl #16
    pkhbt   \bc, r10, \bc, lsl #16
    ssub16  \ab, \ab, \zero
    ssub16  \bc, \bc, \zero
    .endm
    .macro ROW_3X3 ab bc row i8 i9 i10
    ldrd    r11, r12, [lr, #8*\row]
    smlad   r8, \ab, r12, \i8
    smlad   r9, \ab, r11, \i9
    smlatt  r9, \bc, r12, r9
    smlad   r10, \bc, r11, \i10
    .endm
    .macro FINISH_ROW record        // 3 outputs of a row, and on to the next
    ldrd    r11, r12, [lr, #\record+4]
    ldr     r0, [lr, #\record+12]
    REQUANTIZE r8, r11, r12, r0, r1
    REQUANTIZE r9, r11, r12, r0, r1
    REQUANTIZE r10, r11, r12, r0, r1
    vmov    r0, r1, s0, s1
    strb    r8, [r0]
    strb    r9, [r0, r1]
    strb    r10, [r0, r1, lsl #1]
    .endm
    .macro NEXT_OUT
    vmov    r1, s5
    add     r0, r0, r1
    vmov    s0, r0
    .endm
    .macro NEXT_SMALL label
    vmov    r0, s6
    adds    r0, #1
    vmov    s6, r0
    vmov    s0, r0
    vmov    r0, s2
    adds    r0, #1
    vmov    s2, r0
    vmov    r1, r11, s4, s5
    ldr     r9, [sp, #40]
    cmp     r0, r9
    bne.w   \label
    .endm
    .macro HEAD_SMALL
    ldr     r4, [sp, #36]
    mov     r1, r3
    add     r11, r3, r3, lsl #1
    vmov    s0, s1, r2, r3
    vmov    s2, s3, r0, r4
    vmov    s4, s5, r3, r11
    vmov    s6, r2
    .endm

    FUNCTION microt_dsp_small_3x3
    push    {r4-r11, lr}
    mov     lr, r1
    HEAD_SMALL
1:
    vmov    r0, r12, s2, s3
    LOAD_ROW r2, r3, r12
    LOAD_ROW r4, r5, r12
    LOAD_ROW r6, r7, r12
    ldr     r10, [lr, #24]
    ROW_3X3 r2, r3, 1, r10, r10, r10
    ROW_3X3 r4, r5, 2, r8, r9, r10
    FINISH_ROW 24
    NEXT_OUT
    ldr     r10, [lr, #24]
    ROW_3X3 r2, r3, 0, r10, r10, r10
    ROW_3X3 r4, r5, 1, r8, r9, r10
    ROW_3X3 r6, r7, 2, r8, r9, r10
    FINISH_ROW 24
    NEXT_OUT
    ldr     r10, [lr, #24]
    ROW_3X3 r4, r5, 0, r10, r10, r10
    ROW_3X3 r6, r7, 1, r8, r9, r10
    FINISH_ROW 24
    add     lr, lr, #40
    NEXT_SMALL 1b
    pop     {r4-r11, pc}
    FUNCTION_END microt_dsp_small_3x3

    .macro LOAD_ROW5 ab c           // 3 inputs of a row -> (a b)(c -)
    ldrsb   \ab, [r0]
    ldrsb   r10, [r0, r1]
    ldrsb   \c, [r0, r1, lsl #1]
    add     r0, r0, r11
    pkhbt   \ab, \ab, r10, lsl #16
    ssub16  \c, \c, r12
    ssub16  \ab, \ab, r12
    .endm
    .macro ROW_5X5 ab c i8 i9 i10
    ldm     lr!, {r0, r1, r11, r12}
    smlad   r8, \ab, r1, \i8
    smlad   r9, \ab, r11, \i9
    smlad   r10, \ab, r0, \i10
    smlabt  r8, \c, r12, r8
    smlabb  r9, \c, r12, r9
    smlabb  r10, \c, r1, r10
    .endm
    .macro OUT_ROW5 weights         // s7 holds the record
    vmov    lr, s7
    ldr     r10, [lr, #80]
    .if \weights
    add     lr, lr, #\weights
    .endif
    ROW_5X5 r2, r3, r10, r10, r10
    ROW_5X5 r4, r5, r8, r9, r10
    ROW_5X5 r6, r7, r8, r9, r10
    vmov    lr, s7
    FINISH_ROW 80
    .endm

    FUNCTION microt_dsp_small_5x5
    push    {r4-r11, lr}
    vmov    s7, r1
    HEAD_SMALL
1:
    vmov    r0, r12, s2, s3
    LOAD_ROW5 r2, r3
    LOAD_ROW5 r4, r5
    LOAD_ROW5 r6, r7
    OUT_ROW5 32
    NEXT_OUT
    OUT_ROW5 16
    NEXT_OUT
    OUT_ROW5 0
    add     lr, lr, #96
    vmov    s7, lr
    NEXT_SMALL 1b
    pop     {r4-r11, pc}
    FUNCTION_END microt_dsp_small_5x5

#endif
