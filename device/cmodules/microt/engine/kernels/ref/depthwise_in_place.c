// SPDX-License-Identifier: MIT
//
// DEPTHWISE_CONV_2D whose output may lie where its input is: each channel's plane is copied to the
// scratch first, and a channel's outputs overwrite inputs of that channel only. Multiplier 1, no
// more output than input pixels.

#include "finish.h"
#include "window.h"

void microt_ref_depthwise_in_place(const microt_op_t *op, uint8_t *arena) {
    const microt_tensor_t *in = &op->in[0];
    const microt_tensor_t *out = &op->out;
    int32_t a[12];
    microt_args(op, a, 12);
    const int32_t dilation_h = a[2], dilation_w = a[3];
    const int32_t kernel_h = a[10], kernel_w = a[11];
    const microt_finish_t end = {op->bias, op->requant, out->zero_point, a[8], a[9]};
    const int32_t channels = in->c;
    const int8_t *x = microt_data(in, arena); // (h, w, c)
    int8_t *y = microt_data(out, arena); // may be x
    int8_t *plane = (int8_t *)(arena + op->scratch); // (h, w)

    for (int32_t c = 0; c < channels; c++) {
        for (int32_t i = 0; i < in->h * in->w; i++) {
            plane[i] = x[i * channels + c];
        }
        int8_t *to = y + c;
        for (int32_t oy = 0; oy < out->h; oy++) {
            const microt_window_t wy = microt_window(oy, a[0], a[4], kernel_h, dilation_h, in->h);
            for (int32_t ox = 0; ox < out->w; ox++) {
                const microt_window_t wx = microt_window(ox, a[1], a[5], kernel_w, dilation_w, in->w);
                int32_t sum = 0;
                for (int32_t ky = wy.first; ky < wy.end; ky++) {
                    const int32_t row = (wy.at + ky * dilation_h) * in->w;
                    const int8_t *w = op->weights + ky * kernel_w * channels + c; // (kh, kw, c)
                    for (int32_t kx = wx.first; kx < wx.end; kx++) {
                        sum += (plane[row + wx.at + kx * dilation_w] - in->zero_point) * w[kx * channels];
                    }
                }
                microt_finish(&end, c, &sum, 1, to);
                to += channels;
            }
        }
    }
}
