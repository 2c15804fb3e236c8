// SPDX-License-Identifier: MIT
//
// Sums over all inputs of an output pixel, weights in TensorFlow Lite's order: FULLY_CONNECTED,
// and CONV_2D where no layout fits.

#ifndef MICROT_KERNELS_DSP_CHANNELS_H
#define MICROT_KERNELS_DSP_CHANNELS_H

#include "../../kernels.h"

// in - zero_point as int16 pairs in the order of SXTB16, i16[depth rounded up to 4], zeros at the end.
void microt_dsp_expand_row(int32_t *out, const int8_t *in, int32_t depth, int32_t zero_point);

// Output channels [first, first + count) of a pixel from its expanded row: out i8[] of the pixel.
// FULLY_CONNECTED is rounded once, CONV_2D twice (mtb.c).
void microt_dsp_channels(const microt_op_t *op, const int32_t *row, int32_t depth, int32_t first,
    int32_t count, int32_t low, int32_t high, int8_t *out);

#endif // MICROT_KERNELS_DSP_CHANNELS_H
