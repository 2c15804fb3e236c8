// SPDX-License-Identifier: MIT
//
// MAX_POOL_2D: the largest of the inputs in a window, padding left out.

#include "../../kernels.h"
#include "../fixed.h"
#include "window.h"

void microt_ref_max_pool_2d(const microt_op_t *op, uint8_t *arena) {
    const microt_tensor_t *in = &op->in[0];
    const microt_tensor_t *out = &op->out;
    int32_t a[10];
    microt_args(op, a, 10);
    const int8_t *x = microt_data(in, arena); // (h, w, c)
    int8_t *y = microt_data(out, arena);

    for (int32_t oy = 0; oy < out->h; oy++) {
        const microt_window_t wy = microt_window(oy, a[0], a[2], a[6], 1, in->h);
        for (int32_t ox = 0; ox < out->w; ox++) {
            const microt_window_t wx = microt_window(ox, a[1], a[3], a[7], 1, in->w);
            const int32_t taps = wx.end - wx.first;
            const int8_t *window = x + ((wy.at + wy.first) * in->w + wx.at + wx.first) * in->c;
            for (int32_t c = 0; c < in->c; c++) {
                int32_t most = -128;
                const int8_t *row = window + c;
                for (int32_t ky = wy.first; ky < wy.end; ky++) {
                    for (int32_t kx = 0; kx < taps; kx++) {
                        most = row[kx * in->c] > most ? row[kx * in->c] : most;
                    }
                    row += in->w * in->c;
                }
                *y++ = (int8_t)microt_clamp(most, a[8], a[9]);
            }
        }
    }
}
