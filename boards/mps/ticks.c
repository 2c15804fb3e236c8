// SPDX-License-Identifier: MIT
// Time in MicroPython's units; clock.c counts it.

#include "py/mphal.h"
#include "py/runtime.h"
#include "board.h"

mp_uint_t mp_hal_ticks_us(void) {
    return clock_cycles() / (CPU_HZ / 1000000);
}

mp_uint_t mp_hal_ticks_cpu(void) {
    return clock_cycles();
}

mp_uint_t mp_hal_ticks_ms(void) {
    return clock_cycles() / (CPU_HZ / 1000);
}

// Nanoseconds since reset: the board has no calendar.
uint64_t mp_hal_time_ns(void) {
    return clock_cycles() * 1000 / (CPU_HZ / 1000000);
}

void mp_hal_delay_us(mp_uint_t us) {
    uint64_t end = clock_cycles() + (uint64_t)us * (CPU_HZ / 1000000);
    while (clock_cycles() < end) {
        mp_handle_pending(true);
    }
}
