// SPDX-License-Identifier: MIT
// Control and status registers of a RISC-V core in machine mode (The RISC-V Instruction Set Manual, volume II).
#ifndef MICROT_VIRT_RISCV_H
#define MICROT_VIRT_RISCV_H

#define MSTATUS_MIE (1u << 3) // interrupts are on
#define IRQ_TIMER (7) // bits of mie, causes
#define IRQ_EXTERNAL (11)

// The compiler names the architecture without these instructions, as its libraries are named.
#define CSR(instruction, ...) \
    __asm volatile (".option push\n .option arch, +zicsr\n " instruction "\n .option pop" __VA_ARGS__: "memory")

#define CSR_READ(value, name) CSR("csrr %0, " #name, : "=r" (value) :)
#define CSR_WRITE(name, value) CSR("csrw " #name ", %0", :: "r" (value))
#define CSR_SET(name, bits) CSR("csrs " #name ", %0", :: "r" (bits))
#define CSR_CLEAR(old, name, bits) CSR("csrrc %0, " #name ", %1", : "=r" (old) : "r" (bits))

#endif // MICROT_VIRT_RISCV_H
