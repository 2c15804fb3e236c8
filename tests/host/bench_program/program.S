// SPDX-License-Identifier: MIT
//
// Bare-metal program for the mps2-an386: sequences whose instructions and cycles are known by hand, each
// between microt_mark_begin and microt_mark_end, in the order of the table in test_bench_plugin.py.
// "layer" is called inside one of the regions and is a mark of its own.

    .syntax unified
    .cpu cortex-m4
    .fpu fpv4-sp-d16
    .thumb

    .section .vectors, "a"
    .word 0x20010000
    .word reset + 1
    .rept 13
    .word fault + 1
    .endr
    .word tick + 1

    .macro function name
    .global \name
    .type \name, %function
    .thumb_func
\name:
    .endm

    .macro endfunction name
    .size \name, . - \name
    .endm

    .text
function microt_mark_begin
    bx lr
endfunction microt_mark_begin

function microt_mark_end
    nop
    bx lr
endfunction microt_mark_end

function layer
    subs r0, #1
    bx lr
endfunction layer

function tick
    adds r7, #1
    adds r7, #1
    bx lr
endfunction tick

function fault
    b fault
endfunction fault

    .section .text.crossing
    .balign 4096
    .skip 4096 - 8
function crossing
    nop
    ldr.w r0, [r4]              // ends two bytes before the page does
    ldr.w r1, [r4]              // on both pages
    bx lr
endfunction crossing
    .text

    .macro loop count
    bl microt_mark_begin
    ldr r0, =\count
1:  subs r0, #1
    bne 1b
    bl microt_mark_end
    .endm

function reset
    ldr r0, =0xe000ed88         // CPACR: turn the FPU on
    ldr r1, =0x00f00000
    str r1, [r0]
    dsb
    isb
    ldr r4, =0x20000100

    // regions 1 and 2: a loop of two instructions
    loop 1000
    loop 100000

    // region 3: memory, multiple and double transfers
    bl microt_mark_begin
    ldr r0, [r4]                // 2
    ldr r1, [r4, #4]            // 1: follows a load
    ldr r2, [r4, #8]            // 1
    str r0, [r4, #12]           // 1
    movs r3, #4                 // 1
    str r0, [r4, r3]            // 2: register offset
    ldr r5, [r4, r3]            // 2
    ldrd r0, r1, [r4]           // 3
    strd r0, r1, [r4, #8]       // 2
    push {r0-r3}                // 5
    pop {r0-r3}                 // 5
    ldmia r4, {r0-r2}           // 4
    stmia r4, {r0-r2}           // 4
    ldr r0, [r4, #1]            // 2 + 1 unaligned
    strh r0, [r4, #3]           // 1 + 1 unaligned
    bl microt_mark_end

    // region 4: arithmetic, divide, floating point
    bl microt_mark_begin
    movs r0, #100               // 1
    movs r1, #7                 // 1
    udiv r2, r0, r1             // D
    mla r3, r0, r1, r2          // 1
    smull r2, r3, r0, r1        // 1
    smlad r2, r0, r1, r3        // 1
    ssat r2, #8, r2             // 1
    sxtb16 r3, r2               // 1
    vmov s0, r0                 // 1
    vcvt.f32.s32 s0, s0         // 1
    vmul.f32 s1, s0, s0         // 1
    vmla.f32 s1, s0, s0         // 3
    vdiv.f32 s2, s1, s0         // 14
    vmov r0, r1, s1, s2         // 2
    vldr s3, [r4]               // 2
    vstr s3, [r4]               // 2
    vpush {d8-d9}               // 5
    vpop {d8-d9}                // 5
    bl microt_mark_end

    // region 5: branches taken and not, compare and branch, table branch, a conditional block
    bl microt_mark_begin
    movs r0, #0                 // 1
    cbz r0, 2f                  // 1 + P
    nop
2:  cbnz r0, 4f                 // 1
    cmp r0, #1                  // 1
    beq 2b                      // 1
    tbb [pc, r0]                // 2 + P
3:  .byte (4f - 3b) / 2, 0
4:  it eq                       // 1
    moveq r1, #1                // 1: skipped, charged all the same
    b 5f                        // 1 + P
    nop
5:  bl microt_mark_end

    // region 6: three calls of a marked function
    movs r0, #3
    bl microt_mark_begin
6:  bl layer
    cmp r0, #0
    bne 6b
    bl microt_mark_end

    // region 7: a long loop with an interrupt every 40 ticks
    ldr r0, =0xe000e010         // SysTick
    movs r1, #40
    str r1, [r0, #4]
    movs r1, #0
    str r1, [r0, #8]
    movs r1, #7
    str r1, [r0]
    loop 30000
    ldr r0, =0xe000e010
    movs r1, #0
    str r1, [r0]

    // region 8: an access to a device register, in the middle of a block
    bl microt_mark_begin
    ldr r0, =0xe000e010
    nop
    ldr r1, [r0]
    nop
    nop
    bl microt_mark_end

    // region 9: an instruction that lies on two pages, in the middle of straight code
    bl microt_mark_begin
    bl crossing
    bl microt_mark_end

    movs r0, #0x18              // semihosting: SYS_EXIT, stopped by the application
    ldr r1, =0x20026
    bkpt 0xab
    b fault
endfunction reset
