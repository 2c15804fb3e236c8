// SPDX-License-Identifier: MIT
// Addresses and clocks of QEMU's virt.
#define MICROPY_HW_BOARD_NAME "VIRT_RV32 (QEMU)"
#define MICROPY_HW_MCU_NAME "RV32IMAC"
#define CPU_HZ (10000000) // of the timer
#define SHARED_BASE (0x81000000u) // the upper half of 32 MB of RAM
#define CLINT_BASE (0x02000000u)
#define PLIC_BASE (0x0c000000u)
#define UART_BASE (0x10000000u)
#define UART_IRQ (10)
#define FINISHER REG32(0x00100000u)
#define FINISHER_RESET (0x7777)
