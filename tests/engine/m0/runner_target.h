// SPDX-License-Identifier: MIT
//
// What tests/engine/runner.c needs to know of the Thumb-1 kernels on mps2-an386.

#include "m0.h"

// CASES is the machine's PSRAM, 16 MB.
#define CASES_END (CASES + 0xF00000u) // the MPU forbids the megabyte behind
#define ARENA (0x20010000u)
#define ARENA_END (0x203F0000u)
#define STACK (0x20010000u)
#define TARGET(name) microt_m0_##name
#define TARGET_IN_PLACE (1)

static void start(void) {
    *(volatile uint32_t *)0xE000ED14 |= 1u << 3; // unaligned accesses fault, as on Armv6-M
    volatile uint32_t *mpu = (volatile uint32_t *)0xE000ED94;
    mpu[1] = 0;
    mpu[2] = CASES_END;
    mpu[3] = (19u << 1) | 1; // 2^20 bytes, no access
    mpu[0] = 5; // on, everything else as without it
    __asm volatile ("dsb\n\tisb");
}
