// SPDX-License-Identifier: MIT
//
// Which kernel runs an op.

#include "dsp.h"

#ifdef MICROT_HAVE_DSP

bool microt_dsp_run(const microt_op_t *op, uint8_t *arena, unsigned layout, uint8_t *scratch) {
    static microt_dsp_kernel_t *const kernels[MICROT_OPCODES] = {
        [MICROT_CONV_2D] = microt_dsp_conv_2d,
        [MICROT_DEPTHWISE_CONV_2D] = microt_dsp_depthwise_conv_2d,
        [MICROT_FULLY_CONNECTED] = microt_dsp_fully_connected,
        [MICROT_ADD] = microt_dsp_add,
        [MICROT_AVERAGE_POOL_2D] = microt_dsp_average_pool_2d,
        [MICROT_MEAN] = microt_dsp_mean,
    };
    if (kernels[op->code] == NULL) {
        return false;
    }
    kernels[op->code](op, arena, layout, scratch);
    return true;
}

#endif
