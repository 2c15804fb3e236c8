// SPDX-License-Identifier: MIT
//
// All inputs of an output pixel times the weights of its channels, in TensorFlow Lite's order: FULLY_CONNECTED, and
// CONV_2D where no layout fits.

#ifndef MICROT_KERNELS_MVE_CHANNELS_H
#define MICROT_KERNELS_MVE_CHANNELS_H

#include "../../kernels.h"

// Output channels [first, first + count) of a pixel from its inputs i8[depth] to out i8[count], requantised as op's
// operator does and saturated to int8.
void microt_mve_channels(const microt_op_t *op, const int8_t *inputs, int32_t depth, int32_t first, int32_t count,
    int8_t *out);

#endif // MICROT_KERNELS_MVE_CHANNELS_H
