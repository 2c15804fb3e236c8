// SPDX-License-Identifier: MIT
//
// ADD: two tensors of one shape, each with its own scale.

#include "finish.h"

#ifdef MICROT_HAVE_C

void microt_c_add(const microt_op_t *op, uint8_t *arena) {
    const microt_tensor_t *out = &op->out;
    int32_t a[9]; // left shift; multiplier and shift of both inputs and the output; low, high
    microt_args(op, a, 9);
    const int8_t *x1 = microt_data(&op->in[0], arena);
    const int8_t *x2 = microt_data(&op->in[1], arena);
    int8_t *y = microt_data(out, arena); // may be x1 or x2
    const microt_c_range_t range = {out->zero_point, a[7], a[8]};
    const int32_t zero1 = op->in[0].zero_point, zero2 = op->in[1].zero_point;
    const int32_t unit = (int32_t)1 << a[0];

    for (const int8_t *end = y + out->h * out->w * out->c; y < end;) {
        const int32_t sum = microt_c_requantize_any((*x1++ - zero1) * unit, a[1], a[2])
            + microt_c_requantize_any((*x2++ - zero2) * unit, a[3], a[4]);
        *y++ = (int8_t)microt_c_output(microt_c_requantize_any(sum, a[5], a[6]), range);
    }
}

#endif
