// SPDX-License-Identifier: MIT
//
// How the kernels cut layers into blocks: what microt_dsp_scratch and the kernels must agree on.

#ifndef MICROT_KERNELS_DSP_SHAPES_H
#define MICROT_KERNELS_DSP_SHAPES_H

#include "dsp.h"
#include "../fixed.h"
#include "../window_args.h"

#define BLOCK_TILES (18) // tiles of 4 pixels in a block at most
#define BLOCK_BYTES (9216) // of expanded inputs in a block of WIDE at most
#define BLOCK_BYTES_SMALL (17408) // the same for planes of up to SMALL_PIXELS, whose tensors are small
#define SMALL_PIXELS (64)
#define WIDE_TILES (8) // WIDE's buffered weights pay from this many tiles
#define FIRST_TILE (224) // bytes of a tile: 28 taps x 4 pixels x 2
#define PLANE_ROW (256) // bytes of a row of 4 channels
#define PLANE_ROWS (29) // rows of a strip at most
#define PLANE_COLUMNS (32) // values of a channel in a row
#define ADD_TABLES (2048) // 2 x i32[256]

// WIDE: taps padded to whole steps.
static inline int32_t wide_depth(const microt_op_t *op, const microt_window_args_t *a) {
    return (a->kernel_h * a->kernel_w * op->in[0].c + 7) & ~7;
}

// WIDE: the inputs of a pixel are already where the kernel wants them.
static inline bool wide_direct(const microt_op_t *op, const microt_window_args_t *a) {
    return a->kernel_h == 1 && a->kernel_w == 1 && a->stride_h == 1 && a->stride_w == 1
           && !(a->pad_top | a->pad_left | a->pad_bottom | a->pad_right) && op->in[0].c % 8 == 0;
}

// WIDE: tiles in a block of buffered weights in so many bytes, 0 when tile by tile is better.
static inline int32_t wide_tiles(int32_t pixels, int32_t depth, int32_t room) {
    const int32_t tiles = pixels / 4;
    const int32_t bytes = microt_min(pixels <= SMALL_PIXELS ? BLOCK_BYTES_SMALL : BLOCK_BYTES, room - 4 * depth);
    const int32_t most = microt_min(BLOCK_TILES, bytes / (8 * depth));
    if (tiles < WIDE_TILES || most < WIDE_TILES) {
        return 0;
    }
    const int32_t blocks = (tiles + most - 1) / most;
    return (tiles + blocks - 1) / blocks; // at least 5
}

// PLANES: output columns of a block, its inputs fit a row of a strip.
static inline int32_t plane_columns(int32_t columns, int32_t kernel, int32_t stride) {
    const int32_t most = stride == 1
        ? PLANE_COLUMNS - kernel + 1
        : (PLANE_COLUMNS / 2 - (kernel + 1) / 2 + 1) & ~1;
    const int32_t blocks = (columns + most - 1) / most;
    return ((columns + blocks - 1) / blocks + 1) & ~1;
}

// PLANES: output rows of a strip, even when there is more than one strip.
static inline int32_t plane_rows(int32_t rows, int32_t kernel, int32_t stride) {
    const int32_t most = ((PLANE_ROWS - kernel) / stride + 1) & ~1;
    const int32_t strips = (rows + most - 1) / most;
    return strips == 1 ? rows : ((rows + strips - 1) / strips + 1) & ~1;
}

// PLANES: bytes of a strip.
static inline int32_t plane_strip_bytes(const microt_op_t *op, const microt_window_args_t *a) {
    return ((plane_rows(op->out.h, a->kernel_h, a->stride_h) - 1) * a->stride_h + a->kernel_h) * PLANE_ROW;
}

#endif // MICROT_KERNELS_DSP_SHAPES_H
