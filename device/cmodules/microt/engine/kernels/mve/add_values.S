// SPDX-License-Identifier: MIT
//
// ADD with tables: 42 instructions for 16 values.

#include "assembly.h"

#ifdef MICROT_MVE_ASSEMBLY

// Four neighbouring values of both inputs -> half of \into.
    .macro ADD_FOUR half into
    vldrb.u32 q2, [r0], #4
    vldrb.u32 q3, [r1], #4
    vldrw.u32 q4, [r3, q2, uxtw #2]
    vldrw.u32 q5, [r4, q3, uxtw #2]
    vadd.i32 q4, q4, q5
    REQUANTIZE q4 q5 r5 r6 0
    vqmovn\half\().s32 \into, q5
    .endm

// void microt_mve_add_tables(const int8_t *x1, const int8_t *x2, int8_t *y, const int32_t *tables, int32_t turns,
//     int32_t multiplier, int32_t shift, int32_t zero_point)
// tables i32[2][256]; shift <= -1; turns of 16 values. y may be x1 or x2.
    FUNCTION microt_mve_add_tables
    push {r4-r7, lr}
    sub sp, #20
    vpush {d8-d15}
    // Narrowing leaves value 4 i + j in lane 4 j + i: the store puts it back.
    movs r4, #0
    vidup.u8 q0, r4, #1
    vmov.i8 q1, #3
    vand q1, q0, q1
    vshr.u8 q0, q0, #2
    vshl.i8 q1, q1, #2
    vorr q0, q0, q1
    add r4, sp, #104
    ldm r4, {r4, r5, r6, r7}
    dls lr, r4
    add r4, r3, #1024
1:  ADD_FOUR b q6
    ADD_FOUR b q7
    ADD_FOUR t q6
    ADD_FOUR t q7
    vqadd.s16 q6, q6, r7
    vqadd.s16 q7, q7, r7
    vqmovnb.s16 q6, q6
    vqmovnt.s16 q6, q7
    vstrb.8 q6, [r2, q0]
    adds r2, #16
    le lr, 1b
    vpop {d8-d15}
    add sp, #20
    pop {r4-r7, pc}
    FUNCTION_END microt_mve_add_tables

#endif
