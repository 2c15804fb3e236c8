// SPDX-License-Identifier: MIT
//
// CONCATENATION along the channels, the columns or the rows.

#include "../../kernels.h"

void microt_ref_concatenation(const microt_op_t *op, uint8_t *arena) {
    const microt_tensor_t *out = &op->out;
    // each input brings one run of values for each pixel, for each row, or for all
    const int32_t runs = op->in[0].c != out->c ? out->h * out->w : op->in[0].w != out->w ? out->h : 1;
    const int32_t step = out->h * out->w * out->c / runs;
    int8_t *y = microt_data(out, arena);

    for (unsigned i = 0; i < op->inputs; i++) {
        const microt_tensor_t *in = &op->in[i];
        const int8_t *x = microt_data(in, arena);
        const int32_t run = in->h * in->w * in->c / runs;
        for (int32_t at = 0; at < runs; at++) {
            memcpy(y + at * step, x, (size_t)run);
            x += run;
        }
        y += run;
    }
}
