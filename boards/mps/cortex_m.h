// SPDX-License-Identifier: MIT
// Registers of the Cortex-M cores.
#ifndef MICROT_MPS_CORTEX_M_H
#define MICROT_MPS_CORTEX_M_H

#include "board.h"

#define SYST_CSR REG32(0xe000e010)
#define SYST_RVR REG32(0xe000e014)
#define SYST_CVR REG32(0xe000e018)
#define NVIC_ISER(irq) REG32(0xe000e100 + 4 * ((irq) / 32))
#define NVIC_ICER(irq) REG32(0xe000e180 + 4 * ((irq) / 32))
#define SCB_ICSR REG32(0xe000ed04)
#define SCB_VTOR REG32(0xe000ed08)
#define SCB_AIRCR REG32(0xe000ed0c)
#define SCB_CCR REG32(0xe000ed14)
#define SCB_CCR_UNALIGN_TRP (1u << 3)
#define SCB_CFSR REG32(0xe000ed28)
#define SCB_HFSR REG32(0xe000ed2c)
#define SCB_MMFAR REG32(0xe000ed34)
#define SCB_BFAR REG32(0xe000ed38)
#define SCB_CPACR REG32(0xe000ed88)

static inline void irq_set(unsigned irq, bool on) {
    if (on) {
        NVIC_ISER(irq) = 1u << (irq % 32);
    } else {
        NVIC_ICER(irq) = 1u << (irq % 32);
    }
}

#endif // MICROT_MPS_CORTEX_M_H
