// SPDX-License-Identifier: MIT
//
// Which kernel runs an op.

#include "c.h"

#ifdef MICROT_HAVE_C

bool microt_c_run(const microt_op_t *op, uint8_t *arena) {
    static microt_c_fits_t *const fits[MICROT_OPCODES] = {
        [MICROT_CONV_2D] = microt_c_fits_conv_2d,
        [MICROT_DEPTHWISE_CONV_2D] = microt_c_fits_depthwise_conv_2d,
        [MICROT_FULLY_CONNECTED] = microt_c_fits_fully_connected,
    };
    static microt_kernel_t *const kernels[MICROT_OPCODES] = {
        [MICROT_CONV_2D] = microt_c_conv_2d,
        [MICROT_DEPTHWISE_CONV_2D] = microt_c_depthwise_conv_2d,
        [MICROT_FULLY_CONNECTED] = microt_c_fully_connected,
        [MICROT_ADD] = microt_c_add,
    };
    if (kernels[op->code] == NULL || (fits[op->code] != NULL && !fits[op->code](op))) {
        return false;
    }
    kernels[op->code](op, arena);
    return true;
}

#endif
