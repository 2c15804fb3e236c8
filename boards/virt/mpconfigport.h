// SPDX-License-Identifier: MIT
// What MicroPython is built with on the emulated RISC-V board: what it is on the others.

#define MICROPY_PY_SYS_PLATFORM "virt"

#include "../mps/mpconfigport.h"
