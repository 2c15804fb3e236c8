// SPDX-License-Identifier: MIT
// Time: the machine's timer (CLINT), 10 MHz. With QEMU's -icount shift=0 it follows the count of executed instructions (one
// is one nanosecond), so equal code takes equal time, run after run. Its one alarm serves sleeping and the watchdog.

#include "py/mphal.h"
#include "py/runtime.h"
#include "board.h"
#include "riscv.h"

#define MTIME_LOW REG32(CLINT_BASE + 0xbff8)
#define MTIME_HIGH REG32(CLINT_BASE + 0xbffc)
#define MTIMECMP_LOW REG32(CLINT_BASE + 0x4000)
#define MTIMECMP_HIGH REG32(CLINT_BASE + 0x4004)

static uint64_t start; // of the time since reset
static uint64_t watchdog = UINT64_MAX; // when the board resets

static uint64_t now(void) {
    uint32_t high, low;
    do {
        high = MTIME_HIGH;
        low = MTIME_LOW;
    } while (high != MTIME_HIGH);
    return (uint64_t)high << 32 | low;
}

uint64_t clock_cycles(void) {
    return now() - start;
}

// In an order in which no alarm strikes too early.
static void set_alarm(uint64_t end) {
    const uint64_t at = end < watchdog ? end : watchdog;
    const uint64_t time = at < UINT64_MAX - start ? at + start : UINT64_MAX;
    MTIMECMP_HIGH = UINT32_MAX;
    MTIMECMP_LOW = (uint32_t)time;
    MTIMECMP_HIGH = (uint32_t)(time >> 32);
}

void clock_init(void) {
    start = now();
    set_alarm(UINT64_MAX);
    CSR_SET(mie, 1u << IRQ_TIMER);
}

void clock_handler(void) {
    if (clock_cycles() >= watchdog) {
        board_reset(RESET_WATCHDOG);
    }
    set_alarm(UINT64_MAX);
}

void clock_watchdog(uint32_t ms) {
    watchdog = clock_cycles() + (uint64_t)ms * (CPU_HZ / 1000);
    set_alarm(UINT64_MAX);
}

void clock_wait(uint64_t end) {
    mp_uint_t state = MICROPY_BEGIN_ATOMIC_SECTION();
    if (clock_cycles() < end && MP_STATE_VM(sched_state) != MP_SCHED_PENDING) {
        set_alarm(end);
        __asm volatile ("wfi"); // wakes although interrupts are off
    }
    MICROPY_END_ATOMIC_SECTION(state);
}

void mp_hal_delay_ms(mp_uint_t ms) {
    const uint64_t end = clock_cycles() + (uint64_t)ms * (CPU_HZ / 1000);
    do {
        mp_handle_pending(true);
        clock_wait(end);
    } while (clock_cycles() < end);
}
