// SPDX-License-Identifier: MIT
//
// TCG plugin for qemu-system-arm and qemu-system-riscv32: how often every instruction ran between marks.
//
// Arguments (addresses are hexadecimal, without the Thumb bit):
//
//     out=FILE            where the counts go
//     mark=NAME@ADDR      the first instruction of a function, or the one after a call; up to 256
//     ignore=START-END    instructions that are not counted, such as an interrupt handler; up to 64
//
// Counting starts when the mark "begin" is executed and ends at "end"; that is a region. Every mark
// in between closes a segment and opens the next one, so a mark on the function that runs one layer
// gives counts by layer. The file holds, for every segment:
//
//     segment REGION FROM TO BLOCKS DEVICE     names of the marks at both ends, executed blocks,
//                                              accesses to device registers (see below)
//     ADDR COUNT LEFT UNALIGNED                once per executed instruction, by address: executions,
//                                              how often the flow left it for another place than the
//                                              next instruction (taken branches), unaligned accesses
//     end
//
// QEMU translates code in blocks that are entered at their first instruction only. An execution of a
// block is an execution of all its instructions, unless an exception or, under -icount, an access to a
// device register leaves it early: the latter are counted so that the reader knows the segment is inexact.
// Where a block ends and another starts elsewhere, the last instruction was a taken branch. Blocks inside
// an ignored range leave no trace, so an interrupt between two blocks does not look like a branch.
//
// Marks must be places that a branch or call reaches, which makes them the first of their block.
//
// qemu-plugin.h is in no package, so the handful of functions used is declared here. They have been the
// same from API version 1 (QEMU 7) to 4 (QEMU 10), but for one that is needed with version 1 only. API_VERSION
// is the version to declare: QEMU 9 and later refuse 1, QEMU 8 and earlier refuse what they do not know.

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef API_VERSION
#define API_VERSION 1
#endif

#define EXPORT __attribute__((visibility("default")))
#define MAX_MARKS 256
#define MAX_IGNORED 64

// ---- the part of QEMU's plugin API that is used

typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
typedef struct qemu_info_t {
    const char *target_name; // more follows
} qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

enum { CB_NO_REGS = 0 };
enum { MEM_RW = 3 };

typedef void (*tb_trans_cb_t)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*exec_cb_t)(unsigned int cpu, void *data);
typedef void (*mem_cb_t)(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t address, void *data);
typedef void (*exit_cb_t)(qemu_plugin_id_t id, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, tb_trans_cb_t cb);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, exec_cb_t cb, int flags, void *data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, mem_cb_t cb, int flags, int rw, void *data);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, exit_cb_t cb, void *data);
unsigned int qemu_plugin_mem_size_shift(qemu_plugin_meminfo_t info);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
#if API_VERSION == 1
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
#else
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
#endif

EXPORT int qemu_plugin_version = API_VERSION;

// ---- state

static bool riscv; // else Arm

typedef struct _insn_t {
    uint32_t address;
    uint64_t unaligned;
} insn_t;

// One translated block. Never freed: QEMU may translate the same code again, which makes a second record.
typedef struct _block_t {
    uint32_t start;
    uint32_t end; // address behind the last instruction
    const char *mark; // name of the mark at its start, or NULL
    bool ignored;
    bool touched; // is in the list of this segment
    uint64_t count;
    uint64_t left;
    size_t n_insns;
    insn_t insns[];
} block_t;

typedef struct _line_t {
    uint32_t address;
    uint64_t count;
    uint64_t left;
    uint64_t unaligned;
} line_t;

static struct {
    const char *name;
    uint32_t address;
} marks[MAX_MARKS];
static size_t n_marks;

static struct {
    uint32_t start;
    uint32_t end;
} ignored[MAX_IGNORED];
static size_t n_ignored;

static FILE *out;
static bool counting;
static unsigned int region;
static const char *segment_from;
static uint64_t segment_blocks;
static uint64_t segment_device;
static block_t *previous; // the block executed last, outside ignored ranges

static block_t **touched;
static size_t n_touched;
static size_t max_touched;

static void *checked(void *memory) {
    if (memory == NULL) {
        fprintf(stderr, "insn_count: out of memory\n");
        abort();
    }
    return memory;
}

// ---- writing a segment

static int compare_lines(const void *a, const void *b) {
    uint32_t x = ((const line_t *)a)->address;
    uint32_t y = ((const line_t *)b)->address;
    return (x > y) - (x < y);
}

static void close_segment(const char *to) {
    size_t n_lines = 0;
    for (size_t i = 0; i < n_touched; i++) {
        n_lines += touched[i]->n_insns;
    }
    line_t *lines = checked(malloc((n_lines + 1) * sizeof(line_t)));
    size_t n = 0;
    for (size_t i = 0; i < n_touched; i++) {
        block_t *block = touched[i];
        for (size_t k = 0; k < block->n_insns; k++) {
            insn_t *insn = &block->insns[k];
            uint64_t left = k + 1 == block->n_insns ? block->left : 0;
            lines[n++] = (line_t) { insn->address, block->count, left, insn->unaligned };
            insn->unaligned = 0;
        }
        block->count = 0;
        block->left = 0;
        block->touched = false;
    }
    n_touched = 0;
    qsort(lines, n, sizeof(line_t), compare_lines);

    fprintf(out, "segment %u %s %s %" PRIu64 " %" PRIu64 "\n", region, segment_from, to, segment_blocks, segment_device);
    for (size_t i = 0; i < n;) {
        line_t sum = lines[i++];
        for (; i < n && lines[i].address == sum.address; i++) {
            sum.count += lines[i].count;
            sum.left += lines[i].left;
            sum.unaligned += lines[i].unaligned;
        }
        if (sum.count != 0) {
            fprintf(out, "%" PRIx32 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", sum.address, sum.count, sum.left, sum.unaligned);
        }
    }
    fprintf(out, "end\n");
    fflush(out);
    free(lines);
    segment_from = to;
    segment_blocks = 0;
    segment_device = 0;
}

// ---- while the board runs

static void touch(block_t *block) {
    if (block->touched) {
        return;
    }
    if (n_touched == max_touched) {
        max_touched = max_touched ? 2 * max_touched : 1024;
        touched = checked(realloc(touched, max_touched * sizeof(*touched)));
    }
    touched[n_touched++] = block;
    block->touched = true;
}

static void block_executed(unsigned int cpu, void *data) {
    (void)cpu;
    block_t *block = data;
    if (block->ignored) {
        return;
    }
    if (counting && previous != NULL && block->start != previous->end) {
        previous->left += 1;
    }
    previous = block;
    if (block->mark != NULL) {
        if (strcmp(block->mark, "begin") == 0) {
            if (counting) {
                close_segment("begin");
            }
            counting = true;
            region += 1;
            segment_from = "begin";
        } else if (counting) {
            close_segment(block->mark);
            if (strcmp(block->mark, "end") == 0) {
                counting = false;
            }
        }
    }
    if (counting) {
        block->count += 1;
        segment_blocks += 1;
        touch(block);
    }
}

static void memory_accessed(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t address, void *data) {
    (void)cpu;
    if (!counting) {
        return;
    }
    // Armv7-M and v8-M place devices at 0x40000000-0x5fffffff and from 0xe0000000 on, the RISC-V machine virt below its RAM
    uint32_t octant = (uint32_t)address >> 29;
    if (riscv ? octant < 4 : octant == 2 || octant == 7) {
        segment_device += 1;
    }
    unsigned int shift = qemu_plugin_mem_size_shift(info);
    if (shift > 2) {
        shift = 2; // doublewords and vectors need word alignment only
    }
    if (address & ((1u << shift) - 1)) {
        ((insn_t *)data)->unaligned += 1;
    }
}

// ---- while QEMU translates

// Bytes of an instruction. QEMU 7 looks ahead at the end of a page and then reports what it saw as a part of
// the instruction before, so there the first halfword tells: on Arm 0b11101, 0b11110 and 0b11111 begin 4 bytes, on RISC-V
// 0b11 ends it.
static uint32_t insn_size(const struct qemu_plugin_insn *insn) {
    #if API_VERSION == 1
    const uint8_t *data = qemu_plugin_insn_data(insn);
    return (riscv ? (data[0] & 3) == 3 : data[1] >= 0xe8) ? 4 : 2;
    #else
    return (uint32_t)qemu_plugin_insn_size(insn);
    #endif
}

static void block_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
    (void)id;
    size_t n_insns = qemu_plugin_tb_n_insns(tb);
    block_t *block = checked(calloc(1, sizeof(block_t) + n_insns * sizeof(insn_t)));
    block->n_insns = n_insns;
    for (size_t i = 0; i < n_insns; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        block->insns[i].address = (uint32_t)qemu_plugin_insn_vaddr(insn);
        block->end = block->insns[i].address + insn_size(insn);
    }
    block->start = block->insns[0].address;
    for (size_t i = 0; i < n_ignored; i++) {
        if (block->start >= ignored[i].start && block->start < ignored[i].end) {
            block->ignored = true;
        }
    }
    for (size_t i = 0; i < n_marks; i++) {
        if (block->start == marks[i].address) {
            block->mark = marks[i].name;
        }
    }
    qemu_plugin_register_vcpu_tb_exec_cb(tb, block_executed, CB_NO_REGS, block);
    if (!block->ignored) {
        for (size_t i = 0; i < n_insns; i++) {
            struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
            qemu_plugin_register_vcpu_mem_cb(insn, memory_accessed, CB_NO_REGS, MEM_RW, &block->insns[i]);
        }
    }
}

// ---- start and end

static void at_exit(qemu_plugin_id_t id, void *data) {
    (void)id;
    (void)data;
    if (counting) {
        close_segment("exit");
    }
    fclose(out);
}

static bool parse_mark(const char *text) {
    const char *at = strchr(text, '@');
    char *rest;
    if (at == NULL || at == text || n_marks == MAX_MARKS) {
        return false;
    }
    marks[n_marks].name = checked(strndup(text, (size_t)(at - text)));
    marks[n_marks].address = (uint32_t)strtoul(at + 1, &rest, 16);
    n_marks += 1;
    return rest != at + 1 && *rest == '\0';
}

static bool parse_ignored(const char *text) {
    char *rest;
    if (n_ignored == MAX_IGNORED) {
        return false;
    }
    ignored[n_ignored].start = (uint32_t)strtoul(text, &rest, 16);
    if (rest == text || *rest != '-') {
        return false;
    }
    const char *second = rest + 1;
    ignored[n_ignored].end = (uint32_t)strtoul(second, &rest, 16);
    n_ignored += 1;
    return rest != second && *rest == '\0';
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv) {
    riscv = strncmp(info->target_name, "riscv", 5) == 0;
    for (int i = 0; i < argc; i++) {
        bool good = false;
        if (strncmp(argv[i], "out=", 4) == 0) {
            out = fopen(argv[i] + 4, "w");
            good = out != NULL;
        } else if (strncmp(argv[i], "mark=", 5) == 0) {
            good = parse_mark(argv[i] + 5);
        } else if (strncmp(argv[i], "ignore=", 7) == 0) {
            good = parse_ignored(argv[i] + 7);
        }
        if (!good) {
            fprintf(stderr, "insn_count: expected out=FILE, mark=NAME@HEX or ignore=HEX-HEX, got %s\n", argv[i]);
            return -1;
        }
    }
    if (out == NULL) {
        fprintf(stderr, "insn_count: expected out=FILE among the arguments\n");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, block_translated);
    qemu_plugin_register_atexit_cb(id, at_exit, NULL);
    return 0;
}
