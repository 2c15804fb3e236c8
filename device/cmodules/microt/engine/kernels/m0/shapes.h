// SPDX-License-Identifier: MIT
//
// How the kernels cut layers into tiles and strips: what microt_m0_scratch and the kernels must agree on.
// host/microt/compiler/layout_m0.py mirrors it.

#ifndef MICROT_KERNELS_M0_SHAPES_H
#define MICROT_KERNELS_M0_SHAPES_H

#include "m0.h"
#include "../fixed.h"
#include "../window_args.h"

#define TILE_PIXELS (64) // at most
#define TILE_BYTES (9216) // of expanded inputs at most, unless a pixel takes more
#define TILE_BYTES_SMALL (17408) // the same for planes of up to SMALL_PIXELS, whose tensors are small
#define SMALL_PIXELS (64)
#define FIRST_DEPTH (28)
#define PLANE_BYTES (10240) // of a strip of a channel's plane at most
#define ADD_TABLES (2048) // 2 x i32[256]

// ---- CONV_2D

// The inputs of a tile lie in a row, four channels to a word.
static inline bool wide_direct(const microt_op_t *op, const microt_window_args_t *a) {
    return a->kernel_h == 1 && a->kernel_w == 1 && a->stride_h == 1 && a->stride_w == 1
           && !(a->pad_top | a->pad_left | a->pad_bottom | a->pad_right) && op->in[0].c % 4 == 0;
}

static inline int32_t wide_depth(const microt_op_t *op, const microt_window_args_t *a) {
    return (a->kernel_h * a->kernel_w * op->in[0].c + 3) & ~3;
}

// Pixels of a tile: tiles are about equal.
static inline int32_t tile_pixels(int32_t pixels, int32_t depth) {
    const int32_t bytes = pixels <= SMALL_PIXELS ? TILE_BYTES_SMALL : TILE_BYTES;
    const int32_t most = microt_max(microt_min(TILE_PIXELS, bytes / (2 * depth)), 1);
    const int32_t tiles = (pixels + most - 1) / most;
    return (pixels + tiles - 1) / tiles;
}

// Bytes of the stream of two channels.
static inline uint32_t stream_size(int32_t depth) {
    return 4 * (uint32_t)depth + 8 + 32;
}

// ---- DEPTHWISE_CONV_2D

// A strip of a channel's plane: rows of words of two neighbouring columns. Outputs are made two at a time, so a row holds
// the inputs of an even number.
typedef struct _microt_strip_t {
    int32_t rows; // of outputs; 0: not even one fits
    int32_t pitch; // bytes of a row
} microt_strip_t;

static inline microt_strip_t plane_strip(const microt_op_t *op, const microt_window_args_t *a) {
    microt_strip_t s;
    const int32_t kernel = a->kernel_h, stride = a->stride_h;
    // Some inputs may be beyond all windows; the gathering takes whole rows.
    const int32_t columns = microt_max((((op->out.w + 1) & ~1) - 1) * stride + kernel, op->in[0].w + a->pad_left);
    s.pitch = 4 * ((columns + 1) / 2);
    const int32_t in_rows = PLANE_BYTES / s.pitch;
    s.rows = in_rows < kernel ? 0 : microt_min((in_rows - kernel) / stride + 1, op->out.h);
    return s;
}

// Bytes of a channel's stream: bias twice, taps in pairs, requantisation words.
static inline uint32_t plane_stream(int32_t kernel, int32_t stride) {
    return (uint32_t)(8 + kernel * (kernel + 1) / 2 * (stride == 1 ? 8 : 4) + 16);
}

#endif // MICROT_KERNELS_M0_SHAPES_H
