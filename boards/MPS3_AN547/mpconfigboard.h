// SPDX-License-Identifier: MIT
// Addresses and clocks of QEMU's mps3-an547.
#define MICROPY_HW_BOARD_NAME "MPS3_AN547 (QEMU)"
#define MICROPY_HW_MCU_NAME "Cortex-M55"
#define CPU_HZ (32000000)
#define SHARED_BASE (0x60000000u) // DDR, 2 GB, of which 16 MB are used
#define UART_BASE (0x49303000u)
#define UART_RX_IRQ (33)
#define UART_RX_IRQ_OLD_QEMU (34) // QEMU 7.2 has receive and transmit the wrong way round
#define TIMER_BASE (0x4802f000u) // the S32K timer
#define TIMER_IRQ (2)
#define TIMER_HZ (32768)
