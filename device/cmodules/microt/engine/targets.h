// SPDX-License-Identifier: MIT
//
// Targets: a file's weights are laid out for one of them; a build has the kernels of some.

#ifndef MICROT_TARGETS_H
#define MICROT_TARGETS_H

#include "kernels.h"
#include "kernels/dsp/dsp.h"
#include "kernels/m0/m0.h"
#include "kernels/mve/mve.h"

// Targets whose files this build runs, in words.
#if defined(MICROT_HAVE_MVE)
#define MICROT_TARGETS_HERE "generic or mve"
#elif defined(MICROT_HAVE_DSP)
#define MICROT_TARGETS_HERE "generic or dsp"
#elif defined(MICROT_HAVE_M0)
#define MICROT_TARGETS_HERE "generic or m0"
#else
#define MICROT_TARGETS_HERE "generic"
#endif

// The file's numbers.
enum {
    MICROT_GENERIC = 0,
    MICROT_M0 = 1,
    MICROT_DSP = 2,
    MICROT_MVE = 3,
    MICROT_TARGETS // one past the last
};

// "generic", "m0", "dsp" or "mve"
const char *microt_target_name(unsigned target);

// True if this build runs files of a target. With MICROT_CHECK_TARGETS it opens all whose
// layouts it can check and must not run them: for tests of the decoder.
bool microt_target_runs(unsigned target);

// True if weights of an operator may lie in this layout in a file of this target.
bool microt_target_has_layout(unsigned target, unsigned code, unsigned layout);

// NULL if the target's kernel can run the op in its layout, else what is wrong. The op has passed
// all checks but those of its weights, bias and requant.
const char *microt_target_check(unsigned target, const microt_op_t *op);

// Bytes of scratch that the target's kernel needs for an op.
uint32_t microt_target_scratch(unsigned target, const microt_op_t *op);

// True if the target's kernel, for an op that microt_target_check lets pass, may have its output's offset
// equal to its input's though it reads inputs again that it has passed.
bool microt_target_in_place(unsigned target, const microt_op_t *op);

#endif // MICROT_TARGETS_H
