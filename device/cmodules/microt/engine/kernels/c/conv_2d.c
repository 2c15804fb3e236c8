// SPDX-License-Identifier: MIT
//
// CONV_2D without groups: the inputs of three output pixels are gathered to a patch, less their zero point and with zeros
// for padding; each of its values then meets the weights of four output channels. Windows of more taps than a patch holds
// go through it in parts, 32 channels at a time.

#include "finish.h"

#ifdef MICROT_HAVE_C

#include "../ref/window.h"
#include "../window_args.h"

#define PIXELS (3) // three pixels by four channels: 12 sums, 5 pointers and 7 values in flight
#define PATCH_TAPS (160) // 3x3 windows of 16 channels fit
#define PART_CHANNELS (32)

typedef struct _layer_t {
    const microt_op_t *op;
    const int8_t *x; // (h, w, c)
    microt_window_args_t a;
    bool pointwise; // the inputs of an output pixel lie as they are
} layer_t;

// Where the next tap of a pixel goes.
typedef struct _column_t {
    int16_t *to;
    int32_t skip; // taps before the patch's first
    int32_t room; // taps it still takes
} column_t;

// n taps, from NULL for padding.
static void put(column_t *column, const int8_t *from, int32_t n, int32_t zero_point) {
    const int32_t skip = column->skip < n ? column->skip : n;
    column->skip -= skip;
    n = n - skip < column->room ? n - skip : column->room;
    column->room -= n;
    int16_t *to = column->to;
    column->to += PIXELS * n;
    if (from == NULL) {
        for (; n > 0; n--, to += PIXELS) {
            *to = 0;
        }
        return;
    }
    from += skip;
    UNROLL_BY(4)
    for (; n > 0; n--, to += PIXELS) {
        *to = (int16_t)(*from++ - zero_point);
    }
}

static void gather(const layer_t *l, int32_t pixel, column_t column) {
    const microt_tensor_t *in = &l->op->in[0];
    const microt_window_args_t *a = &l->a;
    const int32_t c = in->c, zero_point = in->zero_point;
    if (l->pointwise) {
        put(&column, l->x + pixel * c, c, zero_point);
        return;
    }
    const int32_t oy = pixel / l->op->out.w, ox = pixel % l->op->out.w;
    const microt_window_t wx = microt_window(ox, a->stride_w, a->pad_left, a->kernel_w, a->dilation_w, in->w);
    const int32_t taps = wx.end - wx.first;
    // Without dilation the taps of a row are one run.
    const int32_t runs = a->dilation_w == 1 && taps > 0 ? 1 : taps, run = runs == 1 ? taps * c : c;
    int32_t y = oy * a->stride_h - a->pad_top;
    for (int32_t ky = 0; ky < a->kernel_h; ky++, y += a->dilation_h) {
        if (y < 0 || y >= in->h || taps == 0) {
            put(&column, NULL, a->kernel_w * c, 0);
            continue;
        }
        const int8_t *from = l->x + (y * in->w + wx.at + wx.first * a->dilation_w) * c;
        put(&column, NULL, wx.first * c, 0);
        for (int32_t i = 0; i < runs; i++, from += a->dilation_w * c) {
            put(&column, from, run, zero_point);
        }
        put(&column, NULL, (a->kernel_w - wx.end) * c, 0);
    }
}

// A patch as it meets the weights.
typedef struct _part_t {
    const int16_t *patch; // (taps, PIXELS)
    int32_t taps, depth; // depth: bytes between the weights of two channels
    bool starts, ends; // the sums
    int32_t pixels; // of the output, at most PIXELS
    int32_t channels; // bytes between two of them
    microt_c_range_t range;
} part_t;

// The outputs of four channels one of which at least has a left shift.
__attribute__((noinline)) static void finish_any(const part_t *part, int32_t (*sums)[PIXELS], const int32_t *bias,
    const int32_t *requant, int8_t *y) {
    for (int i = 0; i < 4; i++) {
        for (int32_t p = 0; p < part->pixels; p++) {
            const int32_t sum = microt_wrap_add(sums[i][p], bias[i]);
            const int32_t scaled = microt_c_requantize_any(sum, requant[2 * i], requant[2 * i + 1]);
            y[p * part->channels + i] = (int8_t)microt_c_output(scaled, part->range);
        }
    }
}

// The products of a patch with the weights of four channels: added to their sums, or made outputs. Out of line, so that
// the loop has the registers for itself.
__attribute__((noinline)) static void four_channels(const part_t *part, const int8_t *weights, int32_t (*sums)[PIXELS],
    const int32_t *bias, const int32_t *requant, int8_t *y) {
    const int16_t *x = part->patch, *end = x + PIXELS * part->taps;
    const int8_t *w0 = weights, *w1 = w0 + part->depth, *w2 = w1 + part->depth, *w3 = w2 + part->depth;
    int32_t sum[4][PIXELS] = {{0}};
    if (!part->starts) {
        memcpy(sum, sums, sizeof(sum));
    }
    UNROLL_BY(4)
    while (x != end) {
        const int32_t w[4] = {*w0++, *w1++, *w2++, *w3++};
        UNROLL(4)
        for (int p = 0; p < PIXELS; p++) {
            const int32_t value = *x++;
            UNROLL(4)
            for (int i = 0; i < 4; i++) {
                sum[i][p] += value * w[i];
            }
        }
    }
    if (!part->ends || (requant[1] & requant[3] & requant[5] & requant[7]) >= 0) {
        memcpy(sums, sum, sizeof(sum));
        if (part->ends) {
            finish_any(part, sums, bias, requant, y);
        }
        return;
    }
    const microt_c_range_t range = part->range;
    const int32_t pixels = part->pixels, channels = part->channels;
    UNROLL(4)
    for (int i = 0; i < 4; i++) {
        const int32_t start = bias[i], multiplier = requant[2 * i], shift = requant[2 * i + 1];
        int8_t *to = y + i;
        UNROLL(4)
        for (int p = 0; p < PIXELS; p++, to += channels) {
            if (p < pixels) {
                const int32_t scaled = microt_c_requantize(microt_wrap_add(sum[i][p], start), multiplier, shift);
                *to = (int8_t)microt_c_output(scaled, range);
            }
        }
    }
}

bool microt_c_fits_conv_2d(const microt_op_t *op) {
    int32_t a[12];
    microt_args(op, a, 12);
    const int32_t depth = (int32_t)(op->weights_size / (uint32_t)op->out.c);
    return op->out.c >= 4 && op->out.h * op->out.w >= PIXELS && depth == a[10] * a[11] * op->in[0].c && microt_c_words(op);
}

void microt_c_conv_2d(const microt_op_t *op, uint8_t *arena) {
    layer_t l = {.op = op, .x = microt_data(&op->in[0], arena)};
    memcpy(&l.a, op->args, sizeof(l.a));
    const microt_window_args_t *a = &l.a;
    l.pointwise = a->kernel_h == 1 && a->kernel_w == 1 && a->stride_h == 1 && a->stride_w == 1;
    const int32_t channels = op->out.c, pixels = op->out.h * op->out.w;
    const int32_t depth = (int32_t)(op->weights_size / (uint32_t)channels);
    const int32_t *bias = (const int32_t *)op->bias, *requant = (const int32_t *)op->requant;
    const int32_t step = depth <= PATCH_TAPS ? channels : PART_CHANNELS;
    int8_t *y = microt_data(&op->out, arena);
    int16_t patch[PATCH_TAPS * PIXELS];
    int32_t sums[PART_CHANNELS][PIXELS]; // used when the window has several parts, and for left shifts
    part_t part = {.patch = patch, .depth = depth, .channels = channels, .range = {op->out.zero_point, a->low, a->high}};

    for (int32_t pixel = 0; pixel < pixels; pixel += PIXELS, y += PIXELS * channels) {
        part.pixels = pixels - pixel < PIXELS ? pixels - pixel : PIXELS;
        for (int32_t first = 0; first < channels; first += step) {
            const int32_t end = first + step < channels ? first + step : channels;
            for (int32_t tap = 0; tap < depth; tap += PATCH_TAPS) {
                part.taps = depth - tap < PATCH_TAPS ? depth - tap : PATCH_TAPS;
                part.starts = tap == 0;
                part.ends = tap + part.taps == depth;
                for (int32_t p = 0; p < PIXELS; p++) { // behind the last pixel that one once more
                    const int32_t from = pixel + (p < part.pixels ? p : part.pixels - 1);
                    gather(&l, from, (column_t) {patch + p, tap, part.taps});
                }
                for (int32_t c = first; c < end; c += 4) {
                    const int32_t at = (c - first) % PART_CHANNELS;
                    c = c < end - 4 ? c : end - 4; // the last four may overlap with those before
                    four_channels(&part, op->weights + c * depth + tap, sums + at, bias + c, requant + 2 * c, y + c);
                }
            }
        }
    }
}

#endif
