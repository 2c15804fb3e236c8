// SPDX-License-Identifier: MIT
//
// ADD: sums of two table entries (doubled rescaled inputs), requantised: four values in 45
// instructions.
//
// add_values: r0 a, r1 b, r2 out, r3 table of a i32[256] (table of b follows); stack: end of out rounded down
// to a multiple of 4 values, m, round, e. At least 4 values; out may be a or b.
//
// r4 table of b, r5 m, r6 round, r7 end, r12 e, r8-r11 a value.

#include "assembly.h"

#ifdef MICROT_DSP_ASSEMBLY

// Half a table: r0 i32[128], r1 first doubled value, r2 step, r3 m; stack: half = 2^(e-1) (0 when e
// is 0), e, a mask: -1, or 0 when e is 0. Entry = 2 * M(value): 8 instructions each.
    FUNCTION microt_dsp_add_table
    push    {r4-r9, lr}
    ldrd    r4, r5, [sp, #28]
    ldr     r6, [sp, #36]
    movs    r7, #64
1:
    .rept   2
    and     r8, r6, r1, asr #31
    add     r8, r8, r4
    smmlar  r8, r1, r3, r8
    asr     r8, r8, r5
    lsl     r8, r8, #1
    str     r8, [r0], #4
    add     r1, r1, r2
    .endr
    subs    r7, #1
    bne     1b
    pop     {r4-r9, pc}
    FUNCTION_END microt_dsp_add_table

    FUNCTION microt_dsp_add_values
    push    {r4-r9, lr}
    add     r4, r3, #1024
    ldrd    r7, r5, [sp, #28]
    ldrd    r6, r12, [sp, #36]
1:
    .set    i, 0
    .rept   4
    ldrb    r8, [r0, #i]
    ldrb    r9, [r1, #i]
    ldr     r8, [r3, r8, lsl #2]
    ldr     r9, [r4, r9, lsl #2]
    add     r8, r8, r9
    add     r9, r6, r8, asr #31
    smmlar  r8, r8, r5, r9
    asr     r8, r8, r12
    ssat    r8, #8, r8
    strb    r8, [r2, #i]
    .set    i, i+1
    .endr
    adds    r0, #4
    adds    r1, #4
    adds    r2, #4
    cmp     r2, r7
    bne     1b
    pop     {r4-r9, pc}
    FUNCTION_END microt_dsp_add_values

#endif
