// SPDX-License-Identifier: MIT
//
// CONV_2D: blocks of pixels are expanded to int16 in the scratch, then go through the kernels of
// pointwise.S for all output channels.

#include "shapes.h"

#ifdef MICROT_HAVE_DSP

#include "channels.h"
#include "clamp.h"

typedef void expand_t(const int8_t *in, int32_t *tiles, int32_t depth, int32_t count);
expand_t microt_dsp_expand4, microt_dsp_expand4_doubled, microt_dsp_expand3_doubled;

void microt_dsp_narrow(const int32_t *tiles, const int8_t *weights, const int32_t *records, int8_t *out,
    int32_t pitch, const int32_t *end, int32_t pairs, int32_t depth);

void microt_dsp_wide(const int8_t *weights, const int32_t *tiles, const int32_t *records,
    int8_t *out, int32_t pitch, const int32_t *end, int32_t pairs, int32_t *buffer, int32_t steps);

typedef void tile_t(const int8_t *weights, const int32_t *tile, const int32_t *records, int8_t *out,
                    int32_t pitch, const int32_t *end, const int8_t *out_end);
tile_t microt_dsp_tile4, microt_dsp_tile3;

void microt_dsp_im2col_3x3x3(const int8_t *row0, const int8_t *row1, const int8_t *row2,
    int32_t *place, int32_t pixels, int32_t step);

// A layer in flight.
typedef struct _layer_t {
    const int8_t *in;
    int8_t *out;
    const microt_op_t *op;
    microt_window_args_t a;
    int32_t pixels; // of the output
    int32_t most; // tiles of a block, as many as the scratch has room for; WIDE: 0 for tile by tile
    int32_t depth; // inputs of a pixel once expanded
    const int32_t *records;
    int32_t *tiles; // scratch: expanded inputs
    int32_t *buffer; // scratch: expanded weights (WIDE), row of padding (FIRST)
    int8_t *patch; // scratch: im2col of 4 pixels, i8[4][depth] (WIDE)
} layer_t;

// ---- NARROW and FIRST ---------------------------------------------------------------------------

static void narrow(const layer_t *l, int32_t first, int32_t tiles) {
    const int32_t channels = l->op->out.c;
    int8_t *out = l->out + first * channels;
    const int32_t *end = l->tiles + tiles * 2 * l->depth;
    microt_dsp_narrow(l->tiles, l->op->weights, l->records, out, channels, end, channels / 2, l->depth);
    if (channels & 1) {
        microt_dsp_narrow(l->tiles, l->op->weights + (channels - 2) * l->depth, l->records + channels / 2 * 8,
            out + channels - 2, channels, end, 1, l->depth);
    }
}

static void narrow_layer(const layer_t *l) {
    for (int32_t p = 0; p < l->pixels;) {
        if (l->pixels - p < 4) {
            p = l->pixels - 4; // overlaps the tile before
        }
        const int32_t tiles = microt_min((l->pixels - p) / 4, l->most);
        microt_dsp_expand4(l->in + p * l->depth, l->tiles, l->depth, tiles);
        narrow(l, p, tiles);
        p += 4 * tiles;
    }
}

// One window of 3 x 9 inputs, with padding, into i8[3][12].
static void first_window(const layer_t *l, int32_t y, int32_t x, int8_t *window) {
    const microt_tensor_t *in = &l->op->in[0];
    memset(window, in->zero_point, 36);
    const int32_t from = microt_max(0, -x), to = microt_min(3, in->w - x);
    for (int32_t ky = 0; ky < 3; ky++) {
        if (y + ky >= 0 && y + ky < in->h) {
            memcpy(window + 12 * ky + 3 * from, l->in + ((y + ky) * in->w + x + from) * 3,
                (size_t)(3 * (to - from)));
        }
    }
}

// Expands output pixels [first, first + count) to the tiles.
static void first_expand(const layer_t *l, int32_t first, int32_t count) {
    const microt_tensor_t *in = &l->op->in[0];
    const int32_t stride = l->a.stride_w, width = l->op->out.w, pad = l->a.pad_left;
    // Output columns whose windows lie inside the input's columns.
    const int32_t inner = (pad + stride - 1) / stride, outer = (in->w + pad - 3 + stride) / stride;
    int32_t oy = first / width, ox = first % width;
    for (int32_t done = 0; done < count;) {
        int8_t *place = (int8_t *)l->tiles + done / 4 * FIRST_TILE + done % 4 * 4;
        const int32_t y = oy * stride - l->a.pad_top, x = ox * stride - pad;
        int32_t run = microt_min(microt_min(outer, width) - ox, count - done);
        if (ox >= inner && run > 0) {
            const int8_t *rows[3];
            for (int32_t ky = 0; ky < 3; ky++) {
                rows[ky] = y + ky >= 0 && y + ky < in->h
                    ? l->in + ((y + ky) * in->w + x) * 3 : (int8_t *)l->buffer;
            }
            microt_dsp_im2col_3x3x3(rows[0], rows[1], rows[2], (int32_t *)place, run, 3 * stride);
        } else {
            int8_t window[36];
            run = 1;
            first_window(l, y, x, window);
            microt_dsp_im2col_3x3x3(window, window + 12, window + 24, (int32_t *)place, 1, 0);
        }
        done += run;
        ox += run;
        if (ox == width) {
            ox = 0;
            oy++;
        }
    }
}

static void first_layer(const layer_t *l) {
    memset(l->buffer, l->op->in[0].zero_point, (size_t)(3 * l->op->in[0].w));
    for (int32_t p = 0; p < l->pixels;) {
        if (l->pixels - p < 4) {
            p = l->pixels - 4;
        }
        const int32_t tiles = microt_min((l->pixels - p) / 4, l->most);
        first_expand(l, p, 4 * tiles);
        narrow(l, p, tiles);
        p += 4 * tiles;
    }
}

// ---- WIDE ---------------------------------------------------------------------------------------

// The inputs under the window of an output pixel, i8[kh][kw][cin], padding holds the zero point.
static void patch(const layer_t *l, int32_t pixel, int8_t *out) {
    const microt_tensor_t *in = &l->op->in[0];
    const microt_window_args_t *a = &l->a;
    const int32_t y = pixel / l->op->out.w * a->stride_h - a->pad_top;
    const int32_t x = pixel % l->op->out.w * a->stride_w - a->pad_left;
    const int32_t row = a->kernel_w * in->c;
    for (int32_t ky = 0; ky < a->kernel_h; ky++) {
        const int32_t iy = y + ky * a->dilation_h;
        if (iy < 0 || iy >= in->h) {
            memset(out, in->zero_point, (size_t)row);
        } else if (a->dilation_w == 1 && x >= 0 && x + a->kernel_w <= in->w) {
            memcpy(out, l->in + (iy * in->w + x) * in->c, (size_t)row);
        } else {
            for (int32_t kx = 0; kx < a->kernel_w; kx++) {
                const int32_t ix = x + kx * a->dilation_w;
                if (ix < 0 || ix >= in->w) {
                    memset(out + kx * in->c, in->zero_point, (size_t)in->c);
                } else {
                    memcpy(out + kx * in->c, l->in + (iy * in->w + ix) * in->c, (size_t)in->c);
                }
            }
        }
        out += row;
    }
}

// Expands tiles of size (3 or 4) pixels from pixel first.
static void wide_expand(const layer_t *l, int32_t first, int32_t size, int32_t tiles) {
    expand_t *expand = size == 4 ? microt_dsp_expand4_doubled : microt_dsp_expand3_doubled;
    if (l->patch == NULL) {
        expand(l->in + first * l->depth, l->tiles, l->depth, tiles);
        return;
    }
    for (int32_t t = 0; t < tiles; t++) {
        for (int32_t i = 0; i < size; i++) {
            patch(l, first + t * size + i, l->patch + i * l->depth);
        }
        expand(l->patch, l->tiles + t * l->depth / 2 * size, l->depth, 1);
    }
}

static void wide_block(const layer_t *l, int32_t first, int32_t tiles) {
    const int32_t channels = l->op->out.c;
    int8_t *out = l->out + first * channels;
    const int32_t *end = l->tiles + tiles * 2 * l->depth;
    wide_expand(l, first, 4, tiles);
    microt_dsp_wide(l->op->weights, l->tiles, l->records, out, channels, end, channels / 2,
        l->buffer, l->depth / 2);
    if (channels & 1) {
        microt_dsp_wide(l->op->weights + (channels - 1) * l->depth, l->tiles,
            l->records + channels / 2 * 8, out + channels - 2, channels, end, 1, l->buffer,
            l->depth / 2);
    }
}

static void wide_tile(const layer_t *l, int32_t first, int32_t size) {
    const int32_t channels = l->op->out.c;
    tile_t *kernel = size == 4 ? microt_dsp_tile4 : microt_dsp_tile3;
    int8_t *out = l->out + first * channels;
    const int32_t *end = l->tiles + l->depth / 2 * size;
    wide_expand(l, first, size, 1);
    kernel(l->op->weights, l->tiles, l->records, out, channels, end, out + (channels & ~1));
    if (channels & 1) {
        kernel(l->op->weights + (channels - 1) * l->depth, l->tiles, l->records + channels / 2 * 8,
            out + channels - 2, channels, end, out + channels);
    }
}

static void wide_layer(const layer_t *l) {
    for (int32_t p = 0; p < l->pixels;) {
        const int32_t left = l->pixels - p;
        if (l->most != 0 && left >= 4) {
            const int32_t tiles = microt_min(left / 4, l->most);
            wide_block(l, p, tiles);
            p += 4 * tiles;
        } else if (left % 3 == 0 && left < 12) { // 9, 6 or 3
            wide_tile(l, p, 3);
            p += 3;
        } else {
            p = microt_min(p, l->pixels - 4); // may overlap the tile before
            wide_tile(l, p, 4);
            p += 4;
        }
    }
}

// ---- layout 0: pixel by pixel, any shape and any requantisation ---------------------------------

static void plain_layer(const layer_t *l) {
    const microt_op_t *op = l->op;
    const int32_t taps = l->a.kernel_h * l->a.kernel_w;
    const int32_t depth = (int32_t)(op->weights_size / (uint32_t)op->out.c) / taps;
    const int32_t groups = op->in[0].c / depth, channels = op->out.c / groups;
    for (int32_t p = 0; p < l->pixels; p++) {
        patch(l, p, l->patch);
        const int8_t *inputs = l->patch; // i8[taps][depth] of a group
        for (int32_t g = 0; g < groups; g++) {
            if (groups != 1) {
                int8_t *group = l->patch + taps * op->in[0].c;
                for (int32_t i = 0; i < taps; i++) {
                    memcpy(group + i * depth, l->patch + i * op->in[0].c + g * depth, (size_t)depth);
                }
                inputs = group;
            }
            microt_dsp_channels(op, inputs, taps * depth, g * channels, channels, l->a.low,
                l->a.high, l->out + p * op->out.c);
        }
    }
}

void microt_dsp_conv_2d(const microt_op_t *op, uint8_t *arena, unsigned layout, uint8_t *scratch) {
    layer_t l = {
        .in = microt_data(&op->in[0], arena),
        .out = microt_data(&op->out, arena),
        .op = op,
        .a = microt_window_args(op),
        .pixels = op->out.h * op->out.w,
        .records = (const int32_t *)op->requant,
        .tiles = (int32_t *)scratch,
    };
    const int32_t room = (int32_t)op->scratch_size;
    if (layout == MICROT_DSP_NARROW) {
        l.depth = op->in[0].c;
        l.most = microt_min(BLOCK_TILES, room / (8 * l.depth));
        narrow_layer(&l);
    } else if (layout == MICROT_DSP_FIRST) {
        l.depth = 28;
        l.most = microt_min(microt_min(l.pixels / 4, BLOCK_TILES), (room - 3 * op->in[0].w) / FIRST_TILE);
        l.buffer = (int32_t *)(scratch + l.most * FIRST_TILE);
        first_layer(&l);
    } else if (layout == MICROT_DSP_WIDE) {
        l.depth = wide_depth(op, &l.a);
        const bool direct = wide_direct(op, &l.a);
        l.most = wide_tiles(l.pixels, l.depth, room - (direct ? 0 : 4 * l.depth));
        l.buffer = (int32_t *)(scratch + microt_max(l.most, 1) * 8 * l.depth);
        if (!direct) {
            l.patch = (int8_t *)l.buffer + (l.most != 0 ? 4 * l.depth : 0);
        }
        wide_layer(&l);
    } else {
        l.patch = (int8_t *)scratch;
        plain_layer(&l);
        return; // clamped already
    }
    microt_dsp_clamp(l.out, l.pixels * op->out.c, l.a.low, l.a.high);
}

#endif
