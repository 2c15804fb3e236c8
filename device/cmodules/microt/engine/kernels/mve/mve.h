// SPDX-License-Identifier: MIT
//
// Kernels for Armv8.1-M with integer MVE ("Helium": M55, M85), bit for bit equal to the reference kernels.
// Multiplications are VMLADAV: 16 int8 products and their sum.
//
// Weight layouts. The host lays weights out ahead of time (host/microt/compiler/layout_mve.py writes them); an op's
// layout says what its weights, bias and requant sections hold and so which kernel runs it. Layout 0 is TensorFlow
// Lite's order: every op has a kernel for it here, for any shape and any requantisation. The other layouts are for
// ops all of whose channels have a right shift (shift <= -1). Their bias section is empty: the requant section holds
// records i32[channels][3] {bias, multiplier, shift}, where the input's zero point is folded into the bias
// (bias - zero point * sum of the channel's weights, modulo 2^32). Sections of layouts other than 0 must lie at
// multiples of 4 in memory; tensors and scratch at multiples of 16, as all of the arena.
//
//   32 NARROW    CONV_2D 1x1, stride 1, no padding, cin <= 16. channels = cout rounded up to a multiple of 4, those
//                beyond cout all 0 (shift -1). weights i8[channels][16], zeros beyond cin
//   33 WIDE      CONV_2D without groups, any kernel, stride, dilation, padding. taps = kh * kw * cin, steps = ceil(taps
//                / 16), channels as NARROW. weights i8[channels / 2][steps][2][16], zeros beyond taps
//   34 FIRST     CONV_2D 3x3, cin 3, no dilation, equal strides 1 or 2, 4 output columns or more. As WIDE with 2 steps,
//                and taps in this order: step 0 kernel row 0 (9), row 1 (its first 7); step 1 row 2 (9), the last 2 of
//                row 1, 5 zeros
//   35 PLANES    DEPTHWISE_CONV_2D 3x3, 5x5, 7x7, stride 1 or 2 (the same both ways), multiplier 1, no dilation; two
//                rows of outputs fit PLANE_BYTES of scratch, 15 * c and (output width + 3) * c are below 65536. 3x3:
//                weights i8[16 + 16 * c]: 16 zeros, then for each channel [column 0..2][row 0..2, 0] and 4 zeros. 5x5,
//                7x7: i8[c][ceil(k / 2)][16], vector v holds [column 0..7][row 2v, 2v + 1], zeros outside the kernel
//   36 BLOCKS    DEPTHWISE_CONV_2D, any stride, padding, dilation, up to 64 taps, multiplier 1, no weight of -128, up
//                to 32 classes of windows, scratch up to BLOCK_BYTES. Blocks of 16 channels, zeros beyond c. Windows
//                that lose the same taps to padding are one class: with rows (columns) classes numbered in order of
//                their first output, class = row class * column classes + column class. weights i8[blocks][taps +
//                1][16], tap number taps all 0; requant i32[blocks][2 + classes] [16] {multipliers, shifts, for each
//                class biases with the zero point folded over the taps inside}; within a block entry 4 i + j is channel
//                4 j + (0, 2, 1, 3)[i]: the lanes of widened products

#ifndef MICROT_KERNELS_MVE_H
#define MICROT_KERNELS_MVE_H

#include "../../kernels.h"

enum {
    MICROT_MVE_NARROW = 32,
    MICROT_MVE_WIDE = 33,
    MICROT_MVE_FIRST = 34,
    MICROT_MVE_PLANES = 35,
    MICROT_MVE_BLOCKS = 36,
};

// MICROT_REFERENCE builds run the reference kernels alone.
#if defined(__ARM_FEATURE_MVE) && !defined(MICROT_REFERENCE)
#define MICROT_HAVE_MVE (1)
#endif

// Bytes of scratch that an op needs; layout as in its record. Compiles everywhere.
uint32_t microt_mve_scratch(const microt_op_t *op, unsigned layout);

// NULL when the kernels can run the op in this layout (they read and write nothing outside its tensors, sections and
// scratch), else what is wrong. Compiles everywhere; the op must have passed the decoder's checks of shapes and
// arguments.
const char *microt_mve_check(const microt_op_t *op, unsigned layout);

// Whether the output of a depthwise convolution may have its input's very offset: in PLANES with one strip a channel
// is read whole before its outputs are written, which lie where inputs of the same channel were. Compiles everywhere.
bool microt_mve_in_place(const microt_op_t *op, unsigned layout);

// A kernel reads op->in, writes op->out; scratch as microt_mve_scratch says, at a multiple of 16.
typedef void microt_mve_kernel_t(const microt_op_t *op, uint8_t *arena, unsigned layout, uint8_t *scratch);

// Runs an op that microt_mve_check lets pass. False when its operator has no kernel here (PAD, RESHAPE, SOFTMAX,
// CONCATENATION): then the reference kernel is to run.
bool microt_mve_run(const microt_op_t *op, uint8_t *arena, unsigned layout, uint8_t *scratch);

microt_mve_kernel_t microt_mve_conv_2d; // layouts 0, 32, 33, 34
microt_mve_kernel_t microt_mve_depthwise_conv_2d; // layouts 0, 35, 36
microt_mve_kernel_t microt_mve_fully_connected; // layout 0
microt_mve_kernel_t microt_mve_add; // layout 0
microt_mve_kernel_t microt_mve_average_pool_2d; // layout 0
microt_mve_kernel_t microt_mve_mean; // layout 0

#endif // MICROT_KERNELS_MVE_H
