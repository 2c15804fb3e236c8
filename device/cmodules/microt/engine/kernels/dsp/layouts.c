// SPDX-License-Identifier: MIT
//
// What each layout needs: scratch, section sizes, shapes. The host writes layouts by the same
// rules; the decoder refuses files that break them.

#include "shapes.h"

static uint32_t round16(uint32_t n) {
    return (n + 15) & ~(uint32_t)15;
}

static uint32_t conv_scratch(const microt_op_t *op, unsigned layout) {
    const microt_window_args_t a = microt_window_args(op);
    if (layout == MICROT_DSP_NARROW) {
        return (uint32_t)(8 * op->in[0].c);
    }
    if (layout == MICROT_DSP_FIRST) {
        return round16((uint32_t)(FIRST_TILE + 3 * op->in[0].w));
    }
    if (layout == MICROT_DSP_WIDE) {
        const int32_t depth = wide_depth(op, &a);
        return (uint32_t)(8 * depth + (wide_direct(op, &a) ? 0 : 4 * depth));
    }
    // A group's channels have weights for all its taps: a file of 2^30 bytes bounds the inputs of a pixel.
    const uint32_t taps = (uint32_t)(a.kernel_h * a.kernel_w);
    const uint32_t group = op->weights_size / (uint32_t)op->out.c, all = taps * (uint32_t)op->in[0].c;
    return round16(all + (group < all ? group : 0));
}

uint32_t microt_dsp_scratch(const microt_op_t *op, unsigned layout) {
    switch (op->code) {
        case MICROT_CONV_2D:
            return conv_scratch(op, layout);
        case MICROT_DEPTHWISE_CONV_2D:
            if (layout == MICROT_DSP_PLANES || layout == MICROT_DSP_PLANES_IN_PLACE) {
                const microt_window_args_t a = microt_window_args(op);
                const int32_t copy = layout == MICROT_DSP_PLANES ? 0 : 4 * op->in[0].h * op->in[0].w;
                return (uint32_t)(plane_strip_bytes(op, &a) + copy);
            }
            return 0;
        case MICROT_ADD:
            return ADD_TABLES;
        default:
            return 0;
    }
}

static const char shape[] = "the weight layout is not for this shape (kernels/dsp/dsp.h)";
static const char sizes[] = "section sizes do not fit the weight layout";
static const char other[] = "expected a weight layout that this operator has";

static const char *check_conv(const microt_op_t *op, unsigned layout) {
    const microt_window_args_t a = microt_window_args(op);
    const uint32_t channels = (uint32_t)op->out.c, pairs = (channels + 1) / 2;
    const uint32_t depth_in = (uint32_t)op->in[0].c;
    const int32_t pixels = op->out.h * op->out.w;
    uint32_t weights;
    if (channels < 2) {
        return shape;
    }
    if (layout == MICROT_DSP_NARROW) {
        if (!wide_direct(op, &a) || depth_in > 32 || pixels < 4) {
            return shape;
        }
        weights = channels * depth_in;
    } else if (layout == MICROT_DSP_FIRST) {
        if (a.kernel_h != 3 || a.kernel_w != 3 || depth_in != 3 || a.stride_h != a.stride_w
            || a.dilation_h != 1 || a.dilation_w != 1 || pixels < 4) {
            return shape;
        }
        weights = channels * 28;
    } else {
        if (pixels < 3) {
            return shape;
        }
        weights = pairs * 2 * (uint32_t)wide_depth(op, &a);
    }
    if (op->weights_size != weights || op->requant_size != pairs * 32 || op->bias_size != 0) {
        return sizes;
    }
    return NULL;
}

static const char *check_depthwise(const microt_op_t *op, unsigned layout) {
    const microt_window_args_t a = microt_window_args(op);
    const uint32_t channels = (uint32_t)op->out.c;
    const int32_t k = a.kernel_h, s = a.stride_h;
    if (op->in[0].c != op->out.c || a.kernel_w != k || a.stride_w != s || a.dilation_h != 1
        || a.dilation_w != 1 || (k != 3 && k != 5 && k != 7) || (s != 1 && s != 2)) {
        return shape;
    }
    uint32_t words, requant;
    if (layout != MICROT_DSP_SMALL) {
        if (channels < 4 || (layout == MICROT_DSP_PLANES_IN_PLACE
                             && (channels % 4 != 0 || op->out.h * op->out.w > op->in[0].h * op->in[0].w))) {
            return shape;
        }
        words = (uint32_t)(k == 3 ? 6 : s == 1 ? k * (k - 1) : k * (k + 1) / 2);
        requant = 16 * channels;
    } else {
        if (k > 5 || s != 1 || op->in[0].h != 3 || op->in[0].w != 3 || op->out.h != 3 || op->out.w != 3
            || a.pad_top != k / 2 || a.pad_left != k / 2) {
            return shape;
        }
        words = k == 3 ? 10 : 24;
        requant = 0;
    }
    if (op->weights_size != 4 * words * channels || op->requant_size != requant
        || op->bias_size != 0) {
        return sizes;
    }
    return NULL;
}

const char *microt_dsp_check(const microt_op_t *op, unsigned layout) {
    if (layout == 0) {
        return NULL;
    }
    #ifdef MICROT_HAVE_DSP
    if (((uintptr_t)op->weights | (uintptr_t)op->requant) & 3) {
        return "the file must lie at a multiple of 4 bytes in memory";
    }
    #endif
    if (op->code == MICROT_CONV_2D && layout >= MICROT_DSP_NARROW && layout <= MICROT_DSP_FIRST) {
        return check_conv(op, layout);
    }
    if (op->code == MICROT_DEPTHWISE_CONV_2D && layout >= MICROT_DSP_PLANES && layout <= MICROT_DSP_PLANES_IN_PLACE) {
        return check_depthwise(op, layout);
    }
    return other;
}
