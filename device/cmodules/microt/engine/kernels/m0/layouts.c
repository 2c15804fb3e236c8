// SPDX-License-Identifier: MIT
//
// What each layout needs: scratch, section sizes, shapes. The host writes layouts by the same rules; the decoder
// refuses files that break them.

#include "shapes.h"
#include "requantize.h"

static uint32_t round16(uint32_t n) {
    return (n + 15) & ~(uint32_t)15;
}

static uint32_t conv_scratch(const microt_op_t *op, unsigned layout) {
    const microt_window_args_t a = microt_window_args(op);
    const bool first = layout == MICROT_M0_FIRST;
    const int32_t depth = first ? FIRST_DEPTH : wide_depth(op, &a);
    const uint32_t pixels = (uint32_t)tile_pixels(op->out.h * op->out.w, depth);
    const uint32_t patch = first || !wide_direct(op, &a) ? (uint32_t)depth : 0;
    return round16(pixels * 2 * (uint32_t)depth + stream_size(depth) + patch);
}

uint32_t microt_m0_scratch(const microt_op_t *op, unsigned layout) {
    switch (op->code) {
        case MICROT_CONV_2D:
            return layout == MICROT_TENSORFLOW ? 0 : conv_scratch(op, layout);
        case MICROT_DEPTHWISE_CONV_2D: {
            if (layout != MICROT_M0_PLANES) {
                return 0;
            }
            const microt_window_args_t a = microt_window_args(op);
            const microt_strip_t s = plane_strip(op, &a);
            const uint32_t rows = (uint32_t)((s.rows - 1) * a.stride_h + a.kernel_h);
            return round16(rows * (uint32_t)s.pitch + plane_stream(a.kernel_h, a.stride_h));
        }
        case MICROT_ADD:
            return ADD_TABLES;
        default:
            return 0;
    }
}

bool microt_m0_in_place(const microt_op_t *op, unsigned layout) {
    if (op->code != MICROT_DEPTHWISE_CONV_2D || layout != MICROT_M0_PLANES) {
        return false;
    }
    const microt_window_args_t a = microt_window_args(op);
    return plane_strip(op, &a).rows == op->out.h && op->out.h * op->out.w <= op->in[0].h * op->in[0].w;
}

static const char shape[] = "the weight layout is not for this shape (kernels/m0/m0.h)";
static const char sizes[] = "section sizes do not fit the weight layout";
static const char other[] = "expected a weight layout that this operator has";

static const char *check_sections(const microt_op_t *op, uint64_t weights) {
    const uint64_t requant = 4 + 4 * RECORD_WORDS * (uint64_t)op->out.c;
    return op->weights_size != weights || op->requant_size != requant || op->bias_size != 0 ? sizes : NULL;
}

static const char *check_conv(const microt_op_t *op, unsigned layout) {
    const microt_window_args_t a = microt_window_args(op);
    const uint64_t pairs = ((uint64_t)op->out.c + 1) / 2;
    int32_t depth = FIRST_DEPTH;
    if (op->out.c < 2) {
        return shape;
    }
    if (layout == MICROT_M0_FIRST) {
        if (a.kernel_h != 3 || a.kernel_w != 3 || op->in[0].c != 3 || a.dilation_h != 1 || a.dilation_w != 1) {
            return shape;
        }
    } else {
        depth = wide_depth(op, &a);
    }
    return check_sections(op, pairs * 2 * (uint64_t)depth);
}

static const char *check_depthwise(const microt_op_t *op) {
    const microt_window_args_t a = microt_window_args(op);
    const int32_t k = a.kernel_h;
    if (op->in[0].c != op->out.c || a.kernel_w != k || a.stride_w != a.stride_h || a.dilation_h != 1
        || a.dilation_w != 1 || (k != 3 && k != 5 && k != 7) || (a.stride_h != 1 && a.stride_h != 2)
        || plane_strip(op, &a).rows == 0) {
        return shape;
    }
    return check_sections(op, ((uint64_t)op->out.c * (uint64_t)(k * k) + 3) & ~(uint64_t)3);
}

const char *microt_m0_check(const microt_op_t *op, unsigned layout) {
    if (layout == MICROT_TENSORFLOW) {
        return NULL;
    }
    #ifdef MICROT_HAVE_M0
    if (((uintptr_t)op->weights | (uintptr_t)op->requant) & 3) {
        return "the file must lie at a multiple of 4 bytes in memory";
    }
    #endif
    if (op->code == MICROT_CONV_2D && (layout == MICROT_M0_WIDE || layout == MICROT_M0_FIRST)) {
        return check_conv(op, layout);
    }
    if (op->code == MICROT_DEPTHWISE_CONV_2D && layout == MICROT_M0_PLANES) {
        return check_depthwise(op);
    }
    return other;
}
