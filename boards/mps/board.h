// SPDX-License-Identifier: MIT
// What the files of the emulated boards' ports share. Each board's mpconfigboard.h gives the addresses.
#ifndef MICROT_MPS_BOARD_H
#define MICROT_MPS_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mpconfigboard.h"

#define REG32(address) (*(volatile uint32_t *)(address))

// The shared memory: QEMU backs it by a file that outlives it, and the host opens the same file.
// host/microt/boards/emulator.py knows the same numbers.
//     page 0    device page: button and LED words
//     +1 MB     flash of 1 MB: LittleFS2, mounted at /
//     +2 MB     ROMFS of 14 MB, mounted at /rom when it holds an image
#define SHARED_SIZE (16u << 20)
#define FLASH_ADDRESS (SHARED_BASE + (1u << 20))
#define FLASH_SIZE (1u << 20)
#define ROMFS_ADDRESS (SHARED_BASE + (2u << 20))
#define ROMFS_SIZE (14u << 20)

#define DEVICE_PAGE_MAGIC (0x3154504du) // "MPT1"

typedef struct _device_page_t {
    uint32_t magic; // written by the firmware when it has started
    uint32_t inputs; // written by the host: bit n is set while button n is held
    uint32_t outputs; // written by the firmware: bit n is the level of output pin n
    uint32_t changes; // written by the firmware: how often an output changed its level since start-up
    uint32_t cause; // written by the firmware before it resets: one of RESET_...; taken away at start-up
} device_page_t;

#define DEVICE_PAGE ((volatile device_page_t *)SHARED_BASE)

void clock_init(void);
void clock_handler(void); // of the clock's interrupt
void clock_alarm_handler(void); // of the Arm boards' timer 0
uint64_t clock_cycles(void); // of the board's clock since reset
void clock_watchdog(uint32_t ms); // from now on until the next call, then the board resets
void clock_wait(uint64_t end); // until that cycle, an interrupt or something scheduled, whichever comes first

// The line's device, and what takes its bytes when its interrupt comes.
void uart_init(void);
void uart_rx_irq(bool on);
bool uart_rx_ready(void);
uint8_t uart_rx(void); // a byte that is there
void uart_tx(uint8_t byte); // waits until there is room
void uart_rx_handler(void); // of the RISC-V board's outer interrupts
void stdio_receive(void); // the Arm boards' handler

void fault_handler(void);
void fault_halt(void) __attribute__((noreturn));
void report_text(const char *text);
void report_register(const char *name, uint32_t value); // " name 0123abcd"

// What machine.reset_cause() tells, as other ports number them.
enum { RESET_POWER_ON = 1, RESET_HARD = 2, RESET_WATCHDOG = 3 };

void board_start(void) __attribute__((noreturn)); // after the core
void board_reset(uint32_t cause) __attribute__((noreturn));
uint32_t board_reset_cause(void); // of the start-up that led here

#endif // MICROT_MPS_BOARD_H
