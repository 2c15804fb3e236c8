// SPDX-License-Identifier: MIT
//
// Tuned plain C for cores with some thirty registers and a multiplication of 32 by 32 bits (RISC-V, Xtensa, the host), bit
// for bit equal to the reference kernels. They take the weights in TensorFlow Lite's order, so every generic file runs on
// them as it is, and what working memory they need, up to 1.8 KB, is on the stack.
//
// Their rules: a load serves several multiplications (four output channels by three pixels, or three outputs of a row);
// inputs lose their zero point, or the bias takes it over, before the loop; a window's padding is written down as values,
// so that no loop asks where it is; the constants of a channel are loaded once for several outputs.
//
// There is no layout of their own. Two products in one multiplication, as kernels/m0/pointwise.S has them, take as many
// instructions here as two multiplications: without a carry, putting right the lower product's borrow costs one more. Loads
// of weights, all that another order could spare, are one in eight instructions of the widest loop.
//
// What they leave to the reference kernels: groups, channel multipliers, depthwise windows that are dilated or not 3x3, 5x5
// or 7x7 of stride 1 or 2, fewer than four output channels, fewer than three pixels, constants that are not at a multiple
// of 4 in memory, and all operators that are not in c.c.

#ifndef MICROT_KERNELS_C_H
#define MICROT_KERNELS_C_H

#include "../../kernels.h"

// Where there are kernels for the instruction set, or MICROT_REFERENCE asks for none, these are not built.
#if !defined(MICROT_REFERENCE) && !(defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M')
#define MICROT_HAVE_C (1)
#endif

// Runs an op of layout 0 or 1. False when there is no kernel for it here: then the reference kernel is to run.
bool microt_c_run(const microt_op_t *op, uint8_t *arena);

// Whether the kernel of the operator can run the op.
typedef bool microt_c_fits_t(const microt_op_t *op);

microt_c_fits_t microt_c_fits_conv_2d;
microt_c_fits_t microt_c_fits_depthwise_conv_2d; // layouts 0 and 1
microt_c_fits_t microt_c_fits_fully_connected;

microt_kernel_t microt_c_conv_2d;
microt_kernel_t microt_c_depthwise_conv_2d;
microt_kernel_t microt_c_fully_connected;
microt_kernel_t microt_c_add;

#endif // MICROT_KERNELS_C_H
