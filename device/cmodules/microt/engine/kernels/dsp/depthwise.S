// SPDX-License-Identifier: MIT
//
// Depthwise convolution 3x3, 5x5, 7x7, stride 1 and 2, on planes of int16.
//
// Planes. gather copies 4 neighbouring channels of a strip of rows to int16. A row of the strip
// takes 256 bytes: the 4 channels' rows one after the other, 64 bytes = 32 values each. So rows of
// one channel are 256 bytes apart and constant offsets reach them. Values that lie outside the
// input hold its zero point, which the bias takes away.
//
// Record of a channel, i32[4]: bias (zero point folded in, doubled), m, round, e; see REQUANTIZE
// and UNLESS_RELU.
// Weights of a channel: int16 pairs, doubled; per row of k taps
//   3x3 stride 1   (w0 w1)(w1 w2)
//   5x5 stride 1   (w0 w1)(w2 w3)(w1 w2)(w3 w4)
//   7x7 stride 1   (w0 w1)(w2 w3)(w4 w5)(w1 w2)(w3 w4)(w5 w6)
//   stride 2       (k+1)/2 pairs: (w0 w1) ... (wk-1 0), or (0 w0)(w1 w2) ... when the left
//                  padding is odd: then the plane starts one column further left
// The odd last tap of a row is the top half of a pair that is there anyway (SMLABT).
//
// A plane kernel does one channel; microt_dsp_plane calls it for each channel of a microt_dsp_plane_t
// (depthwise_conv_2d.c):
//   0 weights, 4 records, 8 out, 12 pitch of an output pixel, 16 plane, 20 rows (pairs of rows
//   for 3x3), 24 bytes of the plane that a row of steps moves on, 28 pitch of an output row, 32 bytes
//   from the end of the outputs of a row (3x3: pair of rows) to the next, 36 channels, 40 bytes of
//   weights of a channel; it counts the channels down and moves weights, records, out and plane on.

#include "assembly.h"

#ifdef MICROT_DSP_ASSEMBLY

#define ROW     (256)               // bytes from a row of the strip to the next
#define CHANNEL (64)                // bytes from a channel's row to the next channel's

// ---- gather ------------------------------------------------------------------------------------
// r0 first input of 4 channels, r1 place in the strip, r2 channels of the input, r3 rows;
// stack: columns, (gather_odd: two halfwords of zero point), bytes from the end of a row's columns
// to the next row's first.
//
// gather_even starts at an even column of the plane: 16 values in 27 instructions.
// gather_odd starts at the odd column after r1, whose even neighbour it fills: 34 instructions.

// Two pixels' words of 4 channels (channels 0 2 in x0 y0, 1 3 in x1 y1) -> pairs.
    .macro PAIR x0 x1 y0 y1 off
    pkhbt   lr, \x0, \y0, lsl #16
    pkhtb   \x0, \y0, \x0, asr #16
    str     lr, [r1, #\off]
    pkhbt   lr, \x1, \y1, lsl #16
    pkhtb   \x1, \y1, \x1, asr #16
    str     \x0, [r1, #\off+2*CHANNEL]
    str     lr, [r1, #\off+CHANNEL]
    str     \x1, [r1, #\off+3*CHANNEL]
    .endm

    FUNCTION microt_dsp_gather_even
    push    {r4-r11, lr}
    ldrd    r4, r6, [sp, #36]
    vmov    s0, s1, r1, r3          // place of the row, rows left
    bic     r5, r4, #3
    lsl     r5, r5, #1              // bytes of its whole groups of 4 columns
    and     r4, r4, #3
    vmov    s2, s3, r5, r4
    vmov    s4, r6
    add     r3, r2, r2, lsl #1
1:
    vmov    r12, s2
    cmp     r12, #0
    beq     4f
    add     r12, r1, r12
2:
    ldr     r5, [r0, r2]
    ldr     r6, [r0, r2, lsl #1]
    ldr     r7, [r0, r3]
    ldr     r4, [r0]
    add     r0, r0, r2, lsl #2
    sxtb16  r8, r4
    sxtb16  r9, r4, ror #8
    sxtb16  r10, r5
    sxtb16  r11, r5, ror #8
    pkhbt   r4, r8, r10, lsl #16
    pkhtb   r8, r10, r8, asr #16
    pkhbt   r5, r9, r11, lsl #16
    pkhtb   r9, r11, r9, asr #16
    sxtb16  r10, r6
    sxtb16  r6, r6, ror #8
    sxtb16  r11, r7
    sxtb16  r7, r7, ror #8
    pkhbt   lr, r10, r11, lsl #16
    pkhtb   r10, r11, r10, asr #16
    pkhbt   r11, r6, r7, lsl #16
    pkhtb   r6, r7, r6, asr #16
    strd    r5, r11, [r1, #CHANNEL]
    strd    r8, r10, [r1, #2*CHANNEL]
    strd    r9, r6, [r1, #3*CHANNEL]
    strd    r4, lr, [r1], #8
    cmp     r1, r12
    bne     2b
4:
    vmov    r4, s3                  // 0 to 3 columns left
    cmp     r4, #0
    beq     3f
    lsls    r5, r4, #31             // odd?
    beq     5f
    lsrs    r4, r4, #1
    beq     6f
    ldr     r5, [r0, r2]
    ldr     r4, [r0]
    add     r0, r0, r2, lsl #1
    sxtb16  r8, r4
    sxtb16  r9, r4, ror #8
    sxtb16  r10, r5
    sxtb16  r11, r5, ror #8
    PAIR    r8, r9, r10, r11, 0
    adds    r1, #4
6:                                  // a single last column; halfwords, its neighbour stays
    ldr     r4, [r0]
    add     r0, r0, r2
    sxtb16  r8, r4
    sxtb16  r9, r4, ror #8
    strh    r8, [r1]
    strh    r9, [r1, #CHANNEL]
    lsrs    r8, r8, #16
    lsrs    r9, r9, #16
    strh    r8, [r1, #2*CHANNEL]
    strh    r9, [r1, #3*CHANNEL]
    b       3f
5:
    ldr     r5, [r0, r2]
    ldr     r4, [r0]
    add     r0, r0, r2, lsl #1
    sxtb16  r8, r4
    sxtb16  r9, r4, ror #8
    sxtb16  r10, r5
    sxtb16  r11, r5, ror #8
    PAIR    r8, r9, r10, r11, 0
3:
    vmov    r1, r12, s0, s1
    vmov    r4, s4
    add     r1, r1, #ROW
    add     r0, r0, r4
    subs    r12, r12, #1
    vmov    s0, s1, r1, r12
    bne.w   1b
    pop     {r4-r11, pc}
    FUNCTION_END microt_dsp_gather_even

    FUNCTION microt_dsp_gather_odd
    push    {r4-r11, lr}
    ldrd    r4, r6, [sp, #36]
    ldr     r7, [sp, #44]
    vmov    s0, s1, r1, r3
    bic     r5, r4, #3
    lsl     r5, r5, #1
    and     r4, r4, #3
    vmov    s2, s3, r5, r4
    vmov    s4, s5, r6, r7
    add     r3, r2, r2, lsl #1
1:
    vmov    r12, s2
    vmov    r8, s4                  // the column before the first: zero point
    mov     r9, r8
    cmp     r12, #0
    beq     4f
    add     r12, r1, r12
2:
    ldr     r5, [r0, r2]
    ldr     r6, [r0, r2, lsl #1]
    ldr     r7, [r0, r3]
    ldr     r4, [r0]
    add     r0, r0, r2, lsl #2
    sxtb16  r10, r4
    sxtb16  r11, r4, ror #8
    PAIR    r8, r9, r10, r11, 0
    sxtb16  r8, r5
    sxtb16  r9, r5, ror #8
    sxtb16  r10, r6
    sxtb16  r11, r6, ror #8
    PAIR    r8, r9, r10, r11, 4
    adds    r1, #8
    sxtb16  r8, r7
    sxtb16  r9, r7, ror #8
    cmp     r1, r12
    bne     2b
4:
    vmov    r4, s3                  // 0 to 3 columns left, one in r8 r9 (or the zero point)
    cbz     r4, 3f
5:
    ldr     r5, [r0]
    add     r0, r0, r2
    sxtb16  r10, r5
    sxtb16  r11, r5, ror #8
    PAIR    r8, r9, r10, r11, 0
    adds    r1, #4
    subs    r4, #1
    beq     6f
    ldr     r5, [r0]
    add     r0, r0, r2
    sxtb16  r8, r5
    sxtb16  r9, r5, ror #8
    subs    r4, #1
    bne     5b
3:
    vmov    r10, s4
    PAIR    r8, r9, r10, r10, 0
6:
    vmov    r1, r12, s0, s1
    vmov    r4, s5
    add     r1, r1, #ROW
    add     r0, r0, r4
    subs    r12, r12, #1
    vmov    s0, s1, r1, r12
    bne.w   1b
    pop     {r4-r11, pc}
    FUNCTION_END microt_dsp_gather_odd

// ---- channel by channel ------------------------------------------------------------------------
// r0 the microt_dsp_plane_t, r1 kernel. Kernels are entered with r0 weights, r2 out, r4 plane; s0-s3
// record, s4 out, s5 pitch, s6 row pitch, s7 bytes of a row, s8 rows, s9 weights, s12 bytes to the next
// row; s11 and s13 are kept, s10 and s14 free. They end with KERNEL_END.
    FUNCTION microt_dsp_plane
    push    {r4-r11, lr}
    vmov    s11, r0
    vmov    s13, r1
1:
    vmov    r6, s11
    ldm     r6, {r0-r5}
    ldrd    r7, r8, [r6, #24]
    ldr     r9, [r6, #32]
    vldmia  r1, {s0-s3}
    vmov    s4, s5, r2, r3
    vmov    s6, s7, r8, r7
    vmov    s8, s9, r5, r0
    vmov    s12, r9
    vmov    r9, s13
    bx      r9
microt_dsp_next_channel:
    vmov    r6, s11
    ldm     r6, {r0-r4}
    ldrd    r5, r7, [r6, #36]
    add     r0, r0, r7
    adds    r1, #16
    adds    r2, #1
    adds    r4, #CHANNEL
    stm     r6, {r0-r4}
    subs    r5, #1
    str     r5, [r6, #36]
    bne     1b
    pop     {r4-r11, pc}
    FUNCTION_END microt_dsp_plane

    .macro KERNEL_END name
    b.w     microt_dsp_next_channel
    FUNCTION_END \name
    .endm

// ---- 3x3: 2 x 2 outputs a step -----------------------------------------------------------------
// r0-r5 weights, r6 r7 sums of the upper row, r8 r9 of the lower, r10 r11 inputs, r12 plane, lr out.
// s9 r5 (r5 is free while requantising), s10 end of the row, s14 its start.
// Stride 1: 4 outputs from 4 rows in 28 instructions, stride 2: from 5 rows in 34.
    .macro UPPER1 wa wb i0 i1 columns
    smlad   r6, r10, \wa, \i0
    .if \columns == 2
    smlatb  r7, r10, \wa, \i1
    .endif
    smlabt  r6, r11, \wb, r6
    .if \columns == 2
    smlad   r7, r11, \wb, r7
    .endif
    .endm
    .macro LOWER1 wa wb i0 i1 columns
    smlad   r8, r10, \wa, \i0
    .if \columns == 2
    smlatb  r9, r10, \wa, \i1
    .endif
    smlabt  r8, r11, \wb, r8
    .if \columns == 2
    smlad   r9, r11, \wb, r9
    .endif
    .endm

    .macro HEAD3 up                 // r12 points up rows down
    mov     lr, r2
    add     r12, r4, #\up*ROW
    ldm     r0, {r0-r5}
    vmov    s9, r5
    .endm

    .macro FINISH3 relu columns
    vmov    r5, r10, s1, s2
    .if \relu
    smmlar  r6, r6, r5, r10
    smmlar  r7, r7, r5, r10
    smmlar  r8, r8, r5, r10
    smmlar  r9, r9, r5, r10
    .else
    add     r11, r10, r6, asr #31
    smmlar  r6, r6, r5, r11
    add     r11, r10, r8, asr #31
    smmlar  r8, r8, r5, r11
    .if \columns == 2
    add     r11, r10, r7, asr #31
    smmlar  r7, r7, r5, r11
    add     r11, r10, r9, asr #31
    smmlar  r9, r9, r5, r11
    .endif
    .endif
    vmov    r10, s3
    asr     r6, r6, r10
    asr     r8, r8, r10
    ssat    r6, #8, r6
    ssat    r8, #8, r8
    .if \columns == 2
    asr     r7, r7, r10
    asr     r9, r9, r10
    ssat    r7, #8, r7
    ssat    r9, #8, r9
    .endif
    vmov    r10, r11, s5, s6
    .if \columns == 2
    add     r11, r11, lr
    strb    r6, [lr]
    strb    r7, [lr, r10]
    strb    r8, [r11]
    strb    r9, [r11, r10]
    add     lr, lr, r10, lsl #1
    .else
    strb    r6, [lr]
    strb    r8, [lr, r11]
    add     lr, lr, r10
    .endif
    vmov    r5, r10, s9, s10
    cmp     r12, r10
    .endm

    .macro NEXT_ROWS3 down label
    vmov    r12, s14
    vmov    r11, s12
    add     lr, lr, r11
    add     r12, r12, #\down*ROW
    vmov    r11, s8
    subs    r11, r11, #1
    vmov    s8, r11
    bne.w   \label
    .endm

    .macro PLANE_3X3_S1 name relu columns
    FUNCTION \name
    HEAD3   1
1:
    vmov    r11, s7
    vmov    s14, r12
    add     r11, r11, r12
    vmov    s10, r11
2:
    ldrd    r10, r11, [r12, #-ROW]
    vmov    r7, s0
    UPPER1  r0, r1, r7, r7, \columns
    ldrd    r10, r11, [r12, #ROW]
    vmov    r9, s0
    UPPER1  r4, r5, r6, r7, \columns
    LOWER1  r2, r3, r9, r9, \columns
    ldrd    r10, r11, [r12, #2*ROW]
    LOWER1  r4, r5, r8, r9, \columns
    ldrd    r10, r11, [r12], #4
    UPPER1  r2, r3, r6, r7, \columns
    LOWER1  r0, r1, r8, r9, \columns
    FINISH3 \relu, \columns
    bne     2b
    NEXT_ROWS3 2, 1b
    KERNEL_END \name
    .endm

    PLANE_3X3_S1 microt_dsp_plane_3x3_s1, 0, 2
    PLANE_3X3_S1 microt_dsp_plane_3x3_s1_relu, 1, 2
    PLANE_3X3_S1 microt_dsp_plane_3x3_s1_1, 0, 1

    .macro UPPER2 wa wb i0 i1 o columns
    smlad   r6, r10, \wa, \i0
    .if \columns == 2
    smlad   r7, r11, \wa, \i1
    ldr     r10, [r12, #\o+8]
    .endif
    smlad   r6, r11, \wb, r6
    .if \columns == 2
    smlad   r7, r10, \wb, r7
    .endif
    .endm
    .macro LOWER2 wa wb i0 i1 o columns
    smlad   r8, r10, \wa, \i0
    .if \columns == 2
    smlad   r9, r11, \wa, \i1
    ldr     r10, [r12, #\o+8]
    .endif
    smlad   r8, r11, \wb, r8
    .if \columns == 2
    smlad   r9, r10, \wb, r9
    .endif
    .endm

    .macro PLANE_3X3_S2 name relu columns
    FUNCTION \name
    HEAD3   0
1:
    vmov    r11, s7
    vmov    s14, r12
    add     r11, r11, r12
    vmov    s10, r11
2:
    vmov    r7, s0
    ldrd    r10, r11, [r12, #ROW]
    UPPER2  r2, r3, r7, r7, ROW, \columns
    vmov    r9, s0
    ldrd    r10, r11, [r12, #3*ROW]
    LOWER2  r2, r3, r9, r9, 3*ROW, \columns
    ldrd    r10, r11, [r12, #2*ROW]
    smlad   r6, r10, r4, r6
    smlad   r8, r10, r0, r8
    .if \columns == 2
    smlad   r7, r11, r4, r7
    smlad   r9, r11, r0, r9
    ldr     r10, [r12, #2*ROW+8]
    .endif
    smlad   r6, r11, r5, r6
    smlad   r8, r11, r1, r8
    .if \columns == 2
    smlad   r7, r10, r5, r7
    smlad   r9, r10, r1, r9
    .endif
    ldr     r10, [r12, #4*ROW]      // out of LDRD's reach
    ldr     r11, [r12, #4*ROW+4]
    LOWER2  r4, r5, r8, r9, 4*ROW, \columns
    ldrd    r10, r11, [r12], #8
    UPPER2  r0, r1, r6, r7, -8, \columns
    FINISH3 \relu, \columns
    bne     2b
    NEXT_ROWS3 4, 1b
    KERNEL_END \name
    .endm

    PLANE_3X3_S2 microt_dsp_plane_3x3_s2, 0, 2
    PLANE_3X3_S2 microt_dsp_plane_3x3_s2_relu, 1, 2
    PLANE_3X3_S2 microt_dsp_plane_3x3_s2_1, 0, 1

// ---- 5x5 and 7x7: n outputs of a row a step ------------------------------------------------------
// The rows of weights are unrolled for the widest steps and a loop for the others.
// r0-r5 weights of a row, r4-r9 sums (fewer where the weights need registers), r10 r11 inputs,
// r12 weights, lr plane. s10 end of the row, s14 its start.
    .macro ROW_START
    vmov    s14, lr
    vmov    r5, s7
    add     r5, r5, lr
    vmov    s10, r5
    .endm

    .macro FINISH_SCALE             // m, round, e for the REQUANTIZEs that follow
    vmov    r0, r1, s1, s2
    vmov    r2, s3
    .endm
    .macro OUT2 a b
    REQUANTIZE \a, r0, r1, r2, r3
    REQUANTIZE \b, r0, r1, r2, r3
    .endm
    .macro OUT2_RELU a b
    REQUANTIZE_RELU \a, r0, r1, r2
    REQUANTIZE_RELU \b, r0, r1, r2
    .endm
    .macro PUT2 a b
    strb    \a, [r10]
    strb    \b, [r10, r11]
    add     r10, r10, r11, lsl #1
    .endm

    .macro NEXT_STEP forward label
    vmov    s4, r10
    vmov    r0, s10
    .if \forward > 0
    adds    lr, #\forward
    .else
    subw    lr, lr, #-(\forward)
    .endif
    cmp     lr, r0
    bne.w   \label
    .endm

    .macro NEXT_ROW_N down label
    vmov    r6, s12
    add     r10, r10, r6
    vmov    s4, r10
    vmov    lr, s14
    add     lr, lr, #\down*ROW
    vmov    r4, s8
    subs    r4, r4, #1
    vmov    s8, r4
    bne.w   \label
    .endm

// 5x5 stride 1, 6 outputs: a row of weights and 8 words of inputs feed 30 MACs in 22 instructions.
    .macro ROW5 o first
    ldm     r12!, {r0-r3}
    ldrd    r10, r11, [lr, #\o]
    .if \first
    vmov    r9, s0
    smlad   r4, r10, r0, r9
    smlatb  r5, r10, r0, r9
    smlad   r6, r11, r0, r9
    smlatb  r7, r11, r0, r9
    .else
    smlad   r4, r10, r0, r4
    smlatb  r5, r10, r0, r5
    smlad   r6, r11, r0, r6
    smlatb  r7, r11, r0, r7
    .endif
    smlad   r4, r11, r1, r4
    smlad   r5, r11, r2, r5
    ldrd    r10, r11, [lr, #\o+8]
    .if \first
    smlad   r8, r10, r0, r9
    .else
    smlad   r8, r10, r0, r8
    .endif
    smlatb  r9, r10, r0, r9
    smlabt  r4, r10, r3, r4
    smlad   r5, r10, r3, r5
    smlad   r6, r10, r1, r6
    smlad   r7, r10, r2, r7
    ldr     r10, [lr, #\o+16]
    smlabt  r6, r11, r3, r6
    smlad   r7, r11, r3, r7
    smlad   r8, r11, r1, r8
    smlad   r9, r11, r2, r9
    smlabt  r8, r10, r3, r8
    smlad   r9, r10, r3, r9
    .endm

    FUNCTION microt_dsp_plane_5x5_s1_6
    add     lr, r4, #ROW
1:
    ROW_START
2:
    vmov    r12, s9
    ROW5    -ROW, 1
    ROW5    0, 0
    ROW5    ROW, 0
    ROW5    2*ROW, 0
    ROW5    3*ROW, 0
    FINISH_SCALE
    UNLESS_RELU r2, r3, 5f
    OUT2_RELU r4, r5
    OUT2_RELU r6, r7
    OUT2_RELU r8, r9
4:
    vmov    r10, r11, s4, s5
    PUT2    r4, r5
    PUT2    r6, r7
    PUT2    r8, r9
    NEXT_STEP 12, 2b
    NEXT_ROW_N 1, 1b
    b.w     microt_dsp_next_channel
5:
    OUT2    r4, r5
    OUT2    r6, r7
    OUT2    r8, r9
    b.w     4b
    FUNCTION_END microt_dsp_plane_5x5_s1_6

// 5x5 stride 1, 2 outputs (10 MACs in 8 instructions) or 1; for what 6 outputs do not cover.
    .macro PLANE_5X5_S1 name n
    FUNCTION \name
    mov     lr, r4
1:
    ROW_START
2:
    vmov    r12, s9
    vmov    r4, s0
    mov     r5, r4
    add     r8, r12, #80            // end of the weights
7:
    ldm     r12!, {r0-r3}
    ldr     r10, [lr, #8]
    smlabt  r4, r10, r3, r4
    .if \n == 2
    smlad   r5, r10, r3, r5
    .endif
    ldrd    r10, r11, [lr], #ROW
    smlad   r4, r10, r0, r4
    smlad   r4, r11, r1, r4
    .if \n == 2
    smlatb  r5, r10, r0, r5
    smlad   r5, r11, r2, r5
    .endif
    cmp     r12, r8
    bne     7b
    FINISH_SCALE
    REQUANTIZE r4, r0, r1, r2, r3
    .if \n == 2
    REQUANTIZE r5, r0, r1, r2, r3
    .endif
    vmov    r10, r11, s4, s5
    .if \n == 2
    PUT2    r4, r5
    .else
    strb    r4, [r10]
    add     r10, r10, r11
    .endif
    NEXT_STEP 2*\n-5*ROW, 2b
    NEXT_ROW_N 1, 1b
    KERNEL_END \name
    .endm

    PLANE_5X5_S1 microt_dsp_plane_5x5_s1_2, 2
    PLANE_5X5_S1 microt_dsp_plane_5x5_s1_1, 1

// 7x7 stride 1, n = 4, 2 or 1 outputs: 28 MACs of a row in 20 instructions, 14 in 11.
    .macro PLANE_7X7_S1 name n
    FUNCTION \name
    mov     lr, r4
1:
    ROW_START
2:
    vmov    r12, s9
    vmov    r6, s0
    mov     r7, r6
    .if \n == 4
    mov     r8, r6
    mov     r9, r6
    .endif
    .if \n < 4
    add     r8, r12, #168           // end of the weights
7:
    .endif
    .rept   1 - 6*(\n >= 4)         // true is -1: 7 times or a loop
    ldm     r12!, {r0-r5}
    .if \n == 4
    ldr     r10, [lr, #16]
    smlabt  r8, r10, r5, r8
    smlad   r9, r10, r5, r9
    .endif
    ldrd    r10, r11, [lr, #8]
    smlad   r6, r10, r2, r6         // words 2 and 3: taps 4 5 and 6 of output 0
    smlabt  r6, r11, r5, r6
    .if \n > 1
    smlad   r7, r10, r4, r7
    smlad   r7, r11, r5, r7
    .endif
    .if \n == 4
    smlad   r8, r10, r1, r8
    smlad   r9, r10, r3, r9
    smlad   r8, r11, r2, r8
    smlad   r9, r11, r4, r9
    .endif
    ldrd    r10, r11, [lr], #ROW
    smlad   r6, r10, r0, r6
    smlad   r6, r11, r1, r6
    .if \n > 1
    smlatb  r7, r10, r0, r7
    smlad   r7, r11, r3, r7
    .endif
    .if \n == 4
    smlad   r8, r11, r0, r8
    smlatb  r9, r11, r0, r9
    .endif
    .endr
    .if \n < 4
    cmp     r12, r8
    bne     7b
    .endif
    FINISH_SCALE
    .if \n == 4
    UNLESS_RELU r2, r3, 5f
    OUT2_RELU r6, r7
    OUT2_RELU r8, r9
4:
    .elseif \n == 2
    OUT2    r6, r7
    .else
    REQUANTIZE r6, r0, r1, r2, r3
    .endif
    vmov    r10, r11, s4, s5
    .if \n > 1
    PUT2    r6, r7
    .else
    strb    r6, [r10]
    add     r10, r10, r11
    .endif
    .if \n == 4
    PUT2    r8, r9
    .endif
    NEXT_STEP 2*\n-7*ROW, 2b
    NEXT_ROW_N 1, 1b
    b.w     microt_dsp_next_channel
    .if \n == 4
5:
    OUT2    r6, r7
    OUT2    r8, r9
    b.w     4b
    .endif
    FUNCTION_END \name
    .endm

    PLANE_7X7_S1 microt_dsp_plane_7x7_s1_4, 4
    PLANE_7X7_S1 microt_dsp_plane_7x7_s1_2, 2
    PLANE_7X7_S1 microt_dsp_plane_7x7_s1_1, 1

// Stride 2, 5x5 with n = 6 or 3 outputs, 7x7 with 3: word j of a row feeds output j with pair 0,
// j-1 with pair 1 and so on.
    .macro FEED x pair out n
    .if (\out >= 0) && (\out < \n)
    FEED_ONE \x, %(\pair), %(\out+4)
    .endif
    .endm
    .macro FEED_ONE x pair sum
    smlad   r\sum, \x, r\pair, r\sum
    .endm
    .macro WORD x j pairs n
    FEED    \x, 0, %(\j), \n
    FEED    \x, 1, %(\j-1), \n
    FEED    \x, 2, %(\j-2), \n
    .if \pairs == 4
    FEED    \x, 3, %(\j-3), \n
    .endif
    .endm

    .macro PLANE_S2 name k n
    FUNCTION \name
    mov     lr, r4
1:
    ROW_START
2:
    vmov    r12, s9
    vmov    r4, s0
    mov     r5, r4
    .if \n >= 3
    mov     r6, r4
    .endif
    .if \n == 6
    mov     r7, r4
    mov     r8, r4
    mov     r9, r4
    .endif
    .if \n < 6
    add     r7, r12, #2*\k*(\k+1)   // end of the weights
7:
    .endif
    .rept   1 - (\k-1)*(\n >= 6)
    .if \k == 7
    ldm     r12!, {r0-r3}
    .else
    ldm     r12!, {r0-r2}
    .endif
    .if ((\n+(\k+1)/2-1) & 1)
    ldr     r10, [lr, #4*(\n+(\k+1)/2-2)]
    WORD    r10, %(\n+(\k+1)/2-2), %((\k+1)/2), \n
    .endif
    .if (\n+(\k+1)/2-1) >= 4
    ldrd    r10, r11, [lr, #8]
    WORD    r10, 2, %((\k+1)/2), \n
    WORD    r11, 3, %((\k+1)/2), \n
    .endif
    .if (\n+(\k+1)/2-1) >= 6
    ldrd    r10, r11, [lr, #16]
    WORD    r10, 4, %((\k+1)/2), \n
    WORD    r11, 5, %((\k+1)/2), \n
    .endif
    .if (\n+(\k+1)/2-1) >= 8
    ldrd    r10, r11, [lr, #24]
    WORD    r10, 6, %((\k+1)/2), \n
    WORD    r11, 7, %((\k+1)/2), \n
    .endif
    ldrd    r10, r11, [lr], #ROW
    WORD    r10, 0, %((\k+1)/2), \n
    WORD    r11, 1, %((\k+1)/2), \n
    .endr
    .if \n < 6
    cmp     r12, r7
    bne     7b
    .endif
    FINISH_SCALE
    .if \n == 6
    UNLESS_RELU r2, r3, 5f
    OUT2_RELU r4, r5
    OUT2_RELU r6, r7
    OUT2_RELU r8, r9
4:
    .else
    OUT2    r4, r5
    .if \n == 3
    REQUANTIZE r6, r0, r1, r2, r3
    .endif
    .endif
    vmov    r10, r11, s4, s5
    PUT2    r4, r5
    .if \n == 6
    PUT2    r6, r7
    PUT2    r8, r9
    .elseif \n == 3
    strb    r6, [r10]
    add     r10, r10, r11
    .endif
    NEXT_STEP 4*\n-\k*ROW, 2b
    NEXT_ROW_N 2, 1b
    b.w     microt_dsp_next_channel
    .if \n == 6
5:
    OUT2    r4, r5
    OUT2    r6, r7
    OUT2    r8, r9
    b.w     4b
    .endif
    FUNCTION_END \name
    .endm

    PLANE_S2 microt_dsp_plane_5x5_s2_6, 5, 6
    PLANE_S2 microt_dsp_plane_5x5_s2_3, 5, 3
    PLANE_S2 microt_dsp_plane_7x7_s2_3, 7, 3

#endif
