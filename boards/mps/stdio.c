// SPDX-License-Identifier: MIT
// The REPL's line as MicroPython reads and writes it; uart.c has the device. QEMU's UARTs hold one byte and ask for the
// next when that one is read, so a full buffer only has to stop reading: nothing is lost, whatever the sender's speed.

#include "py/mphal.h"
#include "py/ringbuf.h"
#include "py/runtime.h"
#include "py/stream.h"
#include "shared/runtime/interrupt_char.h"
#include "board.h"

static uint8_t rx_storage[1024];
static ringbuf_t rx = { rx_storage, sizeof(rx_storage) };

void stdio_receive(void) {
    while (uart_rx_ready()) {
        if (ringbuf_free(&rx) == 0) {
            uart_rx_irq(false); // until the reader has made room
            return;
        }
        int c = uart_rx();
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
    uart_rx_irq(true);
    stdio_receive();
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
        uart_tx((uint8_t)text[i]);
    }
    return length;
}
