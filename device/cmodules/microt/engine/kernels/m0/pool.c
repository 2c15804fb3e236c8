// SPDX-License-Identifier: MIT
//
// AVERAGE_POOL_2D and MEAN over height and width.

#include "shapes.h"

#ifdef MICROT_HAVE_M0

#include "../fixed.h"
#include "../ref/window.h"

#define RECIPROCAL_COUNT (360) // numbers of values up to which a product with the reciprocal is exact

// The sum over rows of a window at x: taps values a row, pitch and row bytes apart.
static int32_t sum_of(const int8_t *x, int32_t rows, int32_t taps, int32_t pitch, int32_t row) {
    int32_t sum = 0;
    for (; rows > 0; rows--, x += row) {
        const int8_t *at = x;
        for (int32_t i = taps; i > 0; i--, at += pitch) {
            sum += *at;
        }
    }
    return sum;
}

// sum / count to nearest, halves away from zero. n = |sum| + count / 2 is at most 128.5 count, so n * reciprocal, where
// reciprocal is less than one above 2^24 / count, is below 2^32 and n / 2^24 too large at most: less than 1 / count.
static int32_t divide(int32_t sum, int32_t count, uint32_t reciprocal) {
    if (reciprocal == 0) {
        return microt_round_divide(sum, count);
    }
    const uint32_t n = (uint32_t)(sum < 0 ? -sum : sum) + (uint32_t)count / 2;
    const int32_t q = (int32_t)(n * reciprocal >> 24);
    return sum < 0 ? -q : q;
}

void microt_m0_average_pool_2d(const microt_op_t *op, uint8_t *arena, unsigned layout, uint8_t *scratch) {
    const microt_tensor_t *in = &op->in[0], *out = &op->out;
    int32_t a[10];
    (void)layout;
    (void)scratch;
    microt_args(op, a, 10);
    const int8_t *x = microt_data(in, arena); // (h, w, c)
    int8_t *y = microt_data(out, arena);
    const int32_t row = in->w * in->c;
    int32_t known = 0; // the count that reciprocal belongs to
    uint32_t reciprocal = 0;
    for (int32_t oy = 0; oy < out->h; oy++) {
        const microt_window_t wy = microt_window(oy, a[0], a[2], a[6], 1, in->h);
        for (int32_t ox = 0; ox < out->w; ox++) {
            const microt_window_t wx = microt_window(ox, a[1], a[3], a[7], 1, in->w);
            const int32_t rows = wy.end - wy.first, taps = wx.end - wx.first, count = rows * taps;
            if (count != known) {
                known = count;
                reciprocal = count > RECIPROCAL_COUNT ? 0 : ((1u << 24) + (uint32_t)count - 1) / (uint32_t)count;
            }
            const int8_t *window = x + (wy.at + wy.first) * row + (wx.at + wx.first) * in->c;
            for (int32_t c = 0; c < in->c; c++) {
                const int32_t sum = sum_of(window + c, rows, taps, in->c, row);
                *y++ = (int8_t)microt_clamp(divide(sum, count, reciprocal), a[8], a[9]);
            }
        }
    }
}

void microt_m0_mean(const microt_op_t *op, uint8_t *arena, unsigned layout, uint8_t *scratch) {
    const microt_tensor_t *in = &op->in[0];
    int32_t a[2]; // multiplier, shift
    (void)layout;
    (void)scratch;
    microt_args(op, a, 2);
    const int8_t *x = microt_data(in, arena); // (h * w, c)
    int8_t *y = microt_data(&op->out, arena);
    const int32_t count = in->h * in->w;
    for (int32_t c = 0; c < in->c; c++) {
        int32_t sum = sum_of(x + c, 1, count, in->c, 0) - count * in->zero_point;
        sum = microt_wrap_add(microt_requantize(sum, a[0], a[1]), op->out.zero_point);
        y[c] = (int8_t)microt_clamp(sum, -128, 127);
    }
}

#endif
