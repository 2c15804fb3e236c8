// SPDX-License-Identifier: MIT
//
// Which kernel runs an op.

#include "mve.h"

#ifdef MICROT_HAVE_MVE

bool microt_mve_run(const microt_op_t *op, uint8_t *arena, unsigned layout, uint8_t *scratch) {
    static microt_mve_kernel_t *const kernels[MICROT_OPCODES] = {
        [MICROT_CONV_2D] = microt_mve_conv_2d,
        [MICROT_DEPTHWISE_CONV_2D] = microt_mve_depthwise_conv_2d,
        [MICROT_FULLY_CONNECTED] = microt_mve_fully_connected,
        [MICROT_ADD] = microt_mve_add,
        [MICROT_AVERAGE_POOL_2D] = microt_mve_average_pool_2d,
        [MICROT_MEAN] = microt_mve_mean,
    };
    if (kernels[op->code] == NULL) {
        return false;
    }
    kernels[op->code](op, arena, layout, scratch);
    return true;
}

#endif
