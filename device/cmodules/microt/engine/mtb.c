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
//                 Target dsp: 16 to 20, see kernels/dsp/dsp.h; mve: 32 to 36, see kernels/mve/mve.h.
//                 mve's 35 may put the output where the input is, where mve.h says so
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
// Input: empty, or i8[256]: the input value of each uint8 pixel.
//
// Strings: NUL-terminated UTF-8, one after the other; the section's last byte is NUL. At least
// one byte: every name points in here.
//
// Data: everything the records point at.
//
// Unknown versions, opcodes, layouts, flags and non-zero reserved fields are refused.

#include "targets.h"

#define HEADER_SIZE (128)
#define TENSOR_SIZE (32)
#define OP_SIZE (64)
#define EXIT_SIZE (32)
#define FEATURE_SIZE (48)
#define MAX_ARENA (1u << 30)
#define MAX_PARTS (16)
#define MAX_PRODUCTS (65535)
#define MAX_TERMS (1 << 23)
#define NONE (0xFFFF)

enum { TENSORS, OPS, EXITS, FEATURES, INPUT, STRINGS, DATA, SECTIONS };

typedef struct _section_t {
    uint32_t offset;
    uint32_t size;
} section_t;

typedef struct _decoder_t {
    microt_model_t *model;
    section_t section[SECTIONS];
    char *error;
    size_t error_size;
} decoder_t;

static size_t put_char(decoder_t *d, size_t at, char c) {
    if (at + 1 < d->error_size) {
        d->error[at] = c;
    }
    return at + 1;
}

static size_t put_number(decoder_t *d, size_t at, int64_t number) {
    char digits[20];
    size_t n = 0;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do {
        digits[n++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (number < 0) {
        at = put_char(d, at, '-');
    }
    while (n > 0) {
        at = put_char(d, at, digits[--n]);
    }
    return at;
}

// Writes the sentence, each '#' replaced by the next of the three numbers and '@' by the text.
// Always returns false.
static bool fail_text(decoder_t *d, const char *sentence, const char *text, int64_t a, int64_t b, int64_t c) {
    const int64_t numbers[3] = {a, b, c};
    size_t at = 0;
    size_t used = 0;
    for (const char *p = sentence; *p != 0; p++) {
        if (*p == '#' && used < 3) {
            at = put_number(d, at, numbers[used++]);
        } else if (*p == '@') {
            for (const char *t = text; *t != 0; t++) {
                at = put_char(d, at, *t);
            }
        } else {
            at = put_char(d, at, *p);
        }
    }
    if (d->error_size > 0) {
        d->error[at < d->error_size ? at : d->error_size - 1] = 0;
    }
    return false;
}

static bool fail(decoder_t *d, const char *sentence, int64_t a, int64_t b, int64_t c) {
    return fail_text(d, sentence, "", a, b, c);
}

static bool zeros(const uint8_t *p, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (p[i] != 0) {
            return false;
        }
    }
    return true;
}

static bool is_finite(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return (bits & 0x7F800000) != 0x7F800000;
}

static bool between(int64_t value, int64_t low, int64_t high) {
    return value >= low && value <= high;
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

// True if [offset, offset + size) lies inside the data section.
static bool in_data(const decoder_t *d, uint32_t offset, uint64_t size) {
    const section_t *data = &d->section[DATA];
    return offset >= data->offset && offset - data->offset <= data->size
           && size <= data->size - (offset - data->offset);
}

static bool check_header(decoder_t *d, size_t size) {
    microt_model_t *m = d->model;
    const uint8_t *f = m->file;
    if (size < HEADER_SIZE) {
        return fail(d, "file: expected at least # bytes, got #", HEADER_SIZE, (int64_t)size, 0);
    }
    if (f[0] != 'M' || f[1] != 'T' || f[2] != 'B' || f[3] != 0) {
        return fail(d, "file: not a .mtb file (its first bytes are # # #, expected MTB)", f[0], f[1], f[2]);
    }
    if (microt_u16(f + 4) != 1) {
        return fail(d, "file: expected .mtb version 1, got #", microt_u16(f + 4), 0, 0);
    }
    if (microt_u16(f + 6) != HEADER_SIZE) {
        return fail(d, "file: expected a header of # bytes, got #", HEADER_SIZE, microt_u16(f + 6), 0);
    }
    if (microt_u32(f + 8) != size || size > MAX_ARENA) {
        return fail(d, "file: its header says # bytes, got #", microt_u32(f + 8), (int64_t)size, 0);
    }
    uint32_t crc = crc32(f + 16, size - 16);
    if (microt_u32(f + 12) != crc) {
        return fail(d, "file: its CRC is #, its header says #", crc, microt_u32(f + 12), 0);
    }
    m->sha256 = f + 16;
    m->target = microt_u16(f + 48);
    m->exit_count = microt_u16(f + 50);
    m->arena_size = microt_u32(f + 52);
    m->input = microt_u16(f + 56);
    if (m->target >= MICROT_TARGETS) {
        return fail(d, "header: expected target 0 to #, got #", MICROT_TARGETS - 1, m->target, 0);
    }
    if (!microt_target_runs(m->target)) {
        return fail_text(d,
            "file: compiled for target @, whose kernels are not in this build: compile it for " MICROT_TARGETS_HERE,
            microt_target_name(m->target), 0, 0, 0);
    }
    if (m->target != MICROT_GENERIC && ((uintptr_t)f & 3) != 0) {
        return fail_text(d, "file: compiled for target @, it must lie at a multiple of 4 in memory: use microt push",
            microt_target_name(m->target), 0, 0, 0);
    }
    if (!between(m->exit_count, 1, MICROT_MAX_EXITS)) {
        return fail(d, "header: expected 1 to # exits, got #", MICROT_MAX_EXITS, m->exit_count, 0);
    }
    if (!between(m->arena_size, 1, MAX_ARENA)) {
        return fail(d, "header: expected an arena of 1 to # bytes, got #", MAX_ARENA, m->arena_size, 0);
    }
    if (microt_u16(f + 58) != 0 || !zeros(f + 60, 8) || microt_u32(f + 124) != 0) {
        return fail(d, "header: reserved fields are not zero", 0, 0, 0);
    }
    return true;
}

static bool check_sections(decoder_t *d) {
    const microt_model_t *m = d->model;
    uint32_t end = HEADER_SIZE;
    for (unsigned i = 0; i < SECTIONS; i++) {
        section_t *s = &d->section[i];
        s->offset = microt_u32(m->file + 68 + 8 * i);
        s->size = microt_u32(m->file + 72 + 8 * i);
        if (s->size == 0) {
            s->offset = round_up_16(end);
            continue;
        }
        if (s->offset != round_up_16(end)) {
            return fail(d, "section #: expected it at #, got #", i, round_up_16(end), s->offset);
        }
        if (s->offset > m->size || s->size > m->size - s->offset) {
            return fail(d, "section #: # bytes at # are not inside the file", i, s->size, s->offset);
        }
        if (!zeros(m->file + end, s->offset - end)) {
            return fail(d, "section #: the bytes before it are not zero", i, 0, 0);
        }
        end = s->offset + s->size;
    }
    if (m->size > round_up_16(end) || !zeros(m->file + end, m->size - end)) {
        return fail(d, "file: expected it to end at #, got # bytes", end, m->size, 0);
    }
    return true;
}

// The number of records of a section whose size must be a multiple of the record's.
static bool count_records(decoder_t *d, unsigned section, uint32_t record, uint32_t most,
    uint16_t *count) {
    uint32_t size = d->section[section].size;
    if (size == 0 || size % record != 0 || size / record > most) {
        return fail(d, "section #: expected 1 to # records, got # bytes", section, most, size);
    }
    *count = (uint16_t)(size / record);
    return true;
}

static bool check_strings(decoder_t *d) {
    microt_model_t *m = d->model;
    const section_t *s = &d->section[STRINGS];
    const uint8_t *p = m->file + s->offset;
    if (s->size == 0 || p[s->size - 1] != 0) {
        return fail(d, "strings: the last one is not terminated", 0, 0, 0);
    }
    if (!utf8(p, s->size)) {
        return fail(d, "strings: not UTF-8", 0, 0, 0);
    }
    m->strings = (const char *)p;
    m->strings_size = s->size;
    const section_t *input = &d->section[INPUT];
    if (input->size != 0 && input->size != 256) {
        return fail(d, "input: expected a table of 256 bytes, got #", input->size, 0, 0);
    }
    m->pixel_table = input->size != 0 ? (const int8_t *)(m->file + input->offset) : NULL;
    return true;
}

static uint64_t elements(const microt_tensor_t *t) {
    return (uint64_t)t->h * (uint64_t)t->w * (uint64_t)t->c;
}

static bool overlap(uint32_t a, uint64_t a_size, uint32_t b, uint64_t b_size) {
    return a < b + b_size && b < a + a_size;
}

static bool check_tensors(decoder_t *d) {
    microt_model_t *m = d->model;
    if (!count_records(d, TENSORS, TENSOR_SIZE, MICROT_MAX_TENSORS, &m->tensor_count)) {
        return false;
    }
    m->tensors = m->file + d->section[TENSORS].offset;
    for (unsigned i = 0; i < m->tensor_count; i++) {
        const uint8_t *r = m->tensors + TENSOR_SIZE * i;
        microt_tensor_t t = microt_tensor(m, i);
        if (!between(t.h, 1, 65535) || !between(t.w, 1, 65535) || !between(t.c, 1, 65535)) {
            return fail(d, "tensor #: expected h, w and c of 1 to 65535, got h # w #", i, t.h, t.w);
        }
        if ((t.offset & 15) != 0 || t.offset > m->arena_size
            || elements(&t) > m->arena_size - t.offset) {
            return fail(d, "tensor #: # bytes at # are not inside the arena or not at a multiple of 16",
                i, (int64_t)elements(&t), t.offset);
        }
        if (!is_finite(t.scale) || !(t.scale > 0.0f)) {
            return fail(d, "tensor #: its scale is not a positive number", i, 0, 0);
        }
        if (!between(t.zero_point, -128, 127)) {
            return fail(d, "tensor #: expected a zero point of -128 to 127, got #", i, t.zero_point, 0);
        }
        if (microt_u32(r + 24) >= m->strings_size) {
            return fail(d, "tensor #: its name is at # of # bytes of strings", i, microt_u32(r + 24),
                m->strings_size);
        }
    }
    if (m->input >= m->tensor_count) {
        return fail(d, "header: input is tensor # of #", m->input, m->tensor_count, 0);
    }
    return true;
}

// The windows of one direction cover what the output says.
static bool check_window(decoder_t *d, unsigned index, int64_t in, int64_t out, int64_t kernel,
    int64_t stride, int64_t dilation, int64_t before, int64_t after) {
    if (!between(kernel, 1, 65535) || !between(stride, 1, 65535) || !between(dilation, 1, 65535)) {
        return fail(d, "op #: expected kernel and stride of 1 to 65535, got # and #", index, kernel, stride);
    }
    int64_t reach = (kernel - 1) * dilation + 1;
    if (reach > 65535) {
        return fail(d, "op #: expected windows of at most 65535, got #", index, reach, 0);
    }
    if (!between(before, 0, reach - 1) || !between(after, 0, reach - 1)) {
        return fail(d, "op #: its padding of # and # does not fit its window", index, before, after);
    }
    int64_t room = in + before + after - reach;
    if (room < 0 || room / stride + 1 != out) {
        return fail(d, "op #: its windows give # outputs, its tensor has #", index,
            room < 0 ? 0 : room / stride + 1, out);
    }
    return true;
}

static bool check_clamp(decoder_t *d, unsigned index, int32_t low, int32_t high) {
    if (!between(low, -128, 127) || !between(high, low, 127)) {
        return fail(d, "op #: expected a clamp inside -128 to 127, got # to #", index, low, high);
    }
    return true;
}

static bool check_multiplier(decoder_t *d, unsigned index, int32_t multiplier, int32_t shift, int most) {
    if (multiplier < 0 || !between(shift, -31, most)) {
        return fail(d, "op #: multiplier # with shift # is out of range", index, multiplier, shift);
    }
    return true;
}

static bool check_same_scale(decoder_t *d, unsigned index, const microt_tensor_t *a,
    const microt_tensor_t *b) {
    float difference = a->scale > b->scale ? a->scale - b->scale : b->scale - a->scale;
    if (a->zero_point != b->zero_point || difference > a->scale * 1e-5f) {
        return fail(d, "op #: expected input and output of one scale and zero point, got zero points # and #",
            index, a->zero_point, b->zero_point);
    }
    return true;
}

// Sizes of the constants, and every channel's multiplier and shift.
static bool check_constants(decoder_t *d, unsigned index, const microt_op_t *op, uint64_t weights,
    uint32_t channels) {
    if (op->weights_size != weights) {
        return fail(d, "op #: expected # bytes of weights, got #", index, (int64_t)weights, op->weights_size);
    }
    if (op->bias_size != 4 * (uint64_t)channels) {
        return fail(d, "op #: expected # bytes of bias, got #", index, 4 * (int64_t)channels, op->bias_size);
    }
    if (op->requant_size != 8 * (uint64_t)channels) {
        return fail(d, "op #: expected # bytes of requant, got #", index, 8 * (int64_t)channels,
            op->requant_size);
    }
    for (uint32_t i = 0; i < channels; i++) {
        if (!check_multiplier(d, index, microt_i32(op->requant + 8 * i), microt_i32(op->requant + 8 * i + 4), 30)) {
            return false;
        }
    }
    return true;
}

static bool check_products(decoder_t *d, unsigned index, uint64_t products, uint64_t most) {
    if (products > most) {
        return fail(d, "op #: expected at most # terms in a sum, got #", index, (int64_t)most, (int64_t)products);
    }
    return true;
}

static bool check_conv(decoder_t *d, unsigned index, const microt_op_t *op, uint64_t *macs) {
    const microt_tensor_t *in = &op->in[0];
    const microt_tensor_t *out = &op->out;
    int32_t a[13];
    microt_args(op, a, op->code == MICROT_CONV_2D ? 12 : 13);
    if (!check_window(d, index, in->h, out->h, a[10], a[0], a[2], a[4], a[6])
        || !check_window(d, index, in->w, out->w, a[11], a[1], a[3], a[5], a[7])
        || !check_clamp(d, index, a[8], a[9])) {
        return false;
    }
    const uint64_t plane = (uint64_t)in->h * (uint64_t)in->w;
    if (op->layout == MICROT_IN_PLACE
        && (in->c != out->c || (uint64_t)out->h * (uint64_t)out->w > plane || op->scratch_size < plane)) {
        return fail(d, "op #: layout 1 expects as many channels, no more pixels and # bytes of scratch, got #", index,
            (int64_t)plane, op->scratch_size);
    }
    uint64_t taps = (uint64_t)a[10] * (uint64_t)a[11];
    uint64_t depth = 1;
    if (op->code == MICROT_DEPTHWISE_CONV_2D) {
        if (a[12] < 1 || (int64_t)in->c * a[12] != out->c) {
            return fail(d, "op #: # input channels times a multiplier of # are not the output's",
                index, in->c, a[12]);
        }
    } else if (op->layout >= MICROT_TARGET_LAYOUTS) {
        depth = (uint64_t)in->c;
    } else {
        uint64_t filters = taps * (uint64_t)out->c;
        depth = op->weights_size / filters;
        if (depth == 0 || (uint64_t)in->c % depth != 0 || (uint64_t)out->c % ((uint64_t)in->c / depth) != 0) {
            return fail(d, "op #: # bytes of weights do not fit # input channels", index, op->weights_size,
                in->c);
        }
    }
    *macs = elements(out) * taps * depth;
    return check_products(d, index, taps * depth, MAX_PRODUCTS)
           && (op->layout >= MICROT_TARGET_LAYOUTS || check_constants(d, index, op, taps * depth * (uint64_t)out->c, (uint32_t)out->c));
}

static bool check_fully_connected(decoder_t *d, unsigned index, const microt_op_t *op, uint64_t *macs) {
    int32_t a[3];
    microt_args(op, a, 3);
    uint64_t rows = (uint64_t)op->out.h * (uint64_t)op->out.w;
    uint64_t depth = elements(&op->in[0]) / rows;
    if (depth * rows != elements(&op->in[0])) {
        return fail(d, "op #: # input values do not make # rows", index, (int64_t)elements(&op->in[0]),
            (int64_t)rows);
    }
    if (a[2] != 0) {
        return fail(d, "op #: expected a weights zero point of 0, got #", index, a[2], 0);
    }
    *macs = elements(&op->out) * depth;
    return check_clamp(d, index, a[0], a[1]) && check_products(d, index, depth, MAX_PRODUCTS)
           && check_constants(d, index, op, depth * (uint64_t)op->out.c, (uint32_t)op->out.c);
}

static bool check_add(decoder_t *d, unsigned index, const microt_op_t *op) {
    const microt_tensor_t *out = &op->out;
    int32_t a[9];
    microt_args(op, a, 9);
    for (unsigned i = 0; i < 2; i++) {
        const microt_tensor_t *in = &op->in[i];
        if (in->h != out->h || in->w != out->w || in->c != out->c) {
            return fail(d, "op #: input # does not have the output's shape", index, i, 0);
        }
    }
    if (!between(a[0], 0, 20)) {
        return fail(d, "op #: expected a left shift of 0 to 20, got #", index, a[0], 0);
    }
    return check_multiplier(d, index, a[1], a[2], 0) && check_multiplier(d, index, a[3], a[4], 0)
           && check_multiplier(d, index, a[5], a[6], 0) && check_clamp(d, index, a[7], a[8]);
}

static bool check_pad(decoder_t *d, unsigned index, const microt_op_t *op) {
    const microt_tensor_t *in = &op->in[0];
    const microt_tensor_t *out = &op->out;
    int32_t a[7];
    microt_args(op, a, 7);
    for (unsigned i = 0; i < 6; i++) {
        if (!between(a[i], 0, 65535)) {
            return fail(d, "op #: expected a padding of 0 to 65535, got #", index, a[i], 0);
        }
    }
    if (in->h + a[0] + a[1] != out->h || in->w + a[2] + a[3] != out->w || in->c + a[4] + a[5] != out->c) {
        return fail(d, "op #: its input and padding do not make its output", index, 0, 0);
    }
    if (!between(a[6], -128, 127)) {
        return fail(d, "op #: expected a value of -128 to 127, got #", index, a[6], 0);
    }
    return check_same_scale(d, index, in, out);
}

static bool check_pool(decoder_t *d, unsigned index, const microt_op_t *op) {
    const microt_tensor_t *in = &op->in[0];
    const microt_tensor_t *out = &op->out;
    int32_t a[10];
    microt_args(op, a, 10);
    if (in->c != out->c) {
        return fail(d, "op #: # input channels, # output channels", index, in->c, out->c);
    }
    return check_window(d, index, in->h, out->h, a[6], a[0], 1, a[2], a[4])
           && check_window(d, index, in->w, out->w, a[7], a[1], 1, a[3], a[5])
           && check_products(d, index, (uint64_t)a[6] * (uint64_t)a[7], MAX_TERMS)
           && check_clamp(d, index, a[8], a[9]) && check_same_scale(d, index, in, out);
}

static bool check_mean(decoder_t *d, unsigned index, const microt_op_t *op) {
    const microt_tensor_t *in = &op->in[0];
    int32_t a[2];
    microt_args(op, a, 2);
    if (op->out.h != 1 || op->out.w != 1 || in->c != op->out.c) {
        return fail(d, "op #: expected an output of 1, 1, #", index, in->c, 0);
    }
    return check_products(d, index, (uint64_t)in->h * (uint64_t)in->w, MAX_TERMS)
           && check_multiplier(d, index, a[0], a[1], 30);
}

static bool check_reshape(decoder_t *d, unsigned index, const microt_op_t *op) {
    if (elements(&op->in[0]) != elements(&op->out)) {
        return fail(d, "op #: # input values, # output values", index, (int64_t)elements(&op->in[0]),
            (int64_t)elements(&op->out));
    }
    return check_same_scale(d, index, &op->in[0], &op->out);
}

static bool check_softmax(decoder_t *d, unsigned index, const microt_op_t *op) {
    const microt_tensor_t *in = &op->in[0];
    const microt_tensor_t *out = &op->out;
    int32_t a[3];
    microt_args(op, a, 3);
    if (in->h != out->h || in->w != out->w || in->c != out->c || in->c >= 4096) {
        return fail(d, "op #: expected input and output of one shape, fewer than 4096 channels", index, 0, 0);
    }
    if (out->scale != 1.0f / 256 || out->zero_point != -128) {
        return fail(d, "op #: expected an output scale of 1/256 and zero point -128, got zero point #",
            index, out->zero_point, 0);
    }
    if (a[0] < 0 || !between(a[1], 0, 30) || !between(a[2], -((31 << 26) >> a[1]), 0)) {
        return fail(d, "op #: beta shift # with a least difference of # is out of range", index, a[1], a[2]);
    }
    return true;
}

static bool check_concatenation(decoder_t *d, unsigned index, const microt_op_t *op) {
    const microt_tensor_t *out = &op->out;
    const bool along_c = op->in[0].c != out->c || op->inputs == 1;
    const bool along_w = !along_c && op->in[0].w != out->w;
    int64_t sum = 0;
    for (unsigned i = 0; i < op->inputs; i++) {
        const microt_tensor_t *in = &op->in[i];
        if ((!along_c && in->c != out->c) || (!along_w && in->w != out->w)
            || ((along_c || along_w) && in->h != out->h)) {
            return fail(d, "op #: input # does not have the output's sizes beside the one that adds up", index, i, 0);
        }
        if (!check_same_scale(d, index, in, out)) {
            return false;
        }
        sum += along_c ? in->c : along_w ? in->w : in->h;
    }
    if (sum != (along_c ? out->c : along_w ? out->w : out->h)) {
        return fail(d, "op #: its inputs have # channels, columns or rows together, its output others", index, sum, 0);
    }
    return true;
}

static bool check_same_shape(decoder_t *d, unsigned index, const microt_op_t *op) {
    const microt_tensor_t *in = &op->in[0];
    const microt_tensor_t *out = &op->out;
    if (in->h != out->h || in->w != out->w || in->c != out->c) {
        return fail(d, "op #: input # does not have the output's shape", index, 0, 0);
    }
    return true;
}

// The number of the operator that an op stands for.
static bool check_origin(decoder_t *d, unsigned index, int32_t origin) {
    if (!between(origin, 0, 255)) {
        return fail(d, "op #: expected an operator's number of 0 to 255, got #", index, origin, 0);
    }
    return true;
}

static bool check_lookup(decoder_t *d, unsigned index, const microt_op_t *op) {
    if (op->weights_size != 256) {
        return fail(d, "op #: expected # bytes of weights, got #", index, 256, op->weights_size);
    }
    return check_same_shape(d, index, op) && check_origin(d, index, microt_i32(op->args));
}

static bool check_operand(decoder_t *d, unsigned index, const microt_tensor_t *in, const microt_tensor_t *out) {
    if ((in->h != 1 && in->h != out->h) || (in->w != 1 && in->w != out->w) || (in->c != 1 && in->c != out->c)) {
        return fail(d, "op #: an operand's # channels or its h and w are neither 1 nor the output's (# channels)",
            index, in->c, out->c);
    }
    return true;
}

static bool check_arithmetic(decoder_t *d, unsigned index, const microt_op_t *op) {
    int32_t a[15];
    microt_args(op, a, 15);
    const int32_t kind = a[0];
    const int32_t *constant = a + 10; // which, h, w, c, zero point
    if (!between(kind, MICROT_KIND_ADD, MICROT_KIND_MAXIMUM)) {
        return fail(d, "op #: expected a kind of arithmetic of 0 to 5, got #", index, kind, 0);
    }
    const bool sum = kind == MICROT_KIND_ADD || kind == MICROT_KIND_SUB;
    const bool choice = kind == MICROT_KIND_MINIMUM || kind == MICROT_KIND_MAXIMUM;
    if (!between(a[1], 0, sum ? 20 : 0)) {
        return fail(d, "op #: expected a left shift of 0 to #, got #", index, sum ? 20 : 0, a[1]);
    }
    if ((!sum && ((kind != MICROT_KIND_PRELU && (a[2] != 0 || a[3] != 0)) || a[4] != 0 || a[5] != 0))
        || (choice && (a[6] != 0 || a[7] != 0))) {
        return fail(d, "op #: multipliers that are not used are not zero", index, 0, 0);
    }
    for (unsigned i = 2; i < 8; i += 2) {
        if (!check_multiplier(d, index, a[i], a[i + 1], sum ? 0 : 30)) {
            return false;
        }
    }
    if (op->inputs == 2 ? !between(constant[0], 0, 0) : !between(constant[0], 1, 2)) {
        return fail(d, "op #: # inputs with operand # a constant", index, op->inputs, constant[0]);
    }
    if (op->inputs == 2) {
        if (constant[1] != 0 || constant[2] != 0 || constant[3] != 0 || constant[4] != 0) {
            return fail(d, "op #: no constant, but its shape and zero point are not zero", index, 0, 0);
        }
    } else {
        const microt_tensor_t shape = {.h = constant[1], .w = constant[2], .c = constant[3]};
        if (!check_operand(d, index, &shape, &op->out)) {
            return false;
        }
        if (op->weights_size != elements(&shape)) {
            return fail(d, "op #: expected # bytes of weights, got #", index, (int64_t)elements(&shape),
                op->weights_size);
        }
        const int32_t zero_point = op->out.zero_point;
        if (!between(constant[4], choice ? zero_point : -128, choice ? zero_point : 127)) {
            return fail(d, "op #: a constant's zero point of # is out of range, or not the output's, #", index,
                constant[4], zero_point);
        }
    }
    for (unsigned i = 0; i < op->inputs; i++) {
        if (!check_operand(d, index, &op->in[i], &op->out)
            || (choice && !check_same_scale(d, index, &op->in[i], &op->out))) {
            return false;
        }
    }
    return check_clamp(d, index, a[8], a[9]);
}

static bool check_strided_copy(decoder_t *d, unsigned index, const microt_op_t *op) {
    const int64_t sizes[3] = {op->out.h, op->out.w, op->out.c};
    int32_t a[5];
    microt_args(op, a, 5);
    int64_t low = a[0], high = a[0];
    for (unsigned i = 0; i < 3; i++) {
        const int64_t reach = (sizes[i] - 1) * a[1 + i];
        low += reach < 0 ? reach : 0;
        high += reach > 0 ? reach : 0;
    }
    if (low < 0 || high >= (int64_t)elements(&op->in[0])) {
        return fail(d, "op #: it copies from # to #, not inside its input", index, low, high);
    }
    return check_same_scale(d, index, &op->in[0], &op->out) && check_origin(d, index, a[4]);
}

// What the kernels of the file's target ask: how the constants lie, and scratch.
static bool check_kernel(decoder_t *d, unsigned index, const microt_op_t *op) {
    const char *wrong = microt_target_check(d->model->target, op);
    if (wrong != NULL) {
        return fail_text(d, "op #: weight layout #: @", wrong, index, op->layout, 0);
    }
    const uint32_t scratch = microt_target_scratch(d->model->target, op);
    if (op->scratch_size < scratch) {
        return fail(d, "op #: expected # bytes of scratch, got #", index, scratch, op->scratch_size);
    }
    return true;
}

// What is common to all operators: opcode, tensors, where the constants lie.
static bool check_op_record(decoder_t *d, unsigned index) {
    // number of args by opcode
    static const uint8_t args[MICROT_OPCODES] = {0, 12, 13, 3, 9, 7, 10, 2, 0, 3, 0, 10, 1, 15, 5};
    const microt_model_t *m = d->model;
    const uint8_t *r = m->ops + OP_SIZE * index;
    unsigned code = r[0];
    if (!between(code, 1, MICROT_OPCODES - 1)) {
        return fail(d, "op #: expected an opcode of 1 to #, got #", index, MICROT_OPCODES - 1, code);
    }
    if (!microt_target_has_layout(m->target, code, r[1])) {
        return fail_text(d, "op #: weight layout # is none of opcode # for target @", microt_target_name(m->target),
            index, r[1], code);
    }
    unsigned least = code == MICROT_ADD ? 2 : 1;
    unsigned most = code == MICROT_CONCATENATION ? MICROT_MAX_INPUTS : code == MICROT_ARITHMETIC ? 2 : least;
    if (!between(r[2], least, most)) {
        return fail(d, "op #: expected # inputs, got #", index, least, r[2]);
    }
    if (r[3] != 0) {
        return fail(d, "op #: reserved fields are not zero", index, 0, 0);
    }
    const uint32_t scratch = microt_u32(r + 56), scratch_size = microt_u32(r + 60);
    if (scratch_size == 0 ? scratch != 0
        : (scratch & 15) != 0 || scratch > m->arena_size || scratch_size > m->arena_size - scratch) {
        return fail(d, "op #: scratch of # bytes at # is not inside the arena or not at a multiple of 16", index,
            scratch_size, scratch);
    }
    for (unsigned i = 0; i < MICROT_MAX_INPUTS; i++) {
        unsigned t = microt_u16(r + 4 + 2 * i);
        if (i < r[2] ? t >= m->tensor_count : t != NONE) {
            return fail(d, "op #: input # is tensor #", index, i, t);
        }
    }
    if (microt_u16(r + 12) >= m->tensor_count) {
        return fail(d, "op #: its output is tensor # of #", index, microt_u16(r + 12), m->tensor_count);
    }
    unsigned branch = microt_u16(r + 14);
    if (branch != MICROT_TRUNK && branch >= m->exit_count) {
        return fail(d, "op #: it belongs to the branch of exit # of #", index, branch, m->exit_count);
    }
    bool constants = code <= MICROT_FULLY_CONNECTED;
    bool table = code == MICROT_LOOKUP || (code == MICROT_ARITHMETIC && r[2] == 1);
    for (unsigned i = 0; i < 4; i++) {
        uint32_t offset = microt_u32(r + 16 + 8 * i);
        uint32_t size = microt_u32(r + 20 + 8 * i);
        bool wanted = i == 0 ? args[code] != 0 : constants || (i == 1 && table);
        if (r[1] >= MICROT_TARGET_LAYOUTS && i >= 2) {
            wanted = i == 3 && size != 0;
        }
        if (!wanted ? offset != 0 || size != 0
            : !in_data(d, offset, size) || ((i != 1 || r[1] >= MICROT_TARGET_LAYOUTS) && (offset & 3) != 0)) {
            return fail(d, "op #: # bytes of constants at # are not in the data section or not at a multiple of 4",
                index, size, offset);
        }
    }
    if (microt_u32(r + 20) != 4u * args[code]) {
        return fail(d, "op #: expected # bytes of args, got #", index, 4 * args[code], microt_u32(r + 20));
    }
    if (microt_u32(r + 52) >= m->strings_size) {
        return fail(d, "op #: its name is at # of # bytes of strings", index, microt_u32(r + 52),
            m->strings_size);
    }
    return true;
}

static bool check_ops(decoder_t *d) {
    microt_model_t *m = d->model;
    if (!count_records(d, OPS, OP_SIZE, MICROT_MAX_OPS, &m->op_count)) {
        return false;
    }
    m->ops = m->file + d->section[OPS].offset;
    for (unsigned i = 0; i < m->op_count; i++) {
        if (!check_op_record(d, i)) {
            return false;
        }
        microt_op_t op;
        microt_load_op(m, i, &op);
        uint64_t macs = 0;
        bool good = false;
        switch (op.code) {
            case MICROT_CONV_2D:
            case MICROT_DEPTHWISE_CONV_2D:
                good = check_conv(d, i, &op, &macs);
                break;
            case MICROT_FULLY_CONNECTED:
                good = check_fully_connected(d, i, &op, &macs);
                break;
            case MICROT_ADD:
                good = check_add(d, i, &op);
                break;
            case MICROT_PAD:
                good = check_pad(d, i, &op);
                break;
            case MICROT_AVERAGE_POOL_2D:
            case MICROT_MAX_POOL_2D:
                good = check_pool(d, i, &op);
                break;
            case MICROT_MEAN:
                good = check_mean(d, i, &op);
                break;
            case MICROT_RESHAPE:
                good = check_reshape(d, i, &op);
                break;
            case MICROT_SOFTMAX:
                good = check_softmax(d, i, &op);
                break;
            case MICROT_CONCATENATION:
                good = check_concatenation(d, i, &op);
                break;
            case MICROT_LOOKUP:
                good = check_lookup(d, i, &op);
                break;
            case MICROT_ARITHMETIC:
                good = check_arithmetic(d, i, &op);
                break;
            case MICROT_STRIDED_COPY:
                good = check_strided_copy(d, i, &op);
                break;
        }
        if (!good || !check_kernel(d, i, &op)) {
            return false;
        }
        if (macs != microt_op_macs(m, i)) {
            return fail(d, "op #: expected # multiply-accumulates, got #", i, (int64_t)macs, microt_op_macs(m, i));
        }
    }
    return true;
}

static unsigned op_branch(const microt_model_t *m, unsigned index) {
    return microt_u16(m->ops + OP_SIZE * index + 14);
}

static bool op_reads(const microt_model_t *m, unsigned index, unsigned tensor) {
    const uint8_t *r = m->ops + OP_SIZE * index;
    for (unsigned i = 0; i < r[2]; i++) {
        if (microt_u16(r + 4 + 2 * i) == tensor) {
            return true;
        }
    }
    return false;
}

static unsigned first_op(const microt_model_t *m, unsigned tensor) {
    return microt_u16(m->tensors + TENSOR_SIZE * tensor + 28);
}

static unsigned last_op(const microt_model_t *m, unsigned tensor) {
    return microt_u16(m->tensors + TENSOR_SIZE * tensor + 30);
}

// Exits in order, each with the ops and the embedding it may have.
static bool check_exits(decoder_t *d) {
    microt_model_t *m = d->model;
    const section_t *s = &d->section[EXITS];
    if (s->size != EXIT_SIZE * (uint32_t)m->exit_count) {
        return fail(d, "exits: expected # bytes for # exits, got #", EXIT_SIZE * m->exit_count,
            m->exit_count, s->size);
    }
    unsigned start = 0;
    for (unsigned e = 0; e < m->exit_count; e++) {
        const uint8_t *r = m->file + s->offset + EXIT_SIZE * e;
        microt_exit_t *exit = &m->exits[e];
        unsigned tensor = microt_u16(r);
        exit->end = microt_u16(r + 4);
        exit->macs = microt_u32(r + 8);
        if (tensor >= m->tensor_count) {
            return fail(d, "exit #: its embedding is tensor # of #", e, tensor, m->tensor_count);
        }
        exit->tensor_index = (uint16_t)tensor;
        exit->tensor = microt_tensor(m, tensor);
        if (exit->tensor.h != 1 || exit->tensor.w != 1) {
            return fail(d, "exit #: expected a vector, got h # w #", e, exit->tensor.h, exit->tensor.w);
        }
        if (microt_u16(r + 2) != 0 || microt_u16(r + 6) != 0 || !zeros(r + 12, 20)) {
            return fail(d, "exit #: reserved fields are not zero", e, 0, 0);
        }
        if (exit->end <= start || exit->end > m->op_count
            || (e + 1u == m->exit_count && exit->end != m->op_count)) {
            return fail(d, "exit #: it ends at op # of #", e, exit->end, m->op_count);
        }
        unsigned first = first_op(m, tensor);
        if (first >= exit->end
            || (op_branch(m, first) != MICROT_TRUNK && op_branch(m, first) != e)) {
            return fail(d, "exit #: its embedding, tensor #, is not written on its way", e, tensor, 0);
        }
        uint64_t macs = 0;
        for (unsigned i = 0; i < exit->end; i++) {
            unsigned branch = op_branch(m, i);
            if (branch == MICROT_TRUNK || branch == e) {
                macs += microt_op_macs(m, i);
            }
            if (branch == e && i < start) {
                return fail(d, "op #: it belongs to exit # but comes before the end of exit #", i, e, e - 1);
            }
            if (i >= start && branch != MICROT_TRUNK && branch != e) {
                return fail(d, "op #: it belongs to exit # but comes before the end of exit #", i, branch, e);
            }
        }
        if (macs != exit->macs) {
            return fail(d, "exit #: expected # multiply-accumulates, got #", e, (int64_t)macs, exit->macs);
        }
        start = exit->end;
    }
    return true;
}

// One writer for each tensor, before its readers; the records say which.
static bool check_order(decoder_t *d) {
    const microt_model_t *m = d->model;
    for (unsigned t = 0; t < m->tensor_count; t++) {
        unsigned writer = NONE;
        unsigned reader = NONE;
        for (unsigned i = 0; i < m->op_count; i++) {
            if (op_reads(m, i, t)) {
                if (writer == NONE && t != m->input) {
                    return fail(d, "op #: it reads tensor # before it is written", i, t, 0);
                }
                if (t != m->input && op_branch(m, writer) != MICROT_TRUNK
                    && op_branch(m, writer) != op_branch(m, i)) {
                    return fail(d, "op #: it reads tensor #, which is the branch of exit #'s own", i, t,
                        op_branch(m, writer));
                }
                reader = i;
            }
            if (microt_op_output(m, i) == t) {
                if (writer != NONE || t == m->input) {
                    return fail(d, "op #: it writes tensor #, which another op or the input fills", i, t, 0);
                }
                writer = i;
            }
        }
        if (first_op(m, t) != writer || last_op(m, t) != reader) {
            return fail(d, "tensor #: expected it to be written by op # and read last by op #", t, writer,
                reader);
        }
        if (writer == NONE && t != m->input) {
            return fail(d, "tensor #: no op writes it", t, 0, 0);
        }
    }
    return true;
}

// The last op during which a tensor must be whole; op_count for an embedding.
static unsigned alive_to(const microt_model_t *m, unsigned tensor) {
    for (unsigned e = 0; e < m->exit_count; e++) {
        if (m->exits[e].tensor_index == tensor) {
            return m->op_count;
        }
    }
    if (last_op(m, tensor) != NONE) {
        return last_op(m, tensor);
    }
    return tensor == m->input ? 0 : first_op(m, tensor);
}

static unsigned alive_from(const microt_model_t *m, unsigned tensor) {
    return tensor == m->input ? 0 : first_op(m, tensor);
}

// True if the op that writes output may put it where input is.
static bool in_place(const microt_model_t *m, unsigned input, unsigned output) {
    if (output == m->input) {
        return false;
    }
    unsigned op = first_op(m, output);
    unsigned code = microt_op_code(m, op);
    const microt_tensor_t in = microt_tensor(m, input), out = microt_tensor(m, output);
    const bool by_value = code == MICROT_RESHAPE || code == MICROT_ADD || code == MICROT_LOOKUP
        || code == MICROT_ARITHMETIC;
    microt_op_t loaded;
    microt_load_op(m, op, &loaded);
    const bool by_plane = microt_target_in_place(m->target, &loaded);
    return ((by_value && elements(&in) == elements(&out)) || by_plane) && op_reads(m, op, input)
           && alive_to(m, input) == op && in.offset == out.offset;
}

// No op writes over a tensor that a later op still reads, nor over its own inputs; no scratch
// lies over a tensor that is alive.
static bool check_plan(decoder_t *d) {
    const microt_model_t *m = d->model;
    for (unsigned a = 0; a < m->tensor_count; a++) {
        const microt_tensor_t first = microt_tensor(m, a);
        const unsigned from = alive_from(m, a);
        const unsigned to = alive_to(m, a);
        for (unsigned i = from; i <= to && i < m->op_count; i++) {
            const uint8_t *r = m->ops + OP_SIZE * i;
            const uint32_t scratch = microt_u32(r + 56), size = microt_u32(r + 60);
            if (size > 0 && overlap(first.offset, elements(&first), scratch, size)) {
                return fail(d, "plan: tensor # and the scratch of op # overlap at #", a, i, scratch);
            }
        }
        for (unsigned b = 0; b < a; b++) {
            const microt_tensor_t second = microt_tensor(m, b);
            if (overlap(first.offset, elements(&first), second.offset, elements(&second))
                && from <= alive_to(m, b) && alive_from(m, b) <= to
                && !in_place(m, a, b) && !in_place(m, b, a)) {
                return fail(d, "plan: tensors # and # overlap at # while both are needed", b, a, first.offset);
            }
        }
    }
    return true;
}

static bool all_finite(const uint8_t *p, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        if (!is_finite(microt_f32(p + 4 * i))) {
            return false;
        }
    }
    return true;
}

static bool check_feature(decoder_t *d, unsigned e) {
    const microt_model_t *m = d->model;
    const uint8_t *r = m->file + d->section[FEATURES].offset + FEATURE_SIZE * e;
    microt_feature_t *f = &d->model->exits[e].feature;
    uint32_t offset[4];
    for (unsigned i = 0; i < 4; i++) {
        offset[i] = microt_u32(r + 12 + 4 * i);
    }
    f->parts = microt_u16(r);
    f->square_root = (microt_u16(r + 2) & 1) != 0;
    f->d = microt_u32(r + 4);
    f->k = microt_u32(r + 8);
    f->shrink = microt_f32(r + 28);
    f->prior_trace = microt_f32(r + 32);
    if (f->parts == 0) {
        if (!zeros(r, FEATURE_SIZE)) {
            return fail(d, "feature #: no parts, but not all zero", e, 0, 0);
        }
        return true;
    }
    if (f->parts > MAX_PARTS || microt_u16(r + 2) > 1 || !zeros(r + 36, 12)) {
        return fail(d, "feature #: # parts with flags #, or reserved fields not zero", e, f->parts,
            microt_u16(r + 2));
    }
    if (f->k > 65535 || (f->k == 0 && (offset[2] != 0 || offset[3] != 0))) {
        return fail(d, "feature #: a projection of # rows at #", e, f->k, offset[2]);
    }
    if (!in_data(d, offset[0], 8 * (uint64_t)f->parts) || !in_data(d, offset[1], 4 * (uint64_t)f->d)
        || (f->k != 0 && (!in_data(d, offset[2], (uint64_t)f->k * f->d)
                          || !in_data(d, offset[3], 4 * (uint64_t)f->k)))
        || ((offset[0] | offset[1] | offset[3]) & 3) != 0) {
        return fail(d, "feature #: its # values and # rows are not in the data section or not at multiples of 4",
            e, f->d, f->k);
    }
    f->part = m->file + offset[0];
    f->mean = m->file + offset[1];
    f->projection = (const int8_t *)(m->file + offset[2]);
    f->row_scale = m->file + offset[3];
    uint32_t total = 0;
    for (unsigned i = 0; i < f->parts; i++) {
        const uint8_t *part = f->part + 8 * i;
        unsigned source = microt_u16(part);
        uint32_t length = microt_u16(part + 4);
        if (source > e || microt_u16(part + 6) != 0 || length == 0
            || microt_u16(part + 2) + length > (uint32_t)m->exits[source].tensor.c) {
            return fail(d, "feature #: part # takes # values that no embedding has", e, i, length);
        }
        total += length;
    }
    if (total != f->d) {
        return fail(d, "feature #: its parts have # values, it says #", e, total, f->d);
    }
    if (!all_finite(f->mean, f->d) || !all_finite(f->row_scale, f->k)) {
        return fail(d, "feature #: a mean or a row scale is not finite", e, 0, 0);
    }
    if (!is_finite(f->shrink) || !(f->shrink >= 0.0f && f->shrink <= 1.0f) || !is_finite(f->prior_trace)
        || !(f->prior_trace >= 0.0f)) {
        return fail(d, "feature #: expected a shrink of 0 to 1 and a prior trace of 0 or more", e, 0, 0);
    }
    return true;
}

static bool check_features(decoder_t *d) {
    const microt_model_t *m = d->model;
    if (d->section[FEATURES].size == 0) {
        return true;
    }
    if (d->section[FEATURES].size != FEATURE_SIZE * (uint32_t)m->exit_count) {
        return fail(d, "features: expected # bytes for # exits, got #", FEATURE_SIZE * m->exit_count,
            m->exit_count, d->section[FEATURES].size);
    }
    for (unsigned e = 0; e < m->exit_count; e++) {
        if (!check_feature(d, e)) {
            return false;
        }
    }
    return true;
}

int microt_open(microt_model_t *model, const uint8_t *file, size_t size, char *error,
    size_t error_size) {
    decoder_t d;
    memset(&d, 0, sizeof(d));
    memset(model, 0, sizeof(*model));
    d.model = model;
    d.error = error;
    d.error_size = error_size;
    model->file = file;
    model->size = (uint32_t)size;
    bool good = check_header(&d, size) && check_sections(&d) && check_strings(&d)
        && check_tensors(&d) && check_ops(&d) && check_order(&d) && check_exits(&d)
        && check_plan(&d) && check_features(&d);
    return good ? 0 : -1;
}
