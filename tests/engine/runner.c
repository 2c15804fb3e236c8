// SPDX-License-Identifier: MIT
//
// Runs a list of layers on the bare machine and compares every output byte. The list lies in memory at
// CASES (QEMU's loader puts it there): u32 count, then count records of case_t, then their data.
//
// The output and the scratch stand between guard bytes. Reads outside are caught by standing in front of
// forbidden memory: the input, the weights or the records, whichever the case asks for.
//
// Prints one line per case: "ok INDEX" or "bad INDEX reason".
//
// runner_target.h of the target says where CASES lie (dsp_machine.py puts the address into the compiler's line), where the
// arena is, which kernels are tested and what the core needs at its start.

#include "runner_target.h"

#define GUARD (64)

enum { AT_END_NONE, AT_END_INPUT, AT_END_WEIGHTS, AT_END_REQUANT, AT_END_INPUT2 };

typedef struct _case_t {
    uint32_t code, layout, at_end, reference;
    int32_t in[4], in2[4], out[4]; // h, w, c, zero point
    uint32_t args[2], weights[2], bias[2], requant[2]; // offset from CASES, bytes
    uint32_t x, x2, expected; // offsets
    uint32_t in_place; // 0, or the input (1, 2) that the output overwrites
    uint32_t scratch; // bytes the host counted
    uint32_t padding;
} case_t;

static void semihost(int number, const void *argument) {
    register int r0 __asm("r0") = number;
    register const void *r1 __asm("r1") = argument;
    __asm volatile ("bkpt 0xab" : "+r" (r0) : "r" (r1) : "memory");
}

static void print(const char *text) {
    semihost(4, text);
}

static void print_number(uint32_t n) {
    char digits[12], *p = digits + 11;
    *p = 0;
    do {
        *--p = (char)('0' + n % 10);
        n /= 10;
    } while (n != 0);
    print(p);
}

static void leave(int status) {
    const uint32_t block[2] = {0x20026, (uint32_t)status};
    semihost(0x20, block);
    for (;;) {
    }
}

void *memcpy(void *to, const void *from, size_t n) {
    uint8_t *t = to;
    const uint8_t *f = from;
    if ((((uintptr_t)t | (uintptr_t)f) & 3) == 0) {
        for (; n >= 4; n -= 4, t += 4, f += 4) {
            uint32_t x;
            __asm volatile ("ldr %0, [%1]" : "=l" (x) : "l" (f) : "memory");
            __asm volatile ("str %0, [%1]" :: "l" (x), "l" (t) : "memory");
        }
    }
    for (; n > 0; n--) {
        *t++ = *f++;
        __asm volatile ("" ::: "memory");
    }
    return to;
}

void *memset(void *to, int value, size_t n) {
    uint8_t *t = to;
    const uint32_t x = (uint8_t)value * 0x01010101u;
    for (; n >= 4 && ((uintptr_t)t & 3) == 0; n -= 4, t += 4) {
        __asm volatile ("str %0, [%1]" :: "l" (x), "l" (t) : "memory");
    }
    for (; n > 0; n--) {
        *t++ = (uint8_t)value;
        __asm volatile ("" ::: "memory");
    }
    return to;
}

__attribute__((noinline)) void mark_begin(void) {
    __asm volatile ("nop");
}

__attribute__((noinline)) void mark_end(void) {
    __asm volatile ("nop");
}

static const uint8_t *file(uint32_t offset) {
    return (const uint8_t *)CASES + offset;
}

static uint8_t *place(uint8_t **free, uint32_t n) {
    uint8_t *p = *free;
    *free = (uint8_t *)(((uintptr_t)p + n + GUARD + 15) & ~(uintptr_t)15);
    return p;
}

static uint32_t bytes(const int32_t *shape) {
    return (uint32_t)(shape[0] * shape[1] * shape[2]);
}

static microt_tensor_t tensor(const int32_t *shape, const uint8_t *at) {
    microt_tensor_t t = {
        .offset = (uint32_t)(uintptr_t)at, // the arena is address 0
        .h = shape[0], .w = shape[1], .c = shape[2], .scale = 1.0f, .zero_point = shape[3],
    };
    return t;
}

static const uint8_t *section(const uint32_t *where, bool at_end) {
    if (!at_end) {
        return file(where[0]);
    }
    uint8_t *p = (uint8_t *)(CASES_END - where[1]);
    memcpy(p, file(where[0]), where[1]);
    return p;
}

static bool is_filled(const uint8_t *from, const uint8_t *to, uint8_t value) {
    while (from < to) {
        if (*from++ != value) {
            return false;
        }
    }
    return true;
}

static void run_reference(const microt_op_t *op) {
    static microt_kernel_t *const references[MICROT_OPCODES] = {
        [MICROT_CONV_2D] = microt_ref_conv_2d,
        [MICROT_DEPTHWISE_CONV_2D] = microt_ref_depthwise_conv_2d,
        [MICROT_FULLY_CONNECTED] = microt_ref_fully_connected,
        [MICROT_ADD] = microt_ref_add,
        [MICROT_AVERAGE_POOL_2D] = microt_ref_average_pool_2d,
        [MICROT_MEAN] = microt_ref_mean,
    };
    references[op->code](op, NULL);
}

// NULL if the kernels, or the reference's where they have none, kept the registers that belong to their caller.
static const char *run_kernels(const microt_op_t *op, unsigned layout, uint8_t *scratch) {
    #ifdef __ARM_FP
    float before[16], after[16];
    for (int i = 0; i < 16; i++) {
        before[i] = (float)i;
    }
    __asm volatile ("vldmia %0, {s16-s31}" :: "r" (before) : "memory");
    #endif
    mark_begin();
    if (!TARGET(run)(op, NULL, layout, scratch)) {
        run_reference(op);
    }
    mark_end();
    #ifdef __ARM_FP
    __asm volatile ("vstmia %0, {s16-s31}" :: "r" (after) : "memory");
    for (int i = 0; i < 16; i++) {
        if (after[i] != before[i]) {
            return "does not keep s16-s31";
        }
    }
    #endif
    return NULL;
}

static const char *run(const case_t *c) {
    const uint32_t n_in = bytes(c->in), n_in2 = bytes(c->in2), n_out = bytes(c->out);
    uint8_t *free = (uint8_t *)ARENA;
    memset(free, 0x5A, n_in + n_in2 + n_out + c->scratch + 16 * GUARD);
    uint8_t *x = place(&free, n_in), *x2 = place(&free, n_in2);
    uint8_t *y = place(&free, n_out), *scratch = place(&free, c->scratch);
    if ((uintptr_t)free > ARENA_END) {
        return "is too large for the machine";
    }
    if (c->at_end == AT_END_INPUT) {
        x = (uint8_t *)(CASES_END - n_in);
    }
    if (c->at_end == AT_END_INPUT2) {
        x2 = (uint8_t *)(CASES_END - n_in2);
    }
    memcpy(x, file(c->x), n_in);
    memcpy(x2, file(c->x2), n_in2);
    y = c->in_place == 1 ? x : c->in_place == 2 ? x2 : y;
    const microt_op_t op = {
        .code = (uint8_t)c->code,
        .inputs = n_in2 != 0 ? 2 : 1,
        .in = {tensor(c->in, x), tensor(c->in2, x2)},
        .out = tensor(c->out, y),
        .args = file(c->args[0]),
        .weights = (const int8_t *)section(c->weights, c->at_end == AT_END_WEIGHTS),
        .bias = file(c->bias[0]),
        .requant = section(c->requant, c->at_end == AT_END_REQUANT),
        .args_size = c->args[1], .weights_size = c->weights[1], .bias_size = c->bias[1],
        .requant_size = c->requant[1], .scratch_size = c->scratch,
    };
    if (c->reference) {
        mark_begin();
        run_reference(&op);
        mark_end();
    } else {
        const char *wrong = TARGET(check)(&op, c->layout);
        if (wrong == NULL && TARGET(scratch)(&op, c->layout) > c->scratch) {
            wrong = "needs more scratch than the host counted";
        }
        #ifdef TARGET_IN_PLACE
        if (c->code == MICROT_DEPTHWISE_CONV_2D && c->in_place != 0 && !TARGET(in_place)(&op, c->layout)) {
            wrong = "may not overwrite its input";
        }
        #endif
        if (wrong == NULL) {
            wrong = run_kernels(&op, c->layout, scratch);
        }
        if (wrong != NULL) {
            return wrong;
        }
    }
    const uint8_t *expected = file(c->expected);
    for (uint32_t i = 0; i < n_out; i++) {
        if (y[i] != expected[i]) {
            print("at ");
            print_number(i);
            print(" expected ");
            print_number(expected[i]);
            print(" got ");
            print_number(y[i]);
            return " differs";
        }
    }
    if (!c->in_place && (!is_filled(y + n_out, y + n_out + 32, 0x5A)
                         || !is_filled(y - 32, y, 0x5A))) {
        return "writes outside its output";
    }
    if (!is_filled(scratch + c->scratch, scratch + c->scratch + 32, 0x5A)
        || !is_filled(scratch - 32, scratch, 0x5A)) {
        return "writes outside its scratch";
    }
    if (c->in_place != 1 && memcmp(x, file(c->x), n_in) != 0) {
        return "writes its input";
    }
    return NULL;
}

int memcmp(const void *a, const void *b, size_t n) {
    const uint8_t *p = a, *q = b;
    for (; n > 0; n--) {
        if (*p++ != *q++) {
            return 1;
        }
    }
    return 0;
}

static volatile uint32_t current;

static void fault(void) {
    print("bad ");
    print_number(current);
    print(" faults: reads or writes what is not there\n");
    leave(0);
}

void reset(void) {
    start();
    const uint32_t count = *(const uint32_t *)CASES;
    const case_t *cases = (const case_t *)(CASES + 16);
    for (uint32_t i = 0; i < count; i++) {
        current = i;
        const char *reason = run(&cases[i]);
        print(reason == NULL ? "ok " : "bad ");
        print_number(i);
        if (reason != NULL) {
            print(" ");
            print(reason);
        }
        print("\n");
    }
    leave(0);
}

__attribute__((section(".vectors"), used)) static void(*const vectors[16])(void) = {
    (void (*)(void))STACK, reset, fault, fault, fault, fault, fault,
};
