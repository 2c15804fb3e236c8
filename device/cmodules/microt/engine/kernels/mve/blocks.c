// SPDX-License-Identifier: MIT
//
// DEPTHWISE_CONV_2D, layout BLOCKS: 16 channels at a time straight from (h, w, c). Widening multiplications give int16
// products; two of them are added in int16 (there is no weight of -128), then widened to int32. Taps in the padding
// are left out, so each class of windows has biases of its own.

#include "depthwise.h"

#ifdef MICROT_HAVE_MVE

#include "blocks.h"
#include "requantize.h"

// Two taps: where their inputs (from the window's first value) and weights (from the block's) are.
typedef struct _pair_t {
    int32_t x0, w0, x1, w1;
} pair_t;

// The taps inside the input of a class of windows; returns how many pairs.
static int32_t make_pairs(pair_t *pairs, const microt_window_args_t *a, const microt_tensor_t *in, microt_window_t wy,
    microt_window_t wx) {
    const int32_t none = a->kernel_h * a->kernel_w; // the tap without weights
    int32_t taps = 0;
    for (int32_t ky = wy.first; ky < wy.end; ky++) {
        for (int32_t kx = wx.first; kx < wx.end; kx++) {
            const int32_t x = (ky * a->dilation_h * in->w + kx * a->dilation_w) * in->c;
            const int32_t w = 16 * (ky * a->kernel_w + kx);
            if (taps++ % 2 == 0) {
                *pairs = (pair_t) {x, w, x, 16 * none};
            } else {
                pairs->x1 = x;
                pairs++->w1 = w;
            }
        }
    }
    return (taps + 1) / 2;
}

// One window, 16 channels (those of p are there). record: multipliers, shifts; bias: of the window's class.
static inline void window(const int8_t *x, const int8_t *w, const pair_t *pairs, int32_t count, const int32_t *record,
    const int32_t *bias, int32_t zero_point, int8_t *out, mve_pred16_t p, bool whole) {
    int32x4_t s0 = vld1q_s32(bias), s1 = vld1q_s32(bias + 4), s2 = vld1q_s32(bias + 8), s3 = vld1q_s32(bias + 12);
    for (; count > 0; count--, pairs++) {
        const int8x16_t x0 = whole ? vld1q_s8(x + pairs->x0) : vldrbq_z_s8(x + pairs->x0, p);
        const int8x16_t w0 = vld1q_s8(w + pairs->w0);
        const int8x16_t x1 = whole ? vld1q_s8(x + pairs->x1) : vldrbq_z_s8(x + pairs->x1, p);
        const int8x16_t w1 = vld1q_s8(w + pairs->w1);
        const int16x8_t even = vaddq_s16(vmullbq_int_s8(x0, w0), vmullbq_int_s8(x1, w1));
        const int16x8_t odd = vaddq_s16(vmulltq_int_s8(x0, w0), vmulltq_int_s8(x1, w1));
        s0 = vaddq_s32(s0, vmovlbq_s16(even));
        s1 = vaddq_s32(s1, vmovltq_s16(even));
        s2 = vaddq_s32(s2, vmovlbq_s16(odd));
        s3 = vaddq_s32(s3, vmovltq_s16(odd));
    }
    const int32_t *m = record, *e = record + 16;
    int16x8_t even = vdupq_n_s16(0), odd = even;
    even = vqmovnbq_s32(even, microt_mve_rescale(s0, vld1q_s32(m), vld1q_s32(e)));
    even = vqmovntq_s32(even, microt_mve_rescale(s1, vld1q_s32(m + 4), vld1q_s32(e + 4)));
    odd = vqmovnbq_s32(odd, microt_mve_rescale(s2, vld1q_s32(m + 8), vld1q_s32(e + 8)));
    odd = vqmovntq_s32(odd, microt_mve_rescale(s3, vld1q_s32(m + 12), vld1q_s32(e + 12)));
    int8x16_t y = vqmovnbq_s16(vdupq_n_s8(0), vqaddq_n_s16(even, (int16_t)zero_point));
    y = vqmovntq_s16(y, vqaddq_n_s16(odd, (int16_t)zero_point));
    if (whole) {
        vst1q_s8(out, y);
    } else {
        vstrbq_p_s8(out, y, p);
    }
}

void microt_mve_blocks(const microt_op_t *op, const microt_window_args_t *a, const int8_t *in, int8_t *out,
    uint8_t *scratch) {
    const microt_tensor_t *x = &op->in[0];
    const int32_t channels = x->c, taps = a->kernel_h * a->kernel_w;
    const int32_t classes_x = column_classes(op, a), classes = row_classes(op, a) * classes_x;
    pair_t *const pairs = (pair_t *)scratch; // [classes][(taps + 1) / 2]
    const int32_t most = (taps + 1) / 2;
    int32_t count[BLOCK_CLASSES];
    int32_t class_y = -1;
    for (int32_t oy = 0; oy < op->out.h; oy++) {
        const microt_window_t wy = row_window(op, a, oy);
        if (oy != 0 && same_taps(wy, row_window(op, a, oy - 1))) {
            continue;
        }
        class_y++;
        int32_t class = class_y * classes_x - 1;
        for (int32_t ox = 0; ox < op->out.w; ox++) {
            const microt_window_t wx = column_window(op, a, ox);
            if (ox == 0 || !same_taps(wx, column_window(op, a, ox - 1))) {
                class++;
                count[class] = make_pairs(pairs + class * most, a, x, wy, wx);
            }
        }
    }
    const int8_t *weights = op->weights;
    const int32_t *records = (const int32_t *)op->requant;
    for (int32_t c = 0; c < channels; c += 16) {
        const bool whole = channels - c >= 16;
        const mve_pred16_t p = vctp8q((uint32_t)(channels - c));
        int32_t row_class = -classes_x;
        for (int32_t oy = 0; oy < op->out.h; oy++) {
            const microt_window_t wy = row_window(op, a, oy);
            if (oy == 0 || !same_taps(wy, row_window(op, a, oy - 1))) {
                row_class += classes_x;
            }
            int32_t class = row_class - 1;
            for (int32_t ox = 0; ox < op->out.w; ox++) {
                const microt_window_t wx = column_window(op, a, ox);
                if (ox == 0 || !same_taps(wx, column_window(op, a, ox - 1))) {
                    class++;
                }
                // May lie before the input; with the offset of a tap inside it does not.
                const int8_t *at = in + (wy.at * x->w + wx.at) * channels + c;
                int8_t *to = out + (oy * op->out.w + ox) * channels + c;
                const int32_t *bias = records + 32 + 16 * class;
                const pair_t *mine = pairs + class * most;
                if (whole) {
                    window(at, weights, mine, count[class], records, bias, op->out.zero_point, to, p, true);
                } else {
                    window(at, weights, mine, count[class], records, bias, op->out.zero_point, to, p, false);
                }
            }
        }
        weights += 16 * (taps + 1);
        records += 16 * (2 + classes);
    }
}

#endif
