// SPDX-License-Identifier: MIT
//
// CONCATENATION along the channels.

#include "../../kernels.h"

void microt_ref_concatenation(const microt_op_t *op, uint8_t *arena) {
    const microt_tensor_t *out = &op->out;
    const int32_t pixels = out->h * out->w;
    int8_t *y = microt_data(out, arena);

    for (unsigned i = 0; i < op->inputs; i++) {
        const int8_t *x = microt_data(&op->in[i], arena);
        const int32_t channels = op->in[i].c;
        for (int32_t pixel = 0; pixel < pixels; pixel++) {
            memcpy(y + pixel * out->c, x, (size_t)channels);
            x += channels;
        }
        y += channels;
    }
}
