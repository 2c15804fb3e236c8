// SPDX-License-Identifier: MIT
//
// CONV_2D: stride, dilation, padding on each side, groups.

#include "finish.h"
#include "rows.h"
#include "window.h"

void microt_ref_conv_2d(const microt_op_t *op, uint8_t *arena) {
    const microt_tensor_t *in = &op->in[0];
    const microt_tensor_t *out = &op->out;
    int32_t a[12];
    microt_args(op, a, 12);
    const int32_t dilation_h = a[2], dilation_w = a[3], low = a[8], high = a[9];
    const int32_t kernel_h = a[10], kernel_w = a[11];
    const int8_t *x = microt_data(in, arena); // (h, w, c)
    int8_t *y = microt_data(out, arena);
    const int32_t pitch = (int32_t)(op->weights_size / (uint32_t)out->c); // kh * kw * depth
    const int32_t depth = pitch / (kernel_h * kernel_w);
    const int32_t group = out->c / (in->c / depth); // output channels in a group

    for (int32_t oy = 0; oy < out->h; oy++) {
        const microt_window_t wy = microt_window(oy, a[0], a[4], kernel_h, dilation_h, in->h);
        for (int32_t ox = 0; ox < out->w; ox++) {
            const microt_window_t wx = microt_window(ox, a[1], a[5], kernel_w, dilation_w, in->w);
            // Without groups and dilation the taps of a row are one run of inputs and weights.
            const bool joined = dilation_w == 1 && depth == in->c;
            const int32_t runs = joined ? (wx.end > wx.first ? 1 : 0) : wx.end - wx.first;
            const int32_t run = joined ? (wx.end - wx.first) * depth : depth;
            const int8_t *w = op->weights; // of output channel oc: (kh, kw, depth)
            for (int32_t oc = 0; oc < out->c;) {
                const int32_t from = depth * (oc / group); // first input channel of the group
                const bool four = group - oc % group >= 4;
                int32_t sum[4] = {0, 0, 0, 0};
                for (int32_t ky = wy.first; ky < wy.end; ky++) {
                    const int8_t *xr = x + from
                        + ((wy.at + ky * dilation_h) * in->w + wx.at + wx.first * dilation_w) * in->c;
                    const int8_t *wr = w + (ky * kernel_w + wx.first) * depth;
                    for (int32_t i = 0; i < runs; i++) {
                        if (four) {
                            microt_four_rows(sum, xr, wr, pitch, run, -in->zero_point);
                        } else {
                            sum[0] = microt_row(sum[0], xr, wr, run, -in->zero_point);
                        }
                        xr += dilation_w * in->c;
                        wr += depth;
                    }
                }
                for (int32_t i = 0; i < (four ? 4 : 1); i++) {
                    *y++ = microt_finish(op, oc++, sum[i], low, high);
                    w += pitch;
                }
            }
        }
    }
}
