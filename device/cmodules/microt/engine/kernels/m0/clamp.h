// SPDX-License-Identifier: MIT
//
// Clamps narrower than int8. The kernels saturate to int8; clamping afterwards gives the same.

#ifndef MICROT_KERNELS_M0_CLAMP_H
#define MICROT_KERNELS_M0_CLAMP_H

#include <stdint.h>

// In place; does nothing when low and high are those of int8.
void microt_m0_clamp(int8_t *out, int32_t n, int32_t low, int32_t high);

#endif // MICROT_KERNELS_M0_CLAMP_H
