// SPDX-License-Identifier: MIT
//
// FULLY_CONNECTED, and the channels of a CONV_2D that no layout fits.

#include "mve.h"

#ifdef MICROT_HAVE_MVE

#include "channels.h"
#include "clamp.h"
#include "../fixed.h"

// dots.S: x . w0, x . w1, sum of w0, sum of w1.
void microt_mve_dots(const int8_t *x, const int8_t *w0, const int8_t *w1, int32_t n, int32_t sums[4]);

void microt_mve_channels(const microt_op_t *op, const int8_t *inputs, int32_t depth, int32_t first, int32_t count,
    int8_t *out) {
    const bool once = op->code == MICROT_FULLY_CONNECTED;
    const int8_t *w = op->weights + first * depth;
    for (int32_t c = 0; c < count; c += 2) {
        const int32_t n = count - c < 2 ? 1 : 2;
        int32_t sums[4];
        microt_mve_dots(inputs, w, w + (n - 1) * depth, depth, sums);
        w += 2 * depth;
        for (int32_t i = 0; i < n; i++) {
            const int32_t channel = first + c + i;
            const int32_t multiplier = microt_i32(op->requant + 8 * channel);
            const int32_t shift = microt_i32(op->requant + 8 * channel + 4);
            int32_t y = sums[i] - op->in[0].zero_point * sums[2 + i];
            y = microt_wrap_add(y, microt_i32(op->bias + 4 * channel));
            y = once ? microt_requantize_once(y, multiplier, shift) : microt_requantize(y, multiplier, shift);
            *out++ = (int8_t)microt_clamp(microt_wrap_add(y, op->out.zero_point), -128, 127);
        }
    }
}

void microt_mve_fully_connected(const microt_op_t *op, uint8_t *arena, unsigned layout, uint8_t *scratch) {
    const microt_tensor_t *out = &op->out;
    int32_t a[2]; // clamp
    (void)layout;
    (void)scratch;
    microt_args(op, a, 2);
    const int8_t *x = microt_data(&op->in[0], arena); // (rows, depth)
    int8_t *y = microt_data(out, arena); // (rows, out->c)
    const int32_t rows = out->h * out->w, depth = (int32_t)(op->weights_size / (uint32_t)out->c);
    for (int32_t row = 0; row < rows; row++) {
        microt_mve_channels(op, x + row * depth, depth, 0, out->c, y + row * out->c);
    }
    microt_mve_clamp(y, rows * out->c, a[0], a[1]);
}

#endif
