// SPDX-License-Identifier: MIT
//
// DEPTHWISE_CONV_2D, layout PLANES: strips of output rows; in each, channel by channel, the input is transposed to a
// padded plane in the scratch and goes through a kernel of depthwise.S.

#include "depthwise.h"

#ifdef MICROT_HAVE_MVE

#include <arm_mve.h>

#include "copy.h"

// What a kernel takes and moves on; the offsets are depthwise.S's.
typedef struct _microt_mve_plane_t {
    const int8_t *in;
    int8_t *plane;
    const uint16_t *table;
    int32_t pixels, channels, again;
    const int8_t *weights;
    const int32_t *records;
    int8_t *out;
    int32_t zero_point;
    int32_t left, rows, tiles, pitch, data_rows, out_rows, data_tile, out_tile, mask, last_mask;
    int32_t second, data_second, out_second;
    uint16_t offsets[8];
} microt_mve_plane_t;

typedef void plane_t(microt_mve_plane_t *plane);
plane_t microt_mve_3x3_s1, microt_mve_3x3_s1_masked, microt_mve_3x3_s1_relu;
plane_t microt_mve_3x3_s2, microt_mve_3x3_s2_masked, microt_mve_3x3_s2_relu;
plane_t microt_mve_3x3_s1_half, microt_mve_3x3_s1_half_masked, microt_mve_3x3_s1_half_relu;
plane_t microt_mve_3x3_s2_half, microt_mve_3x3_s2_half_masked, microt_mve_3x3_s2_half_relu;
plane_t microt_mve_5x5_s1, microt_mve_5x5_s1_masked, microt_mve_5x5_s1_relu;
plane_t microt_mve_5x5_s2, microt_mve_5x5_s2_masked, microt_mve_5x5_s2_relu;
plane_t microt_mve_7x7_s1, microt_mve_7x7_s1_masked, microt_mve_7x7_s1_relu;
plane_t microt_mve_7x7_s2, microt_mve_7x7_s2_masked, microt_mve_7x7_s2_relu;

// [kernel: 3, 3 half, 5, 7][stride - 1][all lanes, masked, all with ReLU]
static plane_t *const kernels[4][2][3] = {
    {
        {microt_mve_3x3_s1, microt_mve_3x3_s1_masked, microt_mve_3x3_s1_relu},
        {microt_mve_3x3_s2, microt_mve_3x3_s2_masked, microt_mve_3x3_s2_relu},
    },
    {
        {microt_mve_3x3_s1_half, microt_mve_3x3_s1_half_masked, microt_mve_3x3_s1_half_relu},
        {microt_mve_3x3_s2_half, microt_mve_3x3_s2_half_masked, microt_mve_3x3_s2_half_relu},
    },
    {
        {microt_mve_5x5_s1, microt_mve_5x5_s1_masked, microt_mve_5x5_s1_relu},
        {microt_mve_5x5_s2, microt_mve_5x5_s2_masked, microt_mve_5x5_s2_relu},
    },
    {
        {microt_mve_7x7_s1, microt_mve_7x7_s1_masked, microt_mve_7x7_s1_relu},
        {microt_mve_7x7_s2, microt_mve_7x7_s2_masked, microt_mve_7x7_s2_relu},
    },
};

// Where each input pixel of the strip goes. rows input rows of width pixels from padded row first on.
static void make_table(uint16_t *table, const microt_strip_t *s, int32_t first, int32_t rows, int32_t pad,
    int32_t width) {
    for (int32_t r = first; r < first + rows; r++) {
        uint32_t at = (uint32_t)((r >> 1) * s->pitch + (r & 1) + pad * s->cell);
        for (int32_t x = 0; x < width; x += 8) {
            // The last vector of a row runs into the next row, which is written later.
            const uint16x8_t places = s->cell == 4 ? vidupq_n_u16(at, 4) : vidupq_n_u16(at, 2);
            vst1q_u16(table + x, places);
            at += (uint32_t)(8 * s->cell);
        }
        table += width;
    }
}

// How a row of outputs is cut into tiles of 4 columns.
typedef struct _columns_t {
    int32_t tiles, step; // neighbouring tiles may overlap
    int32_t last; // column of one tile more, 0: none
} columns_t;

static columns_t cut(int32_t columns, int32_t kernel) {
    const int32_t tiles = (columns + 3) / 4;
    if (columns % 4 == 0 || tiles == 1) {
        return (columns_t) {tiles, 4, 0};
    }
    const int32_t step = (columns - 4) / (tiles - 1);
    if (step * (tiles - 1) == columns - 4 && (kernel != 3 || step == 2)) {
        return (columns_t) {tiles, step, 0};
    }
    return (columns_t) {tiles - 1, 4, columns - 4};
}

void microt_mve_planes(const microt_op_t *op, const microt_window_args_t *a, const int8_t *in, int8_t *out,
    uint8_t *scratch) {
    const microt_tensor_t *x = &op->in[0];
    const int32_t channels = op->out.c, width = op->out.w, k = a->kernel_h, stride = a->stride_h;
    const microt_strip_t s = plane_strip(op, a);
    const columns_t columns = cut(width, k);
    int8_t *plane = (int8_t *)scratch + s.pitch;
    uint16_t *table = (uint16_t *)(scratch + s.plane);
    const int32_t row = k == 3 ? columns.step == 2 : k == 5 ? 2 : 3;

    for (int32_t y = 0; y < op->out.h; y += s.rows) {
        const int32_t rows = microt_min(s.rows, op->out.h - y), top = y * stride - a->pad_top;
        const int32_t first = microt_max(top, 0), end = microt_min(top + s.reach, x->h);
        microt_mve_set((int8_t *)scratch, x->zero_point, s.plane);
        if (first < end) {
            make_table(table, &s, first - top, end - first, a->pad_left, x->w);
        }
        microt_mve_plane_t p = {
            .in = in + first * x->w * channels,
            .plane = plane,
            .table = table,
            .pixels = microt_max(end - first, 0) * x->w,
            .channels = channels,
            .again = 2 - s.pitch,
            .weights = op->weights + (k == 3 ? 16 : 0),
            .records = (const int32_t *)op->requant,
            .out = out + y * width * channels,
            .zero_point = op->out.zero_point,
            .left = channels,
            .rows = (rows + 1) / 2,
            .tiles = columns.tiles,
            .pitch = s.pitch,
            .data_rows = s.pitch * stride,
            .out_rows = 2 * width * channels,
            .data_tile = columns.step * stride * s.cell,
            .out_tile = columns.step * channels,
            .mask = width < 4 ? (1 << 4 * width) - 1 : 0xFFFF,
            .second = columns.last,
            .data_second = columns.last * stride * s.cell,
            .out_second = columns.last * channels,
        };
        p.last_mask = rows % 2 != 0 ? p.mask & 0x3333 : p.mask;
        for (int32_t i = 0; i < 4; i++) {
            const int32_t column = microt_min(i, width - 1);
            p.offsets[2 * i] = (uint16_t)(column * channels);
            p.offsets[2 * i + 1] = (uint16_t)((width + column) * channels);
        }
        const int32_t way = p.last_mask != 0xFFFF ? 1 : op->out.zero_point == -128 ? 2 : 0;
        kernels[row][stride - 1][way](&p);
    }
}

#endif
