// SPDX-License-Identifier: MIT
//
// DEPTHWISE_CONV_2D: as CONV_2D, every output channel from one input channel.

#include "finish.h"
#include "window.h"

// Four neighbouring channels, depth multiplier 1: x and w step by a row and by a tap.
static void four_channels(int32_t *sum, const int8_t *x, const int8_t *w, int32_t rows,
    int32_t taps, int32_t x_row, int32_t w_row, int32_t x_tap, int32_t w_tap, int32_t offset) {
    int32_t a = 0, b = 0, c = 0, d = 0;
    for (int32_t ky = 0; ky < rows; ky++) {
        const int8_t *xp = x;
        const int8_t *wp = w;
        for (int32_t kx = taps; kx > 0; kx--) {
            a += (xp[0] + offset) * wp[0];
            b += (xp[1] + offset) * wp[1];
            c += (xp[2] + offset) * wp[2];
            d += (xp[3] + offset) * wp[3];
            xp += x_tap;
            wp += w_tap;
        }
        x += x_row;
        w += w_row;
    }
    sum[0] = a;
    sum[1] = b;
    sum[2] = c;
    sum[3] = d;
}

static int32_t one_channel(const int8_t *x, const int8_t *w, int32_t rows, int32_t taps,
    int32_t x_row, int32_t w_row, int32_t x_tap, int32_t w_tap, int32_t offset) {
    int32_t sum = 0;
    for (int32_t ky = 0; ky < rows; ky++) {
        for (int32_t kx = 0; kx < taps; kx++) {
            sum += (x[kx * x_tap] + offset) * w[kx * w_tap];
        }
        x += x_row;
        w += w_row;
    }
    return sum;
}

void microt_ref_depthwise_conv_2d(const microt_op_t *op, uint8_t *arena) {
    const microt_tensor_t *in = &op->in[0];
    const microt_tensor_t *out = &op->out;
    int32_t a[13];
    microt_args(op, a, 13);
    const int32_t dilation_h = a[2], dilation_w = a[3];
    const microt_finish_t end = {op->bias, op->requant, out->zero_point, a[8], a[9]};
    const int32_t kernel_h = a[10], kernel_w = a[11], multiplier = a[12];
    const int8_t *x = microt_data(in, arena); // (h, w, c)
    int8_t *y = microt_data(out, arena);
    const int32_t channels = out->c; // weights are (kh, kw, channels)
    const int32_t x_row = dilation_h * in->w * in->c;
    const int32_t x_tap = dilation_w * in->c;
    const int32_t w_row = kernel_w * channels;
    const int32_t offset = -in->zero_point;

    for (int32_t oy = 0; oy < out->h; oy++) {
        const microt_window_t wy = microt_window(oy, a[0], a[4], kernel_h, dilation_h, in->h);
        const int32_t rows = wy.end - wy.first;
        for (int32_t ox = 0; ox < out->w; ox++) {
            const microt_window_t wx = microt_window(ox, a[1], a[5], kernel_w, dilation_w, in->w);
            const int32_t taps = wx.end - wx.first;
            const int8_t *xw = x;
            const int8_t *ww = op->weights;
            if (rows > 0 && taps > 0) {
                xw += ((wy.at + wy.first * dilation_h) * in->w + wx.at + wx.first * dilation_w) * in->c;
                ww += (wy.first * kernel_w + wx.first) * channels;
            }
            int32_t oc = 0;
            if (multiplier == 1) {
                for (; oc + 4 <= channels; oc += 4) {
                    int32_t sum[4];
                    four_channels(sum, xw + oc, ww + oc, rows, taps, x_row, w_row, x_tap, channels,
                        offset);
                    microt_finish(&end, oc, sum, 4, y);
                    y += 4;
                }
            }
            for (; oc < channels; oc++) {
                int32_t sum = one_channel(xw + oc / multiplier, ww + oc, rows, taps, x_row, w_row,
                    x_tap, channels, offset);
                microt_finish(&end, oc, &sum, 1, y++);
            }
        }
    }
}
