// SPDX-License-Identifier: MIT
// The port's part of machine.WDT; extmod/machine_wdt.c includes this file. The watchdog counts in the clock's interrupt,
// so it bites whatever Python does, a loop without an end included; as elsewhere nothing stops it but a reset.

#include "board.h"

typedef struct _machine_wdt_obj_t {
    mp_obj_base_t base;
    mp_int_t timeout_ms;
} machine_wdt_obj_t;

static machine_wdt_obj_t wdt = { { &machine_wdt_type }, 0 };

static machine_wdt_obj_t *mp_machine_wdt_make_new_instance(mp_int_t id, mp_int_t timeout_ms) {
    if (id != 0) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("id: expected 0, got %d"), (int)id);
    }
    if (timeout_ms < 1) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("timeout: expected 1 ms or more, got %d"), (int)timeout_ms);
    }
    wdt.timeout_ms = timeout_ms;
    clock_watchdog(timeout_ms);
    return &wdt;
}

static void mp_machine_wdt_feed(machine_wdt_obj_t *self) {
    clock_watchdog(self->timeout_ms);
}
