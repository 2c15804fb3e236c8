// SPDX-License-Identifier: MIT
//
// AVERAGE_POOL_2D and MEAN: sums of four channels at a time in two words of int16.

#include "shapes.h"

#ifdef MICROT_HAVE_DSP

#include "instructions.h"
#include "../fixed.h"
#include "../ref/window.h"

// Sums of 4 channels over rows x columns pixels; pitch and row_pitch in bytes.
// int16 sums hold 255 values: they are emptied in time.
static void sum4(const int8_t *x, int32_t rows, int32_t columns, int32_t pitch, int32_t row_pitch,
    int32_t *sums) {
    int32_t room = 255, even = 0, odd = 0;
    sums[0] = sums[1] = sums[2] = sums[3] = 0;
    for (int32_t y = 0; y < rows; y++) {
        const int8_t *p = x;
        int32_t left = columns;
        while (left > 0) {
            int32_t n = microt_min(left, room);
            left -= n;
            room -= n;
            for (; n > 0; n--) {
                const uint32_t v = microt_u32((const uint8_t *)p);
                p += pitch;
                even = sxtab16(even, v);
                odd = sxtab16_high(odd, v);
            }
            if (room == 0 || (left == 0 && y == rows - 1)) {
                sums[0] += (int16_t)even;
                sums[1] += (int16_t)odd;
                sums[2] += even >> 16;
                sums[3] += odd >> 16;
                room = 255;
                even = odd = 0;
            }
        }
        x += row_pitch;
    }
}

static int32_t sum1(const int8_t *x, int32_t rows, int32_t columns, int32_t pitch,
    int32_t row_pitch) {
    int32_t sum = 0;
    for (int32_t y = 0; y < rows; y++) {
        for (int32_t i = 0; i < columns; i++) {
            sum += x[i * pitch];
        }
        x += row_pitch;
    }
    return sum;
}

void microt_dsp_average_pool_2d(const microt_op_t *op, uint8_t *arena, unsigned layout,
    uint8_t *scratch) {
    const microt_tensor_t *in = &op->in[0];
    const microt_tensor_t *out = &op->out;
    int32_t a[10];
    (void)layout;
    (void)scratch;
    microt_args(op, a, 10);
    const int8_t *x = microt_data(in, arena); // (h, w, c)
    int8_t *y = microt_data(out, arena);

    for (int32_t oy = 0; oy < out->h; oy++) {
        const microt_window_t wy = microt_window(oy, a[0], a[2], a[6], 1, in->h);
        for (int32_t ox = 0; ox < out->w; ox++) {
            const microt_window_t wx = microt_window(ox, a[1], a[3], a[7], 1, in->w);
            const int32_t rows = wy.end - wy.first, columns = wx.end - wx.first;
            const int32_t count = rows * columns;
            const int8_t *window = x + ((wy.at + wy.first) * in->w + wx.at + wx.first) * in->c;
            int32_t c = 0;
            for (; c + 4 <= in->c; c += 4) {
                int32_t sums[4];
                sum4(window + c, rows, columns, in->c, in->w * in->c, sums);
                for (int32_t i = 0; i < 4; i++) {
                    *y++ = (int8_t)microt_clamp(microt_round_divide(sums[i], count), a[8], a[9]);
                }
            }
            for (; c < in->c; c++) {
                const int32_t sum = sum1(window + c, rows, columns, in->c, in->w * in->c);
                *y++ = (int8_t)microt_clamp(microt_round_divide(sum, count), a[8], a[9]);
            }
        }
    }
}

void microt_dsp_mean(const microt_op_t *op, uint8_t *arena, unsigned layout, uint8_t *scratch) {
    const microt_tensor_t *in = &op->in[0];
    int32_t a[2]; // multiplier, shift
    (void)layout;
    (void)scratch;
    microt_args(op, a, 2);
    const int8_t *x = microt_data(in, arena); // (h * w, c)
    int8_t *y = microt_data(&op->out, arena);
    const int32_t count = in->h * in->w;
    const int32_t offset = -count * in->zero_point;
    for (int32_t c = 0; c < in->c;) {
        int32_t sums[4], n = 4;
        if (c + 4 <= in->c) {
            sum4(x + c, 1, count, in->c, 0, sums);
        } else {
            sums[0] = sum1(x + c, 1, count, in->c, 0);
            n = 1;
        }
        for (int32_t i = 0; i < n; i++) {
            const int32_t v = microt_requantize(sums[i] + offset, a[0], a[1]);
            y[c++] = (int8_t)microt_clamp(microt_wrap_add(v, op->out.zero_point), -128, 127);
        }
    }
}

#endif
