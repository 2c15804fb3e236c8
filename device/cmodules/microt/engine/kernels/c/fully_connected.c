// SPDX-License-Identifier: MIT
//
// FULLY_CONNECTED: four outputs at a time.

#include "finish.h"

#ifdef MICROT_HAVE_C

// Weights of neighbouring channels are depth apart.
__attribute__((noinline)) static void products(const int8_t *x, const int8_t *weights, int32_t depth, int32_t zero_point,
    int32_t *sums) {
    const int8_t *w0 = weights, *w1 = w0 + depth, *w2 = w1 + depth, *w3 = w2 + depth;
    int32_t sum[4] = {0};
    UNROLL_BY(4)
    for (const int8_t *end = x + depth; x != end;) {
        const int32_t value = *x++ - zero_point;
        sum[0] += value * *w0++;
        sum[1] += value * *w1++;
        sum[2] += value * *w2++;
        sum[3] += value * *w3++;
    }
    memcpy(sums, sum, sizeof(sum));
}

bool microt_c_fits_fully_connected(const microt_op_t *op) {
    return op->out.c >= 4 && microt_c_words(op);
}

void microt_c_fully_connected(const microt_op_t *op, uint8_t *arena) {
    const microt_tensor_t *in = &op->in[0], *out = &op->out;
    int32_t a[2];
    microt_args(op, a, 2);
    const int32_t *bias = (const int32_t *)op->bias, *requant = (const int32_t *)op->requant;
    const int8_t *x = microt_data(in, arena); // (rows, depth)
    int8_t *y = microt_data(out, arena); // (rows, out->c)
    const int32_t depth = (int32_t)(op->weights_size / (uint32_t)out->c);

    for (int32_t row = out->h * out->w; row > 0; row--, x += depth, y += out->c) {
        for (int32_t c = 0; c < out->c; c += 4) {
            c = c < out->c - 4 ? c : out->c - 4; // the last four may overlap with those before
            int32_t sums[4];
            products(x, op->weights + c * depth, depth, in->zero_point, sums);
            for (int32_t i = c; i < c + 4; i++) {
                const int32_t sum = microt_wrap_add(sums[i - c], bias[i]);
                const int32_t scaled = microt_requantize_once(sum, requant[2 * i], requant[2 * i + 1]);
                y[i] = (int8_t)microt_clamp(scaled + out->zero_point, a[0], a[1]);
            }
        }
    }
}

#endif
