// SPDX-License-Identifier: MIT
//
// FULLY_CONNECTED: two output channels at a time, 8 MACs in 11 instructions.

#include "shapes.h"

#ifdef MICROT_HAVE_DSP

#include "channels.h"
#include "instructions.h"
#include "../ref/finish.h"

static uint32_t some_bytes(const int8_t *p, int32_t n) { // n < 4
    uint32_t x = 0;
    memcpy(&x, p, (size_t)n);
    return x;
}

void microt_dsp_expand_row(int32_t *out, const int8_t *in, int32_t depth, int32_t zero_point) {
    const int32_t zeros = (int32_t)((uint32_t)(uint16_t)zero_point * 0x10001u);
    for (; depth >= 4; depth -= 4) {
        const uint32_t x = microt_u32((const uint8_t *)in);
        *out++ = ssub16(sxtb16(x), zeros);
        *out++ = ssub16(sxtb16_high(x), zeros);
        in += 4;
    }
    if (depth > 0) {
        uint32_t x = (uint32_t)(uint8_t)zero_point * 0x01010101u;
        memcpy(&x, in, (size_t)depth);
        *out++ = ssub16(sxtb16(x), zeros);
        *out++ = ssub16(sxtb16_high(x), zeros);
    }
}

static int8_t finish(const microt_op_t *op, int32_t channel, int32_t sum, int32_t low, int32_t high) {
    if (op->code != MICROT_FULLY_CONNECTED) {
        return microt_finish(op, channel, sum, low, high);
    }
    const uint8_t *requant = op->requant + 8 * channel;
    int32_t y = microt_wrap_add(sum, microt_i32(op->bias + 4 * channel));
    y = microt_requantize_once(y, microt_i32(requant), microt_i32(requant + 4));
    return (int8_t)microt_clamp(y + op->out.zero_point, low, high);
}

void microt_dsp_channels(const microt_op_t *op, const int32_t *row, int32_t depth, int32_t first,
    int32_t count, int32_t low, int32_t high, int8_t *out) {
    const int8_t *w = op->weights + first * depth;
    for (int32_t c = first; c < first + count; c += 2) {
        const bool two = c + 1 < first + count;
        const int32_t *x = row, *end = row + depth / 4 * 2;
        const int8_t *w2 = two ? w + depth : w;
        int32_t a = 0, b = 0;
        while (x < end) {
            const uint32_t wa = microt_u32((const uint8_t *)w);
            const uint32_t wb = microt_u32((const uint8_t *)w2);
            const int32_t even = *x++, odd = *x++;
            w += 4;
            w2 += 4;
            a = smlad(even, sxtb16(wa), a);
            a = smlad(odd, sxtb16_high(wa), a);
            b = smlad(even, sxtb16(wb), b);
            b = smlad(odd, sxtb16_high(wb), b);
        }
        if (depth & 3) {
            const uint32_t wa = some_bytes(w, depth & 3), wb = some_bytes(w2, depth & 3);
            a = smlad(x[0], sxtb16(wa), a);
            a = smlad(x[1], sxtb16_high(wa), a);
            b = smlad(x[0], sxtb16(wb), b);
            b = smlad(x[1], sxtb16_high(wb), b);
            w2 += depth & 3;
        }
        w = w2;
        out[c] = finish(op, c, a, low, high);
        if (two) {
            out[c + 1] = finish(op, c + 1, b, low, high);
        }
    }
}

void microt_dsp_fully_connected(const microt_op_t *op, uint8_t *arena, unsigned layout,
    uint8_t *scratch) {
    int32_t a[2];
    (void)layout;
    microt_args(op, a, 2);
    const int8_t *in = microt_data(&op->in[0], arena); // (rows, depth)
    int8_t *out = microt_data(&op->out, arena); // (rows, channels)
    const int32_t rows = op->out.h * op->out.w, channels = op->out.c;
    const int32_t depth = (int32_t)(op->weights_size / (uint32_t)channels);
    for (int32_t r = 0; r < rows; r++) {
        microt_dsp_expand_row((int32_t *)scratch, in + r * depth, depth, op->in[0].zero_point);
        microt_dsp_channels(op, (int32_t *)scratch, depth, 0, channels, a[0], a[1],
            out + r * channels);
    }
}

#endif
