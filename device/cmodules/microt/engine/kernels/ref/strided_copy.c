// SPDX-License-Identifier: MIT
//
// STRIDED_COPY: every output from a place in the input that moves by a step a row, column, channel.

#include "../../kernels.h"

void microt_ref_strided_copy(const microt_op_t *op, uint8_t *arena) {
    const microt_tensor_t *out = &op->out;
    int32_t a[4]; // base, steps along h, w, c
    microt_args(op, a, 4);
    const int8_t *x = microt_data(&op->in[0], arena);
    int8_t *y = microt_data(out, arena);

    for (int32_t oy = 0; oy < out->h; oy++) {
        for (int32_t ox = 0; ox < out->w; ox++) {
            const int8_t *from = x + (a[0] + oy * a[1] + ox * a[2]);
            if (a[3] == 1) {
                memcpy(y, from, (size_t)out->c);
                y += out->c;
                continue;
            }
            for (int32_t c = 0; c < out->c; c++) {
                *y++ = from[c * a[3]];
            }
        }
    }
}
