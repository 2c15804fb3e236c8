// SPDX-License-Identifier: MIT
//
// CONV_2D: tiles of 4 or 3 pixels by all channels through the kernels of pointwise.S; what no layout fits goes pixel
// by pixel through dots.S.

#include "shapes.h"

#ifdef MICROT_HAVE_MVE

#include <arm_mve.h>

#include "channels.h"
#include "clamp.h"
#include "copy.h"

// What the kernels of pointwise.S take; the offsets are written there.
typedef struct _microt_mve_tiles_t {
    const int8_t *weights;
    const int32_t *records;
    int8_t *out;
    const int8_t *in;
    int32_t pitch, depth;
    int8_t *tile;
    int32_t steps, tiles, groups, zero_point, skip;
    uint32_t offsets[4];
} microt_mve_tiles_t;

typedef void tiles_t(const microt_mve_tiles_t *tiles);
tiles_t microt_mve_narrow, microt_mve_wide3, microt_mve_wide4;
tiles_t microt_mve_wide4_2, microt_mve_wide4_3, microt_mve_wide4_4; // for as many steps
// For outputs whose zero point is -128.
tiles_t microt_mve_narrow_relu, microt_mve_wide3_relu, microt_mve_wide4_relu;
tiles_t microt_mve_wide4_2_relu, microt_mve_wide4_3_relu, microt_mve_wide4_4_relu;

// rows: three padded rows, row bytes apart. Fills tiles of FIRST from windows stride pixels apart.
typedef void im2col_t(const int8_t *rows, int32_t row, int8_t *tile, int32_t tiles);
im2col_t microt_mve_im2col_3x3x3_s1, microt_mve_im2col_3x3x3_s2;

// A layer in flight.
typedef struct _layer_t {
    const int8_t *in;
    int8_t *out;
    const microt_op_t *op;
    microt_window_args_t a;
    int32_t pixels; // of the output
    int32_t most; // tiles that are filled at once, 0: the input is used in place
    int8_t *stage; // scratch: an output tile whose channels are rounded up to whole groups, NULL: straight out
    int8_t *patch; // scratch: i8[16 * steps] (WIDE); padded rows (FIRST)
    microt_mve_tiles_t t;
} layer_t;

// The inputs under the window of output (oy, ox), i8[kh][kw][cin], padding holds the zero point.
static void window(const layer_t *l, int32_t oy, int32_t ox, int8_t *out) {
    const microt_tensor_t *in = &l->op->in[0];
    const microt_window_args_t *a = &l->a;
    const int32_t y = oy * a->stride_h - a->pad_top, x = ox * a->stride_w - a->pad_left;
    const int32_t row = a->kernel_w * in->c;
    for (int32_t ky = 0; ky < a->kernel_h; ky++) {
        const int32_t iy = y + ky * a->dilation_h;
        if (iy < 0 || iy >= in->h) {
            microt_mve_set(out, in->zero_point, row);
        } else if (a->dilation_w == 1 && x >= 0 && x + a->kernel_w <= in->w) {
            microt_mve_copy(out, l->in + (iy * in->w + x) * in->c, row);
        } else {
            for (int32_t kx = 0; kx < a->kernel_w; kx++) {
                const int32_t ix = x + kx * a->dilation_w;
                if (ix < 0 || ix >= in->w) {
                    microt_mve_set(out + kx * in->c, in->zero_point, in->c);
                } else {
                    microt_mve_copy(out + kx * in->c, l->in + (iy * in->w + ix) * in->c, in->c);
                }
            }
        }
        out += row;
    }
}

// ---- NARROW, WIDE, FIRST ------------------------------------------------------------------------------------------

// Runs tiles of size (4 or 3) pixels from output pixel first. A single tile may hold more pixels than are stored: the
// others repeat the last stored one.
static void run_tiles(layer_t *l, tiles_t *kernel, int32_t first, int32_t size, int32_t tiles, int32_t stored) {
    const int32_t channels = l->op->out.c, whole = 4 * l->t.groups;
    const int32_t pitch = l->stage != NULL ? whole : channels;
    const int32_t last = microt_min(size, stored) - 1;
    for (int32_t i = 0; i < 4; i++) {
        l->t.offsets[i] = (uint32_t)(microt_min(i, last) * pitch);
    }
    if (l->stage == NULL) {
        l->t.out = l->out + first * channels;
        l->t.skip = (size - 1) * channels;
        l->t.tiles = tiles;
        kernel(&l->t);
        return;
    }
    // The kernels store words of 4 channels, aligned: other numbers of channels are staged.
    l->t.tiles = 1;
    for (int32_t i = 0; i < tiles; i++) {
        l->t.out = l->stage;
        kernel(&l->t);
        for (int32_t p = 0; p <= last; p++) {
            microt_mve_copy(l->out + (first + i * size + p) * channels, l->stage + p * whole, channels);
        }
        if (l->most == 0) {
            l->t.in += size * l->t.pitch;
        } else {
            l->t.tile += 16 * size * l->t.steps;
        }
    }
}

static bool is_relu(const layer_t *l) {
    return l->op->out.zero_point == -128;
}

static void narrow_layer(layer_t *l) {
    tiles_t *kernel = is_relu(l) ? microt_mve_narrow_relu : microt_mve_narrow;
    const int32_t depth = l->op->in[0].c, tiles = l->pixels / 4;
    l->t.in = l->in;
    l->t.pitch = l->t.depth = depth;
    if (tiles > 0) {
        run_tiles(l, kernel, 0, 4, tiles, 4);
        if (l->pixels % 4 != 0) { // overlaps the tile before
            l->t.in = l->in + (l->pixels - 4) * depth;
            run_tiles(l, kernel, l->pixels - 4, 4, 1, 4);
        }
        return;
    }
    l->t.pitch = 0;
    for (int32_t p = 0; p < l->pixels; p++) {
        l->t.in = l->in + p * depth;
        run_tiles(l, kernel, p, 4, 1, 1);
    }
}

// The same for a multiple of 16 channels, straight to its steps in a tile, which are pitch bytes apart.
static void window_steps(const layer_t *l, int32_t oy, int32_t ox, int8_t *to, int32_t pitch) {
    const microt_tensor_t *in = &l->op->in[0];
    const microt_window_args_t *a = &l->a;
    const int32_t y = oy * a->stride_h - a->pad_top, x = ox * a->stride_w - a->pad_left;
    const int32_t steps = in->c / 16, row = a->kernel_w * steps;
    const bool inside = a->dilation_w == 1 && x >= 0 && x + a->kernel_w <= in->w;
    for (int32_t ky = 0; ky < a->kernel_h; ky++) {
        const int32_t iy = y + ky * a->dilation_h;
        if (iy < 0 || iy >= in->h) {
            to = microt_mve_set_steps(to, in->zero_point, row, pitch);
        } else if (inside) {
            to = microt_mve_copy_steps(to, l->in + (iy * in->w + x) * in->c, row, pitch);
        } else {
            for (int32_t kx = 0; kx < a->kernel_w; kx++) {
                const int32_t ix = x + kx * a->dilation_w;
                to = ix < 0 || ix >= in->w ? microt_mve_set_steps(to, in->zero_point, steps, pitch)
                    : microt_mve_copy_steps(to, l->in + (iy * in->w + ix) * in->c, steps, pitch);
            }
        }
    }
}

// Copies the windows of size pixels from first to tiles i8[steps][size][16]. Beyond the last pixel it is repeated.
static void fill(const layer_t *l, int32_t first, int32_t size, int32_t tiles) {
    const int32_t width = l->op->out.w, pitch = 16 * size;
    const bool direct = l->op->in[0].c % 16 == 0;
    int32_t oy = first / width, ox = first % width, left = l->pixels - first;
    int8_t *tile = l->t.tile;
    for (int32_t i = 0; i < tiles; i++) {
        for (int32_t p = 0; p < size; p++) {
            int8_t *to = tile + 16 * p;
            if (direct) {
                window_steps(l, oy, ox, to, pitch);
            } else {
                window(l, oy, ox, l->patch);
                microt_mve_copy_steps(to, l->patch, l->t.steps, pitch); // zero weights meet what is beyond the taps
            }
            if (--left > 0 && ++ox == width) {
                ox = 0;
                oy++;
            }
        }
        tile += pitch * l->t.steps;
    }
}

static tiles_t *wide_kernel(const layer_t *l, int32_t size) {
    static tiles_t *const few[3][2] = { // 2 to 4 steps
        {microt_mve_wide4_2, microt_mve_wide4_2_relu},
        {microt_mve_wide4_3, microt_mve_wide4_3_relu},
        {microt_mve_wide4_4, microt_mve_wide4_4_relu},
    };
    const bool relu = is_relu(l);
    if (size == 3) {
        return relu ? microt_mve_wide3_relu : microt_mve_wide3;
    }
    if (l->t.steps >= 2 && l->t.steps <= 4) {
        return few[l->t.steps - 2][relu];
    }
    return relu ? microt_mve_wide4_relu : microt_mve_wide4;
}

static void wide_run(layer_t *l, int32_t first, int32_t size, int32_t tiles) {
    tiles_t *kernel = wide_kernel(l, size);
    if (l->most == 0) {
        l->t.in = l->in + first * l->t.pitch;
        run_tiles(l, kernel, first, size, tiles, size);
        return;
    }
    int8_t *tile = l->t.tile;
    for (int32_t i = 0; i < tiles; i += l->most) {
        const int32_t n = microt_min(tiles - i, l->most), p = first + i * size;
        l->t.tile = tile;
        fill(l, p, size, n);
        run_tiles(l, kernel, p, size, n, l->pixels - p);
    }
    l->t.tile = tile;
}

static void wide_layer(layer_t *l) {
    // 4 a + 3 b pixels where there is such a sum; else the last tile overlaps, or repeats the last pixel.
    const int32_t threes = -l->pixels & 3, fours = (l->pixels - 3 * threes) / 4;
    if (3 * threes <= l->pixels) {
        if (fours > 0) {
            wide_run(l, 0, 4, fours);
        }
        if (threes > 0) {
            wide_run(l, 4 * fours, 3, threes);
        }
        return;
    }
    wide_run(l, 0, 4, 1);
    if (l->pixels > 4) {
        wide_run(l, l->pixels - 4, 4, 1);
    }
}

// Output row by output row; the three padded input rows under it lie in the scratch.
static void first_layer(layer_t *l) {
    const microt_tensor_t *in = &l->op->in[0];
    const int32_t row = (int32_t)first_row(l->op, &l->a), step = 3 * l->a.stride_w, width = l->op->out.w;
    tiles_t *kernel = wide_kernel(l, 4);
    im2col_t *im2col = step == 3 ? microt_mve_im2col_3x3x3_s1 : microt_mve_im2col_3x3x3_s2;
    int8_t *tile = l->t.tile, *inside = l->patch + 3 * l->a.pad_left;
    microt_mve_set(l->patch, in->zero_point, 3 * row);
    for (int32_t oy = 0; oy < l->op->out.h; oy++) {
        for (int32_t ky = 0; ky < 3; ky++) {
            const int32_t iy = oy * l->a.stride_h - l->a.pad_top + ky;
            if (iy >= 0 && iy < in->h) {
                microt_mve_copy(inside + ky * row, l->in + iy * in->w * 3, 3 * in->w);
            } else {
                microt_mve_set(inside + ky * row, in->zero_point, 3 * in->w);
            }
        }
        const int32_t first = oy * width;
        for (int32_t ox = 0; ox < width;) {
            int32_t tiles = microt_min((width - ox) / 4, l->most);
            if (tiles == 0) { // overlaps the tile before
                tiles = 1;
                ox = width - 4;
            }
            l->t.tile = tile;
            im2col(l->patch + ox * step, row, tile, tiles);
            run_tiles(l, kernel, first + ox, 4, tiles, 4);
            ox += 4 * tiles;
        }
    }
}

// ---- layout 0: pixel by pixel, any shape and any requantisation ----------------------------------------------------

static void plain_layer(layer_t *l) {
    const microt_op_t *op = l->op;
    const int32_t taps = l->a.kernel_h * l->a.kernel_w;
    const int32_t depth = (int32_t)(op->weights_size / (uint32_t)op->out.c) / taps;
    const int32_t groups = op->in[0].c / depth, channels = op->out.c / groups;
    for (int32_t p = 0; p < l->pixels; p++) {
        const int8_t *inputs = l->in + p * depth; // i8[taps][depth] of a group
        if (groups != 1 || !conv_direct(&l->a)) {
            window(l, p / op->out.w, p % op->out.w, l->patch);
            inputs = l->patch;
        }
        for (int32_t g = 0; g < groups; g++) {
            if (groups != 1) {
                int8_t *group = l->patch + taps * op->in[0].c;
                for (int32_t i = 0; i < taps; i++) {
                    microt_mve_copy(group + i * depth, l->patch + i * op->in[0].c + g * depth, depth);
                }
                inputs = group;
            }
            int8_t *out = l->out + p * op->out.c + g * channels;
            microt_mve_channels(op, inputs, taps * depth, g * channels, channels, out);
        }
    }
    microt_mve_clamp(l->out, l->pixels * op->out.c, l->a.low, l->a.high);
}

void microt_mve_conv_2d(const microt_op_t *op, uint8_t *arena, unsigned layout, uint8_t *scratch) {
    layer_t l = {
        .in = microt_data(&op->in[0], arena),
        .out = microt_data(&op->out, arena),
        .op = op,
        .a = microt_window_args(op),
        .pixels = op->out.h * op->out.w,
    };
    if (layout == 0) {
        l.patch = (int8_t *)scratch;
        plain_layer(&l);
        return;
    }
    l.t = (microt_mve_tiles_t) {
        .weights = op->weights,
        .records = (const int32_t *)op->requant,
        .groups = (int32_t)(group_channels(op) / 4),
        .zero_point = op->out.zero_point,
    };
    if (stage_size(op) != 0) {
        l.stage = (int8_t *)scratch;
        scratch += stage_size(op);
    }
    l.t.tile = (int8_t *)scratch;
    if (layout == MICROT_MVE_NARROW) {
        narrow_layer(&l);
    } else if (layout == MICROT_MVE_FIRST) {
        l.t.steps = 2;
        l.most = (int32_t)filled_tiles(op, FIRST_TILE);
        l.patch = l.t.tile + l.most * FIRST_TILE + 16;
        first_layer(&l);
    } else {
        l.t.steps = (int32_t)wide_steps(op, &l.a, layout);
        l.t.pitch = l.t.depth = op->in[0].c;
        if (wide_fills(op, &l.a)) {
            l.most = (int32_t)filled_tiles(op, (uint32_t)(64 * l.t.steps));
            l.patch = l.t.tile + 64 * l.t.steps * l.most;
        }
        wide_layer(&l);
    }
    microt_mve_clamp(l.out, l.pixels * op->out.c, l.a.low, l.a.high);
}

#endif
