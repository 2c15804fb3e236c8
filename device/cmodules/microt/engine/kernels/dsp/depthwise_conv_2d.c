// SPDX-License-Identifier: MIT
//
// DEPTHWISE_CONV_2D: strips of planes of four channels are gathered to int16 in the scratch, then go
// through the kernels of depthwise.S; 3x3 output planes go straight through those of
// depthwise_small.S; what fits neither is done four channels at a time from (h, w, c).

#include "shapes.h"

#ifdef MICROT_HAVE_DSP

#include "clamp.h"
#include "finish.h"
#include "instructions.h"
#include "../ref/window.h"

#define RELU (0x100) // in e of a record, see assembly.h

// What a plane kernel takes; the offsets are depthwise.S's.
typedef struct _microt_dsp_plane_t {
    const int32_t *weights;
    const int32_t *records; // i32[channels][4]
    int8_t *out;
    int32_t pitch; // bytes between output pixels
    const int8_t *plane;
    int32_t rows; // 3x3: pairs of rows
    int32_t row; // bytes of the plane that the steps of a row move on
    int32_t row_pitch; // bytes between output rows
    int32_t skip; // bytes from the end of a row (3x3: pair of rows) to the start of the next
    int32_t channels;
    int32_t weights_bytes; // of a channel
} microt_dsp_plane_t;

// For microt_dsp_plane, not to be called from C.
typedef void plane_t(void);
plane_t microt_dsp_plane_3x3_s1, microt_dsp_plane_3x3_s1_relu, microt_dsp_plane_3x3_s1_1,
        microt_dsp_plane_3x3_s2, microt_dsp_plane_3x3_s2_relu, microt_dsp_plane_3x3_s2_1,
        microt_dsp_plane_5x5_s1_6, microt_dsp_plane_5x5_s1_2, microt_dsp_plane_5x5_s1_1,
        microt_dsp_plane_5x5_s2_6, microt_dsp_plane_5x5_s2_3,
        microt_dsp_plane_7x7_s1_4, microt_dsp_plane_7x7_s1_2, microt_dsp_plane_7x7_s1_1,
        microt_dsp_plane_7x7_s2_3;

void microt_dsp_plane(microt_dsp_plane_t *plane, plane_t *kernel);

void microt_dsp_gather_even(const int8_t *in, int8_t *strip, int32_t channels, int32_t rows,
    int32_t columns, int32_t skip);
void microt_dsp_gather_odd(const int8_t *in, int8_t *strip, int32_t channels, int32_t rows,
    int32_t columns, int32_t zeros, int32_t skip);

typedef void small_t(const int8_t *in, const int32_t *records, int8_t *out, int32_t channels,
                     int32_t zeros, const int8_t *end);
small_t microt_dsp_small_3x3, microt_dsp_small_5x5;

static int32_t zero_pair(int32_t zero_point) {
    return (int32_t)((uint32_t)(uint16_t)zero_point * 0x10001u);
}

// ---- PLANES -------------------------------------------------------------------------------------

// Kernels of a row by the outputs of a step, widest first.
typedef struct _kernel_t {
    plane_t *run;
    int32_t outputs;
} kernel_t;

// For 5x5 and 7x7, stride 1 and 2.
static const kernel_t kernels[2][2][3] = {
    {{{microt_dsp_plane_5x5_s1_6, 6}, {microt_dsp_plane_5x5_s1_2, 2}, {microt_dsp_plane_5x5_s1_1, 1}},
     {{microt_dsp_plane_5x5_s2_6, 6}, {microt_dsp_plane_5x5_s2_3, 3}}},
    {{{microt_dsp_plane_7x7_s1_4, 4}, {microt_dsp_plane_7x7_s1_2, 2}, {microt_dsp_plane_7x7_s1_1, 1}},
     {{microt_dsp_plane_7x7_s2_3, 3}}},
};

// Words of weights of a channel.
static int32_t plane_words(int32_t kernel, int32_t stride) {
    return kernel == 3 ? 6 : stride == 1 ? kernel * (kernel - 1) : kernel * (kernel + 1) / 2;
}

#define MAX_CALLS (4)

// The outputs of a block for four channels: calls of kernels that cover it but for single columns
// or rows.
typedef struct _block_t {
    int32_t kernel, stride;
    int32_t rows, columns; // of outputs
    microt_dsp_plane_t at; // its upper left output
    int32_t calls;
    plane_t *run[MAX_CALLS];
    microt_dsp_plane_t call[MAX_CALLS];
    int32_t single; // columns from here on are done one by one
} block_t;

// Outputs from (y, x) on: rows (3x3: pairs of rows) of steps, which move on by columns of the plane; the
// pitch of the rows in skip.
static void add_call(block_t *b, plane_t *kernel, int32_t y, int32_t x, int32_t rows, int32_t columns,
    int32_t skip) {
    microt_dsp_plane_t *p = &b->call[b->calls];
    *p = b->at;
    p->out += y * p->row_pitch + x * p->pitch;
    p->plane += (y * PLANE_ROW + 2 * x) * b->stride;
    p->rows = rows;
    p->row = 2 * columns;
    p->skip = skip;
    b->run[b->calls++] = kernel;
}

// Pairs of rows; an odd number ends with a pair that overlaps the one before.
static void add_pairs(block_t *b, plane_t *kernel, int32_t x, int32_t outputs) {
    const int32_t skip = 2 * b->at.row_pitch - outputs * b->at.pitch, columns = (outputs + 1) / 2 * 2 * b->stride;
    add_call(b, kernel, 0, x, b->rows / 2, columns, skip);
    if (b->rows & 1) {
        add_call(b, kernel, b->rows - 2, x, 1, columns, skip);
    }
}

static void add_columns(block_t *b, plane_t *kernel, int32_t x, int32_t outputs) {
    add_call(b, kernel, 0, x, b->rows, outputs * b->stride, b->at.row_pitch - outputs * b->at.pitch);
    b->single = x + outputs;
}

static void add_calls(block_t *b) {
    b->calls = 0;
    b->single = 0;
    if (b->kernel == 3) {
        if (b->rows == 1) {
            return;
        }
        const bool relu = b->at.records[3] & RELU;
        if (b->columns > 1) {
            add_pairs(b, b->stride == 1
                ? (relu ? microt_dsp_plane_3x3_s1_relu : microt_dsp_plane_3x3_s1)
                : (relu ? microt_dsp_plane_3x3_s2_relu : microt_dsp_plane_3x3_s2),
                0, b->columns & ~1);
        }
        if (b->columns & 1) {
            add_pairs(b, b->stride == 1 ? microt_dsp_plane_3x3_s1_1 : microt_dsp_plane_3x3_s2_1, b->columns - 1, 1);
        }
        b->single = b->columns;
        return;
    }
    const kernel_t *kernel = kernels[b->kernel == 7][b->stride - 1];
    for (int32_t i = 0; i < 3 && kernel->run != NULL; i++, kernel++) {
        const int32_t left = (b->columns - b->single) % kernel->outputs;
        const int32_t outputs = b->columns - b->single - left;
        if (outputs > 0) {
            add_columns(b, kernel->run, b->single, outputs);
        }
        // Stride 2 may start anywhere: a last step that overlaps the one before, unless a narrower one does.
        if (b->stride == 2 && b->columns >= kernel->outputs && left > kernel->outputs - 3) {
            add_columns(b, kernel->run, b->columns - kernel->outputs, kernel->outputs);
        }
    }
}

// A single output, 4 channels. Odd columns of stride 1 lie across words.
static void single(const block_t *b, const microt_dsp_plane_t *at, int32_t y, int32_t x) {
    const int32_t kernel = b->kernel, words = plane_words(kernel, b->stride), row = words / kernel;
    const int8_t *plane = at->plane + (y * PLANE_ROW + 2 * x) * b->stride;
    for (int32_t c = 0; c < 4; c++) {
        const int32_t *record = at->records + 4 * c, *w = at->weights + c * words;
        int32_t sum = record[0];
        for (int32_t ky = 0; ky < kernel; ky++) {
            const uint8_t *values = (const uint8_t *)plane + ky * PLANE_ROW + c * PLANE_ROW / 4;
            for (int32_t i = 0; i < (b->stride == 1 ? kernel / 2 : row); i++) {
                sum = smlad(microt_i32(values + 4 * i), w[i], sum);
            }
            if (b->stride == 1) {
                int16_t last;
                memcpy(&last, values + 2 * (kernel - 1), 2);
                sum = smlabt(last, w[row - 1], sum);
            }
            w += row;
        }
        at->out[y * at->row_pitch + x * at->pitch + c] =
            (int8_t)requantize_doubled(sum, record[1], record[2], record[3]);
    }
}

// Moves on by channels, which may be less than 0.
static void advance(microt_dsp_plane_t *p, int32_t channels, int32_t words) {
    p->weights += channels * words;
    p->records += channels * 4;
    p->out += channels;
}

// The channels that a layer is about to do, and where they lie: int8 inputs pitch apart from pixel to pixel.
typedef struct _channels_t {
    const int8_t *in;
    int32_t pitch;
    int32_t first, count;
} channels_t;

// The planes of all channels of a block: from is their first input, place where it goes.
static void run_block(block_t *b, const channels_t *l, const int8_t *from, int8_t *place, int32_t rows,
    int32_t columns, int32_t skip, int32_t odd_zeros, bool odd) {
    const int32_t words = plane_words(b->kernel, b->stride);
    for (int32_t left = l->count; left > 0; left -= 4) {
        if (left < 4) { // the last group overlaps the one before
            from -= 4 - left;
            advance(&b->at, left - 4, words);
            for (int32_t i = 0; i < b->calls; i++) {
                advance(&b->call[i], left - 4, words);
            }
        }
        if (odd) {
            microt_dsp_gather_odd(from, place, l->pitch, rows, columns, odd_zeros, skip);
        } else {
            microt_dsp_gather_even(from, place, l->pitch, rows, columns, skip);
        }
        from += 4;
        for (int32_t i = 0; i < b->calls; i++) { // a call leaves its plane at the next 4 channels
            microt_dsp_plane(&b->call[i], b->run[i]);
            b->call[i].plane -= PLANE_ROW;
            b->call[i].channels = 4;
        }
        for (int32_t x = b->single; x < b->columns; x++) {
            for (int32_t y = 0; y < b->rows; y++) {
                single(b, &b->at, y, x);
            }
        }
        advance(&b->at, 4, words);
    }
}

static void planes_layer(const microt_op_t *op, const channels_t *l, int8_t *out, int8_t *strip,
    const microt_window_args_t *a) {
    const int32_t kernel = a->kernel_h, stride = a->stride_h;
    const int32_t height = op->in[0].h, width = op->in[0].w, channels = op->in[0].c;
    const int32_t zeros = zero_pair(op->in[0].zero_point);
    const int32_t block_columns = plane_columns(op->out.w, kernel, stride);
    const int32_t strip_rows = plane_rows(op->out.h, kernel, stride);
    // Pairs of stride 2 start at even columns of the plane, see depthwise.S.
    const int32_t pad_left = a->pad_left + (stride == 2 ? a->pad_left & 1 : 0);

    for (int32_t oy = 0; oy < op->out.h; oy += strip_rows) {
        const int32_t rows = microt_min(strip_rows, op->out.h - oy);
        const int32_t y = oy * stride - a->pad_top, in_rows = (rows - 1) * stride + kernel;
        const int32_t top = microt_max(y, 0), bottom = microt_min(y + in_rows, height);
        for (int32_t ox = 0; ox < op->out.w; ox += block_columns) {
            const int32_t columns = microt_min(block_columns, op->out.w - ox);
            const int32_t x = ox * stride - pad_left;
            const int32_t in_columns = (columns - 1) * stride + kernel + pad_left - a->pad_left;
            const int32_t left = microt_max(x, 0), right = microt_min(x + in_columns, width);
            if (top > y || bottom < y + in_rows || left > x || right < x + in_columns) {
                int32_t *word = (int32_t *)strip;
                for (int32_t i = 0; i < in_rows * (PLANE_ROW / 16); i++) {
                    word[0] = word[1] = word[2] = word[3] = zeros;
                    word += 4;
                }
            }
            block_t b = {
                .kernel = kernel,
                .stride = stride,
                .rows = rows,
                .columns = columns,
                .at = {
                    .weights = (const int32_t *)op->weights + l->first * plane_words(kernel, stride),
                    .records = (const int32_t *)op->requant + l->first * 4,
                    .out = out + (oy * op->out.w + ox) * channels + l->first,
                    .pitch = channels,
                    .plane = strip,
                    .row_pitch = op->out.w * channels,
                    .channels = 4,
                    .weights_bytes = 4 * plane_words(kernel, stride),
                },
            };
            add_calls(&b);
            const int32_t lead = left - x, span = right - left;
            run_block(&b, l, l->in + (top * width + left) * l->pitch,
                strip + (top - y) * PLANE_ROW + 2 * (lead & ~1), bottom - top, span,
                (width - span) * l->pitch, zeros, lead & 1);
        }
    }
}

// Four channels at a time from a copy of their inputs, which their outputs may overwrite.
static void planes_in_place(const microt_op_t *op, const int8_t *in, int8_t *out, int8_t *scratch,
    const microt_window_args_t *a) {
    const int32_t pixels = op->in[0].h * op->in[0].w, channels = op->in[0].c;
    channels_t four = {.in = scratch + plane_strip_bytes(op, a), .pitch = 4, .count = 4};
    for (; four.first < channels; four.first += 4) {
        int32_t *copy = (int32_t *)four.in;
        for (int32_t i = 0; i < pixels; i++) {
            *copy++ = microt_i32((const uint8_t *)in + i * channels + four.first);
        }
        planes_layer(op, &four, out, scratch, a);
    }
}

// ---- SMALL --------------------------------------------------------------------------------------

static void small_layer(const microt_op_t *op, const int8_t *in, int8_t *out,
    const microt_window_args_t *a) {
    small_t *kernel = a->kernel_h == 5 ? microt_dsp_small_5x5 : microt_dsp_small_3x3;
    kernel(in, (const int32_t *)op->weights, out, op->in[0].c, zero_pair(op->in[0].zero_point),
        in + op->in[0].c);
}

// ---- layout 0: any stride, dilation, padding, kernel, multiplier and requantisation -------------

static void plain_layer(const microt_op_t *op, const int8_t *in, int8_t *out,
    const microt_window_args_t *a) {
    const microt_tensor_t *shape = &op->in[0];
    const int32_t channels = shape->c, zeros = zero_pair(shape->zero_point);
    const int32_t step = a->dilation_w * channels, multiplier = op->out.c / channels;
    for (int32_t oy = 0; oy < op->out.h; oy++) {
        const microt_window_t wy =
            microt_window(oy, a->stride_h, a->pad_top, a->kernel_h, a->dilation_h, shape->h);
        for (int32_t ox = 0; ox < op->out.w; ox++) {
            const microt_window_t wx =
                microt_window(ox, a->stride_w, a->pad_left, a->kernel_w, a->dilation_w, shape->w);
            int32_t c = 0;
            for (; multiplier == 1 && c + 4 <= channels; c += 4) {
                int32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
                for (int32_t ky = wy.first; ky < wy.end; ky++) {
                    const int8_t *x = in + c + ((wy.at + ky * a->dilation_h) * shape->w + wx.at
                        + wx.first * a->dilation_w) * channels;
                    const int8_t *w = op->weights + c + (ky * a->kernel_w + wx.first) * channels;
                    for (int32_t kx = wx.first; kx < wx.end; kx++) {
                        const uint32_t xs = microt_u32((const uint8_t *)x);
                        const uint32_t ws = microt_u32((const uint8_t *)w);
                        const int32_t x02 = ssub16(sxtb16(xs), zeros), w02 = sxtb16(ws);
                        const int32_t x13 = ssub16(sxtb16_high(xs), zeros), w13 = sxtb16_high(ws);
                        sum0 = smlabb(x02, w02, sum0);
                        sum1 = smlabb(x13, w13, sum1);
                        sum2 = smlatt(x02, w02, sum2);
                        sum3 = smlatt(x13, w13, sum3);
                        x += step;
                        w += channels;
                    }
                }
                out[c] = finish_channel(op, c, sum0, a->low, a->high);
                out[c + 1] = finish_channel(op, c + 1, sum1, a->low, a->high);
                out[c + 2] = finish_channel(op, c + 2, sum2, a->low, a->high);
                out[c + 3] = finish_channel(op, c + 3, sum3, a->low, a->high);
            }
            for (; c < op->out.c; c++) {
                int32_t sum = 0;
                for (int32_t ky = wy.first; ky < wy.end; ky++) {
                    const int8_t *x = in + c / multiplier + ((wy.at + ky * a->dilation_h) * shape->w
                        + wx.at + wx.first * a->dilation_w) * channels;
                    const int8_t *w = op->weights + c + (ky * a->kernel_w + wx.first) * op->out.c;
                    for (int32_t kx = wx.first; kx < wx.end; kx++) {
                        sum += (*x - shape->zero_point) * *w;
                        x += step;
                        w += op->out.c;
                    }
                }
                out[c] = finish_channel(op, c, sum, a->low, a->high);
            }
            out += op->out.c;
        }
    }
}

void microt_dsp_depthwise_conv_2d(const microt_op_t *op, uint8_t *arena, unsigned layout,
    uint8_t *scratch) {
    const microt_window_args_t a = microt_window_args(op);
    const int8_t *in = microt_data(&op->in[0], arena); // (h, w, c)
    int8_t *out = microt_data(&op->out, arena);
    if (layout == MICROT_DSP_PLANES) {
        const channels_t all = {in, op->in[0].c, 0, op->in[0].c};
        planes_layer(op, &all, out, (int8_t *)scratch, &a);
    } else if (layout == MICROT_DSP_PLANES_IN_PLACE) {
        planes_in_place(op, in, out, (int8_t *)scratch, &a);
    } else if (layout == MICROT_DSP_SMALL) {
        small_layer(op, in, out, &a);
    } else {
        plain_layer(op, in, out, &a);
        return; // clamped already
    }
    microt_dsp_clamp(out, op->out.h * op->out.w * op->out.c, a.low, a.high);
}

#endif
