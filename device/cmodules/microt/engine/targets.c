// SPDX-License-Identifier: MIT
//
// Which kernels this build has, and what they ask of a file.

#include "targets.h"

#include "kernels/c/c.h"

// A file of a target without kernels here is refused before its ops are looked at.
#if defined(MICROT_HAVE_M0) || defined(MICROT_CHECK_TARGETS)
#define CHECK_M0 (1)
#else
#define CHECK_M0 (0)
#endif
#if defined(MICROT_HAVE_DSP) || defined(MICROT_CHECK_TARGETS)
#define CHECK_DSP (1)
#else
#define CHECK_DSP (0)
#endif
#if defined(MICROT_HAVE_MVE) || defined(MICROT_CHECK_TARGETS)
#define CHECK_MVE (1)
#else
#define CHECK_MVE (0)
#endif

const char *microt_target_name(unsigned target) {
    static const char *const names[MICROT_TARGETS] = {"generic", "m0", "dsp", "mve"};
    return names[target];
}

const char *microt_kernels(unsigned index) {
    static const char *const names[] = {
        #ifdef MICROT_HAVE_MVE
        "mve",
        #endif
        #ifdef MICROT_HAVE_DSP
        "dsp",
        #endif
        #ifdef MICROT_HAVE_M0
        "m0",
        #endif
        #ifdef MICROT_HAVE_C
        "c",
        #endif
        "reference",
    };
    return index < sizeof(names) / sizeof(names[0]) ? names[index] : NULL;
}

bool microt_target_runs(unsigned target) {
    return target == MICROT_GENERIC || (CHECK_DSP && target == MICROT_DSP)
           || (CHECK_MVE && target == MICROT_MVE) || (CHECK_M0 && target == MICROT_M0);
}

bool microt_target_has_layout(unsigned target, unsigned code, unsigned layout) {
    if (layout < MICROT_TARGET_LAYOUTS) {
        return layout == MICROT_TENSORFLOW || (layout == MICROT_IN_PLACE && code == MICROT_DEPTHWISE_CONV_2D);
    }
    if (CHECK_DSP && target == MICROT_DSP) {
        return code == MICROT_CONV_2D ? layout >= MICROT_DSP_NARROW && layout <= MICROT_DSP_FIRST
            : code == MICROT_DEPTHWISE_CONV_2D && layout >= MICROT_DSP_PLANES && layout <= MICROT_DSP_PLANES_IN_PLACE;
    }
    if (CHECK_MVE && target == MICROT_MVE) {
        return code == MICROT_CONV_2D ? layout >= MICROT_MVE_NARROW && layout <= MICROT_MVE_FIRST
            : code == MICROT_DEPTHWISE_CONV_2D && (layout == MICROT_MVE_PLANES || layout == MICROT_MVE_BLOCKS);
    }
    if (CHECK_M0 && target == MICROT_M0) {
        return code == MICROT_CONV_2D ? layout == MICROT_M0_WIDE || layout == MICROT_M0_FIRST
            : code == MICROT_DEPTHWISE_CONV_2D && layout == MICROT_M0_PLANES;
    }
    return false;
}

// The target whose kernel runs the op; layout 1 is the reference kernels' everywhere.
static unsigned target_of(unsigned target, const microt_op_t *op) {
    return op->layout == MICROT_IN_PLACE ? MICROT_GENERIC : target;
}

const char *microt_target_check(unsigned target, const microt_op_t *op) {
    target = target_of(target, op);
    return CHECK_DSP && target == MICROT_DSP ? microt_dsp_check(op, op->layout)
        : CHECK_MVE && target == MICROT_MVE ? microt_mve_check(op, op->layout)
        : CHECK_M0 && target == MICROT_M0 ? microt_m0_check(op, op->layout) : NULL;
}

uint32_t microt_target_scratch(unsigned target, const microt_op_t *op) {
    target = target_of(target, op);
    return CHECK_DSP && target == MICROT_DSP ? microt_dsp_scratch(op, op->layout)
        : CHECK_MVE && target == MICROT_MVE ? microt_mve_scratch(op, op->layout)
        : CHECK_M0 && target == MICROT_M0 ? microt_m0_scratch(op, op->layout) : 0;
}

bool microt_target_in_place(unsigned target, const microt_op_t *op) {
    return op->layout == MICROT_IN_PLACE
           || (CHECK_DSP && target == MICROT_DSP && op->layout == MICROT_DSP_PLANES_IN_PLACE)
           || (CHECK_MVE && target == MICROT_MVE && microt_mve_in_place(op, op->layout))
           || (CHECK_M0 && target == MICROT_M0 && microt_m0_in_place(op, op->layout));
}
