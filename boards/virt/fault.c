// SPDX-License-Identifier: MIT
// Interrupts, and what is left to do when the core faults: say where, and stop.

#include "board.h"
#include "riscv.h"

void fault_halt(void) {
    uint32_t state;
    CSR_CLEAR(state, mstatus, MSTATUS_MIE);
    (void)state;
    for (;;) {
        __asm volatile ("wfi");
    }
}

// The one entry of all interrupts and exceptions; the compiler saves what it uses. Counting leaves out this section.
__attribute__((interrupt("machine"), aligned(4), section(".text.trap"))) void trap(void) {
    uint32_t cause, pc, value;
    CSR_READ(cause, mcause);
    if (cause == (1u << 31 | IRQ_TIMER)) {
        clock_handler();
    } else if (cause == (1u << 31 | IRQ_EXTERNAL)) {
        uart_rx_handler();
    } else {
        CSR_READ(pc, mepc);
        CSR_READ(value, mtval);
        report_register("\r\nFAULT exception", cause);
        report_register(" pc", pc);
        report_register(" mtval", value);
        report_text("\r\n");
        fault_halt();
    }
}
