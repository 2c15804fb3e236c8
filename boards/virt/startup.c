// SPDX-License-Identifier: MIT
// From reset to main(): stack, sections, traps, devices.

#include <string.h>

#include "board.h"
#include "riscv.h"

extern uint32_t _sidata, _sdata, _edata, _sbss, _ebss;

int main(void);
void trap(void);

void board_reset(uint32_t cause) {
    DEVICE_PAGE->cause = cause;
    FINISHER = FINISHER_RESET;
    for (;;) {
    }
}

static uint32_t reset_cause;

uint32_t board_reset_cause(void) {
    return reset_cause;
}

__attribute__((noreturn, used)) static void start(void) {
    memcpy(&_sdata, &_sidata, (uint8_t *)&_edata - (uint8_t *)&_sdata);
    memset(&_sbss, 0, (uint8_t *)&_ebss - (uint8_t *)&_sbss);
    CSR_WRITE(mtvec, trap);

    reset_cause = DEVICE_PAGE->cause != 0 ? DEVICE_PAGE->cause : RESET_POWER_ON;
    DEVICE_PAGE->cause = 0;
    DEVICE_PAGE->outputs = 0;
    DEVICE_PAGE->changes = 0;
    DEVICE_PAGE->magic = DEVICE_PAGE_MAGIC;

    clock_init();
    uart_init();
    CSR_SET(mie, 1u << IRQ_TIMER | 1u << IRQ_EXTERNAL);
    CSR_SET(mstatus, MSTATUS_MIE);
    main();
    fault_halt();
}

// The machine starts at the first byte of its RAM.
__attribute__((naked, section(".vectors"))) void Reset_Handler(void) {
    __asm volatile (
        "la sp, _estack\n"
        "j start\n"
        );
}
