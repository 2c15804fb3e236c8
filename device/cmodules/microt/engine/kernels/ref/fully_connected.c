// SPDX-License-Identifier: MIT
//
// FULLY_CONNECTED: every output from all inputs of its row.

#include "../fixed.h"
#include "rows.h"

// As a convolution's channel, but rounded once.
static int8_t finish(const microt_op_t *op, int32_t channel, int32_t sum, int32_t low, int32_t high) {
    const uint8_t *requant = op->requant + 8 * channel;
    int32_t y = microt_wrap_add(sum, microt_i32(op->bias + 4 * channel));
    y = microt_requantize_once(y, microt_i32(requant), microt_i32(requant + 4));
    return (int8_t)microt_clamp(y + op->out.zero_point, low, high);
}

void microt_ref_fully_connected(const microt_op_t *op, uint8_t *arena) {
    const microt_tensor_t *in = &op->in[0];
    const microt_tensor_t *out = &op->out;
    int32_t a[2];
    microt_args(op, a, 2);
    const int8_t *x = microt_data(in, arena); // (rows, depth)
    int8_t *y = microt_data(out, arena); // (rows, out->c)
    const int32_t rows = out->h * out->w;
    const int32_t depth = (int32_t)(op->weights_size / (uint32_t)out->c);

    for (int32_t row = 0; row < rows; row++) {
        const int8_t *w = op->weights; // (out->c, depth)
        int32_t oc = 0;
        for (; oc + 4 <= out->c; oc += 4) {
            int32_t sum[4] = {0, 0, 0, 0};
            microt_four_rows(sum, x, w, depth, depth, -in->zero_point);
            for (int32_t i = 0; i < 4; i++) {
                *y++ = finish(op, oc + i, sum[i], a[0], a[1]);
            }
            w += 4 * depth;
        }
        for (; oc < out->c; oc++) {
            *y++ = finish(op, oc, microt_row(0, x, w, depth, -in->zero_point), a[0], a[1]);
            w += depth;
        }
        x += depth;
    }
}
