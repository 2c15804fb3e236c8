// SPDX-License-Identifier: MIT
//
// ADD: each input value is rescaled by a table of 256 made on entry; small tensors do without.

#include "shapes.h"

#ifdef MICROT_HAVE_MVE

#include "clamp.h"
#include "requantize.h"

// add.S
void microt_mve_add_tables(const int8_t *x1, const int8_t *x2, int8_t *y, const int32_t *tables, int32_t turns,
    int32_t multiplier, int32_t shift, int32_t zero_point);

// Arguments of the op, see mtb.c.
enum { LEFT_SHIFT, MULT1, SHIFT1, MULT2, SHIFT2, MULT_OUT, SHIFT_OUT, LOW, HIGH, ARGS };

static inline int32x4_t rescale(int32x4_t x, int32_t zero_point, int32_t left_shift, int32_t multiplier, int32_t shift) {
    x = vshlq_r_s32(vsubq_n_s32(x, zero_point), left_shift);
    return microt_mve_rescale_any(x, vdupq_n_s32(multiplier), vdupq_n_s32(shift));
}

// table i32[256], by the value as uint8.
static void make_table(int32_t *table, int32_t zero_point, int32_t left_shift, int32_t multiplier, int32_t shift) {
    int32x4_t x = vreinterpretq_s32_u32(vidupq_n_u32(0, 1));
    for (int32_t i = 0; i < 256; i += 4) {
        if (i == 128) {
            x = vsubq_n_s32(x, 256);
        }
        vst1q_s32(table + i, rescale(x, zero_point, left_shift, multiplier, shift));
        x = vaddq_n_s32(x, 4);
    }
}

// Values [from, n), 4 at a time, any shifts.
static void add_some(const microt_op_t *op, const int32_t *a, const int8_t *x1, const int8_t *x2, int8_t *y,
    int32_t from, int32_t n) {
    const int32x4_t zero = vdupq_n_s32(op->out.zero_point), low = vdupq_n_s32(-128), high = vdupq_n_s32(127);
    for (int32_t i = from; i < n; i += 4) {
        const mve_pred16_t p = vctp32q((uint32_t)(n - i));
        int32x4_t s = rescale(vldrbq_z_s32(x1 + i, p), op->in[0].zero_point, a[LEFT_SHIFT], a[MULT1], a[SHIFT1]);
        s = vaddq_s32(s, rescale(vldrbq_z_s32(x2 + i, p), op->in[1].zero_point, a[LEFT_SHIFT], a[MULT2], a[SHIFT2]));
        s = vaddq_s32(microt_mve_rescale_any(s, vdupq_n_s32(a[MULT_OUT]), vdupq_n_s32(a[SHIFT_OUT])), zero);
        vstrbq_p_s32(y + i, vminq_s32(vmaxq_s32(s, low), high), p);
    }
}

void microt_mve_add(const microt_op_t *op, uint8_t *arena, unsigned layout, uint8_t *scratch) {
    const microt_tensor_t *out = &op->out;
    int32_t a[ARGS];
    (void)layout;
    microt_args(op, a, ARGS);
    const int8_t *x1 = microt_data(&op->in[0], arena);
    const int8_t *x2 = microt_data(&op->in[1], arena);
    int8_t *y = microt_data(out, arena); // may be x1 or x2
    const int32_t n = out->h * out->w * out->c;
    int32_t done = 0;
    if (n >= ADD_TABLES_PAY && a[SHIFT_OUT] < 0) {
        int32_t *tables = (int32_t *)scratch; // i32[2][256]
        make_table(tables, op->in[0].zero_point, a[LEFT_SHIFT], a[MULT1], a[SHIFT1]);
        make_table(tables + 256, op->in[1].zero_point, a[LEFT_SHIFT], a[MULT2], a[SHIFT2]);
        done = n & ~15;
        microt_mve_add_tables(x1, x2, y, tables, done / 16, a[MULT_OUT], a[SHIFT_OUT], out->zero_point);
    }
    add_some(op, a, x1, x2, y, done, n);
    microt_mve_clamp(y, n, a[LOW], a[HIGH]);
}

#endif
