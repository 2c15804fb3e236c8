// SPDX-License-Identifier: MIT
//
// What the assembly files of this folder share: Thumb-1 of Armv6-M, on cores without DSP instructions; elsewhere the files
// assemble to nothing. Words are loaded and stored at multiples of 4 only.

#if defined(__ARM_ARCH_PROFILE) && !defined(__ARM_FEATURE_DSP) && !defined(MICROT_REFERENCE)
#if __ARM_ARCH_PROFILE == 'M'
#define MICROT_M0_ASSEMBLY (1)

    .syntax unified
    .thumb
    .text
    .altmacro

    .macro FUNCTION name
    .balign 4
    .global \name
    .type \name, %function
    .thumb_func
\name:
    .endm

    .macro FUNCTION_END name
    .size \name, . - \name
    .endm

    .macro PUSH_ALL                 // r4-r11, lr: 36 bytes
    push    {r4-r7, lr}
    mov     r4, r8
    mov     r5, r9
    mov     r6, r10
    mov     r7, r11
    push    {r4-r7}
    .endm

    .macro POP_ALL
    pop     {r4-r7}
    mov     r8, r4
    mov     r9, r5
    mov     r10, r6
    mov     r11, r7
    pop     {r4-r7, pc}
    .endm

// Adds the upper half of a pair product to acc; exact, see pointwise.S. Clobbers both w and the flags.
    .macro MAC2 acc a w
    muls    \w, \a, \w
    asrs    \w, \w, #16
    adcs    \acc, \w
    .endm

// 127 for an acc at or above 0, which is past the range, -128 below.
    .macro SATURATED acc t
    asrs    \acc, \acc, #31
    movs    \t, #127
    eors    \acc, \t
    .endm

#endif
#endif

// Without this note an operating system's linker makes the stack executable.
#if defined(__linux__) && defined(__ELF__)
    .section .note.GNU-stack, "", %progbits
#endif
