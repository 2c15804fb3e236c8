// SPDX-License-Identifier: MIT
//
// PAD: a frame of one value around the input, in h, w and c.

#include "../../kernels.h"

void microt_ref_pad(const microt_op_t *op, uint8_t *arena) {
    const microt_tensor_t *in = &op->in[0];
    const microt_tensor_t *out = &op->out;
    int32_t a[7]; // top, bottom, left, right, front, back, value
    microt_args(op, a, 7);
    const int8_t *x = microt_data(in, arena);
    int8_t *y = microt_data(out, arena);
    const size_t row = (size_t)out->w * (size_t)out->c;

    memset(y, a[6], (size_t)a[0] * row);
    y += (size_t)a[0] * row;
    for (int32_t iy = 0; iy < in->h; iy++) {
        memset(y, a[6], (size_t)a[2] * (size_t)out->c);
        y += (size_t)a[2] * (size_t)out->c;
        for (int32_t ix = 0; ix < in->w; ix++) {
            memset(y, a[6], (size_t)a[4]);
            y += a[4];
            memcpy(y, x, (size_t)in->c);
            x += in->c;
            y += in->c;
            memset(y, a[6], (size_t)a[5]);
            y += a[5];
        }
        memset(y, a[6], (size_t)a[3] * (size_t)out->c);
        y += (size_t)a[3] * (size_t)out->c;
    }
    memset(y, a[6], (size_t)a[1] * row);
}
