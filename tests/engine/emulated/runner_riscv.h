// SPDX-License-Identifier: MIT
//
// What network_runner.c needs to know of QEMU's virt machine with a 32-bit RISC-V core, which starts at the first byte of
// its RAM, in machine mode.

#ifndef MICROT_RUNNER_RISCV_H
#define MICROT_RUNNER_RISCV_H

#define CASES_END (CASES + 0xF00000u)
#define ARENA_START (0x81000000u)
#define ARENA_END (0x81380000u)

void reset(void);
void fault(void);

// The three instructions tell the host that the breakpoint is a call (RISC-V Semihosting, version 1.0).
static void semihost(int number, const void *argument) {
    register int a0 __asm("a0") = number;
    register const void *a1 __asm("a1") = argument;
    __asm volatile (
        ".balign 16\n"
        ".option push\n"
        ".option norvc\n"
        "slli zero, zero, 0x1f\n"
        "ebreak\n"
        "srai zero, zero, 7\n"
        ".option pop\n"
        : "+r" (a0) : "r" (a1) : "memory");
}

// What physical memory protection says of 2^bits bytes at a multiple of their size: a naturally aligned power of two.
static uint32_t napot(uint32_t first, uint32_t bits) {
    return first >> 2 | ((1u << (bits - 3)) - 1);
}

// Forbids what lies behind the files and behind the arenas, to machine mode too (locked entries without rights).
static void protect(void) {
    const uint32_t locked_napot = 0x98;
    __asm volatile (
        ".option arch, +zicsr\n"
        "csrw pmpaddr0, %0\n"
        "csrw pmpaddr1, %1\n"
        "csrw pmpcfg0, %2\n"
        :: "r" (napot(CASES_END, 20)), "r" (napot(ARENA_END, 19)), "r" (locked_napot << 8 | locked_napot));
}

__attribute__((section(".vectors"), naked, used)) static void start(void) {
    __asm volatile (
        ".option arch, +zicsr\n"
        "li sp, %0\n"
        "la t0, 1f\n"
        "csrw mtvec, t0\n"
        "j reset\n"
        ".balign 4\n"
        "1: j fault\n"
        :: "i" (STACK));
}

#endif // MICROT_RUNNER_RISCV_H
