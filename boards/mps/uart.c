// SPDX-License-Identifier: MIT
// The line's device: UART 0 (CMSDK) with a receive interrupt.

#include "cortex_m.h"

#define UART_DATA REG32(UART_BASE + 0x0)
#define UART_STATE REG32(UART_BASE + 0x4)
#define UART_CTRL REG32(UART_BASE + 0x8)
#define UART_INT REG32(UART_BASE + 0xc)
#define UART_BAUD REG32(UART_BASE + 0x10)
#define UART_STATE_TX_FULL (1)
#define UART_STATE_RX_FULL (2)
#define UART_CTRL_TX_RX_AND_RX_IRQ (1 | 2 | 8)
#define UART_INT_RX (2)
#define UART_BAUD_FASTEST (16)

void uart_init(void) {
    UART_BAUD = UART_BAUD_FASTEST;
    UART_CTRL = UART_CTRL_TX_RX_AND_RX_IRQ;
    uart_rx_irq(true);
}

void uart_rx_irq(bool on) {
    irq_set(UART_RX_IRQ, on);
    #ifdef UART_RX_IRQ_OLD_QEMU
    irq_set(UART_RX_IRQ_OLD_QEMU, on);
    #endif
}

bool uart_rx_ready(void) {
    return UART_STATE & UART_STATE_RX_FULL;
}

uint8_t uart_rx(void) {
    UART_INT = UART_INT_RX;
    return (uint8_t)UART_DATA;
}

void uart_tx(uint8_t byte) {
    while (UART_STATE & UART_STATE_TX_FULL) {
    }
    UART_DATA = byte;
}
