// SPDX-License-Identifier: MIT
// The line's device: an NS16550 with a receive interrupt, through the interrupt controller (PLIC).

#include "board.h"
#include "riscv.h"

#define REG8(address) (*(volatile uint8_t *)(address))

#define UART_DATA REG8(UART_BASE + 0)
#define UART_IRQ_ENABLE REG8(UART_BASE + 1)
#define UART_LINE_STATUS REG8(UART_BASE + 5)
#define UART_IRQ_RX (1)
#define UART_RX_FULL (1)
#define UART_TX_EMPTY (1 << 5)

#define PLIC_PRIORITY(irq) REG32(PLIC_BASE + 4 * (irq))
#define PLIC_ENABLE REG32(PLIC_BASE + 0x2000) // of the core's machine mode
#define PLIC_CLAIM REG32(PLIC_BASE + 0x200004)

void uart_init(void) {
    PLIC_PRIORITY(UART_IRQ) = 1;
    PLIC_ENABLE = 1u << UART_IRQ;
    CSR_SET(mie, 1u << IRQ_EXTERNAL);
    uart_rx_irq(true);
}

void uart_rx_irq(bool on) {
    UART_IRQ_ENABLE = on ? UART_IRQ_RX : 0;
}

bool uart_rx_ready(void) {
    return UART_LINE_STATUS & UART_RX_FULL;
}

uint8_t uart_rx(void) {
    return UART_DATA;
}

void uart_rx_handler(void) {
    const uint32_t irq = PLIC_CLAIM;
    if (irq == UART_IRQ) {
        stdio_receive();
    }
    PLIC_CLAIM = irq;
}

void uart_tx(uint8_t byte) {
    while (!(UART_LINE_STATUS & UART_TX_EMPTY)) {
    }
    UART_DATA = byte;
}
