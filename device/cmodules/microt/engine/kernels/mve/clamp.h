// SPDX-License-Identifier: MIT

#ifndef MICROT_KERNELS_MVE_CLAMP_H
#define MICROT_KERNELS_MVE_CLAMP_H

#include <stdint.h>

// Clamps n values of out to [low, high]; nothing to do when that is all of int8.
void microt_mve_clamp(int8_t *out, int32_t n, int32_t low, int32_t high);

#endif // MICROT_KERNELS_MVE_CLAMP_H
