// SPDX-License-Identifier: MIT
//
// Shapes: what the kernels and the checks of layouts both compute. host/microt/compiler/layout_mve.py mirrors it.

#ifndef MICROT_KERNELS_MVE_SHAPES_H
#define MICROT_KERNELS_MVE_SHAPES_H

#include "mve.h"
#include "../fixed.h"
#include "../window_args.h"

#define FILL_BYTES (2048) // of tiles filled at once (WIDE, FIRST); one tile may be larger
#define FIRST_TILE (128)
#define PLANE_BYTES (12288) // most for plane and table of a strip (PLANES)
#define BLOCK_TAPS (64) // most taps (BLOCKS)
#define BLOCK_CLASSES (32)
#define BLOCK_BYTES (16384) // most scratch
#define ADD_TABLES (2048)
#define ADD_TABLES_PAY (256) // elements from which tables pay

static inline uint32_t microt_round_16(uint32_t n) {
    return (n + 15) & ~(uint32_t)15;
}

// ---- CONV_2D

// 1x1 over neighbouring pixels: the input is used in place.
static inline bool conv_direct(const microt_window_args_t *a) {
    return a->kernel_h == 1 && a->kernel_w == 1 && a->stride_h == 1 && a->stride_w == 1
           && (a->pad_top | a->pad_left | a->pad_bottom | a->pad_right) == 0;
}

static inline uint32_t wide_steps(const microt_op_t *op, const microt_window_args_t *a, unsigned layout) {
    const uint32_t taps = (uint32_t)(a->kernel_h * a->kernel_w * op->in[0].c);
    return layout == MICROT_MVE_FIRST ? 2 : (taps + 15) / 16;
}

// Output channels in whole groups of 4.
static inline uint32_t group_channels(const microt_op_t *op) {
    return ((uint32_t)op->out.c + 3) & ~(uint32_t)3;
}

// Bytes of a staged output tile; 0 when channels are whole groups and go straight out.
static inline uint32_t stage_size(const microt_op_t *op) {
    return op->out.c % 4 == 0 ? 0 : 4 * group_channels(op);
}

// Tiles are filled ahead when the input cannot be used in place, or there are fewer pixels than in a tile.
static inline bool wide_fills(const microt_op_t *op, const microt_window_args_t *a) {
    return !conv_direct(a) || op->out.h * op->out.w < 3;
}

static inline uint32_t filled_tiles(const microt_op_t *op, uint32_t tile) {
    const uint32_t all = ((uint32_t)(op->out.h * op->out.w) + 3) / 4, most = FILL_BYTES / tile;
    return most == 0 || op->out.c % 4 != 0 ? 1 : all < most ? all : most;
}

// A padded input row of FIRST, and the 16 bytes after it that may be read.
static inline uint32_t first_row(const microt_op_t *op, const microt_window_args_t *a) {
    const int32_t columns = microt_max((op->out.w - 1) * a->stride_w + 3, op->in[0].w + a->pad_left);
    return microt_round_16((uint32_t)(3 * columns) + 16);
}

// ---- PLANES

// One strip of a channel's plane in the scratch, and how its blocks lie (depthwise.S).
typedef struct _microt_strip_t {
    int32_t rows; // of outputs; even unless it is the only strip; 0: not even two rows fit
    int32_t reach; // padded input rows under them
    int32_t cell; // bytes of a column of a block row: 4 (quads, 3x3) or 2 (pairs, 5x5 and 7x7)
    int32_t pitch; // bytes between block rows
    int32_t plane; // bytes; both are cut to a value above PLANE_BYTES
    int32_t table; // bytes: u16 per input pixel
} microt_strip_t;

static inline int32_t strip_bytes(int64_t n) {
    return n > 2 * PLANE_BYTES ? 2 * PLANE_BYTES : (int32_t)microt_round_16((uint32_t)n);
}

static inline microt_strip_t strip_of(const microt_op_t *op, const microt_window_args_t *a, int32_t rows) {
    microt_strip_t s = {.rows = rows, .cell = a->kernel_h == 3 ? 4 : 2};
    const int32_t columns = microt_max((op->out.w - 1) * a->stride_w + a->kernel_w, a->pad_left + op->in[0].w);
    s.pitch = columns * s.cell;
    s.reach = (rows - 1 + (rows & 1)) * a->stride_h + a->kernel_h;
    // A block row before the first (quads are stored twice), one more than the rows fill, and what loads of the last
    // tile read beyond.
    s.plane = strip_bytes((int64_t)(s.reach / 2 + 3) * s.pitch + 64);
    // The last vector of the table is stored whole.
    s.table = strip_bytes((int64_t)2 * microt_min(op->in[0].h, s.reach) * op->in[0].w + 16);
    return s;
}

// The largest strip that fits PLANE_BYTES, of about equal ones.
static inline microt_strip_t plane_strip(const microt_op_t *op, const microt_window_args_t *a) {
    microt_strip_t s = strip_of(op, a, op->out.h);
    for (int32_t strips = 2; s.plane + s.table > PLANE_BYTES; strips++) {
        const int32_t rows = ((op->out.h + strips - 1) / strips + 1) & ~1;
        s = strip_of(op, a, rows);
        if (rows == 2 && s.plane + s.table > PLANE_BYTES) {
            s.rows = 0;
            break;
        }
    }
    return s;
}

#endif // MICROT_KERNELS_MVE_SHAPES_H
