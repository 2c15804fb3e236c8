// SPDX-License-Identifier: MIT
//
// AVERAGE_POOL_2D and MEAN: sums of 8 channels at a time in int16, widened before they can overflow.

#include "shapes.h"

#ifdef MICROT_HAVE_MVE

#include "clamp.h"
#include "requantize.h"
#include "../fixed.h"
#include "../ref/window.h"

#define FIT_16 (255) // int8 values that an int16 sum holds

// Pixels to sum up: rows x columns of them; bytes from one to the next.
typedef struct _area_t {
    int32_t rows, columns, pitch, row_pitch;
} area_t;

// Sums of 8 channels: 0, 2, 4, 6 and 1, 3, 5, 7.
typedef struct _sums_t {
    int32x4_t even, odd;
} sums_t;

static inline sums_t sum8(const int8_t *x, const area_t *area, mve_pred16_t p) {
    sums_t s = {vdupq_n_s32(0), vdupq_n_s32(0)};
    int16x8_t few = vdupq_n_s16(0);
    if (area->rows == 1 && area->columns <= FIT_16) {
        for (int32_t i = area->columns; i > 0; i--) {
            few = vaddq_s16(few, vldrbq_z_s16(x, p));
            x += area->pitch;
        }
        s.even = vmovlbq_s16(few);
        s.odd = vmovltq_s16(few);
        return s;
    }
    int32_t room = FIT_16;
    for (int32_t y = area->rows; y > 0; y--) {
        const int8_t *at = x;
        for (int32_t left = area->columns; left > 0;) {
            const int32_t run = microt_min(left, room);
            for (int32_t i = run; i > 0; i--) {
                few = vaddq_s16(few, vldrbq_z_s16(at, p));
                at += area->pitch;
            }
            left -= run;
            room -= run;
            if (room == 0) {
                s.even = vaddq_s32(s.even, vmovlbq_s16(few));
                s.odd = vaddq_s32(s.odd, vmovltq_s16(few));
                few = vdupq_n_s16(0);
                room = FIT_16;
            }
        }
        x += area->row_pitch;
    }
    s.even = vaddq_s32(s.even, vmovlbq_s16(few));
    s.odd = vaddq_s32(s.odd, vmovltq_s16(few));
    return s;
}

// Stores 8 channels, saturated to int8.
static inline void store8(int8_t *out, sums_t y, mve_pred16_t p) {
    const int32x4_t low = vdupq_n_s32(-128), high = vdupq_n_s32(127);
    int16x8_t both = vmovnbq_s32(vdupq_n_s16(0), vminq_s32(vmaxq_s32(y.even, low), high));
    both = vmovntq_s32(both, vminq_s32(vmaxq_s32(y.odd, low), high));
    vstrbq_p_s16(out, both, p);
}

// sum / count to nearest, halves away from zero, for 2 <= count <= DIVIDE_MOST, |sum| <= 128 * count:
// floor(v * ceil(2^32 / count) / 2^32) = floor(v / count) while v * count < 2^32, and v = |sum| + count / 2.
#define DIVIDE_MOST (5700)

static inline int32x4_t divide(int32x4_t sum, uint32_t reciprocal, int32_t half) {
    const uint32x4_t v = vreinterpretq_u32_s32(vaddq_n_s32(vabsq_s32(sum), half));
    const int32x4_t q = vreinterpretq_s32_u32(vmulhq_u32(v, vdupq_n_u32(reciprocal)));
    const int32x4_t sign = vshrq_n_s32(sum, 31);
    return vsubq_s32(veorq_s32(q, sign), sign);
}

static int32x4_t divide_any(int32x4_t sum, int32_t count) {
    int32_t lanes[4];
    vst1q_s32(lanes, sum);
    for (int32_t i = 0; i < 4; i++) {
        lanes[i] = microt_round_divide(lanes[i], count);
    }
    return vld1q_s32(lanes);
}

// Averages of all channels of an area.
static void average(const int8_t *x, const area_t *area, int32_t channels, int8_t *out) {
    const int32_t count = area->rows * area->columns;
    const bool fast = count >= 2 && count <= DIVIDE_MOST;
    const uint32_t reciprocal = fast ? 0xFFFFFFFFu / (uint32_t)count + 1 : 0; // 2^32 / count, rounded up
    for (int32_t c = 0; c < channels; c += 8) {
        const mve_pred16_t p = vctp16q((uint32_t)(channels - c));
        sums_t s = sum8(x + c, area, p);
        if (fast) {
            s.even = divide(s.even, reciprocal, count / 2);
            s.odd = divide(s.odd, reciprocal, count / 2);
        } else {
            s.even = divide_any(s.even, count);
            s.odd = divide_any(s.odd, count);
        }
        store8(out + c, s, p);
    }
}

void microt_mve_average_pool_2d(const microt_op_t *op, uint8_t *arena, unsigned layout, uint8_t *scratch) {
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
    microt_mve_clamp(microt_data(&op->out, arena), op->out.h * op->out.w * op->out.c, a[8], a[9]);
}

void microt_mve_mean(const microt_op_t *op, uint8_t *arena, unsigned layout, uint8_t *scratch) {
    const microt_tensor_t *in = &op->in[0];
    int32_t a[2]; // multiplier, shift
    (void)layout;
    (void)scratch;
    microt_args(op, a, 2);
    const int8_t *x = microt_data(in, arena); // (h * w, c)
    int8_t *y = microt_data(&op->out, arena);
    const area_t area = {1, in->h * in->w, in->c, 0};
    const int32x4_t offset = vdupq_n_s32(-in->h * in->w * in->zero_point);
    const int32x4_t m = vdupq_n_s32(a[0]), e = vdupq_n_s32(a[1]), zero = vdupq_n_s32(op->out.zero_point);
    for (int32_t c = 0; c < in->c; c += 8) {
        const mve_pred16_t p = vctp16q((uint32_t)(in->c - c));
        sums_t s = sum8(x + c, &area, p);
        s.even = vaddq_s32(microt_mve_rescale_any(vaddq_s32(s.even, offset), m, e), zero);
        s.odd = vaddq_s32(microt_mve_rescale_any(vaddq_s32(s.odd, offset), m, e), zero);
        store8(y + c, s, p);
    }
}

#endif
