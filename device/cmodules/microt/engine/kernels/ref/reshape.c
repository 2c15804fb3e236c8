// SPDX-License-Identifier: MIT
//
// RESHAPE: the same values under another shape; nothing to do when planned in place.

#include "../../kernels.h"

void microt_ref_reshape(const microt_op_t *op, uint8_t *arena) {
    const microt_tensor_t *out = &op->out;
    if (op->in[0].offset != out->offset) {
        memcpy(microt_data(out, arena), microt_data(&op->in[0], arena),
            (size_t)out->h * (size_t)out->w * (size_t)out->c);
    }
}
