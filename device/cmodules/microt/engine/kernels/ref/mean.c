// SPDX-License-Identifier: MIT
//
// MEAN over h and w, to another scale; the count is folded into the multiplier.

#include "../../kernels.h"
#include "../fixed.h"

void microt_ref_mean(const microt_op_t *op, uint8_t *arena) {
    const microt_tensor_t *in = &op->in[0];
    int32_t a[2]; // multiplier, shift
    microt_args(op, a, 2);
    const int8_t *x = microt_data(in, arena); // (h * w, c)
    int8_t *y = microt_data(&op->out, arena);
    const int32_t count = in->h * in->w;

    for (int32_t c = 0; c < in->c; c++) {
        int32_t sum = -count * in->zero_point;
        for (int32_t i = 0; i < count; i++) {
            sum += x[i * in->c + c];
        }
        sum = microt_wrap_add(microt_requantize(sum, a[0], a[1]), op->out.zero_point);
        y[c] = (int8_t)microt_clamp(sum, -128, 127);
    }
}
