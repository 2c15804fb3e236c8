// SPDX-License-Identifier: MIT
//
// What the assembly files of this folder share. Armv8.1-M with integer MVE (M55, M85); elsewhere the files assemble
// to nothing.
//
// Registers: VMLADAV writes even core registers only (r0, r2, ... r12, lr), so accumulators live there and pointers
// in the odd ones.

#if defined(__ARM_FEATURE_MVE) && !defined(MICROT_REFERENCE)
#define MICROT_MVE_ASSEMBLY (1)

    .syntax unified
    .thumb
    .text

    .macro FUNCTION name
    .balign 4
    .global \name
    .type \name, %function
\name:
    .endm

    .macro FUNCTION_END name
    .size \name, . - \name
    .endm

// Requantises 4 sums in 3 instructions: TensorFlow Lite's two roundings are
//     vrshl(vqrdmulh(sum, m) + (sum >> 31), -e)      for e >= 1
// VQRDMLAH with a scalar is the product and the addition in one. The sign of sum stands for that of the product:
// where they differ the product is 0 and the result is 0 either way.
// With relu, for an output zero point of -128 as after every ReLU, in 2: a negative sum gives a result of 0 or less,
// that is -128, however it is rounded.
    .macro REQUANTIZE sum t m shift relu
    .if \relu
    vqrdmulh.s32 \t, \sum, \m
    .else
    vshr.s32 \t, \sum, #31
    vqrdmlah.s32 \t, \sum, \m
    .endif
    vrshl.s32 \t, \shift
    .endm

#endif
