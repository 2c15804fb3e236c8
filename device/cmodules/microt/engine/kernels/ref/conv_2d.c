// SPDX-License-Identifier: MIT
//
// CONV_2D: stride, dilation, padding on each side, groups.

#include "finish.h"
#include "rows.h"
#include "window.h"

// The part of a window that is inside the input: rows of runs of contiguous values.
typedef struct _window_t {
    int32_t rows, runs, run; // run: values
    int32_t x_row, x_run, w_row, w_run; // steps of the input and of a channel's weights
    int32_t w_channel; // from one channel's weights to the next's
    int32_t offset; // added to every input
} window_t;

// Out of line, so that the loops have the registers for themselves.
__attribute__((noinline)) static void one_channel(const window_t *window, const int8_t *x, const int8_t *w,
    int32_t *sum) {
    sum[0] = 0;
    for (int32_t i = 0; i < window->rows; i++) {
        for (int32_t j = 0; j < window->runs; j++) {
            sum[0] = microt_row(sum[0], x + j * window->x_run, w + j * window->w_run, window->run, window->offset);
        }
        x += window->x_row;
        w += window->w_row;
    }
}

__attribute__((noinline)) static void four_channels(const window_t *window, const int8_t *x, const int8_t *w,
    int32_t *sum) {
    sum[0] = sum[1] = sum[2] = sum[3] = 0;
    for (int32_t i = 0; i < window->rows; i++) {
        for (int32_t j = 0; j < window->runs; j++) {
            microt_four_rows(sum, x + j * window->x_run, w + j * window->w_run, window->w_channel, window->run,
                window->offset);
        }
        x += window->x_row;
        w += window->w_row;
    }
}

void microt_ref_conv_2d(const microt_op_t *op, uint8_t *arena) {
    const microt_tensor_t *in = &op->in[0];
    const microt_tensor_t *out = &op->out;
    int32_t a[12];
    microt_args(op, a, 12);
    const int32_t dilation_h = a[2], dilation_w = a[3];
    const int32_t kernel_h = a[10], kernel_w = a[11];
    const microt_finish_t end = {op->bias, op->requant, out->zero_point, a[8], a[9]};
    const int8_t *x = microt_data(in, arena); // (h, w, c)
    int8_t *y = microt_data(out, arena);
    const int32_t filter = (int32_t)(op->weights_size / (uint32_t)out->c); // kh * kw * depth
    const int32_t depth = filter / (kernel_h * kernel_w);
    const int32_t group = out->c / (in->c / depth); // output channels in a group
    const int32_t row = in->w * in->c;
    // Without groups and dilation the taps of a row are one run of inputs and weights.
    const bool joined = dilation_w == 1 && depth == in->c;
    window_t window = {
        .x_row = dilation_h * row,
        .x_run = dilation_w * in->c,
        .w_row = kernel_w * depth,
        .w_run = depth,
        .w_channel = filter,
        .offset = -in->zero_point,
    };

    for (int32_t oy = 0; oy < out->h; oy++) {
        const microt_window_t wy = microt_window(oy, a[0], a[4], kernel_h, dilation_h, in->h);
        window.rows = wy.end - wy.first;
        for (int32_t ox = 0; ox < out->w; ox++) {
            const microt_window_t wx = microt_window(ox, a[1], a[5], kernel_w, dilation_w, in->w);
            const int32_t taps = wx.end - wx.first;
            window.runs = joined && taps > 0 ? 1 : taps;
            window.run = joined ? taps * depth : depth;
            const int8_t *xg = x;
            const int8_t *w = op->weights; // (cout, kh, kw, depth), from the first tap inside
            if (window.rows > 0 && taps > 0) {
                xg += (wy.at + wy.first * dilation_h) * row + (wx.at + wx.first * dilation_w) * in->c;
                w += (wy.first * kernel_w + wx.first) * depth;
            }
            for (int32_t oc = 0; oc < out->c; xg += depth) {
                for (int32_t left = group; left > 0;) {
                    const int32_t n = left >= 4 ? 4 : 1; // output channels at once
                    int32_t sum[4];
                    if (n == 4) {
                        four_channels(&window, xg, w, sum);
                    } else {
                        one_channel(&window, xg, w, sum);
                    }
                    microt_finish(&end, oc, sum, n, y);
                    y += n;
                    oc += n;
                    left -= n;
                    w += n * filter;
                }
            }
        }
    }
}
