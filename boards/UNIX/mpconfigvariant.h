// SPDX-License-Identifier: MIT
// MicroPython's unix port as microt's tests want it: upstream's standard variant with the boards' float.

#define MICROPY_CONFIG_ROM_LEVEL (MICROPY_CONFIG_ROM_LEVEL_EXTRA_FEATURES)

// The same arithmetic as on the boards. Mind that time.time() has a resolution of two minutes then: use ticks.
#define MICROPY_FLOAT_IMPL (MICROPY_FLOAT_IMPL_FLOAT)

#include "variants/mpconfigvariant_common.h"
