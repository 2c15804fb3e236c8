// SPDX-License-Identifier: MIT
// Addresses and clocks of QEMU's mps2-an386; the code is Armv6-M's.
#define MICROPY_HW_BOARD_NAME "MPS2_M0PLUS (QEMU)"
#define MICROPY_HW_MCU_NAME "Cortex-M0+"
#define MICROPY_EMIT_THUMB_ARMV7M (0)
#define MICROPY_EMIT_INLINE_THUMB_FLOAT (0)
#define CPU_HZ (25000000)
#define SHARED_BASE (0x21000000u) // PSRAM, 16 MB
#define UART_BASE (0x40004000u)
#define UART_RX_IRQ (0)
#define TIMER_BASE (0x40000000u)
#define TIMER_IRQ (8)
#define TIMER_HZ (CPU_HZ)
