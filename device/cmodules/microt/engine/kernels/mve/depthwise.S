// SPDX-License-Identifier: MIT
//
// DEPTHWISE_CONV_2D, layout PLANES: one channel at a time, its plane transposed into the scratch (planes.c), padded with
// the zero point, with rows interleaved so that one contiguous 16-byte load holds a block of the plane:
//
//   3x3       quads: a block is 4 columns x 4 rows; quad row j holds padded rows 2j..2j+3 (each row is in two quads)
//   5x5, 7x7  pairs: a block is 8 columns x 2 rows; pair row j holds padded rows 2j, 2j+1
//
// A window is then dot products (VMLADAV: 16 products into one core register) with weights laid out like a block: 1 for
// 3x3, 3 for 5x5, 4 for 7x7. Unused lanes have zero weights, so whatever lies there does no harm.
//
// Tile: 4 output columns x 2 output rows (a, b), requantised with one multiplier and shift, stored by a scatter of 8 bytes
// (lanes a0, b0, a1, b1, ...). Masked kernels store some of the lanes: odd heights, fewer than 4 columns.
//
// Weights of 3x3, stride 1: the copies shifted by a column and a row are made on entry. Of 5x5, 7x7, stride 1: {even[v],
// odd[v]}, odd one row later, which planes.c makes from even.

#include "assembly.h"

#ifdef MICROT_MVE_ASSEMBLY

// microt_mve_plane_t of planes.c
    .equ A_DATA, 0       // first block row
    .equ A_OUT, 4
    .equ A_BIAS, 8       // bias, multiplier, shift, zp
    .equ A_TILES, 24     // column tiles per row pair
    .equ A_ROWS, 28      // row pairs
    .equ A_RS, 32        // bytes between block rows
    .equ A_DADV, 36      // data advance per row pair
    .equ A_OADV, 40      // output advance per row pair
    .equ A_OINC, 44      // output advance per tile
    .equ A_MASK, 48      // store mask of all but the last row pair, 2 bits per lane
    .equ A_MASKL, 52     // of the last row pair
    .equ A_W, 56
    .equ A_DINC, 60      // data advance per tile
    .equ A_OFF, 64

// q6 (a), q7 (b) accumulators -> stored; off = register that addresses off[]

    .macro FINISH rb, rm, rs, rz, rout, roff, offs
    vadd.i32 q6, q6, \rb
    vadd.i32 q7, q7, \rb
    vshr.s32 q4, q6, #31
    vshr.s32 q5, q7, #31
    vqrdmlah.s32 q4, q6, \rm
    vqrdmlah.s32 q5, q7, \rm
    vrshl.s32 q4, \rs
    vrshl.s32 q5, \rs
    vqmovnb.s32 q4, q4
    vqmovnt.s32 q4, q5
    vldrw.u32 q5, [\roff, \offs]
    vqadd.s16 q4, q4, \rz
    vqmovnb.s16 q4, q4
    .if MASKED
    vpst
    vstrbt.16 q4, [\rout, q5]
    .else
    vstrb.16 q4, [\rout, q5]
    .endif
    .endm
// in the 3x3 kernels: r11 args, r8 bias, r10 multiplier, r12 shift, r9 zp, r1 data, r5 out, r3 out inc

    .macro HEAD3
    push {r4-r12, lr}
    vpush {d8-d15}
    sub sp, #16
    mov r11, r0
    ldr r1, [r11, #A_W]
    vldrb.8 q0, [r1]
    vldrb.8 q1, [r1, #-4]    // one column later: the four bytes before are zero
    vshl.i32 q2, q0, #8      // one row later
    vshl.i32 q3, q1, #8
    ldrd r8, r10, [r11, #A_BIAS]
    ldrd r12, r9, [r11, #A_BIAS+8]
    ldrd r1, r5, [r11, #A_DATA]
    ldr r3, [r11, #A_OINC]
    ldr r7, [r11, #A_ROWS]
7:  str r1,[sp]
    str r5, [sp, #4]
    .if MASKED
    ldr r0, [r11, #A_MASK]
    cmp r7, #1
    it eq
    ldreq r0, [r11, #A_MASKL]
    vmsr p0, r0
    .endif
    ldr lr, [r11, #A_TILES]
    dls lr, lr
    .endm

    .macro TAIL3
    ldrd r1, r5, [sp]
    ldrd r0, r2, [r11, #A_DADV]
    add r1, r0
    add r5, r2
    subs r7, #1
    bne 7b
    add sp, #16
    vpop {d8-d15}
    pop {r4-r12, pc}
    .endm

    .macro DW3S1 name, inc
    FUNCTION \name
    HEAD3
8:  vldrb.8 q4,[r1],#\inc
    vmladav.s8 r0, q4, q0
    vmladav.s8 r2, q4, q1
    vldrb.8 q5, [r1, #8-\inc]
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
    FINISH r8, r10, r12, r9, r5, r11, A_OFF
    add r5, r3
    le lr, 8b
    TAIL3
    FUNCTION_END \name
    .endm

    .macro ROW3S2 p, inc, dl, dh
    vldrb.8 q4, [\p], #\inc
    vmladav.s8 r0, q4, q0
    vldrb.8 q5, [\p, #8-\inc]
    vmladav.s8 r2, q5, q0
    vldrb.8 q4, [\p, #16-\inc]
    vmladav.s8 r4, q4, q0
    vldrb.8 q5, [\p, #24-\inc]
    vmladav.s8 r6, q5, q0
    vmov \dl, r0, r2
    vmov \dh, r4, r6
    .endm

    .macro DW3S2 name, inc
    FUNCTION \name
    HEAD3
    str r7, [sp, #8]
    ldr r7, [r11, #A_RS]
    add r7, r1
8:  ROW3S2 r1,\inc,d12,d13
    ROW3S2 r7, \inc, d14, d15
    FINISH r8, r10, r12, r9, r5, r11, A_OFF
    add r5, r3
    le lr, 8b
    ldr r7, [sp, #8]
    TAIL3
    FUNCTION_END \name
    .endm

// in the 5x5 and 7x7 kernels eight accumulators take every even register
// r1 data, r3 block row stride, r5 out, r7 rewind, r9 weights, r11 tiles left; arguments copied to the stack

    .macro HEADP rewind
    push {r4-r12, lr}
    vpush {d8-d15}
    sub sp, #96
    // frame: 0 data, 4 out, 8 bias, 12 mult, 16 shift, 20 zp, 24.. as the argument block, 80 row pairs left
    ldm r0!, {r1-r8}
    stm sp, {r1-r8}
    add r9, sp, #32
    ldm r0!, {r1-r8}
    stm r9, {r1-r8}
    vldrw.u32 q0, [r0]
    vstrw.32 q0, [sp, #64]
    ldr r0, [sp, #A_ROWS]
    str r0, [sp, #80]
    ldr r3, [sp, #A_RS]
    mov r7, #\rewind
    mul r7, r7, r3
    ldr r9, [sp, #A_DINC]
    sub r7, r9, r7
7:  ldrd r1,r5,[sp]
    .if MASKED
    ldr r0, [sp, #A_MASK]
    ldr r2, [sp, #80]
    cmp r2, #1
    it eq
    ldreq r0, [sp, #A_MASKL]
    vmsr p0, r0
    .endif
    ldr r11, [sp, #A_TILES]
    ldr r9, [sp, #A_W]
    .endm

    .macro TAILP
    vmov d12, r0, r2
    vmov d13, r4, r6
    vmov d14, r8, r10
    vmov d15, r12, r14
    ldrd r0, r2, [sp, #A_BIAS]
    ldrd r4, r6, [sp, #A_BIAS+8]
    ldr r8, [sp, #A_OINC]
    FINISH r0, r2, r4, r6, r5, sp, 64
    add r5, r8
    add r1, r7
    subs r11, #1
    bne 8b
    ldrd r1, r5, [sp]
    ldrd r0, r2, [sp, #A_DADV]
    add r1, r0
    add r5, r2
    strd r1, r5, [sp]
    ldr r2, [sp, #80]
    subs r2, #1
    str r2, [sp, #80]
    bne 7b
    add sp, #96
    vpop {d8-d15}
    pop {r4-r12, pc}
    .endm

    .macro VECS1 a, v
    vldrb.8 q2, [r1]
    vldrb.8 q0, [r9, #32*\v]
    vmladav\a\().s8 r0, q2, q0
    vldrb.8 q1, [r9, #32*\v+16]
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
// pair row p of a stride-2 tile: weights p go with output row a, weights p-1 with b

    .macro VECS2 p, n, wa, wb
    .if \p<\n
    vldrb.8 \wa, [r9, #16*\p]
    .endif
    S2COL \p, \n, \wa, \wb, q2, 0, r0, r8
    S2COL \p, \n, \wa, \wb, q3, 4, r2, r10
    S2COL \p, \n, \wa, \wb, q4, 8, r4, r12
    S2COL \p, \n, \wa, \wb, q5, 12, r6, r14
    add r1, r3
    .endm

    .macro S2COL p, n, wa, wb, q, o, ra, rb
    vldrb.8 \q, [r1, #\o]
    .if \p==0
    vmladav.s8 \ra, \q, \wa
    .elseif \p<\n
    vmladava.s8 \ra, \q, \wa
    .endif
    .if \p==1
    vmladav.s8 \rb, \q, \wb
    .elseif \p>1
    vmladava.s8 \rb, \q, \wb
    .endif
    .endm

    .macro DWPAIR k, n, m
    FUNCTION microt_mve_\k\()x\k\()_s1\m
    HEADP \n
8:  VECS1 ,0
    VECS1 a, 1
    VECS1 a, 2
    .if \n==4
    VECS1 a, 3
    .endif
    TAILP
    FUNCTION_END microt_mve_\k\()x\k\()_s1\m
    FUNCTION microt_mve_\k\()x\k\()_s2\m
    HEADP \n+1
8:  VECS2 0,\n,q0,q1
    VECS2 1, \n, q1, q0
    VECS2 2, \n, q0, q1
    VECS2 3, \n, q1, q0
    .if \n==4
    VECS2 4, \n, q0, q1
    .endif
    TAILP
    FUNCTION_END microt_mve_\k\()x\k\()_s2\m
    .endm
// void microt_mve_quads, microt_mve_pairs(const int8_t *in, int8_t *plane, const uint16_t *table, int32_t pixels,
//     int32_t channels, int32_t again)
// One channel of pixels that lie channels bytes apart to plane + table[i], for quads to plane + again + table[i] too.

    .macro MOVE dup, data, place
    vstrb.16 \data, [r1, \place]
    .if \dup
    vstrb.16 \data, [r12, \place]
    .endif
    .endm

    .macro TRANSPOSE name, dup
    FUNCTION \name
    push {r4, r5, r6, lr}
    vpush {d8-d11}
    ldrd r4, r5, [sp, #48]
    mov r6, #0
    vidup.u16 q0, r6, #1
    vmul.i16 q0, q0, r4     // 8 pixels from here
    lsl r6, r4, #3
    vadd.i16 q1, q0, r6     // and the next 8
    lsr lr, r3, #4
    and r3, #15
    add r12, r1, r5
    wls lr, lr, 2f
1:  vldrb.u16 q2, [r0, q0]
    vldrh.u16 q4, [r2], #32
    vldrb.u16 q3, [r0, q1]
    vldrh.u16 q5, [r2, #-16]
    MOVE \dup, q2, q4
    MOVE \dup, q3, q5
    add r0, r0, r6, lsl #1
    le lr, 1b
2:  wlstp.16 lr, r3, 4f
3:  vldrb.u16 q2, [r0, q0]
    vldrh.u16 q4, [r2], #16
    MOVE \dup, q2, q4
    add r0, r6
    letp lr, 3b
4:  vpop {d8-d11}
    pop {r4, r5, r6, pc}
    FUNCTION_END \name
    .endm

    TRANSPOSE microt_mve_quads, 1
    TRANSPOSE microt_mve_pairs, 0

// void microt_mve_shift_rows(const int8_t *even, int8_t *both, int32_t vectors)
// {even[v], odd[v]} of each vector, odd one row later: the weights of the 5x5 and 7x7 kernels with stride 1.
    FUNCTION microt_mve_shift_rows
    push {r4, lr}
    vmov.i32 q0, #0
    dls lr, r2
1:  vldrb.8 q1, [r0], #16
    vshr.u16 q0, q0, #8
    vsli.16 q0, q1, #8
    vstrb.8 q1, [r1], #32
    vstrb.8 q0, [r1, #-16]
    vmov q0, q1
    le lr, 1b
    pop {r4, pc}
    FUNCTION_END microt_mve_shift_rows

    .set MASKED, 0
    DW3S1 microt_mve_3x3_s1, 16
    DW3S1 microt_mve_3x3_s1_half, 8
    DW3S2 microt_mve_3x3_s2, 32
    DW3S2 microt_mve_3x3_s2_half, 16
    DWPAIR 5, 3, 
    DWPAIR 7, 4, 
    .set MASKED, 1
    DW3S1 microt_mve_3x3_s1_masked, 16
    DW3S1 microt_mve_3x3_s1_half_masked, 8
    DW3S2 microt_mve_3x3_s2_masked, 32
    DW3S2 microt_mve_3x3_s2_half_masked, 16
    DWPAIR 5, 3, _masked
    DWPAIR 7, 4, _masked

#endif
