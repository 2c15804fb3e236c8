// SPDX-License-Identifier: MIT
//
// Windows of 3x3x3 to tiles of 4 pixels i8[2][4][16], for the layout FIRST. A row of a window is 9 neighbouring bytes.

#include "assembly.h"

#ifdef MICROT_MVE_ASSEMBLY

// Stores spill into the next pixel's place, which is filled later; the last one spills 9 bytes past the tile.
    .macro ROWS_0_1 at step
    vldrb.8 q0, [r0, #\at * \step]
    vldrb.8 q1, [r1, #\at * \step]
    vstrb.8 q0, [r2, #16 * \at]
    vstrb.8 q1, [r2, #16 * \at + 9]
    .endm

    .macro ROWS_2_1 at step
    vldrb.8 q0, [r12, #\at * \step]
    vldrb.8 q1, [r1, #\at * \step + 7]
    vstrb.8 q0, [r2, #64 + 16 * \at]
    .if \at < 3
    vstrb.8 q1, [r2, #64 + 16 * \at + 9]
    .else
    add r2, #128
    vstrb.8 q1, [r2, #-7]
    .endif
    .endm

// void microt_mve_im2col_3x3x3_s1(const int8_t *rows, int32_t row, int8_t *tile, int32_t tiles)
    .macro IM2COL name step
    FUNCTION \name
    push {r4, lr}
    dls lr, r3
    add r12, r0, r1, lsl #1
    add r1, r0
1:  ROWS_0_1 0 \step
    ROWS_0_1 1 \step
    ROWS_0_1 2 \step
    ROWS_0_1 3 \step
    ROWS_2_1 0 \step
    ROWS_2_1 1 \step
    ROWS_2_1 2 \step
    ROWS_2_1 3 \step
    adds r0, #4 * \step
    adds r1, #4 * \step
    add r12, #4 * \step
    le lr, 1b
    pop {r4, pc}
    FUNCTION_END \name
    .endm

    IM2COL microt_mve_im2col_3x3x3_s1 3
    IM2COL microt_mve_im2col_3x3x3_s2 6

#endif
