// SPDX-License-Identifier: MIT
//
// CONV_2D: the inputs of a tile of pixels are expanded to pairs of int16, then go through the kernel of pointwise.S with the
// weights of two output channels after the other, which are expanded once a tile.

#include "shapes.h"

#ifdef MICROT_HAVE_M0

#include "clamp.h"
#include "copy.h"
#include "requantize.h"

// What the kernel takes; the offsets are pointwise.S's.
typedef struct _microt_m0_pairs_t {
    const int32_t *tile;
    int32_t *stream;
    int32_t depth;
    int8_t *out;
    int8_t *end;
    int32_t pitch; // bytes between output pixels
    uint32_t window;
    const microt_m0_record_t *record; // of two channels
    int32_t zero_point;
} microt_m0_pairs_t;

void microt_m0_expand(const int8_t *bytes, int32_t *pairs, const int8_t *end);
typedef void kernel_t(const microt_m0_pairs_t *p);
kernel_t microt_m0_pairs, microt_m0_small_pairs;
void microt_m0_first(const int8_t *const *rows, int32_t *pairs);

typedef struct _layer_t {
    const microt_op_t *op;
    const int8_t *in;
    microt_window_args_t a;
    int32_t depth;
    int8_t *patch; // i8[depth]; NULL: the input is used as it lies
    int32_t *tile;
    bool first;
} layer_t;

// The inputs of an output pixel, in the order of layout 0; what the window does not reach is the zero point.
static void patch(const layer_t *l, int32_t oy, int32_t ox) {
    const microt_tensor_t *in = &l->op->in[0];
    const microt_window_args_t *a = &l->a;
    const int32_t run = in->c, x0 = ox * a->stride_w - a->pad_left;
    int8_t *to = l->patch;
    int32_t y = oy * a->stride_h - a->pad_top;
    for (int32_t ky = 0; ky < a->kernel_h; ky++, y += a->dilation_h) {
        const bool inside = y >= 0 && y < in->h;
        const int8_t *row = l->in + y * in->w * run;
        if (inside && a->dilation_w == 1 && x0 >= 0 && x0 + a->kernel_w <= in->w) {
            copy(to, row + x0 * run, a->kernel_w * run);
            to += a->kernel_w * run;
            continue;
        }
        int32_t x = x0;
        for (int32_t kx = 0; kx < a->kernel_w; kx++, x += a->dilation_w) {
            if (inside && x >= 0 && x < in->w) {
                copy(to, row + x * run, run);
            } else {
                fill(to, in->zero_point, run);
            }
            to += run;
        }
    }
    fill(to, 0, (int32_t)(l->patch + l->depth - to)); // times weights of 0
}

// The same in FIRST's order, as pairs.
static void first_pairs(const layer_t *l, int32_t oy, int32_t ox, int32_t *pairs) {
    const microt_tensor_t *in = &l->op->in[0];
    const microt_window_args_t *a = &l->a;
    const int32_t x = ox * a->stride_w - a->pad_left, y = oy * a->stride_h - a->pad_top;
    const int8_t *rows[3];
    if (x >= 0 && x + 3 <= in->w && y >= 0 && y + 3 <= in->h) {
        rows[0] = l->in + (y * in->w + x) * 3;
        rows[1] = rows[0] + 3 * in->w;
        rows[2] = rows[1] + 3 * in->w;
    } else {
        patch(l, oy, ox);
        rows[0] = l->patch;
        rows[1] = rows[0] + 9;
        rows[2] = rows[1] + 9;
    }
    microt_m0_first(rows, pairs);
}

// Pixels [p, p + n) of the output.
static void fill_tile(const layer_t *l, int32_t p, int32_t n) {
    int32_t *to = l->tile;
    if (l->patch == NULL) {
        const int8_t *from = l->in + p * l->depth;
        microt_m0_expand(from, to, from + n * l->depth);
        return;
    }
    int32_t oy = p / l->op->out.w, ox = p % l->op->out.w;
    for (; n > 0; n--, to += l->depth / 2) {
        if (l->first) {
            first_pairs(l, oy, ox, to);
        } else {
            patch(l, oy, ox);
            microt_m0_expand(l->patch, to, l->patch + l->depth);
        }
        if (++ox == l->op->out.w) {
            ox = 0;
            oy++;
        }
    }
}

void microt_m0_conv_2d(const microt_op_t *op, uint8_t *arena, unsigned layout, uint8_t *scratch) {
    layer_t l = {
        .op = op,
        .in = microt_data(&op->in[0], arena),
        .a = microt_window_args(op),
        .first = layout == MICROT_M0_FIRST,
        .tile = (int32_t *)scratch,
    };
    const int32_t pixels = op->out.h * op->out.w, channels = op->out.c;
    l.depth = l.first ? FIRST_DEPTH : wide_depth(op, &l.a);
    const int32_t tile = tile_pixels(pixels, l.depth);
    const microt_m0_record_t *records = (const microt_m0_record_t *)(op->requant + 4);
    int8_t *out = microt_data(&op->out, arena);
    int32_t *stream = l.tile + tile * l.depth / 2;
    microt_m0_requant_t *words = (microt_m0_requant_t *)(stream + 2 + l.depth);
    if (l.first || !wide_direct(op, &l.a)) {
        l.patch = (int8_t *)(words + 2);
    }
    microt_m0_pairs_t pairs = {
        .tile = l.tile,
        .stream = stream,
        .depth = l.depth,
        .pitch = channels,
        .window = *(const uint32_t *)op->requant,
        .zero_point = op->out.zero_point,
    };
    for (int32_t p = 0; p < pixels; p += tile) {
        const int32_t n = microt_min(tile, pixels - p);
        fill_tile(&l, p, n);
        const int8_t *weights = op->weights;
        for (int32_t c = 0; c < channels; c += 2) {
            c = microt_min(c, channels - 2); // the last pair of an odd number overlaps the one before
            pairs.record = records + c;
            stream[0] = pairs.record[0].bias;
            stream[1] = pairs.record[1].bias;
            microt_m0_expand(weights, stream + 2, weights + 2 * l.depth);
            microt_m0_load(pairs.record, words);
            microt_m0_load(pairs.record + 1, words + 1);
            weights += 2 * l.depth;
            pairs.out = out + p * channels + c;
            pairs.end = pairs.out + n * channels;
            (pairs.record->m & SMALL_WEIGHTS ? microt_m0_small_pairs : microt_m0_pairs)(&pairs);
        }
    }
    microt_m0_clamp(out, pixels * channels, l.a.low, l.a.high);
}

#endif
