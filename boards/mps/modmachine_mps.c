// SPDX-License-Identifier: MIT
// The port's part of module machine; extmod/modmachine.c includes this file.

#include "board.h"
#include "emulator.h"

#define MICROPY_PY_MACHINE_EXTRA_GLOBALS \
    { MP_ROM_QSTR(MP_QSTR_Pin), MP_ROM_PTR(&machine_pin_type) },

static void mp_machine_idle(void) {
    mp_handle_pending(true);
    __asm volatile ("wfi");
}

static void mp_machine_reset(void) {
    board_reset();
}

// QEMU keeps no cause of a reset.
static mp_int_t mp_machine_reset_cause(void) {
    return 0;
}
