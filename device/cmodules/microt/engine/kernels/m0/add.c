// SPDX-License-Identifier: MIT
//
// ADD: each value an input can have is rescaled once, into a table in the scratch.

#include "shapes.h"

#ifdef MICROT_HAVE_M0

#include "../fixed.h"
#include "clamp.h"
#include "requantize.h"

#define TABLES_PAY (96) // values

// What the kernel takes; the offsets are add_values.S's.
typedef struct _microt_m0_add_t {
    const int8_t *x1, *x2;
    int8_t *out;
    int8_t *end;
    const int32_t *tables;
    microt_m0_requant_t words;
    const microt_m0_record_t *record;
    int32_t zero_point;
} microt_m0_add_t;

void microt_m0_add_values(const microt_m0_add_t *p);

// table[(uint8_t)x] = M((x - zero_point) * 2^left_shift, multiplier, -e) - less. The product grows by the same from one
// value to the next.
static void fill(int32_t *table, int32_t zero_point, int32_t left_shift, int32_t multiplier, int32_t e, int32_t less) {
    const int64_t step = (int64_t)multiplier << left_shift;
    int64_t product = (-128 - zero_point) * step + ((int64_t)1 << 30);
    const int32_t half = e == 0 ? 0 : (int32_t)1 << (e - 1), sign = e == 0 ? 0 : -1;
    for (int32_t x = -128; x < 128; x++) {
        const int32_t y = (int32_t)(product >> 31);
        table[(uint8_t)x] = ((y + (sign & (y >> 31)) + half) >> e) - less;
        product += step;
    }
}

static int32_t rescale(int32_t x, int32_t left_shift, int32_t multiplier, int32_t shift) {
    return microt_requantize(x * ((int32_t)1 << left_shift), multiplier, shift);
}

static void one_by_one(const microt_op_t *op, const int32_t *a, const int8_t *x1, const int8_t *x2, int8_t *y, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        const int32_t sum = rescale(x1[i] - op->in[0].zero_point, a[0], a[1], a[2])
            + rescale(x2[i] - op->in[1].zero_point, a[0], a[3], a[4]);
        y[i] = (int8_t)microt_clamp(microt_requantize(sum, a[5], a[6]) + op->out.zero_point, a[7], a[8]);
    }
}

void microt_m0_add(const microt_op_t *op, uint8_t *arena, unsigned layout, uint8_t *scratch) {
    const microt_tensor_t *out = &op->out;
    int32_t a[9]; // left_shift, mult1, shift1, mult2, shift2, mult_out, shift_out, low, high
    (void)layout;
    microt_args(op, a, 9);
    const int32_t n = out->h * out->w * out->c, e = -a[6], zero = out->zero_point;
    const int8_t *x1 = microt_data(&op->in[0], arena);
    const int8_t *x2 = microt_data(&op->in[1], arena);
    int8_t *y = microt_data(out, arena); // may be x1 or x2
    if (n < TABLES_PAY || e < 10 || e > 20 || a[5] < 1 << 30) {
        one_by_one(op, a, x1, x2, y, n);
        return;
    }
    // Sums are below 2^29 in size. In units of 2^s an output's sums are 2^24 / factor units, 256 to 512; first and the end
    // of the range may lie anywhere among the sums of -128 and of 127.
    microt_m0_record_t record = {.m = (uint32_t)a[5], .e_range = (uint32_t)e << 27};
    microt_m0_add_t p = {x1, x2, y, y + n, (int32_t *)scratch, {0}, &record, zero};
    microt_m0_load(&record, &p.words);
    const int32_t s = (int32_t)p.words.s, factor = (int32_t)p.words.factor;
    const int32_t most = (int32_t)1 << (29 - s);
    const int32_t first = microt_max((2 * (-127 - zero) - 1) * (1 << 22) / factor * 2 - 8, -most);
    const int32_t last = microt_min((2 * (127 - zero) - 1) * (1 << 22) / factor * 2 + 8, most);
    record.first = first * (1 << s);
    p.words.range = (uint32_t)microt_max(last - first, 0) << s;
    // Rounding factor takes or adds 2^16 at most, the shift takes up to factor, which is at most 2^16, more.
    p.words.offset = (uint32_t)first * (uint32_t)factor + ((uint32_t)zero << 24) + (1u << 23) + (1u << 17) + (1u << 15);
    fill((int32_t *)scratch, op->in[0].zero_point, a[0], a[1], -a[2], record.first);
    fill((int32_t *)scratch + 256, op->in[1].zero_point, a[0], a[3], -a[4], 0);
    microt_m0_add_values(&p);
    microt_m0_clamp(y, n, a[7], a[8]);
}

#endif
