// SPDX-License-Identifier: MIT
// What is left to do when the core faults: say where, and stop. The host reads the line that begins with FAULT.

#include <string.h>

#include "py/mphal.h"
#include "cortex_m.h"

static void print(const char *text) {
    mp_hal_stdout_tx_strn(text, strlen(text));
}

static void print_register(const char *name, uint32_t value) {
    char hex[] = " 00000000";
    for (int i = 8; i > 0; i--, value >>= 4) {
        hex[i] = "0123456789abcdef"[value & 15];
    }
    print(name);
    print(hex);
}

void fault_halt(void) {
    __asm volatile ("cpsid i");
    for (;;) {
        __asm volatile ("wfi");
    }
}

// frame: r0-r3, r12, lr, pc, xpsr as the core stacked them
__attribute__((used)) static void report(const uint32_t *frame, uint32_t exception) {
    static const char *const names[] = { " r0", " r1", " r2", " r3", " r12", " lr", " pc", " xpsr" };
    print_register("\r\nFAULT exception", exception);
    for (int i = 0; i < 8; i++) {
        print_register(names[i], frame[i]);
    }
    print_register(" sp", (uint32_t)(frame + 8));
    print_register(" cfsr", SCB_CFSR);
    print_register(" hfsr", SCB_HFSR);
    print_register(" mmfar", SCB_MMFAR);
    print_register(" bfar", SCB_BFAR);
    print("\r\n");
    fault_halt();
}

__attribute__((naked)) void fault_handler(void) {
    __asm volatile (
        "mov r0, sp\n" // the port uses the main stack only
        "mrs r1, ipsr\n"
        "b report\n"
        );
}

void nlr_jump_fail(void *value) {
    (void)value;
    print("\r\nFAULT exception raised outside of any handler\r\n");
    fault_halt();
}

#ifndef NDEBUG
void __assert_func(const char *file, int line, const char *function, const char *expression) {
    (void)line;
    print("\r\nFAULT assertion failed: ");
    print(expression);
    print(" in ");
    print(function);
    print(", ");
    print(file);
    print("\r\n");
    fault_halt();
}
#endif
