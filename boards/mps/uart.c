// SPDX-License-Identifier: MIT
// The REPL's line: UART 0 (CMSDK) with a receive interrupt. QEMU's UART holds one byte and asks for the next when that
// one is read, so a full buffer only has to stop reading: nothing is lost, whatever the sender's speed.

#include "py/mphal.h"
#include "py/ringbuf.h"
#include "py/runtime.h"
#include "py/stream.h"
#include "shared/runtime/interrupt_char.h"
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

static uint8_t rx_storage[1024];
static ringbuf_t rx = { rx_storage, sizeof(rx_storage) };

static void rx_irq_enable(void) {
    board_irq_enable(UART_RX_IRQ);
    #ifdef UART_RX_IRQ_OLD_QEMU
    board_irq_enable(UART_RX_IRQ_OLD_QEMU);
    #endif
}

static void rx_irq_disable(void) {
    board_irq_disable(UART_RX_IRQ);
    #ifdef UART_RX_IRQ_OLD_QEMU
    board_irq_disable(UART_RX_IRQ_OLD_QEMU);
    #endif
}

void uart_init(void) {
    UART_BAUD = UART_BAUD_FASTEST;
    UART_CTRL = UART_CTRL_TX_RX_AND_RX_IRQ;
    rx_irq_enable();
}

void uart_rx_handler(void) {
    UART_INT = UART_INT_RX;
    while (UART_STATE & UART_STATE_RX_FULL) {
        if (ringbuf_free(&rx) == 0) {
            rx_irq_disable(); // until the reader has made room
            return;
        }
        int c = UART_DATA & 0xff;
        if (c == mp_interrupt_char) {
            mp_sched_keyboard_interrupt();
        } else {
            ringbuf_put(&rx, c);
        }
    }
}

// Takes up reading again after a full buffer.
static void rx_resume(void) {
    mp_uint_t state = MICROPY_BEGIN_ATOMIC_SECTION();
    rx_irq_enable();
    uart_rx_handler();
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
        while (UART_STATE & UART_STATE_TX_FULL) {
        }
        UART_DATA = (uint8_t)text[i];
    }
    return length;
}
