// SPDX-License-Identifier: MIT
//
// FULLY_CONNECTED: four output channels at a time.

#include "shapes.h"

#ifdef MICROT_HAVE_M0

#include "../fixed.h"

// What the loops take; the offsets are dots.S's.
typedef struct _microt_m0_dots_t {
    int32_t pitch; // bytes between the weights of two channels
    int32_t depth;
    int32_t offset; // added to each input
} microt_m0_dots_t;

typedef void dots_t(const int8_t *inputs, const int8_t *weights, const microt_m0_dots_t *d, int32_t *sums);
dots_t microt_m0_dots4, microt_m0_dots2;

void microt_m0_fully_connected(const microt_op_t *op, uint8_t *arena, unsigned layout, uint8_t *scratch) {
    const microt_tensor_t *out = &op->out;
    int32_t a[2]; // low, high
    (void)layout;
    (void)scratch;
    microt_args(op, a, 2);
    const int8_t *x = microt_data(&op->in[0], arena); // (rows, depth)
    int8_t *y = microt_data(out, arena); // (rows, channels)
    const int32_t depth = (int32_t)(op->weights_size / (uint32_t)out->c);
    for (int32_t row = out->h * out->w; row > 0; row--, x += depth) {
        const int8_t *w = op->weights;
        for (int32_t c = 0; c < out->c;) {
            const int32_t left = out->c - c, n = left >= 4 ? 4 : left >= 2 ? 2 : 1;
            // A single channel is done as two equal ones.
            const microt_m0_dots_t d = {n == 1 ? 0 : depth, depth, -op->in[0].zero_point};
            int32_t sums[4];
            (n == 4 ? microt_m0_dots4 : microt_m0_dots2)(x, w, &d, sums);
            for (int32_t i = 0; i < n; i++, c++) {
                const int32_t sum = microt_wrap_add(sums[i], microt_i32(op->bias + 4 * c));
                const int32_t scaled = microt_requantize_once(sum, microt_i32(op->requant + 8 * c),
                    microt_i32(op->requant + 8 * c + 4));
                *y++ = (int8_t)microt_clamp(microt_wrap_add(scaled, out->zero_point), a[0], a[1]);
            }
            w += n * depth;
        }
    }
}

#endif
