// SPDX-License-Identifier: MIT
//
// DEPTHWISE_CONV_2D, layout BLOCKS: one block of 16 channels over all outputs; 26 instructions for 2 taps of 16
// channels, about 45 around them.

#include "assembly.h"

#ifdef MICROT_MVE_ASSEMBLY

// microt_mve_block_t of blocks.c
    .equ A_IN, 0        // of the block's first channel
    .equ A_OUT, 4
    .equ A_WEIGHTS, 8
    .equ A_RECORDS, 12  // i32[2 + classes][16]: multipliers, shifts, biases
    .equ A_ROWS, 16     // {offset of the row's windows from in, its outputs}
    .equ A_HEIGHT, 20   // rows of outputs
    .equ A_OUTPUTS, 24  // bytes of the outputs of a row: {x, pairs, number of pairs, bias}
    .equ A_CHANNELS, 28
    .equ A_ZERO, 32
    .equ A_LANES, 36    // channels that are there

    .equ F_SUM, 0       // sums of the last 4 channels: there are not registers enough
    .equ F_ARGS, 16
    .equ F_ROWS, 20
    .equ F_LEFT, 24     // rows
    .equ F_ZERO, 28
    .equ F_SIZE, 32

    .macro LOAD_INPUT masked, q, at
    .if \masked
    vpst
    vldrbt.8 \q, [\at]
    .else
    vldrb.8 \q, [\at]
    .endif
    .endm

// Requantises the sums of 4 channels, entries \at and on of the records.
    .macro REQUANTIZE_EACH sum, at, relu
    .if !\relu
    vshr.s32 q0, \sum, #31
    .endif
    vldrw.u32 q1, [r4, #4 * \at]
    vqrdmulh.s32 \sum, \sum, q1
    vldrw.u32 q1, [r4, #4 * \at + 64]
    .if !\relu
    vadd.i32 \sum, \sum, q0
    .endif
    vrshl.s32 \sum, \sum, q1
    .endm

// void microt_mve_block(const microt_mve_block_t *), microt_mve_block_masked (fewer than 16 channels),
// microt_mve_block_relu
    .macro BLOCK name, masked, relu
    FUNCTION \name
    push {r3-r11, lr}
    vpush {d8-d15}
    sub sp, #F_SIZE
    str r0, [sp, #F_ARGS]
    .if \masked
    ldr r1, [r0, #A_LANES]
    vctp.8 r1
    .endif
    ldrd r1, r2, [r0, #A_ROWS]
    strd r1, r2, [sp, #F_ROWS]
    ldrd r11, r3, [r0, #A_CHANNELS]
    str r3, [sp, #F_ZERO]
    ldr r8, [r0, #A_OUT]
    ldrd r10, r4, [r0, #A_WEIGHTS]
1:  ldr r0, [sp, #F_ROWS]
    ldr r2, [sp, #F_ARGS]
    ldrd r1, r7, [r0], #8
    str r0, [sp, #F_ROWS]
    ldr r3, [r2, #A_IN]
    ldr r6, [r2, #A_OUTPUTS]
    add r9, r3, r1
    add r6, r7
2:  ldm r7!, {r0, r1, r2, r3}
    add r3, r4
    vldrw.u32 q7, [r3, #48]
    add r12, r9, r0     // the window
    vstrw.32 q7, [sp, #F_SUM]
    mov r5, r1
    vldrw.u32 q4, [r3]
    vldrw.u32 q5, [r3, #16]
    vldrw.u32 q6, [r3, #32]
    wls lr, r2, 4f
3:  ldm r5!, {r0, r1, r2, r3}
    add r0, r12
    add r1, r10
    add r2, r12
    add r3, r10
    LOAD_INPUT \masked, q0, r0
    vldrb.8 q1, [r1]
    vmullb.s8 q2, q0, q1
    vmullt.s8 q0, q0, q1
    LOAD_INPUT \masked, q1, r2
    vldrb.8 q3, [r3]
    vmullb.s8 q7, q1, q3
    vmullt.s8 q1, q1, q3
    vadd.i16 q2, q2, q7
    vadd.i16 q0, q0, q1
    vmovlb.s16 q1, q2
    vmovlt.s16 q2, q2
    vadd.i32 q4, q4, q1
    vldrw.u32 q7, [sp, #F_SUM]
    vmovlb.s16 q1, q0
    vmovlt.s16 q0, q0
    vadd.i32 q5, q5, q2
    vadd.i32 q7, q7, q0
    vadd.i32 q6, q6, q1
    vstrw.32 q7, [sp, #F_SUM]
    le lr, 3b
4:  vldrw.u32 q7, [sp, #F_SUM]
    REQUANTIZE_EACH q4, 0, \relu
    REQUANTIZE_EACH q5, 4, \relu
    vqmovnb.s32 q4, q4
    REQUANTIZE_EACH q6, 8, \relu
    vqmovnt.s32 q4, q5
    REQUANTIZE_EACH q7, 12, \relu
    vqmovnb.s32 q6, q6
    ldr r0, [sp, #F_ZERO]
    vqmovnt.s32 q6, q7
    vqadd.s16 q4, q4, r0
    vqadd.s16 q6, q6, r0
    vqmovnb.s16 q4, q4
    cmp r7, r6
    vqmovnt.s16 q4, q6
    .if \masked
    vpst
    vstrbt.8 q4, [r8]
    .else
    vstrb.8 q4, [r8]
    .endif
    add r8, r11
    bne 2b
    ldr r0, [sp, #F_LEFT]
    subs r0, #1
    str r0, [sp, #F_LEFT]
    bne 1b
    add sp, #F_SIZE
    vpop {d8-d15}
    pop {r3-r11, pc}
    FUNCTION_END \name
    .endm

    BLOCK microt_mve_block, 0, 0
    BLOCK microt_mve_block_masked, 1, 0
    BLOCK microt_mve_block_relu, 0, 1

#endif
