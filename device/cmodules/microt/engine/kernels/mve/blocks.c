// SPDX-License-Identifier: MIT
//
// DEPTHWISE_CONV_2D, layout BLOCKS: 16 channels at a time straight from (h, w, c). Widening multiplications give int16
// products; two of them are added in int16 (there is no weight of -128), then widened to int32. Taps in the padding
// are left out, so each class of windows has biases of its own.

#include "depthwise.h"

#ifdef MICROT_HAVE_MVE

#include "blocks.h"

// Two taps: where their inputs (from the window's first value) and weights (from the block's) are.
typedef struct _pair_t {
    int32_t x0, w0, x1, w1;
} pair_t;

// An output of a row.
typedef struct _output_t {
    int32_t x; // of its window, from the row's
    const pair_t *pairs;
    int32_t count;
    int32_t bias; // bytes from the records to its class's biases
} output_t;

typedef struct _row_t {
    int32_t x; // of its windows, from the input
    const output_t *outputs;
} row_t;

// What the kernels take; the offsets are block_windows.S's.
typedef struct _microt_mve_block_t {
    const int8_t *in;
    int8_t *out;
    const int8_t *weights;
    const int32_t *records;
    const row_t *rows;
    int32_t height, outputs, channels, zero_point, lanes;
} microt_mve_block_t;

typedef void block_t(const microt_mve_block_t *block);
block_t microt_mve_block, microt_mve_block_masked, microt_mve_block_relu;

// The taps inside the input of a class of windows; returns how many pairs.
static int32_t make_pairs(pair_t *pairs, const microt_window_args_t *a, const microt_tensor_t *in, microt_window_t wy,
    microt_window_t wx) {
    const int32_t none = a->kernel_h * a->kernel_w; // the tap without weights
    int32_t taps = 0;
    for (int32_t ky = wy.first; ky < wy.end; ky++) {
        for (int32_t kx = wx.first; kx < wx.end; kx++) {
            const int32_t x = (ky * a->dilation_h * in->w + kx * a->dilation_w) * in->c;
            const int32_t w = 16 * (ky * a->kernel_w + kx);
            if (taps++ % 2 == 0) {
                *pairs = (pair_t) {x, w, x, 16 * none};
            } else {
                pairs->x1 = x;
                pairs++->w1 = w;
            }
        }
    }
    return (taps + 1) / 2;
}

// The outputs of a row of a class, with the lists of their classes.
static void make_outputs(output_t *outputs, pair_t *pairs, int32_t class, const microt_op_t *op,
    const microt_window_args_t *a, microt_window_t wy) {
    const microt_tensor_t *in = &op->in[0];
    int32_t count = 0;
    for (int32_t ox = 0; ox < op->out.w; ox++) {
        const microt_window_t wx = column_window(op, a, ox);
        if (ox == 0 || !same_taps(wx, column_window(op, a, ox - 1))) {
            pairs += ox == 0 ? 0 : block_pairs(a);
            class += ox == 0 ? 0 : 1;
            count = make_pairs(pairs, a, in, wy, wx);
        }
        outputs[ox] = (output_t) {(int32_t)((uint32_t)wx.at * (uint32_t)in->c), pairs, count, 64 * (2 + class)};
    }
}

void microt_mve_blocks(const microt_op_t *op, const microt_window_args_t *a, const int8_t *in, int8_t *out,
    uint8_t *scratch) {
    const microt_tensor_t *x = &op->in[0];
    const int32_t channels = x->c, taps = a->kernel_h * a->kernel_w, width = op->out.w;
    const int32_t classes_y = row_classes(op, a), classes_x = column_classes(op, a);
    pair_t *pairs = (pair_t *)scratch; // [classes][block_pairs]
    output_t *outputs = (output_t *)(pairs + classes_y * classes_x * block_pairs(a)); // [classes_y][width]
    row_t *rows = (row_t *)(outputs + classes_y * width);
    int32_t class = -1;
    for (int32_t oy = 0; oy < op->out.h; oy++) {
        const microt_window_t wy = row_window(op, a, oy);
        if (oy == 0 || !same_taps(wy, row_window(op, a, oy - 1))) {
            class++;
            pair_t *lists = pairs + class * classes_x * block_pairs(a);
            make_outputs(outputs + class * width, lists, class * classes_x, op, a, wy);
        }
        // Before the input for windows that begin in the padding, far before with large dilations.
        rows[oy] = (row_t) {(int32_t)((uint32_t)wy.at * (uint32_t)(x->w * channels)), outputs + class * width};
    }
    microt_mve_block_t block = {
        .in = in,
        .out = out,
        .weights = op->weights,
        .records = (const int32_t *)op->requant,
        .rows = rows,
        .height = op->out.h,
        .outputs = width * (int32_t)sizeof(output_t),
        .channels = channels,
        .zero_point = op->out.zero_point,
    };
    block_t *whole = op->out.zero_point == -128 ? microt_mve_block_relu : microt_mve_block;
    for (int32_t c = 0; c < channels; c += 16) {
        block.lanes = channels - c;
        (block.lanes < 16 ? microt_mve_block_masked : whole)(&block);
        block.in += 16;
        block.out += 16;
        block.weights += 16 * (taps + 1);
        block.records += 16 * (2 + classes_y * classes_x);
    }
}

#endif
