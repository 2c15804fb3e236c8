// SPDX-License-Identifier: MIT
//
// Sums of products of one row of inputs with the weights of 4 or 2 output channels in TensorFlow
// Lite's order: 32 MACs in 49 instructions, 16 in 28.
//
// r0 inputs i8[depth], r1 weights of the first channel, r2 bytes from a channel's weights to the
// next one's, r3 end of the inputs' whole words (at least one word); stack: two halfwords of minus
// the zero point, sums i32[4] or i32[2], which are written. Any alignment.
//
// r4-r7 sums, r8 r9 inputs, r10 weights, r11 r3 scratch, r12 3 * r2, lr minus the zero points.
// Loads stand in pairs where registers allow: the second of a pair costs one cycle.

#include "assembly.h"

#ifdef MICROT_DSP_ASSEMBLY

    .macro PRODUCTS sum w t         // 4 products; w and t are lost
    sxtb16  \t, \w, ror #8
    sxtb16  \w, \w
    smlad   \sum, r9, \t, \sum
    smlad   \sum, r8, \w, \sum
    .endm

    .macro CHANNELS4
    ldr     r8, [r0], #4
    ldr     r10, [r1, r2]
    sxtab16 r9, lr, r8, ror #8
    sxtab16 r8, lr, r8
    PRODUCTS r5, r10, r11
    ldr     r10, [r1, r2, lsl #1]
    ldr     r3, [r1, r12]
    PRODUCTS r6, r10, r11
    ldr     r10, [r1], #4
    PRODUCTS r7, r3, r11
    PRODUCTS r4, r10, r11
    .endm

    FUNCTION microt_dsp_channels4
    push    {r4-r11, lr}
    ldr     lr, [sp, #36]
    vmov    s0, r3
    movs    r4, #0
    movs    r5, #0
    movs    r6, #0
    movs    r7, #0
    add     r12, r2, r2, lsl #1
    subs    r3, r3, r0
    lsls    r3, r3, #29             // odd number of words: enter at the second
    bmi     2f
1:
    CHANNELS4
2:
    CHANNELS4
    vmov    r3, s0
    cmp     r0, r3
    bne     1b
    ldr     r8, [sp, #40]
    stm     r8, {r4-r7}
    pop     {r4-r11, pc}
    FUNCTION_END microt_dsp_channels4

    .macro CHANNELS2
    ldr     r8, [r0], #4
    ldr     r10, [r1, r2]
    ldr     r6, [r1], #4
    sxtab16 r9, lr, r8, ror #8
    sxtab16 r8, lr, r8
    PRODUCTS r5, r10, r11
    PRODUCTS r4, r6, r11
    .endm

    FUNCTION microt_dsp_channels2
    push    {r4-r11, lr}
    ldr     lr, [sp, #36]
    movs    r4, #0
    movs    r5, #0
    subs    r6, r3, r0
    lsls    r6, r6, #29
    bmi     2f
1:
    CHANNELS2
2:
    CHANNELS2
    cmp     r0, r3
    bne     1b
    ldr     r8, [sp, #40]
    stm     r8, {r4-r5}
    pop     {r4-r11, pc}
    FUNCTION_END microt_dsp_channels2

#endif
