// SPDX-License-Identifier: MIT
//
// ADD: two tensors of one shape, each with its own scale.

#include "../../kernels.h"
#include "../fixed.h"

void microt_ref_add(const microt_op_t *op, uint8_t *arena) {
    const microt_tensor_t *out = &op->out;
    int32_t a[9];
    microt_args(op, a, 9);
    const int8_t *x1 = microt_data(&op->in[0], arena);
    const int8_t *x2 = microt_data(&op->in[1], arena);
    int8_t *y = microt_data(out, arena); // may be x1 or x2
    const int32_t zero1 = op->in[0].zero_point, zero2 = op->in[1].zero_point;
    const int32_t unit = (int32_t)1 << a[0];
    const int32_t n = out->h * out->w * out->c;

    for (int32_t i = 0; i < n; i++) {
        int32_t sum = microt_requantize((x1[i] - zero1) * unit, a[1], a[2])
            + microt_requantize((x2[i] - zero2) * unit, a[3], a[4]);
        sum = microt_requantize(sum, a[5], a[6]) + out->zero_point;
        y[i] = (int8_t)microt_clamp(sum, a[7], a[8]);
    }
}
