// SPDX-License-Identifier: MIT
//
// The .mtb file: its format, in prose, and the one decoder that checks all of it.
//
// A .mtb file holds a compiled int8 backbone: the operators in order of execution, their
// constants, a memory plan and the exits. It is little-endian and may lie at any address, so
// multi-byte values are read by copies. It is used in place, never modified.
//
// Sections start at multiples of 16 from the start of the file, in the order of the section
// table, not overlapping, inside the file; an empty section has size 0 (its offset is not
// looked at). Bytes between sections are zero and at most 15. The file ends where the last
// non-empty section ends, padded with zeros to a multiple of 16.
//
// Header, 128 bytes
//
//     0   u8[4]   magic "MTB\0"
//     4   u16     version = 1
//     6   u16     header size = 128
//     8   u32     file size
//     12  u32     CRC-32 (IEEE 802.3, as zlib.crc32) of bytes 16 to the end of the file
//     16  u8[32]  SHA-256 of bytes 48 to the end: the identity of the backbone. The CRC guards
//                 against accidents; the decoder does not recompute the SHA-256 (the host does)
//     48  u16     target the weights are laid out for: 0 generic, 1 m0, 2 dsp, 3 mve
//     50  u16     number of exits, 1 to 8
//     52  u32     arena bytes: all tensors and the kernels' scratch; below 2^30
//     56  u16     input tensor
//     58  u16     0
//     60  u32     scratch offset in the arena, a multiple of 16; 0 when there is none
//     64  u32     scratch bytes; the scratch overlaps no tensor that is alive while an op runs,
//                 in effect: no tensor at all
//     68  u32[7][2]  section table {offset, bytes}: tensors, ops, exits, features, input,
//                 strings, data
//     124 u32     0
//
// Tensor, 32 bytes: activations only (constants live in the data section), 1 to 1024 of them
//
//     0   u32     arena offset, a multiple of 16
//     4   u32[3]  h, w, c, each 1 to 65535; c is fastest, the batch is 1, a vector is (1, 1, n)
//     16  f32     scale, finite and positive
//     20  i32     zero point, -128 to 127
//     24  u32     name: offset in the strings
//     28  u16     the op that writes it; 0xFFFF for the input
//     30  u16     the last op that reads it; 0xFFFF when none does
//
// Every tensor but the input is written by exactly one op, before any op reads it.
//
// Op, 64 bytes, 1 to 1024 of them, in order of execution
//
//     0   u8      opcode, see below
//     1   u8      weight layout: 0 = TensorFlow Lite's own order
//     2   u8      number of inputs: CONCATENATION 1 to 4, ADD 2, all others 1
//     3   u8      0
//     4   u16[4]  input tensors; unused ones are 0xFFFF
//     12  u16     output tensor
//     14  u16     branch: 0xFFFF for the trunk, else the exit whose private branch this is
//     16  u32[2]  args     {offset from the start of the file, bytes}, inside the data
//     24  u32[2]  weights  section; {0, 0} when the operator has none. args, bias and
//     32  u32[2]  bias     requant start at multiples of 4 from the start of the file
//     40  u32[2]  requant
//     48  u32     multiply-accumulates: CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED count
//                 output elements x taps (padding taps included); all others are 0
//     52  u32     name: offset in the strings
//     56  u32[2]  0
//
// Quantised values follow TensorFlow Lite's reference kernels bit for bit. A multiplier m and
// a shift s scale an int32 x to M(x, m, s) in two roundings, as the TensorFlow Lite of this
// time does: with l = max(s, 0) and r = max(-s, 0),
//     y = floor((x * 2^l * m + 2^30) / 2^31)          x * 2^l wraps in 32 bits
//     M = y / 2^r, rounded to nearest, halves away from zero
// m is in [0, 2^31), s in [-31, 30]. zi and zo are the input's and output's zero points.
// act_min <= act_max are in [-128, 127] and clamp the result. args are i32 arrays:
//
//     1  CONV_2D       stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left,
//                      pad_bottom, pad_right, act_min, act_max, kernel_h, kernel_w    (12)
//                      weights i8[cout][kh][kw][cin / groups], groups dividing cin and cout;
//                      bias i32[cout] (zeros when the model has none);
//                      requant i32[cout][2] {multiplier, shift}, per channel
//                      out = M(bias + sum (x - zi) * w, m, s) + zo; padding adds nothing
//     2  DEPTHWISE_CONV_2D   the same 12, depth_multiplier                            (13)
//                      weights i8[kh][kw][cout], cout = cin * depth_multiplier
//                      output channel c reads input channel c / depth_multiplier
//     3  FULLY_CONNECTED   act_min, act_max, weights_zero_point (= 0)                 (3)
//                      weights i8[out][in], out = c of the output, requant and bias as CONV_2D;
//                      the input's elements are rows x in, the output's rows x out
//     4  ADD           left_shift, mult1, shift1, mult2, shift2, mult_out, shift_out,
//                      act_min, act_max; left_shift in [0, 20], shifts in [-31, 0]    (9)
//                      M(M((x1 - z1) * 2^left_shift, mult1, shift1) + the same of x2,
//                        mult_out, shift_out) + zo;  both inputs have the output's shape
//     5  PAD           top, bottom, left, right, front (c), back (c), value           (7)
//                      value in [-128, 127]: fills what the input does not reach
//     6  AVERAGE_POOL_2D   stride_h, stride_w, pad_top, pad_left, pad_bottom, pad_right,
//                      kernel_h, kernel_w, act_min, act_max                           (10)
//                      sum over the n inputs in the window (padding not counted) / n, rounded
//                      to nearest, halves away from zero, in quantised units
//     7  MEAN          over h and w: multiplier, shift                                (2)
//                      out = M(sum x - n * zi, multiplier, shift) + zo, n = h * w, clamped to
//                      [-128, 127]. TensorFlow Lite folds n into the multiplier: from {m, s} =
//                      QuantizeMultiplier(scale_in / scale_out), with b = floor(log2 n) limited
//                      to 32 and to 31 + s: multiplier = floor((m * 2^b) / n), shift = s - b
//     8  RESHAPE       none: the same number of elements, copied unless in place
//     9  SOFTMAX       input_beta_multiplier, input_beta_left_shift, diff_min         (3)
//                      along c (< 4096), in fixed point, see kernels/ref/softmax.c; the output's
//                      scale is 1/256 and its zero point -128; left shift in [0, 30],
//                      diff_min in [-31 * 2^26 / 2^left_shift, 0]
//     10 CONCATENATION none: along c; h and w as the output's, the c of the inputs add up
//
// RESHAPE, PAD, AVERAGE_POOL_2D and CONCATENATION do not requantise: input and output have the
// same scale (within one part in 10^5) and zero point.
//
// Windows: with k' = (kernel - 1) * dilation + 1, in both directions
// out = floor((in + pad_before + pad_after - k') / stride) + 1, and each pad is below k'.
// strides, dilations and kernels are 1 to 65535. In CONV_2D and FULLY_CONNECTED the number of products in one
// sum, and in DEPTHWISE_CONV_2D and AVERAGE_POOL_2D the number of taps, is at most 65535. MEAN: h * w at most 2^23.
//
// Exit, 32 bytes
//
//     0   u16     embedding tensor, a vector (1, 1, n), written by an op
//     2   u16     0
//     4   u16     end: index one past the last op that this exit needs
//     6   u16     0
//     8   u32     multiply-accumulates of the ops below end, other exits' branches left out
//     12  u32[5]  0
//
// Ends increase strictly from exit to exit and the last is the number of ops. The ops of
// exit e's branch lie between the end of exit e - 1 and its own. An op reads tensors of the
// trunk and, in a branch, of this branch. The embedding of exit e is written by the trunk or by
// its own branch, below its end. run(e) executes the ops below end(e) that belong to the trunk or to
// branch e; resume() after it executes those from end(e) to end(e + 1) of the trunk and branch e + 1.
//
// The memory plan: a tensor is alive from the op that writes it (the input: from the start) to
// the last op that reads it; embeddings of exits stay alive to the end of the file's ops.
// Tensors alive at the same time do not overlap in the arena, with one exception: the output of RESHAPE
// and ADD may have the very offset of an input (for ADD either one) that is not needed later.
// A tensor that no op reads and that is no embedding is alive during the op that writes it.
//
// Feature, 48 bytes, one for each exit, or none at all (the section is empty)
//
//     0   u16     parts, 0 to 16; 0: this exit has no transform, and all else is 0
//     2   u16     flags; bit 0: square root of max(x, 0)
//     4   u32     d: length of the feature vector = sum of the parts' lengths
//     8   u32     k: rows of the projection, 0: none; at most 65535
//     12  u32     parts, 16 u32 mean f32[d], 20 u32 projection i8[k][d], 24 u32 row scales f32[k]:
//                 offsets from the start of the file, inside the data section; projection and
//                 row scales are 0 when k is 0; all floats are finite
//     28  f32     shrink, in [0, 1]: default share of the identity in the head's covariance
//     32  f32     prior trace, finite, not negative: the expected trace of the within-class
//                 scatter in the projected space
//     36  u32[3]  0
//
// A part is u16[4] {exit, start, length, 0}: elements start to start + length of the embedding of
// an exit not after this one; length is at least 1. In float32, in this order, for each part:
//     v[i] = scale * (q[i] - zero_point), its square root if asked (0 when negative)
//     v[i] = v[i] - mean[i], the part's slice of the mean
//     v[i] = v[i] / max(sqrt(sum v[i] * v[i]), 1e-6), the sum from i = 0 upwards
// z is the concatenation times 1 / sqrt(parts); u[i] = row_scale[i] * sum_j projection[i][j] * z[j], j upwards.
//
// Input: empty, or i8[256]: the input value of each uint8 pixel.
//
// Strings: NUL-terminated UTF-8, one after the other; the section's last byte is NUL.
//
// Data: everything the records point at.
//
// Unknown versions, opcodes, layouts, flags and non-zero reserved fields are refused.

#include "engine.h"
