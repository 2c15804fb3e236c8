// SPDX-License-Identifier: MIT
// The port's part of module machine; extmod/modmachine.c includes this file.

#include "py/stream.h"
#include "board.h"
#include "emulator.h"

#define MICROPY_PY_MACHINE_EXTRA_GLOBALS \
    { MP_ROM_QSTR(MP_QSTR_Pin), MP_ROM_PTR(&machine_pin_type) }, \
    { MP_ROM_QSTR(MP_QSTR_lightsleep), MP_ROM_PTR(&mps_lightsleep_obj) }, \
    { MP_ROM_QSTR(MP_QSTR_PWRON_RESET), MP_ROM_INT(RESET_POWER_ON) }, \
    { MP_ROM_QSTR(MP_QSTR_HARD_RESET), MP_ROM_INT(RESET_HARD) }, \
    { MP_ROM_QSTR(MP_QSTR_WDT_RESET), MP_ROM_INT(RESET_WATCHDOG) },

static void mp_machine_idle(void) {
    mp_handle_pending(true);
    __asm volatile ("wfi");
}

static void mp_machine_reset(void) {
    board_reset(RESET_HARD);
}

static mp_int_t mp_machine_reset_cause(void) {
    return board_reset_cause();
}

// lightsleep([ms]): the core waits until the time is over or a byte has come in. Memory, pins and clock stay as they are.
static mp_obj_t mps_lightsleep(size_t n_args, const mp_obj_t *args) {
    uint64_t end = n_args ? clock_cycles() + (uint64_t)mp_obj_get_int(args[0]) * (CPU_HZ / 1000) : UINT64_MAX;
    while (clock_cycles() < end && !mp_hal_stdio_poll(MP_STREAM_POLL_RD)) {
        mp_handle_pending(true);
        clock_wait(end);
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(mps_lightsleep_obj, 0, 1, mps_lightsleep);
