// SPDX-License-Identifier: MIT
//
// CONV_2D as products of pixels and channels, 4 (or 3) pixels by all channels at a time. The layouts NARROW and WIDE
// of mve.h say how the weights lie. One call does a run of tiles; what it takes is microt_mve_tiles_t of conv_2d.c:

#include "assembly.h"

#ifdef MICROT_MVE_ASSEMBLY

    .equ A_WEIGHTS, 0
    .equ A_RECORDS, 4
    .equ A_OUT, 8
    .equ A_IN, 12       // first pixel; 0: all tiles are filled already (WIDE)
    .equ A_PITCH, 16    // bytes between input pixels
    .equ A_DEPTH, 20    // bytes of an input pixel that are read
    .equ A_TILE, 24     // scratch: i8[steps][pixels][16]; one, or the filled ones (WIDE)
    .equ A_STEPS, 28    // steps of 16 inputs (WIDE)
    .equ A_TILES, 32    // tiles to do
    .equ A_GROUPS, 36   // groups of 4 output channels
    .equ A_ZERO, 40     // zero point of the output
    .equ A_SKIP, 44     // bytes from the end of the first pixel of a tile to the next tile
    .equ A_OFFSETS, 48  // u32[4]: from the first pixel of the output tile to each of its pixels

// 4 pixels of one channel in \sum -> \t, with the next record.
    .macro CHANNEL sum t relu
    ldm r7!, {r0, r2, r4}
    vadd.i32 \sum, \sum, r0
    REQUANTIZE \sum \t r2 r4 \relu
    .endm

// 4 channels x 4 pixels, i32 -> i16 in q6 {0, 2} and q7 {1, 3}: adds the zero point, narrows, stores 4 channels of
// each pixel as a word.
    .macro STORE zero offsets base
    vqadd.s16 q6, q6, \zero
    vqadd.s16 q7, q7, \zero
    vldrw.u32 \offsets, [\base]
    vqmovnb.s16 q6, q6
    vqmovnt.s16 q6, q7
    vstrw.32 q6, [r9, \offsets]
    adds r9, #4
    .endm

// ---- NARROW: cin <= 16, four pixels stay in q0-q3; 60 instructions for 16 outputs ----

    .macro NARROW_CHANNEL half dst relu
    vldrb.8 q4, [r3], #16
    vmladav.s8 r0, q0, q4
    vmladav.s8 r2, q1, q4
    vmladav.s8 r4, q2, q4
    vmladav.s8 r6, q3, q4
    vmov d10, r0, r2
    vmov d11, r4, r6
    CHANNEL q5 q4 \relu
    vqmovn\half\().s32 \dst, q4
    .endm

// void microt_mve_narrow(const microt_mve_tiles_t *), microt_mve_narrow_relu
    .macro NARROW name relu
    FUNCTION \name
    push {r4-r12, lr}
    vpush {d8-d15}
    mov r11, r0
    ldr r1, [r11, #A_IN]
    ldr r10, [r11, #A_PITCH]
    ldr r8, [r11, #A_TILES]
    ldr r9, [r11, #A_OUT]
    ldr r12, [r11, #A_SKIP]
    ldr r5, [r11, #A_ZERO]
    ldr r2, [r11, #A_DEPTH]
    vctp.8 r2           // lanes beyond cin are not read and become 0
    add r11, #A_OFFSETS
1:  add r2, r1, r10
    add r4, r2, r10
    add r6, r4, r10
    vpstttt
    vldrbt.8 q0, [r1]
    vldrbt.8 q1, [r2]
    vldrbt.8 q2, [r4]
    vldrbt.8 q3, [r6]
    add r1, r6, r10
    ldrd r3, r7, [r11, #A_WEIGHTS - A_OFFSETS]
    ldr lr, [r11, #A_GROUPS - A_OFFSETS]
    dls lr, lr
2:  NARROW_CHANNEL b q6 \relu
    NARROW_CHANNEL b q7 \relu
    NARROW_CHANNEL t q6 \relu
    NARROW_CHANNEL t q7 \relu
    STORE r5 q4 r11
    le lr, 2b
    add r9, r12
    subs r8, #1
    bne 1b
    vpop {d8-d15}
    pop {r4-r12, pc}
    FUNCTION_END \name
    .endm

    NARROW microt_mve_narrow 0
    NARROW microt_mve_narrow_relu 1

// ---- WIDE: pixels x 2 channels, 16 inputs a step: 14 instructions for 128 products with 4 pixels, 11 for 96 with 3.
// Eight accumulators take all even registers, lr too, so loops are SUBS and BNE around 4 steps entered part-way. The
// first step does not accumulate: nothing is cleared.

    .macro STEP4 a
    vldrb.8 q4, [r3], #32
    vldrb.8 q0, [r1], #64
    vmladav\a\().s8 r0, q0, q4
    vldrb.8 q1, [r1, #-48]
    vmladav\a\().s8 r2, q1, q4
    vldrb.8 q5, [r3, #-16]
    vmladav\a\().s8 r8, q0, q5
    vldrb.8 q2, [r1, #-32]
    vmladav\a\().s8 r10, q1, q5
    vldrb.8 q3, [r1, #-16]
    vmladav\a\().s8 r4, q2, q4
    vmladav\a\().s8 r12, q2, q5
    vmladav\a\().s8 r6, q3, q4
    vmladav\a\().s8 r14, q3, q5
    .endm

    .macro STEP3 a
    vldrb.8 q4, [r3], #32
    vldrb.8 q0, [r1], #48
    vmladav\a\().s8 r0, q0, q4
    vldrb.8 q1, [r1, #-32]
    vmladav\a\().s8 r2, q1, q4
    vldrb.8 q5, [r3, #-16]
    vmladav\a\().s8 r8, q0, q5
    vldrb.8 q2, [r1, #-16]
    vmladav\a\().s8 r10, q1, q5
    vmladav\a\().s8 r4, q2, q4
    vmladav\a\().s8 r12, q2, q5
    .endm

    .macro COPY4
    vldrb.8 q0, [r0], #16
    vldrb.8 q1, [r2], #16
    vldrb.8 q2, [r4], #16
    vldrb.8 q3, [r6], #16
    vstrb.8 q0, [r1], #64
    vstrb.8 q1, [r1, #-48]
    vstrb.8 q2, [r1, #-32]
    vstrb.8 q3, [r1, #-16]
    .endm

    .macro COPY3
    vldrb.8 q0, [r0], #16
    vldrb.8 q1, [r2], #16
    vldrb.8 q2, [r4], #16
    vstrb.8 q0, [r1], #48
    vstrb.8 q1, [r1, #-32]
    vstrb.8 q2, [r1, #-16]
    .endm

    .macro PAIR px half relu
    vmov d0, r0, r2
    .if \px == 4
    vmov d1, r4, r6
    .else
    vmov d1, r4, r4     // lane 3 repeats pixel 2: stored twice to the same place
    .endif
    CHANNEL q0 q1 \relu
    vqmovn\half\().s32 q6, q1
    vmov d0, r8, r10
    .if \px == 4
    vmov d1, r12, r14
    .else
    vmov d1, r12, r12
    .endif
    CHANNEL q0 q1 \relu
    vqmovn\half\().s32 q7, q1
    .endm

    .equ F_TILE, 0
    .equ F_LOOPS, 4     // rounds of 4 steps after the first step
    .equ F_ZERO, 8
    .equ F_END, 12      // of the channels of the first pixel of the output tile
    .equ F_OFFSETS, 16
    .equ F_ENTRY, 32    // into the first and the second pair's loop
    .equ F_ARGS, 40
    .equ F_IN, 44
    .equ F_LEFT, 48     // tiles
    .equ F_ADVANCE, 52  // bytes from one filled tile to the next
    .equ F_SIZE, 56

// One pair of channels: its sums, then PAIR.
    .macro SUMS px entry half relu
    ldr r11, [sp, #\entry]
    ldrd r1, r5, [sp, #F_TILE]
    STEP\px
    bx r11
    .balign 4
.Lloop\px\half\relu:
    STEP\px a
    STEP\px a
    STEP\px a
    STEP\px a
    subs r5, #1
    bne .Lloop\px\half\relu
.Ldone\px\half\relu:
    PAIR \px \half \relu
    .endm

// void microt_mve_wide4(const microt_mve_tiles_t *), microt_mve_wide3; ..._relu
    .macro WIDE name px relu
    FUNCTION \name
    push {r4-r12, lr}
    vpush {d8-d15}
    sub sp, #F_SIZE
    str r0, [sp, #F_ARGS]
    ldr r1, [r0, #A_TILE]
    str r1, [sp, #F_TILE]
    ldr r1, [r0, #A_STEPS]
    mov r2, #16 * \px
    mul r2, r2, r1
    str r2, [sp, #F_ADVANCE]
    subs r1, #1         // steps after the first
    add r2, r1, #3
    lsr r2, r2, #2
    str r2, [sp, #F_LOOPS]
    rsb r2, r1, #0
    and r2, r2, #3      // steps to leave out on entry
    .if \px == 4
    mov r4, #56         // bytes of a STEP
    .else
    mov r4, #44
    .endif
    mul r2, r2, r4
    adr.w r4, .Lloop\px\()b\relu
    adr.w r6, .Lloop\px\()t\relu
    cmp r1, #0
    bne 1f
    adr.w r4, .Ldone\px\()b\relu
    adr.w r6, .Ldone\px\()t\relu
1:  add r4, r2
    add r6, r2
    orr r4, #1
    orr r6, #1
    strd r4, r6, [sp, #F_ENTRY]
    ldr r1, [r0, #A_ZERO]
    str r1, [sp, #F_ZERO]
    ldr r1, [r0, #A_TILES]
    str r1, [sp, #F_LEFT]
    add r1, r0, #A_OFFSETS
    vldrw.u32 q0, [r1]
    add r1, sp, #F_OFFSETS
    vstrw.32 q0, [r1]
    ldr r9, [r0, #A_OUT]
    ldr r2, [r0, #A_IN]
    str r2, [sp, #F_IN]
2:  ldr r7, [sp, #F_ARGS]
    ldr r0, [sp, #F_IN]
    cbz r0, 3f
    ldrd r3, lr, [r7, #A_PITCH]
    add r2, r0, r3
    add r4, r2, r3
    .if \px == 4
    add r6, r4, r3
    add r3, r6
    .else
    add r3, r4
    .endif
    str r3, [sp, #F_IN]
    ldr r1, [sp, #F_TILE]
    dlstp.8 lr, lr      // the last step copies what there is; the rest meets zero weights
4:  COPY\px
    letp lr, 4b
3:  ldr r3, [r7, #A_GROUPS]
    add r3, r9, r3, lsl #2
    str r3, [sp, #F_END]
    ldrd r3, r7, [r7, #A_WEIGHTS]
5:  SUMS \px, F_ENTRY, b, \relu
    SUMS \px, (F_ENTRY + 4), t, \relu
    ldrd r0, r2, [sp, #F_ZERO]
    add r1, sp, #F_OFFSETS
    STORE r0 q0 r1
    cmp r9, r2
    bne 5b
    ldr r7, [sp, #F_ARGS]
    ldr r0, [r7, #A_SKIP]
    ldr r1, [sp, #F_LEFT]
    add r9, r0
    ldr r0, [sp, #F_IN]
    cbnz r0, 6f
    ldr r0, [sp, #F_TILE]
    ldr r2, [sp, #F_ADVANCE]
    add r0, r2
    str r0, [sp, #F_TILE]
6:  subs r1, #1
    str r1, [sp, #F_LEFT]
    bne.w 2b
    add sp, #F_SIZE
    vpop {d8-d15}
    pop {r4-r12, pc}
    FUNCTION_END \name
    .endm

    WIDE microt_mve_wide4, 4, 0
    WIDE microt_mve_wide4_relu, 4, 1
    WIDE microt_mve_wide3, 3, 0
    WIDE microt_mve_wide3_relu, 3, 1

// The same for 4 pixels and 2 to 4 steps, without loops: tiles are aligned, so word loads reach all of them from r1.
    .macro STEP_AT a at
    vldrb.8 q4, [r3], #32
    vldrw.u32 q0, [r1, #\at]
    vmladav\a\().s8 r0, q0, q4
    vldrw.u32 q1, [r1, #\at + 16]
    vmladav\a\().s8 r2, q1, q4
    vldrb.8 q5, [r3, #-16]
    vmladav\a\().s8 r8, q0, q5
    vldrw.u32 q2, [r1, #\at + 32]
    vmladav\a\().s8 r10, q1, q5
    vldrw.u32 q3, [r1, #\at + 48]
    vmladav\a\().s8 r4, q2, q4
    vmladav\a\().s8 r12, q2, q5
    vmladav\a\().s8 r6, q3, q4
    vmladav\a\().s8 r14, q3, q5
    .endm

    .macro FEW_STEPS steps half relu
    STEP_AT , 0
    STEP_AT a, 64
    .if \steps > 2
    STEP_AT a, 128
    .endif
    .if \steps > 3
    STEP_AT a, 192
    .endif
    PAIR 4 \half \relu
    .endm

    .equ G_ARGS, 0
    .equ G_IN, 4
    .equ G_LEFT, 8
    .equ G_END, 12
    .equ G_SIZE, 16

// void microt_mve_wide4_2(const microt_mve_tiles_t *), ..._3, ..._4; ..._relu
    .macro WIDE_FEW name steps relu
    FUNCTION \name
    push {r4-r12, lr}
    vpush {d8-d15}
    sub sp, #G_SIZE
    str r0, [sp, #G_ARGS]
    ldr r1, [r0, #A_IN]
    str r1, [sp, #G_IN]
    ldr r1, [r0, #A_TILES]
    str r1, [sp, #G_LEFT]
    add r11, r0, #A_OFFSETS
    ldr r5, [r0, #A_ZERO]
    ldr r9, [r0, #A_OUT]
    ldr r1, [r0, #A_TILE]
1:  ldr r7, [sp, #G_ARGS]
    ldr r0, [sp, #G_IN]
    cbz r0, 3f
    ldrd r3, lr, [r7, #A_PITCH]
    ldr r1, [r7, #A_TILE]
    add r2, r0, r3
    add r4, r2, r3
    add r6, r4, r3
    add r3, r6
    str r3, [sp, #G_IN]
    dlstp.8 lr, lr
2:  COPY4
    letp lr, 2b
    ldr r1, [r7, #A_TILE]
3:  ldr r3, [r7, #A_GROUPS]
    add r3, r9, r3, lsl #2
    str r3, [sp, #G_END]
    ldrd r3, r7, [r7, #A_WEIGHTS]
4:  FEW_STEPS \steps b \relu
    FEW_STEPS \steps t \relu
    STORE r5 q0 r11
    ldr r2, [sp, #G_END]
    cmp r9, r2
    bne.w 4b
    ldrd r0, r2, [sp, #G_IN]
    ldr r3, [r11, #A_SKIP - A_OFFSETS]
    cbnz r0, 5f
    add r1, #64 * \steps
5:  add r9, r3
    subs r2, #1
    str r2, [sp, #G_LEFT]
    bne.w 1b
    add sp, #G_SIZE
    vpop {d8-d15}
    pop {r4-r12, pc}
    FUNCTION_END \name
    .endm

    WIDE_FEW microt_mve_wide4_2, 2, 0
    WIDE_FEW microt_mve_wide4_2_relu, 2, 1
    WIDE_FEW microt_mve_wide4_3, 3, 0
    WIDE_FEW microt_mve_wide4_3_relu, 3, 1
    WIDE_FEW microt_mve_wide4_4, 4, 0
    WIDE_FEW microt_mve_wide4_4_relu, 4, 1

#endif
