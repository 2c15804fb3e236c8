// SPDX-License-Identifier: MIT
//
// Classes of windows of the layout BLOCKS: windows that lose the same taps to padding.

#ifndef MICROT_KERNELS_MVE_BLOCKS_H
#define MICROT_KERNELS_MVE_BLOCKS_H

#include "shapes.h"
#include "../ref/window.h"

static inline microt_window_t row_window(const microt_op_t *op, const microt_window_args_t *a, int32_t oy) {
    return microt_window(oy, a->stride_h, a->pad_top, a->kernel_h, a->dilation_h, op->in[0].h);
}

static inline microt_window_t column_window(const microt_op_t *op, const microt_window_args_t *a, int32_t ox) {
    return microt_window(ox, a->stride_w, a->pad_left, a->kernel_w, a->dilation_w, op->in[0].w);
}

static inline bool same_taps(microt_window_t a, microt_window_t b) {
    return a.first == b.first && a.end == b.end;
}

// first and end fall monotonously from output to output, so a class is a run of neighbours.
static inline int32_t row_classes(const microt_op_t *op, const microt_window_args_t *a) {
    int32_t classes = 1;
    for (int32_t oy = 1; oy < op->out.h; oy++) {
        classes += !same_taps(row_window(op, a, oy), row_window(op, a, oy - 1));
    }
    return classes;
}

static inline int32_t column_classes(const microt_op_t *op, const microt_window_args_t *a) {
    int32_t classes = 1;
    for (int32_t ox = 1; ox < op->out.w; ox++) {
        classes += !same_taps(column_window(op, a, ox), column_window(op, a, ox - 1));
    }
    return classes;
}

// Most pairs of taps of a class.
static inline int32_t block_pairs(const microt_window_args_t *a) {
    return (a->kernel_h * a->kernel_w + 1) / 2;
}

// Scratch: 16 bytes for a pair, 16 for an output of a class of rows, 8 for a row.
static inline uint32_t block_scratch(const microt_op_t *op, const microt_window_args_t *a) {
    const uint32_t rows = (uint32_t)row_classes(op, a);
    const uint32_t pairs = rows * (uint32_t)(column_classes(op, a) * block_pairs(a));
    return microt_round_16(16 * (pairs + rows * (uint32_t)op->out.w) + 8 * (uint32_t)op->out.h);
}

#endif // MICROT_KERNELS_MVE_BLOCKS_H
