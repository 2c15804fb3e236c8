// SPDX-License-Identifier: MIT
//
// Checks of a .mtb file as a whole: who writes and reads each tensor, what belongs to which exit, and
// that nothing in the arena is written over while it is needed.

#include "mtb.h"
#include "targets.h"

#define EXIT_SIZE (32)

static const uint8_t *op_record(const microt_model_t *m, unsigned index) {
    return m->ops + MICROT_OP_SIZE * index;
}

static unsigned op_branch(const microt_model_t *m, unsigned index) {
    return microt_u16(op_record(m, index) + 14);
}

static bool op_reads(const microt_model_t *m, unsigned index, unsigned tensor) {
    const uint8_t *r = op_record(m, index);
    for (unsigned i = 0; i < r[2]; i++) {
        if (microt_u16(r + 4 + 2 * i) == tensor) {
            return true;
        }
    }
    return false;
}

static unsigned first_op(const microt_model_t *m, unsigned tensor) {
    return microt_u16(m->tensors + MICROT_TENSOR_SIZE * tensor + 28);
}

static unsigned last_op(const microt_model_t *m, unsigned tensor) {
    return microt_u16(m->tensors + MICROT_TENSOR_SIZE * tensor + 30);
}

// One writer for each tensor, before its readers; the records say which.
bool microt_check_order(decoder_t *d) {
    const microt_model_t *m = d->model;
    for (unsigned t = 0; t < m->tensor_count; t++) {
        unsigned writer = MICROT_NONE;
        unsigned reader = MICROT_NONE;
        for (unsigned i = 0; i < m->op_count; i++) {
            microt_about(d, "op", (int32_t)i);
            if (op_reads(m, i, t)) {
                if (writer == MICROT_NONE && t != m->input) {
                    return microt_fail(d, "it reads tensor # before it is written", (int32_t)t, 0);
                }
                if (t != m->input && op_branch(m, writer) != MICROT_TRUNK && op_branch(m, writer) != op_branch(m, i)) {
                    return microt_fail(d, "it reads tensor #, which is the branch of exit #'s own", (int32_t)t,
                        (int32_t)op_branch(m, writer));
                }
                reader = i;
            }
            if (microt_op_output(m, i) == t) {
                if (writer != MICROT_NONE || t == m->input) {
                    return microt_fail(d, "it writes tensor #, which another op or the input fills", (int32_t)t, 0);
                }
                writer = i;
            }
        }
        microt_about(d, "tensor", (int32_t)t);
        if (first_op(m, t) != writer || last_op(m, t) != reader) {
            return microt_fail(d, "expected it to be written by op # and read last by op #", (int32_t)writer,
                (int32_t)reader);
        }
        if (writer == MICROT_NONE && t != m->input) {
            return microt_fail(d, "no op writes it", 0, 0);
        }
    }
    return true;
}

// The ops of an exit: those from start on belong to the trunk or to it, those before not to it.
static bool check_branches(decoder_t *d, unsigned e, unsigned start, uint64_t *macs) {
    const microt_model_t *m = d->model;
    for (unsigned i = 0; i < m->exits[e].end; i++) {
        const unsigned branch = op_branch(m, i);
        if (branch == MICROT_TRUNK || branch == e) {
            *macs += microt_op_macs(m, i);
        }
        const bool early = branch == e && i < start, late = i >= start && branch != MICROT_TRUNK && branch != e;
        if (early || late) {
            microt_about(d, "op", (int32_t)i);
            return microt_fail(d, "it belongs to exit # but comes before the end of exit #", (int32_t)branch,
                (int32_t)(early ? e - 1 : e));
        }
    }
    return true;
}

// Exits in order, each with the ops and the embedding it may have.
bool microt_check_exits(decoder_t *d) {
    microt_model_t *m = d->model;
    const section_t *s = &d->section[EXITS];
    microt_about(d, "exits", -1);
    if (s->size != EXIT_SIZE * (uint32_t)m->exit_count) {
        return microt_fail_text(d, "expected # bytes for # exits, got #", "", EXIT_SIZE * m->exit_count, m->exit_count,
            (int32_t)s->size);
    }
    unsigned start = 0;
    for (unsigned e = 0; e < m->exit_count; e++) {
        const uint8_t *r = m->file + s->offset + EXIT_SIZE * e;
        microt_exit_t *exit = &m->exits[e];
        unsigned tensor = microt_u16(r);
        microt_about(d, "exit", (int32_t)e);
        exit->end = microt_u16(r + 4);
        exit->macs = microt_u32(r + 8);
        if (tensor >= m->tensor_count) {
            return microt_fail(d, "its embedding is tensor # of #", (int32_t)tensor, m->tensor_count);
        }
        exit->tensor_index = (uint16_t)tensor;
        exit->tensor = microt_tensor(m, tensor);
        if (exit->tensor.h != 1 || exit->tensor.w != 1) {
            return microt_fail(d, "expected a vector, got h # w #", exit->tensor.h, exit->tensor.w);
        }
        if (microt_u16(r + 2) != 0 || microt_u16(r + 6) != 0 || !microt_zeros(r + 12, 20)) {
            return microt_fail(d, "reserved fields are not zero", 0, 0);
        }
        if (exit->end <= start || exit->end > m->op_count || (e + 1u == m->exit_count && exit->end != m->op_count)) {
            return microt_fail(d, "it ends at op # of #", exit->end, m->op_count);
        }
        unsigned first = first_op(m, tensor);
        if (first >= exit->end || (op_branch(m, first) != MICROT_TRUNK && op_branch(m, first) != e)) {
            return microt_fail(d, "its embedding, tensor #, is not written on its way", (int32_t)tensor, 0);
        }
        uint64_t macs = 0;
        if (!check_branches(d, e, start, &macs) || !microt_expect(d, "multiply-accumulates", exit->macs, macs)) {
            return false;
        }
        start = exit->end;
    }
    return true;
}

// The first op during which a tensor must be whole.
static unsigned alive_from(const microt_model_t *m, unsigned tensor) {
    return tensor == m->input ? 0 : first_op(m, tensor);
}

// The last one; op_count for an embedding.
static unsigned alive_to(const microt_model_t *m, unsigned tensor) {
    for (unsigned e = 0; e < m->exit_count; e++) {
        if (m->exits[e].tensor_index == tensor) {
            return m->op_count;
        }
    }
    return last_op(m, tensor) != MICROT_NONE ? last_op(m, tensor) : alive_from(m, tensor);
}

static bool overlap(uint32_t a, uint32_t a_size, uint32_t b, uint32_t b_size) {
    return a < b + b_size && b < a + a_size;
}

// True if the op that writes output may put it where input is.
static bool in_place(const microt_model_t *m, unsigned input, unsigned output) {
    if (output == m->input) {
        return false;
    }
    const unsigned op = first_op(m, output), code = microt_op_code(m, op);
    const microt_tensor_t in = microt_tensor(m, input), out = microt_tensor(m, output);
    const bool by_value = code == MICROT_RESHAPE || code == MICROT_ADD || code == MICROT_LOOKUP
        || code == MICROT_ARITHMETIC;
    microt_op_t loaded;
    microt_load_op(m, op, &loaded);
    const bool by_plane = microt_target_in_place(m->target, &loaded);
    return ((by_value && microt_elements(&in) == microt_elements(&out)) || by_plane) && op_reads(m, op, input)
           && alive_to(m, input) == op && in.offset == out.offset;
}

// No op writes over a tensor that a later op still reads, nor over its own inputs; no scratch
// lies over a tensor that is alive.
bool microt_check_plan(decoder_t *d) {
    const microt_model_t *m = d->model;
    microt_about(d, "plan", -1);
    for (unsigned a = 0; a < m->tensor_count; a++) {
        const microt_tensor_t first = microt_tensor(m, a);
        const unsigned from = alive_from(m, a), to = alive_to(m, a);
        for (unsigned i = from; i <= to && i < m->op_count; i++) {
            const uint32_t scratch = microt_u32(op_record(m, i) + 56), size = microt_u32(op_record(m, i) + 60);
            if (size > 0 && overlap(first.offset, microt_elements(&first), scratch, size)) {
                return microt_fail_text(d, "tensor # and the scratch of op # overlap at #", "", (int32_t)a, (int32_t)i,
                    (int32_t)scratch);
            }
        }
        for (unsigned b = 0; b < a; b++) {
            const microt_tensor_t second = microt_tensor(m, b);
            if (overlap(first.offset, microt_elements(&first), second.offset, microt_elements(&second))
                && from <= alive_to(m, b) && alive_from(m, b) <= to && !in_place(m, a, b) && !in_place(m, b, a)) {
                return microt_fail_text(d, "tensors # and # overlap at # while both are needed", "", (int32_t)b,
                    (int32_t)a, (int32_t)first.offset);
            }
        }
    }
    return true;
}
