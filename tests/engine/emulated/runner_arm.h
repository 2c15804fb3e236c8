// SPDX-License-Identifier: MIT
//
// What network_runner.c needs to know of the Cortex-M machines.

#ifndef MICROT_RUNNER_ARM_H
#define MICROT_RUNNER_ARM_H

#define CASES_END (CASES + 0xF00000u)
#if __ARM_ARCH == 8
#define ARENA_END (0x21380000u)
#define ARENA_START (0x21000000u)
#else
#define ARENA_END (0x20380000u)
#define ARENA_START (0x20010000u)
#endif

void reset(void);
void fault(void);

static void semihost(int number, const void *argument) {
    register int r0 __asm("r0") = number;
    register const void *r1 __asm("r1") = argument;
    __asm volatile ("bkpt 0xab" : "+r" (r0) : "r" (r1) : "memory");
}

#if __ARM_ARCH == 8

// An MPU region of Armv8-M from first to last, readable and writable.
static void allow(uint32_t number, uint32_t first, uint32_t last) {
    volatile uint32_t *mpu = (volatile uint32_t *)0xE000ED94;
    mpu[1] = number;
    mpu[2] = first | 2; // any privilege
    mpu[3] = (last & ~31u) | 1;
}

static void protect(void) {
    *(volatile uint32_t *)0xE000ED88 = 0x00F00000; // FPU and MVE
    *(volatile uint32_t *)0xE000ED14 |= 1u << 19; // low-overhead loops
    volatile uint32_t *mpu = (volatile uint32_t *)0xE000ED94;
    mpu[12] = mpu[11] = 0xFFFFFFFF; // attributes: normal memory
    allow(0, 0, ARENA_END - 32);
    allow(1, ARENA_END + 0x80000u, CASES_END - 32);
    allow(2, CASES_END + 0x100000u, 0xFFFFFFE0);
    mpu[0] = 1; // on, no background region
    __asm volatile ("dsb\n\tisb");
}

#else

// A region of 2^bits bytes without access, at a multiple of its size.
static void forbid(uint32_t number, uint32_t first, uint32_t bits) {
    volatile uint32_t *mpu = (volatile uint32_t *)0xE000ED94;
    mpu[1] = number;
    mpu[2] = first;
    mpu[3] = ((bits - 1) << 1) | 1;
}

static void protect(void) {
    #if defined(__ARM_FP)
    *(volatile uint32_t *)0xE000ED88 = 0x00F00000; // FPU
    #endif
    #if __ARM_ARCH_ISA_THUMB == 1
    *(volatile uint32_t *)0xE000ED14 |= 1u << 3; // unaligned accesses fault, as on a core without them
    #endif
    forbid(0, CASES_END, 20);
    forbid(1, ARENA_END, 19);
    volatile uint32_t *mpu = (volatile uint32_t *)0xE000ED94;
    mpu[0] = 5; // on, everything else as without it
    __asm volatile ("dsb\n\tisb");
}

#endif

__attribute__((section(".vectors"), used)) static void(*const vectors[16])(void) = {
    (void (*)(void))STACK, reset, fault, fault, fault, fault, fault,
};

#endif // MICROT_RUNNER_ARM_H
