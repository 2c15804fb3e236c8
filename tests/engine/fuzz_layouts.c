// SPDX-License-Identifier: MIT
//
// Hostile .mtb files for targets whose kernels this machine lacks: the driver fuzz_mtb.c with the
// decoder of MICROT_CHECK_TARGETS, where running a file is replaced by looking at what its kernels
// rely on.
//
//     fuzz_layouts FILE SEED COUNT      as fuzz_mtb
//     fuzz_layouts FILE                 opens the file as it is and runs it, or prints the sentence that refuses it
//
// With clang, -DMICROT_LIBFUZZER and -fsanitize=fuzzer: a libFuzzer target as fuzz_mtb.c is one.

#include <stdio.h>
#include <stdlib.h>

#include "targets.h"

// Sections inside the file, those of the target's own layouts at multiples of 4 (the others are the reference kernels',
// which read bytes), scratch of the kernel's size inside the arena and beside inputs and output.
static void look_at(const microt_model_t *m, const microt_op_t *op) {
    static volatile uint8_t seen;
    const uint8_t *const start[] = {op->args, (const uint8_t *)op->weights, op->bias, op->requant};
    const uint32_t size[] = {op->args_size, op->weights_size, op->bias_size, op->requant_size};
    for (unsigned s = 0; s < 4; s++) {
        for (uint32_t i = 0; i < size[s]; i++) {
            seen = (uint8_t)(seen + start[s][i]);
        }
        if (op->layout >= MICROT_TARGET_LAYOUTS && (uintptr_t)start[s] % 4 != 0) {
            abort();
        }
    }
    const uint32_t needed = microt_target_scratch(m->target, op);
    if (needed > op->scratch_size || op->scratch % MICROT_ARENA_ALIGN != 0
        || (uint64_t)op->scratch + op->scratch_size > m->arena_size) {
        abort();
    }
    for (unsigned t = 0; t <= op->inputs; t++) {
        const microt_tensor_t *x = t < op->inputs ? &op->in[t] : &op->out;
        const uint64_t bytes = (uint64_t)x->h * (uint64_t)x->w * (uint64_t)x->c;
        if (needed != 0 && x->offset < (uint64_t)op->scratch + needed && op->scratch < x->offset + bytes) {
            abort();
        }
    }
}

static int run_or_look(const microt_model_t *m, microt_run_t *run, uint8_t *arena, unsigned exit) {
    if (m->target == MICROT_GENERIC) {
        return microt_run(m, run, arena, exit);
    }
    for (unsigned i = 0; i < m->op_count; i++) {
        microt_op_t op;
        microt_load_op(m, i, &op);
        look_at(m, &op);
    }
    return microt_begin(m, run, arena, m->exit_count - 1u);
}

#define microt_run run_or_look
#ifdef MICROT_LIBFUZZER
#include "fuzz_mtb.c"
#else
#define main fuzz
#include "fuzz_mtb.c"
#undef main

int main(int argc, char **argv) {
    if (argc != 2) {
        return fuzz(argc, argv);
    }
    FILE *f = fopen(argv[1], "rb");
    if (f == NULL || fseek(f, 0, SEEK_END) != 0) {
        perror(argv[1]);
        return 2;
    }
    size_t size = (size_t)ftell(f);
    uint8_t *file = malloc(size);
    rewind(f);
    if (fread(file, 1, size, f) != size) {
        return 2;
    }
    fclose(f);
    microt_model_t model;
    char error[MICROT_ERROR_SIZE];
    if (microt_open(&model, file, size, error, sizeof(error)) != 0) {
        puts(error);
    } else {
        run_all(&model);
    }
    free(file);
    return 0;
}

#endif
