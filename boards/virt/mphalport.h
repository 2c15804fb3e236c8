// SPDX-License-Identifier: MIT
// The hardware layer that MicroPython asks of a port: critical sections and waiting.

#include <stddef.h>

#include "py/mpconfig.h"
#include "shared/runtime/interrupt_char.h"
#include "riscv.h"

// Returns the state for the other one. Sections nest.
static inline mp_uint_t virt_begin_atomic_section(void) {
    mp_uint_t state;
    CSR_CLEAR(state, mstatus, MSTATUS_MIE);
    return state;
}

static inline void virt_end_atomic_section(mp_uint_t state) {
    CSR_SET(mstatus, state & MSTATUS_MIE);
}

#define MICROPY_BEGIN_ATOMIC_SECTION() virt_begin_atomic_section()
#define MICROPY_END_ATOMIC_SECTION(state) virt_end_atomic_section(state)

// Waits for an interrupt, received input or the end of the time (ms; negative: none), whichever comes first.
void board_wait_for_event(mp_int_t timeout_ms);
#define MICROPY_INTERNAL_WFE(timeout_ms) board_wait_for_event(timeout_ms)
