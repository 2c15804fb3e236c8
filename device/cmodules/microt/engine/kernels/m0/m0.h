// SPDX-License-Identifier: MIT
//
// Kernels for M-profile cores without DSP instructions (Armv6-M: M0, M0+; also M23, M3), in Thumb-1, bit for bit equal to
// the reference kernels. A multiplication is MULS: two int8 products and their sum in the upper half, see pointwise.S.
//
// Weight layouts. The host lays weights out ahead of time (host/microt/compiler/layout_m0.py writes them); an op's layout
// says what its weights, bias and requant sections hold and so which kernel runs it. Layout 0 is TensorFlow Lite's order:
// FULLY_CONNECTED, ADD, AVERAGE_POOL_2D and MEAN have kernels for it here, everything else goes to the reference kernels. The
// other layouts exist for ops all of whose channels have a right shift and no two neighbouring weights of -128. Their bias
// section is empty; requant is u32 window, i32[channels][5] records, see requantize.h. Weights are i8, one byte each.
// Sections of layouts other than 0 must lie at multiples of 4 in memory.
//
//   48 WIDE      CONV_2D without groups, any kernel, stride, dilation, padding; cout at least 2. taps = kh * kw * cin,
//                depth = taps rounded up to a multiple of 4 (padding weights are 0). weights i8[pairs][depth / 4][8] {A2 A3
//                A0 A1 B2 B3 B0 B1} for pairs A, B of output channels (0, 1) (2, 3) ...; when cout is odd the last pair is
//                (cout - 2, cout - 1). pairs = ceil(cout / 2). A's record says whether the pair's weights are small
//   49 FIRST     CONV_2D 3x3, cin 3, no dilation, cout at least 2. As WIDE with depth 28 and the taps in the order
//                of the pairs that the kernel gathers: row 0 taps 0-7, row 1, row 2, then tap 8 of the rows and a 0
//   50 PLANES    DEPTHWISE_CONV_2D 3x3, 5x5, 7x7, stride 1 or 2 (the same both ways), multiplier 1, no dilation; the
//                input rows of an output row fit PLANE_BYTES. weights i8[c][kh][kw], padded to a multiple of 4 at the end

#ifndef MICROT_KERNELS_M0_H
#define MICROT_KERNELS_M0_H

#include "../../kernels.h"

enum {
    MICROT_M0_WIDE = 48,
    MICROT_M0_FIRST = 49,
    MICROT_M0_PLANES = 50,
};

// MICROT_REFERENCE builds run the reference kernels alone.
#if defined(__ARM_ARCH_PROFILE) && !defined(__ARM_FEATURE_DSP) && !defined(MICROT_REFERENCE)
#if __ARM_ARCH_PROFILE == 'M'
#define MICROT_HAVE_M0 (1)
#endif
#endif

// Bytes of scratch that an op needs; layout as in its record. Compiles everywhere.
uint32_t microt_m0_scratch(const microt_op_t *op, unsigned layout);

// NULL when the kernels can run the op in this layout (they read and write nothing outside its tensors, sections and
// scratch), else what is wrong. Compiles everywhere; the op must have passed the decoder's checks of shapes and
// arguments.
const char *microt_m0_check(const microt_op_t *op, unsigned layout);

// Whether the output of a depthwise convolution may have its input's very offset: in PLANES with one strip a channel
// is read whole before its outputs are written, which lie where inputs of the same channel were. Compiles everywhere.
bool microt_m0_in_place(const microt_op_t *op, unsigned layout);

// A kernel reads op->in, writes op->out; scratch as microt_m0_scratch says, at a multiple of 16.
typedef void microt_m0_kernel_t(const microt_op_t *op, uint8_t *arena, unsigned layout, uint8_t *scratch);

// Runs an op that microt_m0_check lets pass. False when there is no kernel for it here: then the reference kernel is to
// run.
bool microt_m0_run(const microt_op_t *op, uint8_t *arena, unsigned layout, uint8_t *scratch);

microt_m0_kernel_t microt_m0_conv_2d; // layouts 48, 49
microt_m0_kernel_t microt_m0_depthwise_conv_2d; // layout 50
microt_m0_kernel_t microt_m0_fully_connected; // layout 0
microt_m0_kernel_t microt_m0_add; // layout 0
microt_m0_kernel_t microt_m0_average_pool_2d; // layout 0
microt_m0_kernel_t microt_m0_mean; // layout 0

#endif // MICROT_KERNELS_M0_H
