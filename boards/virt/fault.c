// SPDX-License-Identifier: MIT
// Interrupts, and what is left to do when the core faults: say where, and stop. The host reads the line that begins with FAULT.

#include <string.h>

#include "py/mphal.h"
#include "board.h"
#include "riscv.h"

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
        print_register("\r\nFAULT exception", cause);
        print_register(" pc", pc);
        print_register(" mtval", value);
        print("\r\n");
        fault_halt();
    }
}

void nlr_jump_fail(void *value) {
    (void)value;
    print("\r\nFAULT exception raised outside of any handler\r\n");
    fault_halt();
}
