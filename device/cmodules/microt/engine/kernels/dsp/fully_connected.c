// SPDX-License-Identifier: MIT
//
// FULLY_CONNECTED: four output channels at a time.

#include "shapes.h"

#ifdef MICROT_HAVE_DSP

#include "channels.h"
#include "finish.h"

typedef void channels_t(const int8_t *inputs, const int8_t *weights, int32_t pitch,
                        const int8_t *end, int32_t minus_zeros, int32_t *sums);
channels_t microt_dsp_channels4, microt_dsp_channels2;

void microt_dsp_channels(const microt_op_t *op, const int8_t *inputs, int32_t depth, int32_t first,
    int32_t count, int32_t low, int32_t high, int8_t *out) {
    const int32_t zero = op->in[0].zero_point, whole = depth & ~3;
    const int32_t minus_zeros = (int32_t)((uint32_t)(uint16_t)-zero * 0x10001u);
    const int8_t *w = op->weights + first * depth;
    for (int32_t c = first, end = first + count; c < end;) {
        int32_t sums[4] = {0, 0, 0, 0};
        const int32_t n = end - c >= 4 ? 4 : end - c >= 2 ? 2 : 1;
        if (whole != 0) {
            // A single channel is done as two equal ones.
            (n == 4 ? microt_dsp_channels4 : microt_dsp_channels2)(inputs, w, n == 1 ? 0 : depth,
                inputs + whole, minus_zeros, sums);
        }
        for (int32_t i = 0; i < n; i++) {
            for (int32_t k = whole; k < depth; k++) {
                sums[i] += (inputs[k] - zero) * w[k];
            }
            out[c] = finish_channel(op, c, sums[i], low, high);
            c++;
            w += depth;
        }
    }
}

void microt_dsp_fully_connected(const microt_op_t *op, uint8_t *arena, unsigned layout,
    uint8_t *scratch) {
    int32_t a[2];
    (void)layout;
    (void)scratch;
    microt_args(op, a, 2);
    const int8_t *in = microt_data(&op->in[0], arena); // (rows, depth)
    int8_t *out = microt_data(&op->out, arena); // (rows, channels)
    const int32_t rows = op->out.h * op->out.w, channels = op->out.c;
    const int32_t depth = (int32_t)(op->weights_size / (uint32_t)channels);
    for (int32_t r = 0; r < rows; r++) {
        microt_dsp_channels(op, in, depth, 0, channels, a[0], a[1], out);
        in += depth;
        out += channels;
    }
}

#endif
