// SPDX-License-Identifier: MIT
// The REPL's line: an NS16550 with a receive interrupt, through the interrupt controller (PLIC). QEMU's UART holds one byte
// and asks for the next when that one is read, so a full buffer only has to stop reading: nothing is lost, whatever the
// sender's speed.

#include "py/mphal.h"
#include "py/ringbuf.h"
#include "py/runtime.h"
#include "py/stream.h"
#include "shared/runtime/interrupt_char.h"
#include "board.h"

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

static uint8_t rx_storage[1024];
static ringbuf_t rx = { rx_storage, sizeof(rx_storage) };

void uart_init(void) {
    PLIC_PRIORITY(UART_IRQ) = 1;
    PLIC_ENABLE = 1u << UART_IRQ;
    UART_IRQ_ENABLE = UART_IRQ_RX;
}

static void receive(void) {
    while (UART_LINE_STATUS & UART_RX_FULL) {
        if (ringbuf_free(&rx) == 0) {
            UART_IRQ_ENABLE = 0; // until the reader has made room
            return;
        }
        int c = UART_DATA;
        if (c == mp_interrupt_char) {
            mp_sched_keyboard_interrupt();
        } else {
            ringbuf_put(&rx, c);
        }
    }
}

void uart_rx_handler(void) {
    const uint32_t irq = PLIC_CLAIM;
    if (irq == UART_IRQ) {
        receive();
    }
    PLIC_CLAIM = irq;
}

// Takes up reading again after a full buffer.
static void rx_resume(void) {
    mp_uint_t state = MICROPY_BEGIN_ATOMIC_SECTION();
    UART_IRQ_ENABLE = UART_IRQ_RX;
    receive();
    MICROPY_END_ATOMIC_SECTION(state);
}

int mp_hal_stdin_rx_chr(void) {
    for (;;) {
        int c = ringbuf_get(&rx);
        if (c >= 0) {
            if (ringbuf_avail(&rx) == sizeof(rx_storage) / 2) {
                rx_resume();
            }
            return c;
        }
        rx_resume();
        mp_event_wait_indefinite();
    }
}

void board_wait_for_event(mp_int_t timeout_ms) {
    uint64_t end = timeout_ms < 0 ? UINT64_MAX : clock_cycles() + (uint64_t)timeout_ms * (CPU_HZ / 1000);
    // No byte may arrive between the look at the buffer and the wait.
    mp_uint_t state = MICROPY_BEGIN_ATOMIC_SECTION();
    if (ringbuf_avail(&rx) == 0) {
        clock_wait(end);
    }
    MICROPY_END_ATOMIC_SECTION(state);
}

uintptr_t mp_hal_stdio_poll(uintptr_t flags) {
    uintptr_t ready = flags & MP_STREAM_POLL_WR;
    if ((flags & MP_STREAM_POLL_RD) && ringbuf_avail(&rx)) {
        ready |= MP_STREAM_POLL_RD;
    }
    return ready;
}

mp_uint_t mp_hal_stdout_tx_strn(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        while (!(UART_LINE_STATUS & UART_TX_EMPTY)) {
        }
        UART_DATA = (uint8_t)text[i];
    }
    return length;
}
