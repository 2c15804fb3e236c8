// SPDX-License-Identifier: MIT
// Time. SysTick counts the clock of the core; its 24 bits wrap about 1.5 times a second and the handler counts the
// wraps, so code that is measured is hardly ever interrupted. With QEMU's -icount shift=0 the clock follows the count
// of executed instructions (one is one nanosecond), so equal code takes equal time, run after run.
// Sleeping lets the core wait for an alarm of timer 0, which costs the host nothing.

#include "py/mphal.h"
#include "py/runtime.h"
#include "cortex_m.h"

#define WRAP (1u << 24)
#define SYST_ENABLE_WITH_IRQ_AND_CORE_CLOCK (7)
#define ICSR_SYSTICK_PENDING (1u << 26)

// CMSDK APB timer: counts down from VALUE, then from RELOAD.
#define TIMER_CTRL REG32(TIMER_BASE + 0x0)
#define TIMER_VALUE REG32(TIMER_BASE + 0x4)
#define TIMER_RELOAD REG32(TIMER_BASE + 0x8)
#define TIMER_INT REG32(TIMER_BASE + 0xc)
#define TIMER_RUN_WITH_IRQ (9)
#define ALARM_MAX_MS (1000)

static volatile uint32_t wraps;
static volatile uint32_t watchdog_wraps; // count at which the board resets; 0: no watchdog

void clock_init(void) {
    SYST_RVR = WRAP - 1;
    SYST_CVR = 0;
    SYST_CSR = SYST_ENABLE_WITH_IRQ_AND_CORE_CLOCK;
    irq_set(TIMER_IRQ, true);
}

void clock_handler(void) {
    wraps++;
    if (watchdog_wraps != 0 && (int32_t)(wraps - watchdog_wraps) >= 0) {
        board_reset(RESET_WATCHDOG);
    }
}

// Time is counted in wraps, so the reset comes up to one of them late, and never sooner.
void clock_watchdog(uint32_t ms) {
    uint32_t end = (clock_cycles() + (uint64_t)ms * (CPU_HZ / 1000)) / WRAP + 1;
    watchdog_wraps = end != 0 ? end : 1;
}

void clock_alarm_handler(void) {
    TIMER_CTRL = 0;
    TIMER_INT = 1;
}

uint64_t clock_cycles(void) {
    uint32_t high, low;
    do {
        high = wraps;
        low = SYST_CVR;
    } while (high != wraps);
    // With interrupts off a wrap may not have been counted yet.
    if ((SCB_ICSR & ICSR_SYSTICK_PENDING) && low > WRAP / 2) {
        high++;
    }
    return (uint64_t)high * WRAP + (WRAP - 1 - low);
}

void clock_wait(uint64_t end) {
    mp_uint_t state = MICROPY_BEGIN_ATOMIC_SECTION();
    uint64_t now = clock_cycles();
    if (now < end && MP_STATE_VM(sched_state) != MP_SCHED_PENDING) {
        uint64_t ms = (end - now) / (CPU_HZ / 1000);
        if (ms > ALARM_MAX_MS) {
            ms = ALARM_MAX_MS;
        }
        uint32_t ticks = (ms + 1) * TIMER_HZ / 1000 + 1;
        TIMER_RELOAD = ticks;
        TIMER_VALUE = ticks;
        TIMER_CTRL = TIMER_RUN_WITH_IRQ;
        __asm volatile ("wfi"); // wakes although interrupts are off
    }
    MICROPY_END_ATOMIC_SECTION(state);
}

void mp_hal_delay_ms(mp_uint_t ms) {
    // The alarm comes up to two milliseconds late: the last two are waited out awake, to end on time.
    const uint64_t awake = 2 * (CPU_HZ / 1000);
    uint64_t end = clock_cycles() + (uint64_t)ms * (CPU_HZ / 1000);
    do {
        mp_handle_pending(true);
        if (clock_cycles() + awake < end) {
            clock_wait(end - awake);
        }
    } while (clock_cycles() < end);
}
