// SPDX-License-Identifier: MIT
// From reset to board_start(): stack, traps.

#include "board.h"
#include "riscv.h"

void trap(void);

void board_reset(uint32_t cause) {
    DEVICE_PAGE->cause = cause;
    FINISHER = FINISHER_RESET;
    for (;;) {
    }
}

__attribute__((noreturn, used)) static void start(void) {
    CSR_WRITE(mtvec, trap);
    CSR_WRITE(mie, 0); // until a device sets its bit
    CSR_SET(mstatus, MSTATUS_MIE);
    board_start();
}

// The machine starts at the first byte of its RAM.
__attribute__((naked, section(".vectors"))) void Reset_Handler(void) {
    __asm volatile (
        "la sp, _estack\n"
        "j start\n"
        );
}
