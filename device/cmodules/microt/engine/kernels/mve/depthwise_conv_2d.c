// SPDX-License-Identifier: MIT
//
// DEPTHWISE_CONV_2D: which way an op goes, and the way of layout 0.

#include "depthwise.h"

#ifdef MICROT_HAVE_MVE

#include "clamp.h"
#include "requantize.h"
#include "../ref/window.h"

// Layout 0: four output channels at a time, any shape, multiplier and requantisation.
static void plain_layer(const microt_op_t *op, const microt_window_args_t *a, const int8_t *in, int8_t *out) {
    const microt_tensor_t *x = &op->in[0];
    const int32_t channels = op->out.c, multiplier = channels / x->c;
    const int32_t x_row = a->dilation_h * x->w * x->c, x_tap = a->dilation_w * x->c;
    const int32x4_t zero_in = vdupq_n_s32(x->zero_point), zero_out = vdupq_n_s32(op->out.zero_point);
    for (int32_t c = 0; c < channels; c += 4) {
        const mve_pred16_t p = vctp32q((uint32_t)(channels - c));
        uint32_t channel_in[4];
        int32_t constants[3][4];
        for (int32_t i = 0; i < 4; i++) {
            const int32_t channel = microt_min(c + i, channels - 1);
            channel_in[i] = (uint32_t)(channel / multiplier);
            constants[0][i] = microt_i32(op->bias + 4 * channel); // at any address
            constants[1][i] = microt_i32(op->requant + 8 * channel);
            constants[2][i] = microt_i32(op->requant + 8 * channel + 4);
        }
        const uint32x4_t source = vld1q_u32(channel_in);
        const int32x4_t bias = vld1q_s32(constants[0]), m = vld1q_s32(constants[1]), e = vld1q_s32(constants[2]);
        for (int32_t oy = 0; oy < op->out.h; oy++) {
            const microt_window_t wy = microt_window(oy, a->stride_h, a->pad_top, a->kernel_h, a->dilation_h, x->h);
            for (int32_t ox = 0; ox < op->out.w; ox++) {
                const microt_window_t wx = microt_window(ox, a->stride_w, a->pad_left, a->kernel_w, a->dilation_w,
                    x->w);
                int32x4_t sum = bias;
                for (int32_t ky = wy.first; ky < wy.end; ky++) {
                    const int8_t *from = in + wy.at * x->w * x->c + ky * x_row + wx.at * x->c;
                    const int8_t *w = op->weights + ky * a->kernel_w * channels + c;
                    for (int32_t kx = wx.first; kx < wx.end; kx++) {
                        const int32x4_t value = vldrbq_gather_offset_z_s32(from + kx * x_tap, source, p);
                        const int32x4_t weight = vldrbq_z_s32(w + kx * channels, p);
                        sum = vaddq_s32(sum, vmulq_s32(vsubq_s32(value, zero_in), weight));
                    }
                }
                sum = vaddq_s32(microt_mve_rescale_any(sum, m, e), zero_out);
                sum = vminq_s32(vmaxq_s32(sum, vdupq_n_s32(-128)), vdupq_n_s32(127));
                vstrbq_p_s32(out + (oy * op->out.w + ox) * channels + c, sum, p);
            }
        }
    }
}

void microt_mve_depthwise_conv_2d(const microt_op_t *op, uint8_t *arena, unsigned layout, uint8_t *scratch) {
    const microt_window_args_t a = microt_window_args(op);
    const int8_t *in = microt_data(&op->in[0], arena);
    int8_t *out = microt_data(&op->out, arena);
    if (layout == MICROT_MVE_PLANES) {
        microt_mve_planes(op, &a, in, out, scratch);
    } else if (layout == MICROT_MVE_BLOCKS) {
        microt_mve_blocks(op, &a, in, out, scratch);
    } else {
        plain_layer(op, &a, in, out);
    }
    microt_mve_clamp(out, op->out.h * op->out.w * op->out.c, a.low, a.high);
}

#endif
