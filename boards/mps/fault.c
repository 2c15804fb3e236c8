// SPDX-License-Identifier: MIT
// What is left to do when the core faults: say where, and stop.

#include "cortex_m.h"

void fault_halt(void) {
    __asm volatile ("cpsid i");
    for (;;) {
        __asm volatile ("wfi");
    }
}

// frame: r0-r3, r12, lr, pc, xpsr as the core stacked them
__attribute__((used)) static void report(const uint32_t *frame, uint32_t exception) {
    static const char *const names[] = { " r0", " r1", " r2", " r3", " r12", " lr", " pc", " xpsr" };
    report_register("\r\nFAULT exception", exception);
    for (int i = 0; i < 8; i++) {
        report_register(names[i], frame[i]);
    }
    report_register(" sp", (uint32_t)(frame + 8));
    report_register(" cfsr", SCB_CFSR);
    report_register(" hfsr", SCB_HFSR);
    report_register(" mmfar", SCB_MMFAR);
    report_register(" bfar", SCB_BFAR);
    report_text("\r\n");
    fault_halt();
}

__attribute__((naked)) void fault_handler(void) {
    __asm volatile (
        "mov r0, sp\n" // the port uses the main stack only
        "mrs r1, ipsr\n"
        "b report\n"
        );
}
