// SPDX-License-Identifier: MIT
//
// Hostile .mtb files: opens them and, if they are accepted, runs everything they describe. Meant to
// be built with -fsanitize=address,undefined; every buffer has exactly its size. Size and CRC of
// each file are made right before, so that the checks behind them are reached.
//
// With clang, -DMICROT_LIBFUZZER and -fsanitize=fuzzer: a libFuzzer target that changes fields of records more often
// than bytes. Else a driver that mutates a good file:
//
//     fuzz_mtb FILE SEED COUNT      prints "accepted N of COUNT"

#include <stdio.h>
#include <stdlib.h>

#include "kernels.h"

#define HEADER_SIZE (132) // and a word more
#ifdef MICROT_LIBFUZZER // many small files tell more than a few large ones
#define MOST_WORK (2u * 1000 * 1000)
#define MOST_ARENA (1u << 20)
#else
#define MOST_WORK (20u * 1000 * 1000)
#define MOST_ARENA (8u << 20)
#endif

static uint64_t state;

static uint32_t next(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

static uint32_t crc32(const uint8_t *p, size_t n) {
    uint32_t crc = 0xFFFFFFFF;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (crc & 1 ? 0xEDB88320 : 0);
        }
    }
    return ~crc;
}

// Multiply-accumulates, and as much for what other operators touch.
static uint64_t work(const microt_model_t *m) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < m->op_count; i++) {
        microt_op_t op;
        microt_load_op(m, i, &op);
        uint64_t each = 1;
        if (op.code == MICROT_AVERAGE_POOL_2D || op.code == MICROT_MAX_POOL_2D) {
            each = (uint64_t)microt_i32(op.args + 24) * (uint64_t)microt_i32(op.args + 28);
        }
        sum += microt_op_macs(m, i) + each * (uint64_t)op.out.h * (uint64_t)op.out.w * (uint64_t)op.out.c;
    }
    if (m->front_end.kind == MICROT_MEL) { // frames, each of a transform and bands of at most all its bins
        const uint8_t *r = m->front_end.record;
        sum += (uint64_t)microt_tensor(m, m->input).h * microt_u16(r + 12) * (16u + microt_u16(r + 14));
    }
    return sum * m->exit_count;
}

static void run_all(const microt_model_t *m) {
    if (m->arena_size > MOST_ARENA || work(m) > MOST_WORK) {
        return;
    }
    void *arena = NULL;
    if (posix_memalign(&arena, MICROT_ARENA_ALIGN, m->arena_size) != 0) {
        abort();
    }
    microt_run_t run;
    microt_tensor_t in = microt_tensor(m, m->input);
    for (unsigned e = 0; e < m->exit_count; e++) {
        memset(arena, 0x55, m->arena_size);
        for (int32_t i = 0; i < in.h * in.w * in.c; i++) {
            ((uint8_t *)arena)[in.offset + (uint32_t)i] = (uint8_t)next();
        }
        if (m->front_end.kind != 0) {
            uint8_t *window = malloc(2 * (size_t)m->front_end.samples);
            for (uint32_t i = 0; i < 2 * m->front_end.samples; i++) {
                window[i] = (uint8_t)next();
            }
            microt_front_end(m, arena, window);
            free(window);
        }
        if (microt_run(m, &run, arena, e) != 0) {
            abort();
        }
        while (microt_resume(m, &run) == 0) {
        }
    }
    for (unsigned e = 0; e < m->exit_count; e++) {
        const microt_feature_t *f = &m->exits[e].feature;
        if (f->parts == 0) {
            continue;
        }
        int8_t *embeddings = malloc(microt_embeddings_size(m, e));
        float *z = malloc(4 * (size_t)f->d);
        float *u = malloc(4 * (size_t)f->k + 1);
        for (uint32_t i = 0; i < microt_embeddings_size(m, e); i++) {
            embeddings[i] = (int8_t)next();
        }
        microt_feature(m, e, embeddings, z);
        microt_project(m, e, z, u);
        microt_project_back(m, e, u, z);
        free(embeddings);
        free(z);
        free(u);
    }
    for (unsigned i = 0; i < m->tensor_count; i++) {
        if (strlen(microt_tensor_name(m, i)) > m->strings_size) {
            abort();
        }
    }
    free(arena);
}

// Opens a file, and runs it if it is accepted: then true. Its size and CRC are put right.
static bool try_file(uint8_t *file, size_t size) {
    if (size > HEADER_SIZE) {
        uint32_t length = (uint32_t)size;
        memcpy(file + 8, &length, 4);
        uint32_t crc = crc32(file + 16, size - 16);
        memcpy(file + 12, &crc, 4);
    }
    microt_model_t model;
    char error[MICROT_ERROR_SIZE];
    memset(error, 0x55, sizeof(error));
    if (microt_open(&model, file, size, error, sizeof(error)) == 0) {
        run_all(&model);
        return true;
    }
    if (memchr(error, 0, sizeof(error)) == NULL || error[0] == 0) {
        abort();
    }
    return false;
}

static uint32_t below(uint32_t n) {
    return next() % n;
}

// Values that break arithmetic rather than comparisons.
static uint32_t nasty(uint32_t old) {
    static const uint32_t values[] = {
        0, 1, 2, 3, 4, 15, 16, 17, 127, 128, 255, 256, 1024, 4096, 65534, 65535, 65536, 0x7FFFFFFF, 0x80000000,
        0x80000001, 0xFFFFFF80, 0xFFFFFFF0, 0xFFFFFFFE, 0xFFFFFFFF, 0x3FFFFFFF, 0x40000000, 0x7F800000, 0x7FC00000,
    };
    switch (below(5)) {
        case 0:
            return values[below(sizeof(values) / sizeof(values[0]))];
        case 1:
            return old + below(33) - 16;
        case 2:
            return old ^ (1u << below(32));
        case 3:
            return old * 2;
        default:
            return next();
    }
}

// The start of section s of a file that has a whole header.
static uint32_t section(const uint8_t *file, unsigned s) {
    return microt_u32(file + 68 + 8 * s);
}

// Where to change a file: mostly in the records, which come before the data, and in the arguments of ops, which
// lie among the weights.
static size_t place(const uint8_t *file, size_t size) {
    const uint32_t ops = section(file, 1), count = microt_u32(file + 68 + 12) / 64, data = section(file, 6);
    const uint32_t choice = below(8);
    if (choice < 2 && count > 0 && ops < size && size - ops >= 64) {
        const uint32_t op = below((uint32_t)((size - ops) / 64 < count ? (size - ops) / 64 : count));
        const uint8_t *record = file + ops + 64 * op;
        const uint32_t at = microt_u32(record + 16), bytes = microt_u32(record + 20);
        if (bytes >= 4 && at < size && bytes <= size - at) {
            return at + 4 * below(bytes / 4);
        }
    }
    return below((uint32_t)(choice < 6 && data > 128 && data < size ? data : size));
}

static void mutate(uint8_t *file, size_t size) {
    for (uint32_t n = 1 + below(3); n > 0; n--) {
        size_t at = place(file, size - 4);
        if (at < 16 && at >= 4) {
            at = 48 + below(80); // size and CRC are put right anyway
        }
        switch (below(4)) {
            case 0:
                file[at] = (uint8_t)nasty(file[at]);
                break;
            case 1: {
                uint16_t v = (uint16_t)nasty(microt_u16(file + (at & ~(size_t)1)));
                memcpy(file + (at & ~(size_t)1), &v, 2);
                break;
            }
            case 2: {
                uint32_t v = nasty(microt_u32(file + (at & ~(size_t)3)));
                memcpy(file + (at & ~(size_t)3), &v, 4);
                break;
            }
            default: { // another place's value
                uint32_t v = microt_u32(file + (place(file, size - 4) & ~(size_t)3));
                memcpy(file + (at & ~(size_t)3), &v, 4);
                break;
            }
        }
    }
}

#ifdef MICROT_LIBFUZZER

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    state = 0x9E3779B97F4A7C15u;
    // at an address that the file's first bytes choose, its end at the end of the allocation
    size_t skip = size > 12 ? data[12] & 15 : 0;
    uint8_t *memory = malloc(skip + size + (size == 0));
    memcpy(memory + skip, data, size);
    try_file(memory + skip, size);
    free(memory);
    return 0;
}

// Three of four times fields of records and arguments, else bytes as libFuzzer likes them.
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) {
    state = 0x9E3779B97F4A7C15u * (seed + 1u);
    if (size <= HEADER_SIZE || below(4) == 0) {
        return LLVMFuzzerMutate(data, size, most);
    }
    mutate(data, size);
    return size;
}

#else

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: fuzz_mtb FILE SEED COUNT\n");
        return 2;
    }
    FILE *f = fopen(argv[1], "rb");
    if (f == NULL || fseek(f, 0, SEEK_END) != 0) {
        perror(argv[1]);
        return 2;
    }
    size_t size = (size_t)ftell(f);
    uint8_t *good = malloc(size);
    rewind(f);
    if (fread(good, 1, size, f) != size) {
        return 2;
    }
    fclose(f);
    state = 0x9E3779B97F4A7C15u * (strtoull(argv[2], NULL, 0) + 1);
    unsigned count = (unsigned)strtoul(argv[3], NULL, 0);
    unsigned accepted = 0;
    for (unsigned i = 0; i < count; i++) {
        size_t n = size;
        if (below(16) == 0) {
            n = below((uint32_t)size) + 1;
        }
        // at any alignment, its end at the end of the allocation
        size_t skip = below(16);
        uint8_t *memory = malloc(skip + n);
        uint8_t *file = memory + skip;
        memcpy(file, good, n);
        if (n > HEADER_SIZE) {
            mutate(file, n);
        }
        accepted += try_file(file, n);
        free(memory);
    }
    free(good);
    printf("accepted %u of %u\n", accepted, count);
    return 0;
}

#endif
