// SPDX-License-Identifier: MIT
//
// Pointwise convolution (and any other after im2col): tiles of 4 or 3 pixels x 2 output channels.
//
// Tiles. expand copies the int8 inputs of the pixels of a tile to int16 pairs, tile[pair][pixel],
// one word each: pairs are inputs (0,2) (1,3) (4,6) (5,7) ... as SXTB16 yields them. A tile of 4
// pixels x depth inputs takes 8 * depth bytes.
//
// Record of two output channels A and B, i32[8]: biasA biasB mA roundA eA mB roundB eB, the bias
// with the input's zero point folded in and doubled; see REQUANTIZE and UNLESS_RELU.
//
// The first multiply-accumulate of each output takes the bias register as its addend, the last of
// them overwrites it, so no copies of the bias are made.
//
//   narrow    depth 8 to 32. Weights i8[cout][depth] of two channels are expanded, doubled
//             and held in FPU registers over a block of tiles:
//             16 MACs = LDM, 2 VMOV, 8 SMLAD: 11 instructions, 15 cycles (M4).
//   wide      any depth that is a multiple of 8; the expanded weights of two channels stay in a
//             buffer in RAM over a block of tiles, activations are doubled by expand:
//             16 MACs = 3 LDRD, 8 SMLAD: 11 instructions, 17 cycles; 5 instructions per pair of
//             inputs, pair of channels and block on top, so it takes 8 tiles in a block to pay.
//   tile4/3   the same one tile at a time, weights expanded on the fly:
//             16 MACs 13 instructions, 18 cycles; 12 MACs (3 pixels) 10 and 14.
//             Weights of wide and tile: (A k, B k, A k+2, B k+2)(A k+1, B k+1, A k+3, B k+3) ...

#include "assembly.h"

#ifdef MICROT_DSP_ASSEMBLY

// ---- expand: r0 source (pixels depth bytes apart), r1 tiles, r2 depth, r3 number of tiles ------
// 16 inputs in 4 pixels: 13 instructions, 8 more when doubled.
    .macro EXPAND4 name doubled
    FUNCTION \name
    push    {r4-r11, lr}
    add     r12, r2, r2, lsl #1
1:
    add     lr, r0, r2
2:
    .rept 2
    ldr     r5, [r0, r2]
    ldr     r6, [r0, r2, lsl #1]
    ldr     r7, [r0, r12]
    ldr     r4, [r0], #4
    sxtb16  r8, r4, ror #8
    sxtb16  r9, r5, ror #8
    sxtb16  r10, r6, ror #8
    sxtb16  r11, r7, ror #8
    sxtb16  r4, r4
    sxtb16  r5, r5
    sxtb16  r6, r6
    sxtb16  r7, r7
    .if \doubled
    sadd16  r4, r4, r4
    sadd16  r5, r5, r5
    sadd16  r6, r6, r6
    sadd16  r7, r7, r7
    sadd16  r8, r8, r8
    sadd16  r9, r9, r9
    sadd16  r10, r10, r10
    sadd16  r11, r11, r11
    .endif
    stm     r1!, {r4-r11}
    .endr
    cmp     r0, lr
    bne     2b
    add     r0, r0, r12
    subs    r3, r3, #1
    bne     1b
    pop     {r4-r11, pc}
    FUNCTION_END \name
    .endm

    EXPAND4 microt_dsp_expand4, 0
    EXPAND4 microt_dsp_expand4_doubled, 1

// Three pixels, doubled; r0 source, r1 tiles, r2 depth, r3 number of tiles.
    FUNCTION microt_dsp_expand3_doubled
    push    {r4-r9, lr}
1:
    add     r12, r0, r2
2:
    .rept 2
    ldr     r5, [r0, r2]
    ldr     r6, [r0, r2, lsl #1]
    ldr     r4, [r0], #4
    sxtb16  r7, r4, ror #8
    sxtb16  r8, r5, ror #8
    sxtb16  r9, r6, ror #8
    sxtb16  r4, r4
    sxtb16  r5, r5
    sxtb16  r6, r6
    sadd16  r4, r4, r4
    sadd16  r5, r5, r5
    sadd16  r6, r6, r6
    sadd16  r7, r7, r7
    sadd16  r8, r8, r8
    sadd16  r9, r9, r9
    stm     r1!, {r4-r9}
    .endr
    cmp     r0, r12
    bne     2b
    add     r0, r0, r2, lsl #1
    subs    r3, r3, #1
    bne     1b
    pop     {r4-r9, pc}
    FUNCTION_END microt_dsp_expand3_doubled

// ---- narrow ------------------------------------------------------------------------------------
// r0 block of expanded tiles, r1 weights, r2 records, r3 out;
// stack: pitch of an output pixel, end of the block, pairs of channels, depth (8 to 32, a multiple of 4).
//
// Registers in the loop: r0-r3 inputs of 4 pixels, r4-r7 sums of A, r8-r11 of B, r12 tile, lr weight.
// FPU: s0 the first pair of weights of A, then the others so that the last is s15; s16 to s31 of B.
// With fewer than 16 pairs the unrolled loads and steps are entered further down.
//
// Frame: 0 biasA biasB, 8 mA roundA eA, 20 mB roundB eB, 32 out of the tile, 36 pitch, 40 end, 44 block,
// 48 weights, 52 records, 56 out, 60 pairs of channels, 64 entry into the steps, 68 and 72 into the
// loads of A and B.
    .macro NARROW_STEP a b a4 a5 a6 a7 a8 a9 a10 a11 // 44 bytes
    ldm     r12!, {r0-r3}
    vmov    lr, s\a
    smlad   r4, r0, lr, \a4
    smlad   r5, r1, lr, \a5
    smlad   r6, r2, lr, \a6
    smlad   r7, r3, lr, \a7
    vmov    lr, s\b
    smlad   r8, r0, lr, \a8
    smlad   r9, r1, lr, \a9
    smlad   r10, r2, lr, \a10
    smlad   r11, r3, lr, \a11
    .endm

    .macro NARROW_LOAD a b          // 4 weights -> 2 doubled pairs, 24 bytes
    ldr     r4, [r1], #4
    sxtb16  r5, r4
    sxtb16  r4, r4, ror #8
    sadd16  r5, r5, r5
    sadd16  r4, r4, r4
    vmov    s\a, s\b, r5, r4
    .endm

    .macro NARROW_CHANNEL first entry
    ldr     r4, [r1]
    sxtb16  r4, r4
    sadd16  r4, r4, r4
    vmov    s\first, r4
    ldr     pc, [sp, #\entry]
    .balign 4
    .endm

    FUNCTION microt_dsp_narrow
    push    {r4-r11, lr}
    vpush   {s16-s31}
    sub     sp, sp, #76
    add     r4, sp, #44
    stm     r4, {r0-r3}
    ldrd    r4, r5, [sp, #176]
    ldrd    r6, r7, [sp, #184]
    strd    r4, r5, [sp, #36]
    str     r6, [sp, #60]
    rsb     r7, r7, #32
    lsrs    r7, r7, #2              // loads to skip, twice as many steps
    movs    r6, #24
    adr     r4, 6f
    mla     r5, r7, r6, r4
    adr     r4, 7f
    mla     r6, r7, r6, r4
    movs    r4, #2*44
    mul     r7, r7, r4
    adr     r4, 5f
    add     r4, r4, r7
    orr     r4, r4, #1
    orr     r5, r5, #1
    orr     r6, r6, #1
    strd    r4, r5, [sp, #64]
    str     r6, [sp, #72]
1:                                  // two output channels
    ldr     r1, [sp, #48]
    NARROW_CHANNEL 0, 68
6:
    .set    j, 0
    .rept   8
    NARROW_LOAD %j, %(j+1)
    .set    j, j+2
    .endr
    NARROW_CHANNEL 16, 72
7:
    .rept   8
    NARROW_LOAD %j, %(j+1)
    .set    j, j+2
    .endr
    ldrd    r2, r3, [sp, #52]
    ldm     r2!, {r4-r11}
    mov     r12, r3
    stm     sp, {r4-r12}
    adds    r3, #2
    strd    r1, r2, [sp, #48]
    str     r3, [sp, #56]
    ldr     r12, [sp, #44]
2:                                  // a tile
    ldrd    r7, r11, [sp]
    NARROW_STEP 0, 16, r7, r7, r7, r7, r11, r11, r11, r11
    ldr     pc, [sp, #64]
    .balign 4
5:
    .set    j, 1
    .rept   15
    NARROW_STEP %j, %(j+16), r4, r5, r6, r7, r8, r9, r10, r11
    .set    j, j+1
    .endr
    add     r3, sp, #8
    ldm     r3!, {r0, r1, r2}
    UNLESS_RELU r2, lr, 4f
    REQUANTIZE_RELU r4, r0, r1, r2
    REQUANTIZE_RELU r5, r0, r1, r2
    REQUANTIZE_RELU r6, r0, r1, r2
    REQUANTIZE_RELU r7, r0, r1, r2
    ldm     r3!, {r0, r1, r2}
    REQUANTIZE_RELU r8, r0, r1, r2
    REQUANTIZE_RELU r9, r0, r1, r2
    REQUANTIZE_RELU r10, r0, r1, r2
    REQUANTIZE_RELU r11, r0, r1, r2
3:
    ldm     r3, {r0, r1, r2}
    strb    r4, [r0]
    strb    r8, [r0, #1]
    add     r0, r0, r1
    strb    r5, [r0]
    strb    r9, [r0, #1]
    add     r0, r0, r1
    strb    r6, [r0]
    strb    r10, [r0, #1]
    add     r0, r0, r1
    strb    r7, [r0]
    strb    r11, [r0, #1]
    add     r0, r0, r1
    cmp     r12, r2
    str     r0, [sp, #32]
    bne.w   2b
    ldr     r4, [sp, #60]
    subs    r4, r4, #1
    str     r4, [sp, #60]
    bne.w   1b
    add     sp, sp, #76
    vpop    {s16-s31}
    pop     {r4-r11, pc}
4:
    REQUANTIZE r4, r0, r1, r2, lr
    REQUANTIZE r5, r0, r1, r2, lr
    REQUANTIZE r6, r0, r1, r2, lr
    REQUANTIZE r7, r0, r1, r2, lr
    ldm     r3!, {r0, r1, r2}
    REQUANTIZE r8, r0, r1, r2, lr
    REQUANTIZE r9, r0, r1, r2, lr
    REQUANTIZE r10, r0, r1, r2, lr
    REQUANTIZE r11, r0, r1, r2, lr
    b       3b
    FUNCTION_END microt_dsp_narrow

// ---- wide --------------------------------------------------------------------------------------
// r0 weights, r1 block of doubled tiles, r2 records, r3 out; stack: pitch of an output pixel, end
// of the block, pairs of channels, weight buffer (4 * depth bytes), depth / 2.
//
// Registers: r0 weights, r1 tile, r2 r3 weights A B, r12 lr inputs, r4-r7 sums of A, r8-r11 of B.
// FPU: s0-s7 record, s8 out, s10 pitch, s11 end, s12 pairs of channels left, s13 entry into the
// unrolled steps, s14 weight buffer, s15 its end.
    .macro WIDE_STEP a4 a5 a6 a7 a8 a9 a10 a11
    ldrd    r2, r3, [r0], #8
    ldrd    r12, lr, [r1], #8
    smlad   r4, r2, r12, \a4
    smlad   r5, r2, lr, \a5
    smlad   r8, r3, r12, \a8
    smlad   r9, r3, lr, \a9
    ldrd    r12, lr, [r1], #8
    smlad   r6, r2, r12, \a6
    smlad   r7, r2, lr, \a7
    smlad   r10, r3, r12, \a10
    smlad   r11, r3, lr, \a11
    .endm

    FUNCTION microt_dsp_wide
    push    {r0-r11, lr}            // frame: 0 weights, 4 block, 8 records, 12 out
    ldrd    r4, r5, [sp, #52]
    ldr     r6, [sp, #60]
    ldrd    r7, r8, [sp, #64]
    vmov    s10, s11, r4, r5
    vmov    s12, r6
    add     r9, r7, r8, lsl #3
    vmov    s14, s15, r7, r9
    subs    r8, r8, #2              // steps after the first, minus 1
    and     r8, r8, #15
    rsb     r8, r8, #15             // steps to skip when entering the 16
    movs    r6, #44                 // bytes of a step
    adr     r7, 3f
    mla     r8, r8, r6, r7
    orr     r8, r8, #1
    vmov    s13, r8
1:                                  // two output channels: expand their weights
    ldr     r0, [sp]
    vmov    r2, r3, s14, s15
2:
    ldm     r0!, {r8-r11}
    sxtb16  r4, r8
    sxtb16  r5, r8, ror #8
    sxtb16  r6, r9
    sxtb16  r7, r9, ror #8
    sxtb16  r8, r10
    sxtb16  r9, r10, ror #8
    sxtb16  r10, r11
    sxtb16  r11, r11, ror #8
    stm     r2!, {r4-r11}
    cmp     r2, r3
    bne     2b
    str     r0, [sp]
    ldrd    r2, r3, [sp, #8]
    vldmia  r2!, {s0-s7}
    vmov    s8, r3
    adds    r3, #2
    strd    r2, r3, [sp, #8]
    ldr     r1, [sp, #4]
4:                                  // a tile
    vmov    r7, r11, s0, s1
    vmov    r0, s14
    WIDE_STEP r7, r7, r7, r7, r11, r11, r11, r11
    vmov    r12, s13
    bx      r12
    .balign 4
3:
    .rept   16
    WIDE_STEP r4, r5, r6, r7, r8, r9, r10, r11
    .endr
    vmov    r12, s15
    cmp     r0, r12
    bne.w   3b
    vmov    r0, r2, s2, s3
    vmov    r3, s4
    UNLESS_RELU r3, r12, 6f
    REQUANTIZE_RELU r4, r0, r2, r3
    REQUANTIZE_RELU r5, r0, r2, r3
    REQUANTIZE_RELU r6, r0, r2, r3
    REQUANTIZE_RELU r7, r0, r2, r3
    vmov    r0, r2, s5, s6
    vmov    r3, s7
    REQUANTIZE_RELU r8, r0, r2, r3
    REQUANTIZE_RELU r9, r0, r2, r3
    REQUANTIZE_RELU r10, r0, r2, r3
    REQUANTIZE_RELU r11, r0, r2, r3
5:
    vmov    r0, s8
    vmov    r2, r3, s10, s11
    strb    r4, [r0]
    strb    r8, [r0, #1]
    add     r0, r0, r2
    strb    r5, [r0]
    strb    r9, [r0, #1]
    add     r0, r0, r2
    strb    r6, [r0]
    strb    r10, [r0, #1]
    add     r0, r0, r2
    strb    r7, [r0]
    strb    r11, [r0, #1]
    add     r0, r0, r2
    vmov    s8, r0
    cmp     r1, r3
    bne.w   4b
    vmov    r0, s12
    subs    r0, r0, #1
    vmov    s12, r0
    bne.w   1b
    add     sp, sp, #16
    pop     {r4-r11, pc}
6:
    REQUANTIZE r4, r0, r2, r3, r12
    REQUANTIZE r5, r0, r2, r3, r12
    REQUANTIZE r6, r0, r2, r3, r12
    REQUANTIZE r7, r0, r2, r3, r12
    vmov    r0, r2, s5, s6
    vmov    r3, s7
    REQUANTIZE r8, r0, r2, r3, r12
    REQUANTIZE r9, r0, r2, r3, r12
    REQUANTIZE r10, r0, r2, r3, r12
    REQUANTIZE r11, r0, r2, r3, r12
    b.w     5b
    FUNCTION_END microt_dsp_wide

// ---- tile4, tile3 ------------------------------------------------------------------------------
// r0 weights, r1 doubled tile, r2 records, r3 out; stack: pitch of an output pixel, end of the
// tile, out + 2 * pairs of channels.
//
// Registers: r0 weights, r1 tile, r2 r3 weights A B, r12 lr (tile3: r10-r12) inputs, then sums.
// FPU: s0 end of the tile, s1 tile, s2 records, s3 out, s4 pitch, s5 last out, s6 entry.
    .macro TILE4_STEP a4 a5 a6 a7 a8 a9 a10 a11
    ldr     r3, [r0], #4
    ldrd    r12, lr, [r1], #8
    sxtb16  r2, r3
    sxtb16  r3, r3, ror #8
    smlad   r4, r2, r12, \a4
    smlad   r5, r2, lr, \a5
    smlad   r8, r3, r12, \a8
    smlad   r9, r3, lr, \a9
    ldrd    r12, lr, [r1], #8
    smlad   r6, r2, r12, \a6
    smlad   r7, r2, lr, \a7
    smlad   r10, r3, r12, \a10
    smlad   r11, r3, lr, \a11
    .endm

    FUNCTION microt_dsp_tile4
    push    {r4-r11, lr}
    ldr     r4, [sp, #36]
    ldr     r5, [sp, #40]
    ldr     r6, [sp, #44]
    vmov    s0, s1, r5, r1
    vmov    s2, s3, r2, r3
    vmov    s4, s5, r4, r6
    sub     r5, r5, r1
    lsr     r5, r5, #4              // steps
    subs    r5, r5, #2
    and     r5, r5, #7
    rsb     r5, r5, #7
    movs    r6, #52                 // bytes of a step
    adr     r7, 2f
    mla     r5, r5, r6, r7
    orr     r5, r5, #1
    vmov    s6, r5
1:
    vmov    r2, s2
    ldrd    r7, r11, [r2], #8
    vmov    s2, r2
    TILE4_STEP r7, r7, r7, r7, r11, r11, r11, r11
    vmov    r12, s6
    bx      r12
    .balign 4
2:
    .rept   8
    TILE4_STEP r4, r5, r6, r7, r8, r9, r10, r11
    .endr
    vmov    r12, s0
    cmp     r1, r12
    bne.w   2b
    vmov    r2, s2
    ldm     r2!, {r1, r3, r12}
    UNLESS_RELU r12, lr, 4f
    REQUANTIZE_RELU r4, r1, r3, r12
    REQUANTIZE_RELU r5, r1, r3, r12
    REQUANTIZE_RELU r6, r1, r3, r12
    REQUANTIZE_RELU r7, r1, r3, r12
    ldm     r2!, {r1, r3, r12}
    REQUANTIZE_RELU r8, r1, r3, r12
    REQUANTIZE_RELU r9, r1, r3, r12
    REQUANTIZE_RELU r10, r1, r3, r12
    REQUANTIZE_RELU r11, r1, r3, r12
3:
    vmov    s2, r2
    vmov    r2, r3, s3, s4
    add     r12, r2, #2
    vmov    s3, r12
    strb    r4, [r2]
    strb    r8, [r2, #1]
    add     r2, r2, r3
    strb    r5, [r2]
    strb    r9, [r2, #1]
    add     r2, r2, r3
    strb    r6, [r2]
    strb    r10, [r2, #1]
    add     r2, r2, r3
    strb    r7, [r2]
    strb    r11, [r2, #1]
    vmov    lr, s5
    vmov    r1, s1
    cmp     r12, lr
    bne.w   1b
    pop     {r4-r11, pc}
4:
    REQUANTIZE r4, r1, r3, r12, lr
    REQUANTIZE r5, r1, r3, r12, lr
    REQUANTIZE r6, r1, r3, r12, lr
    REQUANTIZE r7, r1, r3, r12, lr
    ldm     r2!, {r1, r3, r12}
    REQUANTIZE r8, r1, r3, r12, lr
    REQUANTIZE r9, r1, r3, r12, lr
    REQUANTIZE r10, r1, r3, r12, lr
    REQUANTIZE r11, r1, r3, r12, lr
    b.w     3b
    FUNCTION_END microt_dsp_tile4

    .macro TILE3_STEP a4 a5 a6 a7 a8 a9
    ldr     r3, [r0], #4
    ldm     r1!, {r10, r11, r12}
    sxtb16  r2, r3
    sxtb16  r3, r3, ror #8
    smlad   r4, r2, r10, \a4
    smlad   r5, r2, r11, \a5
    smlad   r6, r2, r12, \a6
    smlad   r7, r3, r10, \a7
    smlad   r8, r3, r11, \a8
    smlad   r9, r3, r12, \a9
    .endm

    FUNCTION microt_dsp_tile3
    push    {r4-r11, lr}
    ldr     r4, [sp, #36]
    ldr     lr, [sp, #40]
    ldr     r6, [sp, #44]
    vmov    s0, s1, lr, r1
    vmov    s2, s3, r2, r3
    vmov    s4, s5, r4, r6
    sub     r5, lr, r1
    movs    r6, #12
    udiv    r5, r5, r6              // steps
    subs    r5, r5, #2
    and     r5, r5, #7
    rsb     r5, r5, #7
    movs    r6, #40                 // bytes of a step
    adr     r7, 2f
    mla     r5, r5, r6, r7
    orr     r5, r5, #1
    vmov    s6, r5
1:
    vmov    r2, s2
    ldrd    r6, r9, [r2], #8
    vmov    s2, r2
    TILE3_STEP r6, r6, r6, r9, r9, r9
    vmov    r12, s6
    bx      r12
    .balign 4
2:
    .rept   8
    TILE3_STEP r4, r5, r6, r7, r8, r9
    .endr
    cmp     r1, lr
    bne.w   2b
    vmov    r2, s2
    ldm     r2!, {r1, r3, r12}
    UNLESS_RELU r12, r10, 4f
    REQUANTIZE_RELU r4, r1, r3, r12
    REQUANTIZE_RELU r5, r1, r3, r12
    REQUANTIZE_RELU r6, r1, r3, r12
    ldm     r2!, {r1, r3, r12}
    REQUANTIZE_RELU r7, r1, r3, r12
    REQUANTIZE_RELU r8, r1, r3, r12
    REQUANTIZE_RELU r9, r1, r3, r12
3:
    vmov    s2, r2
    vmov    r2, r3, s3, s4
    add     r12, r2, #2
    vmov    s3, r12
    strb    r4, [r2]
    strb    r7, [r2, #1]
    add     r2, r2, r3
    strb    r5, [r2]
    strb    r8, [r2, #1]
    add     r2, r2, r3
    strb    r6, [r2]
    strb    r9, [r2, #1]
    vmov    r10, s5
    vmov    r1, s1
    cmp     r12, r10
    bne.w   1b
    pop     {r4-r11, pc}
4:
    REQUANTIZE r4, r1, r3, r12, r10
    REQUANTIZE r5, r1, r3, r12, r10
    REQUANTIZE r6, r1, r3, r12, r10
    ldm     r2!, {r1, r3, r12}
    REQUANTIZE r7, r1, r3, r12, r10
    REQUANTIZE r8, r1, r3, r12, r10
    REQUANTIZE r9, r1, r3, r12, r10
    b.w     3b
    FUNCTION_END microt_dsp_tile3

// ---- im2col of a 3x3 kernel over 3 channels, straight to the tiles of narrow --------------------
// r0, r1, r2 the three input rows at the first window's left column, r3 the pixel's place in its
// tile (a tile is 14 pairs x 4 pixels = 224 bytes and starts at a multiple of 16);
// stack: number of pixels, bytes between windows (3 * stride).
// Pairs: of each row taps (0,2) (1,3) (4,6) (5,7); then (row 0 tap 8, row 1 tap 8), (row 2 tap 8, 0).
// Reads 9 bytes of each row per pixel: 44 instructions.
    .macro IM2COL_ROW p out
    ldr     r4, [\p]
    ldr     r5, [\p, #4]
    sxtb16  r6, r4
    sxtb16  r4, r4, ror #8
    sxtb16  r7, r5
    sxtb16  r5, r5, ror #8
    str     r6, [r3, #\out]
    str     r4, [r3, #\out+16]
    str     r7, [r3, #\out+32]
    str     r5, [r3, #\out+48]
    .endm

    FUNCTION microt_dsp_im2col_3x3x3
    push    {r4-r8, lr}
    ldrd    r12, r8, [sp, #24]
1:
    IM2COL_ROW r0, 0
    IM2COL_ROW r1, 64
    IM2COL_ROW r2, 128
    ldrsb   r4, [r0, #8]
    ldrsb   r5, [r1, #8]
    ldrsb   r6, [r2, #8]
    pkhbt   r4, r4, r5, lsl #16
    str     r4, [r3, #192]
    str     r6, [r3, #208]
    add     r0, r0, r8
    add     r1, r1, r8
    add     r2, r2, r8
    adds    r3, #4
    tst     r3, #12
    it      eq
    addeq   r3, #208                // the next tile
    subs    r12, r12, #1
    bne     1b
    pop     {r4-r8, pc}
    FUNCTION_END microt_dsp_im2col_3x3x3

#endif
