// SPDX-License-Identifier: MIT
//
// What tests/engine/runner.c needs to know of the MVE kernels on mps3-an547.

#include "mve.h"

// CASES lies in the machine's DDR.
#define CASES_END (CASES + 0xF00000u) // the MPU forbids the megabyte behind
#define ARENA (0x21000000u)
#define ARENA_END (0x21400000u)
#define STACK (0x20010000u)
#define TARGET(name) microt_mve_##name
#define TARGET_IN_PLACE (1)

// An MPU region of Armv8-M from first to last, readable and writable.
static void allow(uint32_t number, uint32_t first, uint32_t last) {
    volatile uint32_t *mpu = (volatile uint32_t *)0xE000ED94;
    mpu[1] = number;
    mpu[2] = first | 2; // any privilege
    mpu[3] = (last & ~31u) | 1;
}

static void start(void) {
    *(volatile uint32_t *)0xE000ED88 = 0x00F00000; // FPU and MVE
    *(volatile uint32_t *)0xE000ED14 |= 1u << 19; // low-overhead loops
    volatile uint32_t *mpu = (volatile uint32_t *)0xE000ED94;
    // Everything but the megabyte behind the cases.
    mpu[12] = mpu[11] = 0xFFFFFFFF; // attributes: normal memory
    allow(0, 0, CASES_END - 32);
    allow(1, CASES_END + 0x100000u, 0xFFFFFFE0);
    mpu[0] = 1; // on, no background region
    __asm volatile ("dsb\n\tisb");
}
