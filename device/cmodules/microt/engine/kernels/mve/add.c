// SPDX-License-Identifier: MIT
//
// ADD: each input value is rescaled by a table of 256 made on entry; small tensors do without.

#include "shapes.h"

#ifdef MICROT_HAVE_MVE

#include <arm_mve.h>

#include "clamp.h"

// add_values.S
void microt_mve_add_tables(const int8_t *x1, const int8_t *x2, int8_t *y, const int32_t *tables, int32_t turns,
    int32_t multiplier, int32_t shift, int32_t zero_point);

// Arguments of the op, see mtb.c.
enum { LEFT_SHIFT, MULT1, SHIFT1, MULT2, SHIFT2, MULT_OUT, SHIFT_OUT, LOW, HIGH, ARGS };

// How an input is rescaled; shift is 0 or less.
typedef struct _scale_t {
    int32_t zero_point, left_shift, multiplier, shift;
} scale_t;

// M of x, already shifted left. The sign is taken away only before a second rounding: mask is -1 when there is one.
static inline int32x4_t rescale(int32x4_t x, int32_t multiplier, int32_t shift, int32x4_t mask) {
    const int32x4_t y = vqrdmulhq_n_s32(x, multiplier);
    return vrshlq_n_s32(vaddq_s32(y, vandq_s32(vshrq_n_s32(x, 31), mask)), shift);
}

static inline int32x4_t rounds_twice(int32_t shift) {
    return vdupq_n_s32(shift < 0 ? -1 : 0);
}

// Half of a table i32[256]: entries of 128 neighbouring values from first on.
static void fill_half(int32_t *table, const scale_t *s, int32_t first) {
    const int32_t step = 4 << s->left_shift;
    const int32x4_t mask = rounds_twice(s->shift);
    int32x4_t x = vreinterpretq_s32_u32(vidupq_n_u32((uint32_t)(first - s->zero_point), 1));
    x = vshlq_r_s32(x, s->left_shift);
    for (int32_t i = 0; i < 128; i += 4) {
        vst1q_s32(table + i, rescale(x, s->multiplier, s->shift, mask));
        x = vaddq_n_s32(x, step);
    }
}

// Values [from, n), 4 at a time.
static void add_some(const microt_op_t *op, const scale_t *s1, const scale_t *s2, const int32_t *a, const int8_t *x1,
    const int8_t *x2, int8_t *y, int32_t from, int32_t n) {
    const int32x4_t mask1 = rounds_twice(s1->shift), mask2 = rounds_twice(s2->shift);
    const int32x4_t mask = rounds_twice(a[SHIFT_OUT]), low = vdupq_n_s32(-128), high = vdupq_n_s32(127);
    for (int32_t i = from; i < n; i += 4) {
        const mve_pred16_t p = vctp32q((uint32_t)(n - i));
        int32x4_t v1 = vshlq_r_s32(vsubq_n_s32(vldrbq_z_s32(x1 + i, p), s1->zero_point), s1->left_shift);
        int32x4_t v2 = vshlq_r_s32(vsubq_n_s32(vldrbq_z_s32(x2 + i, p), s2->zero_point), s2->left_shift);
        v1 = vaddq_s32(rescale(v1, s1->multiplier, s1->shift, mask1), rescale(v2, s2->multiplier, s2->shift, mask2));
        v1 = vaddq_n_s32(rescale(v1, a[MULT_OUT], a[SHIFT_OUT], mask), op->out.zero_point);
        vstrbq_p_s32(y + i, vminq_s32(vmaxq_s32(v1, low), high), p);
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
    const scale_t s1 = {op->in[0].zero_point, a[LEFT_SHIFT], a[MULT1], a[SHIFT1]};
    const scale_t s2 = {op->in[1].zero_point, a[LEFT_SHIFT], a[MULT2], a[SHIFT2]};
    if (n >= ADD_TABLES_PAY && a[SHIFT_OUT] < 0) {
        int32_t *tables = (int32_t *)scratch; // i32[2][256], by the values as uint8
        fill_half(tables, &s1, 0);
        fill_half(tables + 128, &s1, -128);
        fill_half(tables + 256, &s2, 0);
        fill_half(tables + 384, &s2, -128);
        done = n & ~15;
        microt_mve_add_tables(x1, x2, y, tables, done / 16, a[MULT_OUT], a[SHIFT_OUT], out->zero_point);
    }
    add_some(op, &s1, &s2, a, x1, x2, y, done, n);
    microt_mve_clamp(y, n, a[LOW], a[HIGH]);
}

#endif
