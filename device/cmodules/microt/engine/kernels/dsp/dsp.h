// SPDX-License-Identifier: MIT
//
// Kernels for Armv7E-M and Armv8-M with DSP instructions and FPU registers (M4F, M7, M33), bit for
// bit equal to the reference kernels. Multiplications are SMLAD: two int16 products and the sum.
//
// Weight layouts. The host lays weights out ahead of time (host/microt/compiler/layout_dsp.py
// writes them); an op's layout says what its weights, bias and requant sections hold and so which
// kernel runs it. Layout 0 is TensorFlow Lite's order: every op has a kernel for it here. In the
// other layouts the bias section is empty and the records hold bias and requantisation; they
// exist for layers whose sums, shifts and zero points fit the 4 instructions of REQUANTIZE
// (assembly.h). Sections of layouts other than 0 must lie at multiples of 4 in memory.
//
//   16 NARROW   CONV_2D 1x1, stride 1, no padding, cin 8, 16, 24 or 32, at least 4 pixels, cout
//               at least 2. weights i8[cout][cin]; requant i32[pairs][8] {biasA, biasB, mA, roundA,
//               eA, mB, roundB, eB} for pairs of output channels (0,1) (2,3) ...; when cout is odd
//               the last pair is (cout-2, cout-1). pairs = ceil(cout / 2)
//   17 WIDE     CONV_2D without groups, any kernel, stride, dilation, padding; 3 pixels or more, cout at least 2.
//               taps = kh * kw * cin, depth = taps rounded up to a multiple of 8 (padding weights
//               are 0). weights i8[pairs][depth / 4][8] {A0 B0 A2 B2 A1 B1 A3 B3}; requant as 16
//   18 FIRST    CONV_2D 3x3, cin 3, no dilation, equal strides, 4 pixels or more, cout at least 2.
//               weights i8[cout][28]: taps 0-7 of kernel row 0, of row 1, of row 2, then tap 8 of
//               rows 0, 2, 1 and a 0; requant as 16
//   19 PLANES   DEPTHWISE_CONV_2D 3x3, 5x5, 7x7, stride 1 or 2 (the same both ways), multiplier 1,
//               no dilation, at least 4 channels. weights i16[c][kh][...] as depthwise.S has them;
//               requant i32[c][4] {bias, m, round, e}
//   20 SMALL    DEPTHWISE_CONV_2D 3x3 and 5x5 on 3x3 with padding k/2. weights as depthwise_small.S has
//               them, records included; requant empty
//   21 PLANES_IN_PLACE   as 19, channels a multiple of 4 and no more output than input pixels, with room for a
//               copy of four channels of the input in the scratch: the output may lie where the input is
//
// Records: m the multiplier, e the right shift (1 or more), round = 2^(e-1) + zero_point * 2^e; e has
// 256 added when the output's zero point is -128.
// Bias: in 16 to 19 and 21 the input's zero point is folded in, bias - zero_point * sum of the channel's weights;
// in 20 it is not. All are doubled.
//
// Scratch is part of the arena, at a multiple of 16; microt_dsp_scratch says how much.

#ifndef MICROT_KERNELS_DSP_H
#define MICROT_KERNELS_DSP_H

#include "../../kernels.h"

enum {
    MICROT_DSP_NARROW = 16,
    MICROT_DSP_WIDE = 17,
    MICROT_DSP_FIRST = 18,
    MICROT_DSP_PLANES = 19,
    MICROT_DSP_SMALL = 20,
    MICROT_DSP_PLANES_IN_PLACE = 21,
};

// MICROT_REFERENCE builds run the reference kernels alone, builds with MVE those of kernels/mve.
#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FP) && defined(__ARM_ARCH_PROFILE) \
    && !defined(__ARM_FEATURE_MVE) && !defined(MICROT_REFERENCE)
#if __ARM_ARCH_PROFILE == 'M'
#define MICROT_HAVE_DSP (1)
#endif
#endif

// Bytes of scratch that an op needs at least; layout as in its record. With more, up to what layout_dsp.py counts,
// CONV_2D does more pixels at a time, which is faster. Compiles everywhere.
uint32_t microt_dsp_scratch(const microt_op_t *op, unsigned layout);

// NULL when the kernels can run the op in this layout (they read and write nothing outside its
// tensors, sections and scratch), else what is wrong. Compiles everywhere; the op must have
// passed the decoder's checks of shapes and arguments.
const char *microt_dsp_check(const microt_op_t *op, unsigned layout);

// A kernel reads op->in, writes op->out; scratch as microt_dsp_scratch says, at a multiple of 16.
typedef void microt_dsp_kernel_t(const microt_op_t *op, uint8_t *arena, unsigned layout,
                                 uint8_t *scratch);

// Runs an op that microt_dsp_check lets pass. False when its operator has no kernel here (PAD,
// RESHAPE, SOFTMAX, CONCATENATION): then the reference kernel is to run.
bool microt_dsp_run(const microt_op_t *op, uint8_t *arena, unsigned layout, uint8_t *scratch);

microt_dsp_kernel_t microt_dsp_conv_2d; // layouts 0, 16, 17, 18
microt_dsp_kernel_t microt_dsp_depthwise_conv_2d; // layouts 0, 19, 20, 21
microt_dsp_kernel_t microt_dsp_fully_connected; // layout 0
microt_dsp_kernel_t microt_dsp_add; // layout 0
microt_dsp_kernel_t microt_dsp_average_pool_2d; // layout 0
microt_dsp_kernel_t microt_dsp_mean; // layout 0

#endif // MICROT_KERNELS_DSP_H
