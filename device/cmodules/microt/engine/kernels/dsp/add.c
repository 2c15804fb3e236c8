// SPDX-License-Identifier: MIT
//
// ADD: each value an input can have is rescaled once, into a table in the scratch.

#include "shapes.h"

#ifdef MICROT_HAVE_DSP

#include "clamp.h"
#include "../fixed.h"

#define TABLES_PAY (96) // values; the tables cost about 3500 instructions

void microt_dsp_add_values(const int8_t *a, const int8_t *b, int8_t *out, const int32_t *tables,
    const int8_t *end, int32_t m, int32_t round, int32_t e);
void microt_dsp_add_table(int32_t *table, int32_t first, int32_t step, int32_t m, int32_t half,
    int32_t e, int32_t sign);

// table[(uint8_t)x] = 2 * M((x - zero_point) * 2^left_shift, multiplier, -e).
static void fill(int32_t *table, int32_t zero_point, int32_t left_shift, int32_t multiplier,
    int32_t e) {
    const int32_t step = (int32_t)2 << left_shift;
    const int32_t half = e == 0 ? 0 : (int32_t)1 << (e - 1), sign = e == 0 ? 0 : -1;
    microt_dsp_add_table(table + 128, (-128 - zero_point) * step, step, multiplier, half, e, sign);
    microt_dsp_add_table(table, -zero_point * step, step, multiplier, half, e, sign);
}

static int8_t finish(int32_t sum, const int32_t *a, int32_t zero_point) {
    return (int8_t)microt_clamp(microt_requantize(sum, a[5], a[6]) + zero_point, a[7], a[8]);
}

void microt_dsp_add(const microt_op_t *op, uint8_t *arena, unsigned layout, uint8_t *scratch) {
    const microt_tensor_t *out = &op->out;
    int32_t a[9]; // left_shift, mult1, shift1, mult2, shift2, mult_out, shift_out, low, high
    (void)layout;
    microt_args(op, a, 9);
    const int32_t n = out->h * out->w * out->c, whole = n & ~3, e = -a[6];
    // Doubled sums are below 2^30 in size, round must leave room for them.
    const bool direct = n < TABLES_PAY || e < 1 || e > 22;
    const int8_t *x1 = microt_data(&op->in[0], arena);
    const int8_t *x2 = microt_data(&op->in[1], arena);
    int8_t *y = microt_data(out, arena); // may be x1 or x2
    if (direct) {
        microt_ref_add(op, arena);
        return;
    }
    int32_t *tables = (int32_t *)scratch; // i32[2][256]
    fill(tables, op->in[0].zero_point, a[0], a[1], -a[2]);
    fill(tables + 256, op->in[1].zero_point, a[0], a[3], -a[4]);
    const int32_t round = ((int32_t)1 << (e - 1)) + out->zero_point * ((int32_t)1 << e);
    microt_dsp_add_values(x1, x2, y, tables, y + whole, a[5], round, e);
    for (int32_t i = whole; i < n; i++) {
        const int32_t sum = (tables[(uint8_t)x1[i]] + tables[256 + (uint8_t)x2[i]]) / 2;
        y[i] = finish(sum, a, out->zero_point);
    }
    microt_dsp_clamp(y, whole, a[7], a[8]);
}

#endif
