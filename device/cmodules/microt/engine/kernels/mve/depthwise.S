// SPDX-License-Identifier: MIT
//
// DEPTHWISE_CONV_2D, layout PLANES: one channel after the other; its plane is transposed into the scratch, padded with
// the zero point (planes.c did that), with rows interleaved so that one contiguous 16-byte load holds a block of it:
//
//   3x3       quads: a block is 4 columns x 4 rows; quad row j holds padded rows 2j..2j+3 (each row is in two quads)
//   5x5, 7x7  pairs: a block is 8 columns x 2 rows; pair row j holds padded rows 2j, 2j+1
//
// A window is then dot products (VMLADAV: 16 products into one core register) with weights laid out like a block: 1 for
// 3x3, 3 for 5x5, 4 for 7x7. Unused lanes have zero weights, so whatever lies there does no harm.
//
// Tile: 4 output columns x 2 output rows (a, b), requantised with one multiplier and shift, stored by a scatter of 8
// bytes (lanes a0, b0, a1, b1, ...). Masked kernels store some of the lanes: odd heights, fewer than 4 columns.
// Those for ReLU (REQUANTIZE) store all.
// Widths that tiles do not divide end with a second pass of one tile a row, which overlaps.

#include "assembly.h"

#ifdef MICROT_MVE_ASSEMBLY

// microt_mve_plane_t of planes.c
    .equ A_IN, 0            // of the next channel; the kernels move this on, and weights, records, out
    .equ A_PLANE, 4         // first block row
    .equ A_TABLE, 8         // u16 per input pixel: where it goes
    .equ A_PIXELS, 12
    .equ A_CHANNELS, 16     // of the layer: bytes between pixels
    .equ A_AGAIN, 20        // from a value in a quad to the same in the quad before
    .equ A_WEIGHTS, 24
    .equ A_RECORDS, 28
    .equ A_OUT, 32
    .equ A_ZERO, 36
    .equ A_LEFT, 40         // channels to do
    .equ A_ROWS, 44         // pairs of output rows
    .equ A_TILES, 48        // in a row
    .equ A_PITCH, 52        // bytes between block rows
    .equ A_DATA_ROWS, 56    // from a pair of output rows to the next: in the plane
    .equ A_OUT_ROWS, 60     // and in the output
    .equ A_DATA_TILE, 64    // from a tile to the next
    .equ A_OUT_TILE, 68
    .equ A_MASK, 72         // lanes to store, 2 bits each
    .equ A_LAST_MASK, 76    // in the last pair of rows
    .equ A_SECOND, 80       // whether there is a second pass,
    .equ A_DATA_SECOND, 84  // and where it starts
    .equ A_OUT_SECOND, 88
    .equ A_OFFSETS, 92      // u16[8]: of the lanes of a tile in the output

// Moves 16 (8) values to their places in the plane, for quads to two places each.
    .macro PLACE again, data, place
    vstrb.16 \data, [r1, \place]
    .if \again
    vstrb.16 \data, [r12, \place]
    .endif
    .endm

// One channel from (h, w, c) to the plane. r0 - r5: in, plane, table, pixels, channels, again.
    .macro TRANSPOSE again
    mov r6, #0
    vidup.u16 q0, r6, #1
    vmul.i16 q0, q0, r4     // 8 pixels from here
    lsl r6, r4, #3
    vadd.i16 q1, q0, r6     // and the next 8
    lsr lr, r3, #4
    and r3, #15
    .if \again
    add r12, r1, r5
    .endif
    wls lr, lr, 2f
1:  vldrb.u16 q2, [r0, q0]
    vldrh.u16 q4, [r2], #32
    vldrb.u16 q3, [r0, q1]
    vldrh.u16 q5, [r2, #-16]
    PLACE \again, q2, q4
    PLACE \again, q3, q5
    add r0, r0, r6, lsl #1
    le lr, 1b
2:  wlstp.16 lr, r3, 4f
3:  vldrb.u16 q2, [r0, q0]
    vldrh.u16 q4, [r2], #16
    PLACE \again, q2, q4
    add r0, r6
    letp lr, 3b
4:
    .endm

// Sums in q6 (row a) and q7 (row b) -> stored at r5; offsets at \base + \at.
    .macro FINISH bias, multiplier, shift, zero, base, at, masked, relu
    vadd.i32 q6, q6, \bias
    vadd.i32 q7, q7, \bias
    REQUANTIZE q6 q4 \multiplier \shift \relu
    REQUANTIZE q7 q5 \multiplier \shift \relu
    vqmovnb.s32 q4, q4
    vqmovnt.s32 q4, q5
    vldrw.u32 q5, [\base, #\at]
    vqadd.s16 q4, q4, \zero
    vqmovnb.s16 q4, q4
    .if \masked
    vpst
    vstrbt.16 q4, [r5, q5]
    .else
    vstrb.16 q4, [r5, q5]
    .endif
    .endm

// Which lanes are stored in this pair of rows.
    .macro SET_MASK args, rows, t
    ldr \t, [\args, #A_MASK]
    cmp \rows, #1
    it eq
    ldreq \t, [\args, #A_LAST_MASK]
    vmsr p0, \t
    .endm

// ---- 3x3: r11 arguments, r1 plane, r5 out, r3 out_tile, r7 pairs of rows left; r8 bias, r10 multiplier, r12 shift,
// r9 zero point; q0 weights, q1 a column later, q2, q3 the same a row later.

    .equ F_DATA, 0          // of the pair of rows
    .equ F_OUT, 4
    .equ F_ROWS, 8
    .equ F_SECOND, 12
    .equ F_TILES, 16
    .equ F_SIZE3, 24

    .macro BEGIN3 masked
    push {r4-r12, lr}
    vpush {d8-d15}
    sub sp, #F_SIZE3
    mov r11, r0
5:  ldm r11, {r0, r1, r2, r3, r4, r5}
    add r6, r0, #1
    str r6, [r11, #A_IN]
    TRANSPOSE 1
    ldrd r0, r2, [r11, #A_WEIGHTS]
    ldm r2!, {r8, r10, r12}
    vldrb.8 q0, [r0]
    vldrb.8 q1, [r0, #-4]   // the four bytes before are zero
    adds r0, #16
    vshl.i32 q2, q0, #8
    vshl.i32 q3, q1, #8
    strd r0, r2, [r11, #A_WEIGHTS]
    ldrd r5, r9, [r11, #A_OUT]
    adds r0, r5, #1
    str r0, [r11, #A_OUT]
    ldrd r7, r2, [r11, #A_ROWS]
    ldr r0, [r11, #A_SECOND]
    strd r0, r2, [sp, #F_SECOND]
    ldr r3, [r11, #A_OUT_TILE]
6:  strd r1, r5, [sp, #F_DATA]
    .if \masked
    SET_MASK r11, r7, r0
    .endif
    ldr lr, [sp, #F_TILES]
    dls lr, lr
    .endm

    .macro END3
    ldrd r1, r5, [sp, #F_DATA]
    ldrd r0, r2, [r11, #A_DATA_ROWS]
    add r1, r0
    add r5, r2
    subs r7, #1
    bne.w 6b
    ldr r0, [sp, #F_SECOND]
    cbz r0, 8f
    movs r0, #0
    movs r2, #1
    strd r0, r2, [sp, #F_SECOND]
    ldr r1, [r11, #A_PLANE]
    ldr r5, [r11, #A_OUT]
    ldrd r0, r2, [r11, #A_DATA_SECOND]
    ldr r7, [r11, #A_ROWS]
    add r1, r0
    add r5, r2
    subs r5, #1             // has moved on
    b.w 6b
8:  ldr r0, [r11, #A_LEFT]
    subs r0, #1
    str r0, [r11, #A_LEFT]
    bne.w 5b
    add sp, #F_SIZE3
    vpop {d8-d15}
    pop {r4-r12, pc}
    .endm

// A load serves 4 windows: 2 columns x 2 rows. step: bytes of the plane from a tile to the next.
    .macro STRIDE_1 name, step, masked, relu
    FUNCTION \name
    BEGIN3 \masked
7:  vldrb.8 q4, [r1], #\step
    vmladav.s8 r0, q4, q0
    vmladav.s8 r2, q4, q1
    vldrb.8 q5, [r1, #8 - \step]
    vmladav.s8 r4, q5, q0
    vmladav.s8 r6, q5, q1
    vmov d12, r0, r2
    vmov d13, r4, r6
    vmladav.s8 r0, q4, q2
    vmladav.s8 r2, q4, q3
    vmladav.s8 r4, q5, q2
    vmladav.s8 r6, q5, q3
    vmov d14, r0, r2
    vmov d15, r4, r6
    FINISH r8, r10, r12, r9, r11, A_OFFSETS, \masked, \relu
    add r5, r3
    le lr, 7b
    END3
    FUNCTION_END \name
    .endm

    .macro STRIDE_2_ROW from, step, low, high
    vldrb.8 q4, [\from], #\step
    vmladav.s8 r0, q4, q0
    vldrb.8 q5, [\from, #8 - \step]
    vmladav.s8 r2, q5, q0
    vldrb.8 q4, [\from, #16 - \step]
    vmladav.s8 r4, q4, q0
    vldrb.8 q5, [\from, #24 - \step]
    vmladav.s8 r6, q5, q0
    vmov \low, r0, r2
    vmov \high, r4, r6
    .endm

    .macro STRIDE_2 name, step, masked, relu
    FUNCTION \name
    BEGIN3 \masked
    str r7, [sp, #F_ROWS]
    ldr r7, [r11, #A_PITCH]
    add r7, r1
7:  STRIDE_2_ROW r1, \step, d12, d13
    STRIDE_2_ROW r7, \step, d14, d15
    FINISH r8, r10, r12, r9, r11, A_OFFSETS, \masked, \relu
    add r5, r3
    le lr, 7b
    ldr r7, [sp, #F_ROWS]
    END3
    FUNCTION_END \name
    .endm

    STRIDE_1 microt_mve_3x3_s1, 16, 0, 0
    STRIDE_1 microt_mve_3x3_s1_relu, 16, 0, 1
    STRIDE_1 microt_mve_3x3_s1_masked, 16, 1, 0
    STRIDE_1 microt_mve_3x3_s1_half, 8, 0, 0
    STRIDE_1 microt_mve_3x3_s1_half_relu, 8, 0, 1
    STRIDE_1 microt_mve_3x3_s1_half_masked, 8, 1, 0
    STRIDE_2 microt_mve_3x3_s2, 32, 0, 0
    STRIDE_2 microt_mve_3x3_s2_relu, 32, 0, 1
    STRIDE_2 microt_mve_3x3_s2_masked, 32, 1, 0
    STRIDE_2 microt_mve_3x3_s2_half, 16, 0, 0
    STRIDE_2 microt_mve_3x3_s2_half_relu, 16, 0, 1
    STRIDE_2 microt_mve_3x3_s2_half_masked, 16, 1, 0

// ---- 5x5, 7x7: eight accumulators take every even register. r1 plane, r3 pitch, r5 out, r7 back to the first block
// row and on to the next tile, r9 weights, r11 tiles left.

    .equ G_DATA, 0          // of the pair of rows
    .equ G_OUT, 4
    .equ G_BIAS, 8          // bias, multiplier, shift, zero point
    .equ G_ZERO, 20
    .equ G_OUT_TILE, 24
    .equ G_ARGS, 28
    .equ G_ROWS, 32
    .equ G_SECOND, 36
    .equ G_TILES, 40
    .equ G_WEIGHTS, 44
    .equ G_OFFSETS, 48
    .equ G_BOTH, 64         // stride 1: {even[v], odd[v]}, odd one row later
    .equ G_SIZE, 192

    .macro BEGIN_PAIRS vectors, stride, masked
    push {r4-r12, lr}
    vpush {d8-d15}
    sub sp, #G_SIZE
    mov r11, r0
    str r11, [sp, #G_ARGS]
    vldrw.u32 q0, [r11, #A_OFFSETS]
    vstrw.32 q0, [sp, #G_OFFSETS]
    ldr r1, [r11, #A_ZERO]
    ldrd r7, r2, [r11, #A_DATA_TILE]
    strd r1, r2, [sp, #G_ZERO]
    ldr r3, [r11, #A_PITCH]
    mov r2, #\vectors + \stride - 1
    mls r7, r2, r3, r7
5:  ldm r11, {r0, r1, r2, r3, r4, r5}
    add r6, r0, #1
    str r6, [r11, #A_IN]
    TRANSPOSE 0
    ldrd r0, r12, [r11, #A_WEIGHTS]
    ldm r12!, {r2, r4, r6}
    add r3, sp, #G_BIAS
    stm r3, {r2, r4, r6}
    .if \stride == 1
    add r9, sp, #G_BOTH
    vldrb.8 q0, [r0], #16
    vshl.i16 q1, q0, #8
    vstrb.8 q0, [r9]
    vstrb.8 q1, [r9, #16]
    SHIFT_ROWS q0, q2, 32
    SHIFT_ROWS q2, q0, 64
    .if \vectors == 4
    SHIFT_ROWS q0, q2, 96
    .endif
    .else
    mov r9, r0
    add r0, #16 * \vectors
    .endif
    strd r0, r12, [r11, #A_WEIGHTS]
    ldr r5, [r11, #A_OUT]
    adds r0, r5, #1
    str r0, [r11, #A_OUT]
    ldrd r2, r4, [r11, #A_ROWS]
    ldr r0, [r11, #A_SECOND]
    strd r2, r0, [sp, #G_ROWS]
    strd r4, r9, [sp, #G_TILES]
    ldr r3, [r11, #A_PITCH]
6:  strd r1, r5, [sp, #G_DATA]
    .if \masked
    ldr r0, [sp, #G_ARGS]
    ldr r2, [sp, #G_ROWS]
    SET_MASK r0, r2, r4
    .endif
    ldrd r11, r9, [sp, #G_TILES]
    .endm

    .macro SHIFT_ROWS before, even, at
    vldrb.8 \even, [r0], #16
    vshr.u16 q1, \before, #8
    vsli.16 q1, \even, #8
    vstrb.8 \even, [r9, #\at]
    vstrb.8 q1, [r9, #\at + 16]
    .endm

    .macro END_PAIRS masked, relu
    vmov d12, r0, r2
    vmov d13, r4, r6
    vmov d14, r8, r10
    vmov d15, r12, r14
    ldrd r0, r2, [sp, #G_BIAS]
    ldrd r4, r6, [sp, #G_BIAS + 8]
    ldr r8, [sp, #G_OUT_TILE]
    FINISH r0, r2, r4, r6, sp, G_OFFSETS, \masked, \relu
    add r5, r8
    add r1, r7
    subs r11, #1
    bne.w 7b
    ldr r11, [sp, #G_ARGS]
    ldrd r1, r5, [sp, #G_DATA]
    ldrd r0, r2, [r11, #A_DATA_ROWS]
    ldr r4, [sp, #G_ROWS]
    add r1, r0
    add r5, r2
    subs r4, #1
    str r4, [sp, #G_ROWS]
    bne.w 6b
    ldr r0, [sp, #G_SECOND]
    cbz r0, 8f
    ldr r0, [r11, #A_ROWS]
    movs r2, #0
    movs r4, #1
    strd r0, r2, [sp, #G_ROWS]
    str r4, [sp, #G_TILES]
    ldr r1, [r11, #A_PLANE]
    ldr r5, [r11, #A_OUT]
    ldrd r0, r2, [r11, #A_DATA_SECOND]
    add r1, r0
    add r5, r2
    subs r5, #1             // has moved on
    b.w 6b
8:  ldr r0, [r11, #A_LEFT]
    subs r0, #1
    str r0, [r11, #A_LEFT]
    bne.w 5b
    add sp, #G_SIZE
    vpop {d8-d15}
    pop {r4-r12, pc}
    .endm

// Stride 1, one pair row: even and odd weights, windows 1 column apart.
    .macro VECTOR_1 a, v
    vldrb.8 q2, [r1]
    vldrb.8 q0, [r9, #32 * \v]
    vmladav\a\().s8 r0, q2, q0
    vldrb.8 q1, [r9, #32 * \v + 16]
    vmladav\a\().s8 r8, q2, q1
    vldrb.8 q3, [r1, #2]
    vmladav\a\().s8 r2, q3, q0
    vmladav\a\().s8 r10, q3, q1
    vldrb.8 q4, [r1, #4]
    vmladav\a\().s8 r4, q4, q0
    vmladav\a\().s8 r12, q4, q1
    vldrb.8 q5, [r1, #6]
    vmladav\a\().s8 r6, q5, q0
    vmladav\a\().s8 r14, q5, q1
    add r1, r3
    .endm

// Stride 2, pair row p of a tile: weights p go with output row a, weights p - 1 with b; windows 2 columns apart.
    .macro VECTOR_2 p, vectors, now, before
    .if \p < \vectors
    vldrb.8 \now, [r9, #16 * \p]
    .endif
    COLUMN \p, \vectors, \now, \before, q2, 0, r0, r8
    COLUMN \p, \vectors, \now, \before, q3, 4, r2, r10
    COLUMN \p, \vectors, \now, \before, q4, 8, r4, r12
    COLUMN \p, \vectors, \now, \before, q5, 12, r6, r14
    add r1, r3
    .endm

    .macro COLUMN p, vectors, now, before, data, at, row_a, row_b
    vldrb.8 \data, [r1, #\at]
    .if \p == 0
    vmladav.s8 \row_a, \data, \now
    .elseif \p < \vectors
    vmladava.s8 \row_a, \data, \now
    .endif
    .if \p == 1
    vmladav.s8 \row_b, \data, \before
    .elseif \p > 1
    vmladava.s8 \row_b, \data, \before
    .endif
    .endm

    .macro PAIRS_1 name, vectors, masked, relu
    FUNCTION \name
    BEGIN_PAIRS \vectors, 1, \masked
7:  VECTOR_1 , 0
    VECTOR_1 a, 1
    VECTOR_1 a, 2
    .if \vectors == 4
    VECTOR_1 a, 3
    .endif
    END_PAIRS \masked, \relu
    FUNCTION_END \name
    .endm

    .macro PAIRS_2 name, vectors, masked, relu
    FUNCTION \name
    BEGIN_PAIRS \vectors, 2, \masked
7:  VECTOR_2 0, \vectors, q0, q1
    VECTOR_2 1, \vectors, q1, q0
    VECTOR_2 2, \vectors, q0, q1
    VECTOR_2 3, \vectors, q1, q0
    .if \vectors == 4
    VECTOR_2 4, \vectors, q0, q1
    .endif
    END_PAIRS \masked, \relu
    FUNCTION_END \name
    .endm

    PAIRS_1 microt_mve_5x5_s1, 3, 0, 0
    PAIRS_1 microt_mve_5x5_s1_relu, 3, 0, 1
    PAIRS_1 microt_mve_5x5_s1_masked, 3, 1, 0
    PAIRS_2 microt_mve_5x5_s2, 3, 0, 0
    PAIRS_2 microt_mve_5x5_s2_relu, 3, 0, 1
    PAIRS_2 microt_mve_5x5_s2_masked, 3, 1, 0
    PAIRS_1 microt_mve_7x7_s1, 4, 0, 0
    PAIRS_1 microt_mve_7x7_s1_relu, 4, 0, 1
    PAIRS_1 microt_mve_7x7_s1_masked, 4, 1, 0
    PAIRS_2 microt_mve_7x7_s2, 4, 0, 0
    PAIRS_2 microt_mve_7x7_s2_relu, 4, 0, 1
    PAIRS_2 microt_mve_7x7_s2_masked, 4, 1, 0

#endif
