// SPDX-License-Identifier: MIT
//
// What each layout needs: scratch, section sizes, shapes. The host writes layouts by the same rules; the decoder
// refuses files that break them.

#include "shapes.h"
#include "../ref/window.h"
#include "blocks.h"

static uint32_t conv_scratch(const microt_op_t *op, unsigned layout) {
    const microt_window_args_t a = microt_window_args(op);
    const uint32_t stage = stage_size(op);
    if (layout == MICROT_MVE_NARROW) {
        return stage;
    }
    if (layout == MICROT_MVE_FIRST) {
        return stage + filled_tiles(op, FIRST_TILE) * FIRST_TILE + 16 + 3 * first_row(op, &a);
    }
    if (layout == MICROT_MVE_WIDE) {
        const uint32_t steps = wide_steps(op, &a, layout);
        const bool fills = wide_fills(op, &a);
        return stage + (fills ? filled_tiles(op, 64 * steps) * 64 * steps + 16 * steps : 64 * steps);
    }
    const uint32_t taps = (uint32_t)(a.kernel_h * a.kernel_w);
    const uint32_t group = op->weights_size / (uint32_t)op->out.c, all = taps * (uint32_t)op->in[0].c;
    return microt_round_16(all + (group < all ? group : 0));
}

uint32_t microt_mve_scratch(const microt_op_t *op, unsigned layout) {
    switch (op->code) {
        case MICROT_CONV_2D:
            return conv_scratch(op, layout);
        case MICROT_DEPTHWISE_CONV_2D: {
            const microt_window_args_t a = microt_window_args(op);
            if (layout == MICROT_MVE_PLANES) {
                const microt_strip_t s = plane_strip(op, &a);
                return (uint32_t)(s.plane + s.table);
            }
            return layout == MICROT_MVE_BLOCKS ? block_scratch(op, &a) : 0;
        }
        case MICROT_ADD:
            return op->out.h * op->out.w * op->out.c >= ADD_TABLES_PAY ? ADD_TABLES : 0;
        default:
            return 0;
    }
}

bool microt_mve_in_place(const microt_op_t *op, unsigned layout) {
    if (op->code != MICROT_DEPTHWISE_CONV_2D || layout != MICROT_MVE_PLANES) {
        return false;
    }
    const microt_window_args_t a = microt_window_args(op);
    return plane_strip(op, &a).rows == op->out.h && op->out.h * op->out.w <= op->in[0].h * op->in[0].w;
}

static const char shape[] = "the weight layout is not for this shape (kernels/mve/mve.h)";
static const char sizes[] = "section sizes do not fit the weight layout";
static const char other[] = "expected a weight layout that this operator has";

static const char *check_conv(const microt_op_t *op, unsigned layout) {
    const microt_window_args_t a = microt_window_args(op);
    const uint64_t channels = group_channels(op);
    uint64_t weights;
    if (layout == MICROT_MVE_NARROW) {
        if (!conv_direct(&a) || op->in[0].c > 16) {
            return shape;
        }
        weights = channels * 16;
    } else {
        if (layout == MICROT_MVE_FIRST
            && (a.kernel_h != 3 || a.kernel_w != 3 || op->in[0].c != 3 || a.stride_h != a.stride_w
                || a.stride_h > 2 || a.dilation_h != 1 || a.dilation_w != 1 || op->out.w < 4)) {
            return shape;
        }
        weights = channels * wide_steps(op, &a, layout) * 16;
    }
    if (op->weights_size != weights || op->requant_size != channels * 12 || op->bias_size != 0) {
        return sizes;
    }
    return NULL;
}

static const char *check_depthwise(const microt_op_t *op, unsigned layout) {
    const microt_window_args_t a = microt_window_args(op);
    const microt_tensor_t *in = &op->in[0];
    const uint64_t channels = (uint64_t)op->out.c, k = (uint64_t)a.kernel_h;
    if (in->c != op->out.c) {
        return shape;
    }
    if (layout == MICROT_MVE_BLOCKS) {
        const uint64_t blocks = (channels + 15) / 16, taps = k * (uint64_t)a.kernel_w;
        const int32_t rows = row_classes(op, &a), columns = column_classes(op, &a);
        if (taps > BLOCK_TAPS || rows > BLOCK_CLASSES || columns > BLOCK_CLASSES || rows * columns > BLOCK_CLASSES
            || block_scratch(op, &a) > BLOCK_BYTES) {
            return shape;
        }
        if (op->weights_size != blocks * (taps + 1) * 16 || op->bias_size != 0
            || op->requant_size != blocks * (uint64_t)(2 + rows * columns) * 64) {
            return sizes;
        }
        return NULL;
    }
    if (a.kernel_w != a.kernel_h || a.stride_w != a.stride_h || a.dilation_h != 1 || a.dilation_w != 1
        || (k != 3 && k != 5 && k != 7) || (a.stride_h != 1 && a.stride_h != 2)
        || 15 * op->out.c > 65535 || (int64_t)(op->out.w + 3) * op->out.c > 65535 || op->out.w > PLANE_BYTES
        || op->in[0].w > PLANE_BYTES || plane_strip(op, &a).rows == 0) {
        return shape;
    }
    const uint64_t weights = k == 3 ? 16 + 16 * channels : 16 * channels * ((k + 1) / 2);
    if (op->weights_size != weights || op->requant_size != channels * 12 || op->bias_size != 0) {
        return sizes;
    }
    return NULL;
}

// The kernels load records as words. Elsewhere a file's address says nothing about where it will lie.
#ifdef MICROT_HAVE_MVE
static bool is_aligned(const microt_op_t *op) {
    return (((uintptr_t)op->weights | (uintptr_t)op->requant) & 3) == 0;
}
#else
static bool is_aligned(const microt_op_t *op) {
    (void)op;
    return true;
}
#endif

const char *microt_mve_check(const microt_op_t *op, unsigned layout) {
    if (layout == 0) {
        return NULL;
    }
    if (!is_aligned(op)) {
        return "the file must lie at a multiple of 4 bytes in memory";
    }
    if (op->code == MICROT_CONV_2D && layout >= MICROT_MVE_NARROW && layout <= MICROT_MVE_FIRST) {
        return check_conv(op, layout);
    }
    if (op->code == MICROT_DEPTHWISE_CONV_2D && (layout == MICROT_MVE_PLANES || layout == MICROT_MVE_BLOCKS)) {
        return check_depthwise(op, layout);
    }
    return other;
}
