// SPDX-License-Identifier: MIT
//
// DEPTHWISE_CONV_2D: a channel's plane is gathered to pairs of int16 in the scratch, strip by strip, then goes through a kernel
// of depthwise.S.

#include "shapes.h"

#ifdef MICROT_HAVE_M0

#include "clamp.h"
#include "requantize.h"

// What a kernel takes; the offsets are depthwise.S's.
typedef struct _microt_m0_plane_t {
    const int32_t *stream;
    const int32_t *plane;
    int8_t *out;
    int32_t pitch; // bytes between outputs
    int32_t rows; // of outputs
    int32_t steps; // bytes of a plane's row that whole steps of two outputs pass
    int32_t odd; // whether one more output follows
    int32_t row_bytes;
    uint32_t window;
    const microt_m0_record_t *record;
    int32_t zero_point;
} microt_m0_plane_t;

// How a row of a plane is gathered: a pixel beside padding, a pair, fours, a pixel beside padding.
typedef struct _microt_m0_gather_t {
    int32_t channels;
    int32_t rows;
    int32_t lead; // 0 or 1
    int32_t odd_pair; // 0 or 1
    int32_t fours; // bytes of the plane
    int32_t tail; // 0 or 1
    int32_t skip; // bytes from the end of the row's words to the next row
    int32_t zero; // the zero point
} microt_m0_gather_t;

typedef void plane_t(const microt_m0_plane_t *p);
plane_t microt_m0_plane_3x3_s1, microt_m0_plane_5x5_s1, microt_m0_plane_7x7_s1,
        microt_m0_plane_3x3_s2, microt_m0_plane_5x5_s2, microt_m0_plane_7x7_s2;
typedef int32_t *taps_t(const int8_t *weights, int32_t *words, int32_t rows, int32_t pairs);
taps_t microt_m0_taps_s1, microt_m0_taps_s2;
void microt_m0_gather(const int8_t *in, int32_t *plane, const microt_m0_gather_t *g);

static plane_t *const by_stride_and_size[2][3] = {
    {microt_m0_plane_3x3_s1, microt_m0_plane_5x5_s1, microt_m0_plane_7x7_s1},
    {microt_m0_plane_3x3_s2, microt_m0_plane_5x5_s2, microt_m0_plane_7x7_s2},
};

void microt_m0_depthwise_conv_2d(const microt_op_t *op, uint8_t *arena, unsigned layout, uint8_t *scratch) {
    (void)layout;
    const microt_window_args_t a = microt_window_args(op);
    const microt_tensor_t *in = &op->in[0], *out = &op->out;
    const int32_t kernel = a.kernel_h, stride = a.stride_h, channels = in->c;
    const microt_strip_t strip = plane_strip(op, &a);
    const int32_t plane_rows = (strip.rows - 1) * stride + kernel;
    const int32_t lead = a.pad_left & 1, pairs = (in->w - lead) / 2, tail = (in->w - lead) & 1;
    const int32_t zeros = (int32_t)((uint32_t)in->zero_point * 0x10001u);
    const int8_t *x = microt_data(in, arena);
    int8_t *y = microt_data(out, arena);
    int32_t *const planes = (int32_t *)scratch;
    int32_t *const stream = planes + plane_rows * strip.pitch / 4;
    plane_t *const run = by_stride_and_size[stride - 1][kernel / 2 - 1];
    taps_t *const taps = stride == 1 ? microt_m0_taps_s1 : microt_m0_taps_s2;
    microt_m0_gather_t g = {
        .channels = channels,
        .lead = lead,
        .odd_pair = pairs & 1,
        .fours = pairs / 2 * 8,
        .tail = tail,
        .skip = strip.pitch - 4 * (lead + pairs + tail),
        .zero = in->zero_point,
    };
    microt_m0_plane_t p = {
        .stream = stream,
        .plane = planes,
        .pitch = channels,
        .steps = out->w / 2 * 4 * stride,
        .odd = out->w & 1,
        .row_bytes = strip.pitch,
        .window = *(const uint32_t *)op->requant,
        .zero_point = out->zero_point,
    };
    for (int32_t oy = 0; oy < out->h; oy += strip.rows) {
        p.rows = microt_min(strip.rows, out->h - oy);
        const int32_t first = oy * stride - a.pad_top;
        const int32_t top = microt_max(first, 0), bottom = microt_min(first + (p.rows - 1) * stride + kernel, in->h);
        for (int32_t i = 0; i < plane_rows * strip.pitch / 4; i++) {
            planes[i] = zeros;
        }
        g.rows = bottom - top;
        int32_t *const place = planes + (top - first) * strip.pitch / 4 + a.pad_left / 2;
        const int8_t *from = x + top * in->w * channels;
        const int8_t *weights = op->weights;
        p.out = y + oy * out->w * channels;
        p.record = (const microt_m0_record_t *)(op->requant + 4);
        for (int32_t c = 0; c < channels; c++) {
            if (g.rows > 0) {
                microt_m0_gather(from++, place, &g);
            }
            stream[0] = stream[1] = p.record->bias;
            int32_t *words = taps(weights, stream + 2, kernel, kernel / 2);
            microt_m0_load(p.record, (microt_m0_requant_t *)words);
            run(&p);
            p.out++;
            p.record++;
            weights += kernel * kernel;
        }
    }
    microt_m0_clamp(y, out->h * out->w * channels, a.low, a.high);
}

#endif
