// SPDX-License-Identifier: MIT
//
// What the assembly files of this folder share. Armv7E-M with FPU registers (M4F, M7, M33 with
// DSP and FPU); elsewhere the files assemble to nothing.
//
// Names: r4-r11 hold accumulators; s registers park what would not fit, a VMOV costs one cycle.

#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FP) && __ARM_ARCH_PROFILE == 'M' \
    && !defined(__ARM_FEATURE_MVE) && !defined(MICROT_REFERENCE)
#define MICROT_DSP_ASSEMBLY (1)

    .syntax unified
    .thumb
    .text
    .altmacro

    .macro FUNCTION name
    .balign 4
    .global \name
    .type \name, %function
\name:
    .endm

    .macro FUNCTION_END name
    .size \name, . - \name
    .endm

// Requantises one accumulator in 4 instructions, bit-exact to M(acc, m, -e) + zero point of mtb.c.
// acc is doubled (doubled weights or activations, doubled bias), e >= 1 and
// round = 2^(e-1) + zero_point * 2^e. SMMLAR is t + floor((acc * m + 2^31) / 2^32): the first
// rounding and the sum; the sign of acc in t makes the second one round halves away from zero.
    .macro REQUANTIZE acc m round e t
    add     \t, \round, \acc, asr #31
    smmlar  \acc, \acc, \m, \t
    asr     \acc, \acc, \e
    ssat    \acc, #8, \acc
    .endm

// The same in 3 for a zero point of -128, as after every ReLU: a negative acc saturates to -128
// however it is rounded.
    .macro REQUANTIZE_RELU acc m round e
    smmlar  \acc, \acc, \m, \round
    asr     \acc, \acc, \e
    ssat    \acc, #8, \acc
    .endm

// Records say which one in bit 8 of e (shifts by a register look at the lowest 8 bits only):
// goes to label when it is not set.
    .macro UNLESS_RELU e t label
    lsls    \t, \e, #23
    bpl.w   \label
    .endm

#endif

// Without this note an operating system's linker makes the stack executable.
#if defined(__linux__) && defined(__ELF__)
    .section .note.GNU-stack, "", %progbits
#endif
