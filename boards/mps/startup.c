// SPDX-License-Identifier: MIT
// From reset to board_start(): stack, FPU, vectors.

#include "cortex_m.h"

typedef void (*vector_t)(void);

extern uint32_t _estack;

void Reset_Handler(void);

#define EXCEPTIONS (16)
#define IRQS (64)

__attribute__((section(".vectors"), used)) static const vector_t vectors[EXCEPTIONS + IRQS] = {
    [0] = (vector_t)&_estack,
    [1] = Reset_Handler,
    [2 ... 14] = fault_handler,
    [15] = clock_handler,
    [16 ... EXCEPTIONS + IRQS - 1] = fault_handler,
    [EXCEPTIONS + UART_RX_IRQ] = stdio_receive,
    #ifdef UART_RX_IRQ_OLD_QEMU
    [EXCEPTIONS + UART_RX_IRQ_OLD_QEMU] = stdio_receive,
    #endif
    [EXCEPTIONS + TIMER_IRQ] = clock_alarm_handler,
};

void board_reset(uint32_t cause) {
    DEVICE_PAGE->cause = cause;
    __asm volatile ("dsb");
    SCB_AIRCR = 0x05fa0004; // the key and SYSRESETREQ
    for (;;) {
    }
}

__attribute__((noreturn, used)) static void start(void) {
    #if __ARM_ARCH == 6
    // The emulated core is a larger one (board.toml): it traps what an Armv6-M core always does.
    SCB_CCR |= SCB_CCR_UNALIGN_TRP;
    #else
    // Full access to coprocessors 10 and 11, before any code that may use their registers. On Armv8.1-M this is MVE too.
    SCB_CPACR |= 0xf << 20;
    #endif
    __asm volatile ("dsb\n isb");

    SCB_VTOR = (uint32_t)vectors;
    board_start();
}

__attribute__((naked)) void Reset_Handler(void) {
    __asm volatile (
        "ldr r0, =_estack\n"
        "mov sp, r0\n"
        "b start\n"
        );
}
