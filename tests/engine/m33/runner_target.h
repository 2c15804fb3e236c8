// SPDX-License-Identifier: MIT
//
// What tests/engine/runner.c needs to know of the DSP kernels on mps2-an505, whose Cortex-M33 starts in the secure state.

#include "dsp.h"

// CASES is the machine's PSRAM, 16 MB.
#define CASES_END (CASES + 0xF00000u) // the MPU forbids the megabyte behind
#define ARENA (0x38010000u)
#define ARENA_END (0x383F0000u)
#define STACK (0x38010000u)
#define TARGET(name) microt_dsp_##name

static void start(void) {
    static const uint32_t allowed[][2] = { // first byte and last, of multiples of 32 bytes
        {0x10000000u, 0x103FFFFFu}, {0x38000000u, 0x383FFFFFu}, {CASES, CASES_END - 1},
    };
    *(volatile uint32_t *)0xE000ED88 = 0x00F00000; // FPU
    volatile uint32_t *mpu = (volatile uint32_t *)0xE000ED94;
    for (uint32_t i = 0; i < 3; i++) {
        mpu[1] = i;
        mpu[2] = allowed[i][0] | 2; // read and write, by any code
        mpu[3] = (allowed[i][1] & ~31u) | 1;
    }
    mpu[0] = 1; // on, nothing else is allowed
    __asm volatile ("dsb\n\tisb");
}
