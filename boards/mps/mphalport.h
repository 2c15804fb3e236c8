// SPDX-License-Identifier: MIT
// The hardware layer that MicroPython asks of a port: critical sections and waiting. Time is in clock.c
// and ticks.c, input and output in stdio.c.

#include "py/mpconfig.h"
#include "shared/runtime/interrupt_char.h"

// Returns the state for the other one. Sections nest.
static inline mp_uint_t mps_begin_atomic_section(void) {
    mp_uint_t state;
    __asm volatile ("mrs %0, primask\n cpsid i" : "=r" (state) : : "memory");
    return state;
}

static inline void mps_end_atomic_section(mp_uint_t state) {
    __asm volatile ("msr primask, %0" : : "r" (state) : "memory");
}

#define MICROPY_BEGIN_ATOMIC_SECTION() mps_begin_atomic_section()
#define MICROPY_END_ATOMIC_SECTION(state) mps_end_atomic_section(state)

// Waits for an interrupt, received input or the end of the time (ms; negative: none), whichever comes first.
void board_wait_for_event(mp_int_t timeout_ms);
#define MICROPY_INTERNAL_WFE(timeout_ms) board_wait_for_event(timeout_ms)
