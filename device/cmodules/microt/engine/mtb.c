// SPDX-License-Identifier: MIT
//
// The .mtb file: its format, in prose, and the one decoder that checks all of it. Here: header, sections,
// strings, tensors; ops, plan and features in the files of those names.
//
// A .mtb file holds a compiled int8 backbone: the operators in order of execution, their
// constants, a memory plan and the exits. It is little-endian and may lie at any address, so
// multi-byte values are read by copies. It is used in place, never modified.
//
// Sections start at multiples of 16 from the start of the file, in the order of the section
// table, not overlapping, inside the file; an empty section has size 0 (its offset is not
// looked at). Each begins at the first multiple of 16 not below the end of the one before, and the
// bytes in between are zero. The file ends where the last section ends; it may be padded with
// zeros to the next multiple of 16.
//
// Header, 128 bytes
//
//     0   u8[4]   magic "MTB\0"
//     4   u16     version = 1
//     6   u16     header size = 128
//     8   u32     file size
//     12  u32     CRC-32 (IEEE 802.3, as zlib.crc32) of bytes 16 to the end of the file
//     16  u8[32]  the identity of the backbone: SHA-256 of bytes 48 to the end of its file for
//                 target 0. Files for other targets carry that of the file for target 0, so that
//                 what was learned with one goes on with the other: they answer alike, bit for
//                 bit. The CRC guards against accidents; the decoder does not recompute the
//                 SHA-256 (the host does, for target 0)
//     48  u16     target the weights are laid out for: 0 generic, 1 m0, 2 dsp, 3 mve. Target 0
//                 runs on every build of the engine, the others where their kernels are in. Their
//                 files must lie at a multiple of 4 in memory
//     50  u16     number of exits, 1 to 8
//     52  u32     arena bytes: all tensors and the kernels' scratch; below 2^30
//     56  u16     input tensor
//     58  u16     0
//     60  u32[2]  0
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
//     1   u8      weight layout: 0 = TensorFlow Lite's own order; 1 = the same, DEPTHWISE_CONV_2D of
//                 multiplier 1 with at least h * w bytes of the input in scratch and no more pixels
//                 in the output than in the input: the output may lie where the input is. From 16
//                 on the target's own, which say what weights and requant hold and have no bias.
//                 Target dsp: 16 to 21, see kernels/dsp/dsp.h; mve: 32 to 36, see kernels/mve/mve.h;
//                 m0: 48 to 50, see kernels/m0/m0.h. dsp's 21, mve's 35 and m0's 50 may put the output
//                 where the input is, where those say so
//     2   u8      number of inputs: CONCATENATION 1 to 4, ADD 2, ARITHMETIC 2 or (with a
//                 constant) 1, all others 1
//     3   u8      0
//     4   u16[4]  input tensors; unused ones are 0xFFFF
//     12  u16     output tensor
//     14  u16     branch: 0xFFFF for the trunk, else the exit whose private branch this is
//     16  u32[2]  args     {offset from the start of the file, bytes}, inside the data
//     24  u32[2]  weights  section; {0, 0} when the operator has none. args, bias, requant and
//     32  u32[2]  bias     weights of layouts from 16 start at multiples of 4 from the file's start
//     40  u32[2]  requant
//     48  u32     multiply-accumulates: CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED count
//                 output elements x taps (padding taps included); all others are 0
//     52  u32     name: offset in the strings
//     56  u32     scratch: offset in the arena, a multiple of 16; 0 when there is none
//     60  u32     scratch bytes: no less than the target's kernel needs beside the tensors; it
//                 overlaps no tensor that is alive while the op runs
//
// Quantised values follow TensorFlow Lite's reference kernels bit for bit. A multiplier m and
// a shift s scale an int32 x to M(x, m, s) in two roundings, as the TensorFlow Lite of this
// time does: with l = max(s, 0) and r = max(-s, 0),
//     y = floor((x * 2^l * m + 2^30) / 2^31)          x * 2^l wraps in 32 bits
//     M = y / 2^r, rounded to nearest, halves away from zero
// FULLY_CONNECTED rounds once instead (TensorFlow Lite multiplies in double there):
//     M1 = x * m / 2^(31 - s), rounded to nearest, halves away from zero
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
//                      out = M1(bias + sum (x - zi) * w, m, s) + zo
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
//     10 CONCATENATION none: along the one of c, w and h that adds up; the others are the output's
//     11 MAX_POOL_2D   as AVERAGE_POOL_2D: the largest input in the window, clamped  (10)
//     12 LOOKUP        the operator it stands for, TensorFlow Lite's number, 0 to 255  (1)
//                      weights i8[256]: the output of each input value, from -128 upwards; the
//                      shapes are the same. LOGISTIC, TANH, HARD_SWISH, RELU and its kin,
//                      LEAKY_RELU, QUANTIZE, and arithmetic with one constant for all values
//     13 ARITHMETIC    kind, left_shift, mult1, shift1, mult2, shift2, mult_out, shift_out,
//                      act_min, act_max, constant, h, w, c, zero point                (15)
//                      kind 0 ADD, 1 SUB: as opcode 4, for SUB the second term is subtracted
//                      kind 2 MUL: M((x1 - z1) * (x2 - z2), mult_out, shift_out) + zo
//                      kind 3 PRELU: M(x1 - z1, mult1, shift1) + zo where x1 >= z1, else as MUL
//                      kind 4 MINIMUM, 5 MAXIMUM: of x1 and x2; all have one scale and zero point
//                      Except for ADD and SUB left_shift is 0 and shifts are in [-31, 30]; multipliers
//                      and shifts that a kind does not name are 0. constant is 0, or the number
//                      (1 or 2) of the operand that is not a tensor but the weights i8[h][w][c] with
//                      this zero point (else h, w, c and zero point are 0). Each
//                      operand's h, w and c are the output's or 1: then its values are repeated
//     14 STRIDED_COPY  base, step_h, step_w, step_c, the operator it stands for (as LOOKUP)   (5)
//                      out(y, x, c) = in[base + y * step_h + x * step_w + c * step_c], all inside
//                      the input: STRIDED_SLICE, SLICE, TRANSPOSE
//
// RESHAPE, PAD, AVERAGE_POOL_2D, MAX_POOL_2D, CONCATENATION and STRIDED_COPY do not requantise:
// input and output have the same scale (within one part in 10^5) and zero point.
//
// Windows: with k' = (kernel - 1) * dilation + 1, in both directions
// out = floor((in + pad_before + pad_after - k') / stride) + 1, and each pad is below k'.
// Strides, dilations, kernels and k' are 1 to 65535. One sum has at most 65535 products in CONV_2D,
// FULLY_CONNECTED and DEPTHWISE_CONV_2D, at most 2^23 terms in AVERAGE_POOL_2D, MAX_POOL_2D
// and MEAN.
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
// its own branch, below its end. run(e) executes the ops below end(e) that belong to the trunk
// or to branch e; resume() after it executes those from end(e) to end(e + 1) that belong to the
// trunk or to branch e + 1.
//
// The memory plan: a tensor is alive from the op that writes it (the input: from the start) to
// the last op that reads it; embeddings of exits stay alive to the end of the file's ops.
// A tensor that no op reads and that is no embedding is alive during the op that writes it.
// Tensors alive at the same time do not overlap in the arena, with one exception: the output of
// RESHAPE, ADD, LOOKUP and ARITHMETIC may have the very offset of an input (ADD and ARITHMETIC:
// either one) of the output's size that is not needed later; so may DEPTHWISE_CONV_2D in layout 1.
//
// Feature, 48 bytes, one for each exit, or none at all (the section is empty)
//
//     0   u16     parts, 0 to 16; 0: this exit has no transform, and all else is 0
//     2   u16     flags; bit 0: square root of max(x, 0)
//     4   u32     d: length of the feature vector = sum of the parts' lengths
//     8   u32     k: rows of the projection, 0: none; at most 65535
//     12  u32     parts u16[parts][4]; 16 u32 mean f32[d]; 20 u32 projection i8[k][d]; 24 u32 row
//                 scales f32[k]: offsets from the start of the file, inside the data section;
//                 parts, mean and row scales start at multiples of 4; projection and
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
// z is the concatenation times 1 / sqrt(parts);
// u[i] = row_scale[i] * (sum over j, upwards, of projection[i][j] * z[j]).
//
// Input: empty; or i8[256], the input value of each uint8 pixel; or a front end, 64 bytes, which makes
// the input from a window of int16 samples:
//
//     0   u16     kind: 1 mel, 2 axes
//     2   u16     samples a second (of each axis)
//     4   u32     samples of a window, all axes together
//
// Mel, for sound: h frames of the input tensor, each of w values, c = 1
//
//     8   u16     samples of a frame; 10 u16 samples from one frame to the next, at least 1
//     12  u16     n: length of the transform, a power of two, 32 to 2048, not below the frame
//     14  u16     bands, 1 to 128; 16 u16 coefficients = w, at most the bands, or 0: w = bands
//     18  u16     least peak, 1 to 32768
//     20  i32     floor, -2^16 to 2^16
//     24  i32     multiplier; 28 i32 shift
//     32  u32     window i16[frame]; 36 u32 sines i16[3 n / 4]; 40 u32 bands u16[bands][2] {first
//                 bin, bins}; 44 u32 weights u16[all bins]; 48 u32 cosines i16[coefficients][bands],
//                 0 if there are none: offsets in the file, inside the data section
//     52  u32     scratch: offset in the arena, a multiple of 16; 56 u32 its bytes, at least
//                 4 n + 8 + 4 bands; it does not overlap the input tensor
//     60  u32     0
//
// The window has frame + (h - 1) * step samples; its peak is the largest |x|, at least the least peak. With
// S = log2(n) + 1, u = max(14 - floor(log2(peak)), 0) and the samples x of a frame:
//     y[i] = floor((x[i] * 2^u * window[i] + 2^(S - 1)) / 2^S), 0 from the frame's end to n
//     Y = the transform of y, times 2: radix 2, decimation in time, of n / 2 complex numbers, then
//         untangled; each product with {sine, cosine} is rounded to 2^-15, halves upwards
//     p[k] = floor((re Y[k]^2 + im Y[k]^2) / 2^e), k = 0 to n / 2, e the least even number for which
//         the frame's largest |re Y| and |im Y|, taken as bits, promise p below 2^32
//     energy of a band = sum weights * p
//     l = max(L(energy) + 2^10 * (e + 2 log2(n) - 2 u - 45) - 2 L(peak), floor), the floor where it is 0
// so that l is the logarithm to base 2, in 2^-10, of a band's power, x being relative to the peak. L(x) = 2^10 log2(x): with x = 2^a (1 + f), f cut to 16
// bits, it is a + f + f (1 - f) (27709 - 10433 f) / 2^16, exact as in front_end.c, within 2^-10 of
// the logarithm. v = l, or with coefficients floor((sum cosines * l + 2^14) / 2^15).
// input = M1(v, multiplier, shift) + zero point, clamped to [-128, 127].
//
// Axes, for motion: w = 1, c channels; the samples are i16[h][axes]
//
//     8   u16     axes, 1 to 64; 10 u16 0
//     12  u32     channels u32[c][3], in the data section: axis + 65536 * kind, multiplier, shift
//     16  u32[12] 0
//
// v of a channel: kind 0 the sample; 1 the sample less the mean of its axis over the window (the sum
// divided by h, rounded to nearest, halves away from zero); 2 the sample less the one before, 0 for
// the first. input = M1(v, multiplier, shift) + zero point, clamped to [-128, 127]; h is at most 32768.
//
// Strings: NUL-terminated UTF-8, one after the other; the section's last byte is NUL. At least
// one byte: every name points in here.
//
// Data: everything the records point at.
//
// Unknown versions, opcodes, layouts, flags and non-zero reserved fields are refused.

#include "mtb.h"
#include "targets.h"

#define HEADER_SIZE (128)
#define MAX_ARENA (1u << 30)

bool microt_zeros(const uint8_t *p, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (p[i] != 0) {
            return false;
        }
    }
    return true;
}

static uint32_t round_up_16(uint32_t x) {
    return (x + 15) & ~(uint32_t)15;
}

// CRC-32 (IEEE 802.3), four bits at a time.
static uint32_t crc32(const uint8_t *p, size_t n) {
    static const uint32_t table[16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
        0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
    };
    uint32_t crc = 0xFFFFFFFF;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        crc = table[crc & 15] ^ (crc >> 4);
        crc = table[crc & 15] ^ (crc >> 4);
    }
    return ~crc;
}

static bool utf8(const uint8_t *p, size_t n) {
    unsigned more = 0;
    for (size_t i = 0; i < n; i++) {
        if (more > 0) {
            if ((p[i] & 0xC0) != 0x80) {
                return false;
            }
            more--;
        } else if (p[i] >= 0xC2 && p[i] <= 0xF4) {
            more = p[i] >= 0xF0 ? 3 : p[i] >= 0xE0 ? 2 : 1;
        } else if (p[i] >= 0x80) {
            return false;
        }
    }
    return more == 0;
}

bool microt_in_data(const decoder_t *d, uint32_t offset, uint64_t size) {
    const section_t *data = &d->section[DATA];
    return offset >= data->offset && offset - data->offset <= data->size
           && size <= data->size - (offset - data->offset);
}

static bool check_header(decoder_t *d) {
    microt_model_t *m = d->model;
    const uint8_t *f = m->file;
    microt_about(d, "file", -1);
    if (m->size < HEADER_SIZE) {
        return microt_fail(d, "expected at least # bytes, got #", HEADER_SIZE, (int32_t)m->size);
    }
    if (f[0] != 'M' || f[1] != 'T' || f[2] != 'B' || f[3] != 0) {
        return microt_fail_text(d, "not a .mtb file (its first bytes are # # #, expected MTB)", "", f[0], f[1], f[2]);
    }
    if (microt_u16(f + 4) != 1) {
        return microt_fail(d, "expected .mtb version 1, got #", microt_u16(f + 4), 0);
    }
    if (microt_u16(f + 6) != HEADER_SIZE) {
        return microt_fail(d, "expected a header of # bytes, got #", HEADER_SIZE, microt_u16(f + 6));
    }
    if (microt_u32(f + 8) != m->size || m->size > MAX_ARENA) {
        return microt_fail(d, "its header says % bytes, got %", microt_i32(f + 8), (int32_t)m->size);
    }
    uint32_t crc = crc32(f + 16, m->size - 16);
    if (microt_u32(f + 12) != crc) {
        return microt_fail(d, "its CRC is %, its header says %", (int32_t)crc, microt_i32(f + 12));
    }
    m->sha256 = f + 16;
    m->target = microt_u16(f + 48);
    m->exit_count = microt_u16(f + 50);
    m->arena_size = microt_u32(f + 52);
    m->input = microt_u16(f + 56);
    if (m->target < MICROT_TARGETS) {
        const char *target = microt_target_name(m->target);
        if (!microt_target_runs(m->target)) {
            return microt_fail_text(d,
                "compiled for target @, whose kernels are not in this build: compile it for " MICROT_TARGETS_HERE,
                target, 0, 0, 0);
        }
        if (m->target != MICROT_GENERIC && ((uintptr_t)f & 3) != 0) {
            return microt_fail_text(d, "compiled for target @, it must lie at a multiple of 4 in memory: use microt push",
                target, 0, 0, 0);
        }
    }
    microt_about(d, "header", -1);
    if (!microt_expect_range(d, "a target", m->target, 0, MICROT_TARGETS - 1)
        || !microt_expect_range(d, "a number of exits", m->exit_count, 1, MICROT_MAX_EXITS)) {
        return false;
    }
    if (m->arena_size == 0 || m->arena_size > MAX_ARENA) {
        return microt_fail(d, "expected an arena of 1 to # bytes, got %", MAX_ARENA, (int32_t)m->arena_size);
    }
    if (microt_u16(f + 58) != 0 || !microt_zeros(f + 60, 8) || microt_u32(f + 124) != 0) {
        return microt_fail(d, "reserved fields are not zero", 0, 0);
    }
    return true;
}

static bool check_sections(decoder_t *d) {
    const microt_model_t *m = d->model;
    uint32_t end = HEADER_SIZE;
    for (unsigned i = 0; i < SECTIONS; i++) {
        section_t *s = &d->section[i];
        const uint32_t start = round_up_16(end);
        microt_about(d, "section", (int32_t)i);
        s->offset = microt_u32(m->file + 68 + 8 * i);
        s->size = microt_u32(m->file + 72 + 8 * i);
        if (s->size == 0) {
            s->offset = start;
            continue;
        }
        if (s->offset != start) {
            return microt_fail(d, "expected it at #, got %", (int32_t)start, (int32_t)s->offset);
        }
        if (s->offset > m->size || s->size > m->size - s->offset) {
            return microt_fail(d, "% bytes at % are not inside the file", (int32_t)s->size, (int32_t)s->offset);
        }
        if (!microt_zeros(m->file + end, s->offset - end)) {
            return microt_fail(d, "the bytes before it are not zero", 0, 0);
        }
        end = s->offset + s->size;
    }
    microt_about(d, "file", -1);
    if (m->size > round_up_16(end) || !microt_zeros(m->file + end, m->size - end)) {
        return microt_fail(d, "expected it to end at #, got # bytes", (int32_t)end, (int32_t)m->size);
    }
    return true;
}

// The number of records of a section whose size must be a multiple of the record's.
static bool count_records(decoder_t *d, unsigned section, uint32_t record, uint32_t most, uint16_t *count) {
    const uint32_t size = d->section[section].size;
    microt_about(d, "section", (int32_t)section);
    if (size == 0 || size % record != 0 || size / record > most) {
        return microt_fail(d, "expected 1 to # records, got # bytes", (int32_t)most, (int32_t)size);
    }
    *count = (uint16_t)(size / record);
    return true;
}

static bool check_strings(decoder_t *d) {
    microt_model_t *m = d->model;
    const section_t *s = &d->section[STRINGS];
    const uint8_t *p = m->file + s->offset;
    microt_about(d, "strings", -1);
    if (s->size == 0 || p[s->size - 1] != 0) {
        return microt_fail(d, "the last one is not terminated", 0, 0);
    }
    if (!utf8(p, s->size)) {
        return microt_fail(d, "not UTF-8", 0, 0);
    }
    m->strings = (const char *)p;
    m->strings_size = s->size;
    return true;
}

bool microt_check_name(decoder_t *d, uint32_t offset) {
    const microt_model_t *m = d->model;
    return offset < m->strings_size
           || microt_fail(d, "its name is at % of # bytes of strings", (int32_t)offset, (int32_t)m->strings_size);
}

static bool check_tensor(decoder_t *d, unsigned index) {
    const microt_model_t *m = d->model;
    const microt_tensor_t t = microt_tensor(m, index);
    microt_about(d, "tensor", (int32_t)index);
    for (unsigned i = 0; i < 3; i++) {
        if (!microt_expect_range(d, "h, w and c", i == 0 ? t.h : i == 1 ? t.w : t.c, 1, 65535)) {
            return false;
        }
    }
    const uint64_t size = (uint64_t)t.h * (uint64_t)t.w * (uint64_t)t.c;
    if ((t.offset & 15) != 0 || t.offset > m->arena_size || size > m->arena_size - t.offset) {
        return microt_fail(d, "% bytes at % are not inside the arena or not at a multiple of 16",
            (int32_t)microt_saturate(size), (int32_t)t.offset);
    }
    if (!microt_is_finite(t.scale) || !(t.scale > 0.0f)) {
        return microt_fail(d, "its scale is not a positive number", 0, 0);
    }
    return microt_expect_range(d, "a zero point", t.zero_point, -128, 127)
           && microt_check_name(d, microt_u32(m->tensors + MICROT_TENSOR_SIZE * index + 24));
}

static bool check_tensors(decoder_t *d) {
    microt_model_t *m = d->model;
    if (!count_records(d, TENSORS, MICROT_TENSOR_SIZE, MICROT_MAX_TENSORS, &m->tensor_count)
        || !count_records(d, OPS, MICROT_OP_SIZE, MICROT_MAX_OPS, &m->op_count)) {
        return false;
    }
    m->tensors = m->file + d->section[TENSORS].offset;
    m->ops = m->file + d->section[OPS].offset;
    for (unsigned i = 0; i < m->tensor_count; i++) {
        if (!check_tensor(d, i)) {
            return false;
        }
    }
    microt_about(d, "header", -1);
    if (m->input >= m->tensor_count) {
        return microt_fail(d, "input is tensor # of #", m->input, m->tensor_count);
    }
    return true;
}

int microt_open(microt_model_t *model, const uint8_t *file, size_t size, char *error, size_t error_size) {
    decoder_t d = {.model = model, .error = error, .error_size = error_size};
    memset(model, 0, sizeof(*model));
    model->file = file;
    model->size = size <= UINT32_MAX ? (uint32_t)size : UINT32_MAX;
    const bool good = check_header(&d) && check_sections(&d) && check_strings(&d) && check_tensors(&d)
        && microt_check_input(&d) && microt_check_ops(&d) && microt_check_order(&d) && microt_check_exits(&d) && microt_check_plan(&d)
        && microt_check_features(&d);
    return good ? 0 : -1;
}
