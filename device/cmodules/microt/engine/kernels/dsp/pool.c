// SPDX-License-Identifier: MIT
//
// AVERAGE_POOL_2D and MEAN: sums of four channels at a time in two words of int16.

#include "shapes.h"

#ifdef MICROT_HAVE_DSP

#include "clamp.h"
#include "instructions.h"
#include "../fixed.h"
#include "../ref/window.h"

#define FIT_16 (255) // int8 values that an int16 sum holds

// Pixels to sum up: rows x columns of them, in bytes from one to the next.
typedef struct _area_t {
    int32_t rows, columns, pitch, row_pitch;
} area_t;

// Sums of 4 channels, rows * columns <= FIT_16: channels 0 2 in *even, 1 3 in *odd.
static inline void sum4_few(const int8_t *x, const area_t *area, int32_t *even, int32_t *odd) {
    const int32_t pitch = area->pitch, columns = area->columns;
    const int32_t skip = area->row_pitch - columns * pitch;
    int32_t a = 0, b = 0;
    for (int32_t y = area->rows; y > 0; y--) {
        int32_t n = columns;
        do {
            const uint32_t v = microt_u32((const uint8_t *)x);
            x += pitch;
            a = sxtab16(a, v);
            b = sxtab16_high(b, v);
        } while (--n > 0);
        x += skip;
    }
    *even = a;
    *odd = b;
}

// Sums of 4 channels over any number of pixels.
static void sum4(const int8_t *x, const area_t *area, int32_t *sums) {
    int32_t even, odd;
    area_t part = *area;
    sums[0] = sums[1] = sums[2] = sums[3] = 0;
    part.columns = microt_min(area->columns, FIT_16);
    for (int32_t from = 0; from < area->columns; from += part.columns) {
        part.columns = microt_min(area->columns - from, part.columns);
        const int32_t most = FIT_16 / part.columns;
        for (int32_t y = 0; y < area->rows; y += most) {
            part.rows = microt_min(area->rows - y, most);
            sum4_few(x + y * area->row_pitch + from * area->pitch, &part, &even, &odd);
            sums[0] += (int16_t)even;
            sums[1] += (int16_t)odd;
            sums[2] += even >> 16;
            sums[3] += odd >> 16;
        }
    }
}

static int32_t sum1(const int8_t *x, const area_t *area) {
    int32_t sum = 0;
    for (int32_t y = 0; y < area->rows; y++) {
        for (int32_t i = 0; i < area->columns; i++) {
            sum += x[i * area->pitch];
        }
        x += area->row_pitch;
    }
    return sum;
}

// sum / count to nearest, halves away from zero; half = count / 2.
static inline int32_t divide(int32_t sum, int32_t count, int32_t half) {
    const int32_t sign = sum >> 31;
    return (sum + ((half ^ sign) - sign)) / count;
}

// Averages of all channels of an area; out i8[channels].
static void average(const int8_t *x, const area_t *area, int32_t channels, int8_t *out) {
    const int32_t count = area->rows * area->columns, half = count / 2;
    int32_t c = 0;
    if (count <= FIT_16) {
        for (; c + 4 <= channels; c += 4) {
            int32_t even, odd;
            sum4_few(x, area, &even, &odd);
            x += 4;
            out[0] = (int8_t)divide((int16_t)even, count, half);
            out[1] = (int8_t)divide((int16_t)odd, count, half);
            out[2] = (int8_t)divide(even >> 16, count, half);
            out[3] = (int8_t)divide(odd >> 16, count, half);
            out += 4;
        }
    } else {
        for (; c + 4 <= channels; c += 4) {
            int32_t sums[4];
            sum4(x, area, sums);
            x += 4;
            for (int32_t i = 0; i < 4; i++) {
                *out++ = (int8_t)divide(sums[i], count, half);
            }
        }
    }
    for (; c < channels; c++) {
        *out++ = (int8_t)divide(sum1(x++, area), count, half);
    }
}

void microt_dsp_average_pool_2d(const microt_op_t *op, uint8_t *arena, unsigned layout,
    uint8_t *scratch) {
    const microt_tensor_t *in = &op->in[0];
    int32_t a[10];
    (void)layout;
    (void)scratch;
    microt_args(op, a, 10);
    const int8_t *x = microt_data(in, arena); // (h, w, c)
    int8_t *y = microt_data(&op->out, arena);
    area_t area = {.pitch = in->c, .row_pitch = in->w * in->c};

    for (int32_t oy = 0; oy < op->out.h; oy++) {
        const microt_window_t wy = microt_window(oy, a[0], a[2], a[6], 1, in->h);
        for (int32_t ox = 0; ox < op->out.w; ox++) {
            const microt_window_t wx = microt_window(ox, a[1], a[3], a[7], 1, in->w);
            area.rows = wy.end - wy.first;
            area.columns = wx.end - wx.first;
            if (area.columns == in->w) { // whole rows are one run
                area.columns *= area.rows;
                area.rows = 1;
            }
            average(x + ((wy.at + wy.first) * in->w + wx.at + wx.first) * in->c, &area, in->c, y);
            y += in->c;
        }
    }
    microt_dsp_clamp(microt_data(&op->out, arena), op->out.h * op->out.w * op->out.c, a[8], a[9]);
}

void microt_dsp_mean(const microt_op_t *op, uint8_t *arena, unsigned layout, uint8_t *scratch) {
    const microt_tensor_t *in = &op->in[0];
    int32_t a[2]; // multiplier, shift
    (void)layout;
    (void)scratch;
    microt_args(op, a, 2);
    const int8_t *x = microt_data(in, arena); // (h * w, c)
    int8_t *y = microt_data(&op->out, arena);
    const area_t area = {1, in->h * in->w, in->c, 0};
    const int32_t offset = -in->h * in->w * in->zero_point;
    for (int32_t c = 0; c < in->c;) {
        int32_t sums[4], n = 4;
        if (c + 4 <= in->c) {
            sum4(x + c, &area, sums);
        } else {
            sums[0] = sum1(x + c, &area);
            n = 1;
        }
        for (int32_t i = 0; i < n; i++) {
            const int32_t v = microt_requantize(sums[i] + offset, a[0], a[1]);
            y[c++] = (int8_t)microt_clamp(microt_wrap_add(v, op->out.zero_point), -128, 127);
        }
    }
}

#endif
