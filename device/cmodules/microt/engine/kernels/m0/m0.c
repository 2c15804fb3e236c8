// SPDX-License-Identifier: MIT
//
// Which kernel runs an op.

#include "m0.h"

#ifdef MICROT_HAVE_M0

bool microt_m0_run(const microt_op_t *op, uint8_t *arena, unsigned layout, uint8_t *scratch) {
    static microt_m0_kernel_t *const kernels[MICROT_OPCODES] = {
        [MICROT_CONV_2D] = microt_m0_conv_2d,
        [MICROT_DEPTHWISE_CONV_2D] = microt_m0_depthwise_conv_2d,
        [MICROT_FULLY_CONNECTED] = microt_m0_fully_connected,
        [MICROT_ADD] = microt_m0_add,
        [MICROT_AVERAGE_POOL_2D] = microt_m0_average_pool_2d,
        [MICROT_MEAN] = microt_m0_mean,
    };
    if (kernels[op->code] == NULL || (layout == MICROT_TENSORFLOW && op->code <= MICROT_DEPTHWISE_CONV_2D)) {
        return false;
    }
    kernels[op->code](op, arena, layout, scratch);
    return true;
}

#endif
