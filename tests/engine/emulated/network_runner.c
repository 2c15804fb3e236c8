// SPDX-License-Identifier: MIT
//
// Runs a list of .mtb files on the bare machine, the whole engine with it. The list lies in memory at CASES (QEMU's
// loader puts it there): u32 count, then count records of case_t, then their data.
//
// Each file is copied to the end of its memory and each arena lies at the end of its own: what comes behind either is
// forbidden to the processor, before the arena stand guard bytes. A file with an expectation is run op by op, exit after
// exit, and then straight to every exit; every output of an op, and every embedding, is compared. One without is
// somebody's attack: it is opened, run to all exits if it is accepted and not too much work, and must do no harm.
//
// runner_arm.h and runner_riscv.h know the machines. Prints one line per file: "ok INDEX", "refused INDEX sentence" or "bad INDEX reason".

#include "kernels.h"

#ifdef __riscv
#include "runner_riscv.h"
#else
#include "runner_arm.h"
#endif

#define GUARD (64)
#define MOST_WORK (4u * 1000 * 1000) // of a file without an expectation, in multiply-accumulates or elements

typedef struct _case_t {
    uint32_t file[2], input[2], expected[2]; // offset from CASES, bytes
    uint32_t compare, padding;
} case_t;

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

static void leave(void) {
    const uint32_t block[2] = {0x20026, 0};
    semihost(0x20, block);
    for (;;) {
    }
}

static const uint8_t *expected, *expected_end;

static const char *compare(const microt_tensor_t *tensor, const uint8_t *arena) {
    const uint32_t n = (uint32_t)(tensor->h * tensor->w * tensor->c);
    if (n > (uint32_t)(expected_end - expected)) {
        return "has more tensors than expected";
    }
    for (uint32_t i = 0; i < n; i++) {
        if (arena[tensor->offset + i] != expected[i]) {
            print("value ");
            print_number(i);
            print(" expected ");
            print_number(expected[i]);
            print(" got ");
            print_number(arena[tensor->offset + i]);
            print(" ");
            return "differs";
        }
    }
    expected += n;
    return NULL;
}

static const char *compare_all(const microt_model_t *model, uint8_t *arena, const uint8_t *input, uint32_t bytes) {
    const microt_tensor_t in = microt_tensor(model, model->input);
    microt_run_t run;
    const char *wrong;
    memcpy(arena + in.offset, input, bytes);
    microt_begin(model, &run, arena, 0);
    do {
        int op;
        while ((op = microt_step(model, &run)) >= 0) {
            const microt_tensor_t out = microt_tensor(model, microt_op_output(model, (unsigned)op));
            if ((wrong = compare(&out, arena)) != NULL) {
                print("op ");
                print_number((uint32_t)op);
                print(" ");
                return wrong;
            }
        }
    } while (microt_begin_resume(model, &run) == 0);
    for (unsigned exit = 0; exit < model->exit_count; exit++) {
        memcpy(arena + in.offset, input, bytes);
        microt_run(model, &run, arena, exit);
        if ((wrong = compare(&model->exits[exit].tensor, arena)) != NULL) {
            return wrong;
        }
    }
    return expected == expected_end ? NULL : "has fewer tensors than expected";
}

static uint64_t work(const microt_model_t *model) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < model->op_count; i++) {
        microt_op_t op;
        microt_load_op(model, i, &op);
        uint64_t each = 1;
        if (op.code == MICROT_AVERAGE_POOL_2D || op.code == MICROT_MAX_POOL_2D) {
            each = (uint64_t)microt_i32(op.args + 24) * (uint64_t)microt_i32(op.args + 28);
        }
        sum += microt_op_macs(model, i) + each * (uint64_t)op.out.h * (uint64_t)op.out.w * (uint64_t)op.out.c;
    }
    return sum * model->exit_count;
}

static bool is_filled(const uint8_t *from, const uint8_t *to) {
    while (from < to) {
        if (*from++ != 0x5A) {
            return false;
        }
    }
    return true;
}

static const char *run(const case_t *c, bool *refused) {
    static char error[MICROT_ERROR_SIZE];
    static microt_model_t model;
    uint8_t *file = (uint8_t *)((CASES_END - c->file[1]) & ~(uintptr_t)3);
    memcpy(file, (const uint8_t *)CASES + c->file[0], c->file[1]);
    if (microt_open(&model, file, c->file[1], error, sizeof(error)) != 0) {
        *refused = true;
        return error;
    }
    const microt_tensor_t in = microt_tensor(&model, model.input);
    if (model.arena_size > ARENA_END - ARENA_START - GUARD) {
        return c->compare ? "is too large for the machine" : NULL;
    }
    uint8_t *arena = (uint8_t *)((ARENA_END - model.arena_size) & ~(uintptr_t)(MICROT_ARENA_ALIGN - 1));
    memset(arena - GUARD, 0x5A, ARENA_END - (uintptr_t)arena + GUARD);
    if (c->compare) {
        if ((uint32_t)(in.h * in.w * in.c) != c->input[1]) {
            return "takes another input";
        }
        expected = (const uint8_t *)CASES + c->expected[0];
        expected_end = expected + c->expected[1];
        const char *wrong = compare_all(&model, arena, (const uint8_t *)CASES + c->input[0], c->input[1]);
        if (wrong != NULL) {
            return wrong;
        }
    } else if (work(&model) <= MOST_WORK) {
        microt_run_t state;
        for (unsigned exit = 0; exit < model.exit_count; exit++) {
            for (int32_t i = 0; i < in.h * in.w * in.c; i++) {
                arena[in.offset + (uint32_t)i] = (uint8_t)(i * 167 + i / 256 + (int32_t)exit);
            }
            microt_run(&model, &state, arena, exit);
            while (microt_resume(&model, &state) == 0) {
            }
        }
    }
    if (!is_filled(arena - GUARD, arena) || !is_filled(arena + model.arena_size, (const uint8_t *)ARENA_END)) {
        return "writes outside its arena";
    }
    return memcmp(file, (const uint8_t *)CASES + c->file[0], c->file[1]) != 0 ? "writes its file" : NULL;
}

static volatile uint32_t current;

void fault(void) {
    print("bad ");
    print_number(current);
    print(" faults: reads or writes what is not there\n");
    leave();
}

void reset(void) {
    protect();
    const uint32_t count = *(const uint32_t *)CASES;
    const case_t *cases = (const case_t *)(CASES + 16);
    for (uint32_t i = 0; i < count; i++) {
        current = i;
        bool refused = false;
        const char *reason = run(&cases[i], &refused);
        print(reason == NULL ? "ok " : refused ? "refused " : "bad ");
        print_number(i);
        if (reason != NULL) {
            print(" ");
            print(reason);
        }
        print("\n");
    }
    leave();
}
