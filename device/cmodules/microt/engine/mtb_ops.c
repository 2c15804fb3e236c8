// SPDX-License-Identifier: MIT
//
// Checks of the ops of a .mtb file: records, arguments, constants, and what the target's kernels ask.

#include "mtb.h"
#include "targets.h"

#define MAX_PRODUCTS (65535)
#define MAX_TERMS (1 << 23)

typedef bool check_t(decoder_t *d, const microt_op_t *op);

static bool check_clamp(decoder_t *d, const int32_t *clamp) {
    if (clamp[0] < -128 || clamp[1] < clamp[0] || clamp[1] > 127) {
        return microt_fail(d, "expected a clamp inside -128 to 127, got # to #", clamp[0], clamp[1]);
    }
    return true;
}

// A multiplier and the shift after it.
static bool check_scale(decoder_t *d, int32_t multiplier, int32_t shift, int32_t most) {
    if (multiplier < 0 || shift < -31 || shift > most) {
        return microt_fail(d, "multiplier # with shift # is out of range", multiplier, shift);
    }
    return true;
}

static bool check_same_scale(decoder_t *d, const microt_tensor_t *a, const microt_tensor_t *b) {
    float difference = a->scale > b->scale ? a->scale - b->scale : b->scale - a->scale;
    if (a->zero_point != b->zero_point || difference > a->scale * 1e-5f) {
        return microt_fail(d, "expected input and output of one scale and zero point, got zero points # and #",
            a->zero_point, b->zero_point);
    }
    return true;
}

static bool check_same_shape(decoder_t *d, const microt_op_t *op) {
    const microt_tensor_t *out = &op->out;
    for (unsigned i = 0; i < op->inputs; i++) {
        const microt_tensor_t *in = &op->in[i];
        if (in->h != out->h || in->w != out->w || in->c != out->c) {
            return microt_fail(d, "input # does not have the output's shape", (int32_t)i, 0);
        }
    }
    return true;
}

// The number of the operator that an op stands for.
static bool check_origin(decoder_t *d, int32_t origin) {
    return microt_expect_range(d, "an operator's number", origin, 0, 255);
}

static bool check_terms(decoder_t *d, uint64_t terms, uint32_t most) {
    if (terms > most) {
        return microt_fail(d, "expected at most # terms in a sum, got %", (int32_t)most, (int32_t)microt_saturate(terms));
    }
    return true;
}

// The windows of both directions cover what the output says. args begin with the strides, {dilations},
// pads before and after; kernel h and w are at args[kernel].
static bool check_windows(decoder_t *d, const microt_op_t *op, bool dilated, unsigned kernel) {
    for (unsigned i = 0; i < 2; i++) {
        const int32_t *a = d->args + i;
        const int32_t in = i == 0 ? op->in[0].h : op->in[0].w, out = i == 0 ? op->out.h : op->out.w;
        const int32_t dilation = dilated ? a[2] : 1, before = dilated ? a[4] : a[2], after = dilated ? a[6] : a[4];
        if (!microt_expect_range(d, "a kernel", a[kernel], 1, 65535)
            || !microt_expect_range(d, "a stride", a[0], 1, 65535)
            || !microt_expect_range(d, "a dilation", dilation, 1, 65535)) {
            return false;
        }
        const uint32_t window = (uint32_t)(a[kernel] - 1) * (uint32_t)dilation + 1;
        if (window > 65535) {
            return microt_fail(d, "expected windows of at most 65535, got %", (int32_t)window, 0);
        }
        const int32_t reach = (int32_t)window;
        if (before < 0 || before >= reach || after < 0 || after >= reach) {
            return microt_fail(d, "its padding of # and # does not fit its window", before, after);
        }
        const int32_t room = in + before + after - reach, outputs = room < 0 ? 0 : room / a[0] + 1;
        if (outputs != out) {
            return microt_fail(d, "its windows give # outputs, its tensor has #", outputs, out);
        }
    }
    return true;
}

// Sizes of the constants of layouts below 16, and every channel's multiplier and shift.
static bool check_constants(decoder_t *d, const microt_op_t *op, uint32_t products) {
    const uint32_t channels = (uint32_t)op->out.c;
    d->macs = (uint64_t)microt_elements(&op->out) * products;
    if (!check_terms(d, products, MAX_PRODUCTS)) {
        return false;
    }
    if (op->layout >= MICROT_TARGET_LAYOUTS) {
        return true;
    }
    if (!microt_expect(d, "bytes of weights", op->weights_size, products * channels)
        || !microt_expect(d, "bytes of bias", op->bias_size, 4 * channels)
        || !microt_expect(d, "bytes of requant", op->requant_size, 8 * channels)) {
        return false;
    }
    for (uint32_t i = 0; i < channels; i++) {
        if (!check_scale(d, microt_i32(op->requant + 8 * i), microt_i32(op->requant + 8 * i + 4), 30)) {
            return false;
        }
    }
    return true;
}

static bool check_conv(decoder_t *d, const microt_op_t *op) {
    const microt_tensor_t *in = &op->in[0];
    const microt_tensor_t *out = &op->out;
    const int32_t *a = d->args;
    if (!check_windows(d, op, true, 10) || !check_clamp(d, a + 8)) {
        return false;
    }
    const uint32_t plane = (uint32_t)in->h * (uint32_t)in->w;
    if (op->layout == MICROT_IN_PLACE
        && (in->c != out->c || (uint32_t)out->h * (uint32_t)out->w > plane || op->scratch_size < plane)) {
        return microt_fail(d, "layout 1 expects as many channels, no more pixels and # bytes of scratch, got %",
            (int32_t)plane, (int32_t)op->scratch_size);
    }
    const uint32_t taps = (uint32_t)a[10] * (uint32_t)a[11];
    if (op->code == MICROT_DEPTHWISE_CONV_2D) {
        if (a[12] < 1 || a[12] > 65535 || (uint32_t)in->c * (uint32_t)a[12] != (uint32_t)out->c) {
            return microt_fail(d, "# input channels times a multiplier of # are not the output's", in->c, a[12]);
        }
        return check_constants(d, op, taps);
    }
    uint32_t depth = (uint32_t)in->c;
    if (op->layout < MICROT_TARGET_LAYOUTS) {
        if (!check_terms(d, taps, MAX_PRODUCTS)) {
            return false;
        }
        depth = op->weights_size / (taps * (uint32_t)out->c);
        if (depth == 0 || (uint32_t)in->c % depth != 0 || (uint32_t)out->c % ((uint32_t)in->c / depth) != 0) {
            return microt_fail(d, "% bytes of weights do not fit # input channels", (int32_t)op->weights_size, in->c);
        }
    }
    return check_terms(d, (uint64_t)taps * depth, MAX_PRODUCTS) && check_constants(d, op, taps * depth);
}

static bool check_fully_connected(decoder_t *d, const microt_op_t *op) {
    const int32_t *a = d->args;
    const uint32_t rows = (uint32_t)op->out.h * (uint32_t)op->out.w, values = microt_elements(&op->in[0]);
    if (values % rows != 0) {
        return microt_fail(d, "# input values do not make # rows", (int32_t)values, (int32_t)rows);
    }
    if (a[2] != 0) {
        return microt_fail(d, "expected a weights zero point of 0, got #", a[2], 0);
    }
    return check_clamp(d, a) && check_constants(d, op, values / rows);
}

static bool check_add(decoder_t *d, const microt_op_t *op) {
    const int32_t *a = d->args;
    return check_same_shape(d, op) && microt_expect_range(d, "a left shift", a[0], 0, 20)
           && check_scale(d, a[1], a[2], 0) && check_scale(d, a[3], a[4], 0) && check_scale(d, a[5], a[6], 0)
           && check_clamp(d, a + 7);
}

static bool check_pad(decoder_t *d, const microt_op_t *op) {
    const microt_tensor_t *in = &op->in[0];
    const microt_tensor_t *out = &op->out;
    const int32_t *a = d->args;
    for (unsigned i = 0; i < 6; i++) {
        if (!microt_expect_range(d, "a padding", a[i], 0, 65535)) {
            return false;
        }
    }
    if (in->h + a[0] + a[1] != out->h || in->w + a[2] + a[3] != out->w || in->c + a[4] + a[5] != out->c) {
        return microt_fail(d, "its input and padding do not make its output", 0, 0);
    }
    return microt_expect_range(d, "a value", a[6], -128, 127) && check_same_scale(d, in, out);
}

static bool check_pool(decoder_t *d, const microt_op_t *op) {
    const int32_t *a = d->args;
    if (op->in[0].c != op->out.c) {
        return microt_fail(d, "# input channels, # output channels", op->in[0].c, op->out.c);
    }
    return check_windows(d, op, false, 6) && check_terms(d, (uint32_t)a[6] * (uint32_t)a[7], MAX_TERMS)
           && check_clamp(d, a + 8) && check_same_scale(d, &op->in[0], &op->out);
}

static bool check_mean(decoder_t *d, const microt_op_t *op) {
    const microt_tensor_t *in = &op->in[0];
    if (op->out.h != 1 || op->out.w != 1 || in->c != op->out.c) {
        return microt_fail(d, "expected an output of 1, 1, #", in->c, 0);
    }
    return check_terms(d, (uint32_t)in->h * (uint32_t)in->w, MAX_TERMS) && check_scale(d, d->args[0], d->args[1], 30);
}

static bool check_reshape(decoder_t *d, const microt_op_t *op) {
    const uint32_t in = microt_elements(&op->in[0]), out = microt_elements(&op->out);
    if (in != out) {
        return microt_fail(d, "# input values, # output values", (int32_t)in, (int32_t)out);
    }
    return check_same_scale(d, &op->in[0], &op->out);
}

static bool check_softmax(decoder_t *d, const microt_op_t *op) {
    const microt_tensor_t *out = &op->out;
    const int32_t *a = d->args;
    if (!check_same_shape(d, op) || !microt_expect_range(d, "a number of channels", out->c, 1, 4095)) {
        return false;
    }
    if (out->scale != 1.0f / 256 || out->zero_point != -128) {
        return microt_fail(d, "expected an output scale of 1/256 and zero point -128, got zero point #",
            out->zero_point, 0);
    }
    if (a[0] < 0 || a[1] < 0 || a[1] > 30 || a[2] < -((31 << 26) >> a[1]) || a[2] > 0) {
        return microt_fail(d, "beta shift # with a least difference of # is out of range", a[1], a[2]);
    }
    return true;
}

static bool check_concatenation(decoder_t *d, const microt_op_t *op) {
    const microt_tensor_t *out = &op->out;
    const bool along_c = op->in[0].c != out->c || op->inputs == 1;
    const bool along_w = !along_c && op->in[0].w != out->w;
    int32_t sum = 0;
    for (unsigned i = 0; i < op->inputs; i++) {
        const microt_tensor_t *in = &op->in[i];
        if ((!along_c && in->c != out->c) || (!along_w && in->w != out->w)
            || ((along_c || along_w) && in->h != out->h)) {
            return microt_fail(d, "input # does not have the output's sizes beside the one that adds up", (int32_t)i, 0);
        }
        if (!check_same_scale(d, in, out)) {
            return false;
        }
        sum += along_c ? in->c : along_w ? in->w : in->h;
    }
    if (sum != (along_c ? out->c : along_w ? out->w : out->h)) {
        return microt_fail(d, "its inputs have # channels, columns or rows together, its output others", sum, 0);
    }
    return true;
}

static bool check_lookup(decoder_t *d, const microt_op_t *op) {
    return microt_expect(d, "bytes of weights", op->weights_size, 256) && check_same_shape(d, op)
           && check_origin(d, d->args[0]);
}

static bool check_operand(decoder_t *d, const microt_tensor_t *in, const microt_tensor_t *out) {
    if ((in->h != 1 && in->h != out->h) || (in->w != 1 && in->w != out->w) || (in->c != 1 && in->c != out->c)) {
        return microt_fail(d, "an operand's # channels or its h and w are neither 1 nor the output's (# channels)",
            in->c, out->c);
    }
    return true;
}

static bool check_arithmetic(decoder_t *d, const microt_op_t *op) {
    const int32_t *a = d->args;
    const int32_t kind = a[0];
    const int32_t *constant = a + 10; // which, h, w, c, zero point
    if (!microt_expect_range(d, "a kind of arithmetic", kind, MICROT_KIND_ADD, MICROT_KIND_MAXIMUM)) {
        return false;
    }
    const bool sum = kind == MICROT_KIND_ADD || kind == MICROT_KIND_SUB;
    const bool choice = kind == MICROT_KIND_MINIMUM || kind == MICROT_KIND_MAXIMUM;
    if (!microt_expect_range(d, "a left shift", a[1], 0, sum ? 20 : 0)) {
        return false;
    }
    if ((!sum && ((kind != MICROT_KIND_PRELU && (a[2] | a[3]) != 0) || (a[4] | a[5]) != 0))
        || (choice && (a[6] | a[7]) != 0)) {
        return microt_fail(d, "multipliers that are not used are not zero", 0, 0);
    }
    for (unsigned i = 2; i < 8; i += 2) {
        if (!check_scale(d, a[i], a[i + 1], sum ? 0 : 30)) {
            return false;
        }
    }
    if (op->inputs == 2 ? constant[0] != 0 : constant[0] != 1 && constant[0] != 2) {
        return microt_fail(d, "# inputs with operand # a constant", op->inputs, constant[0]);
    }
    if (op->inputs == 2) {
        if ((constant[1] | constant[2] | constant[3] | constant[4]) != 0) {
            return microt_fail(d, "no constant, but its shape and zero point are not zero", 0, 0);
        }
    } else {
        const microt_tensor_t shape = {.h = constant[1], .w = constant[2], .c = constant[3]};
        if (!check_operand(d, &shape, &op->out)
            || !microt_expect(d, "bytes of weights", op->weights_size, microt_elements(&shape))) {
            return false;
        }
        const int32_t zero_point = op->out.zero_point;
        if (constant[4] < (choice ? zero_point : -128) || constant[4] > (choice ? zero_point : 127)) {
            return microt_fail(d, "a constant's zero point of # is out of range, or not the output's, #",
                constant[4], zero_point);
        }
    }
    for (unsigned i = 0; i < op->inputs; i++) {
        if (!check_operand(d, &op->in[i], &op->out) || (choice && !check_same_scale(d, &op->in[i], &op->out))) {
            return false;
        }
    }
    return check_clamp(d, a + 8);
}

static bool check_strided_copy(decoder_t *d, const microt_op_t *op) {
    const int32_t sizes[3] = {op->out.h, op->out.w, op->out.c};
    const int32_t *a = d->args;
    int64_t low = a[0], high = a[0];
    for (unsigned i = 0; i < 3; i++) {
        const int64_t reach = (int64_t)(sizes[i] - 1) * a[1 + i];
        low += reach < 0 ? reach : 0;
        high += reach > 0 ? reach : 0;
    }
    if (low < 0 || high >= (int64_t)microt_elements(&op->in[0])) {
        return microt_fail(d, "it copies what is not inside its input of # values", (int32_t)microt_elements(&op->in[0]),
            0);
    }
    return check_same_scale(d, &op->in[0], &op->out) && check_origin(d, a[4]);
}

// Which sections an operator has beside args.
enum { NO_CONSTANTS, WEIGHTS, ALL_CONSTANTS };

typedef struct _operator_t {
    uint8_t args, inputs_least, inputs_most, constants;
    check_t *check;
} operator_t;

static const operator_t operators[MICROT_OPCODES] = {
    [MICROT_CONV_2D] = {12, 1, 1, ALL_CONSTANTS, check_conv},
    [MICROT_DEPTHWISE_CONV_2D] = {13, 1, 1, ALL_CONSTANTS, check_conv},
    [MICROT_FULLY_CONNECTED] = {3, 1, 1, ALL_CONSTANTS, check_fully_connected},
    [MICROT_ADD] = {9, 2, 2, NO_CONSTANTS, check_add},
    [MICROT_PAD] = {7, 1, 1, NO_CONSTANTS, check_pad},
    [MICROT_AVERAGE_POOL_2D] = {10, 1, 1, NO_CONSTANTS, check_pool},
    [MICROT_MEAN] = {2, 1, 1, NO_CONSTANTS, check_mean},
    [MICROT_RESHAPE] = {0, 1, 1, NO_CONSTANTS, check_reshape},
    [MICROT_SOFTMAX] = {3, 1, 1, NO_CONSTANTS, check_softmax},
    [MICROT_CONCATENATION] = {0, 1, MICROT_MAX_INPUTS, NO_CONSTANTS, check_concatenation},
    [MICROT_MAX_POOL_2D] = {10, 1, 1, NO_CONSTANTS, check_pool},
    [MICROT_LOOKUP] = {1, 1, 1, WEIGHTS, check_lookup},
    [MICROT_ARITHMETIC] = {MICROT_MAX_ARGS, 1, 2, WEIGHTS, check_arithmetic}, // one input: weights
    [MICROT_STRIDED_COPY] = {5, 1, 1, NO_CONSTANTS, check_strided_copy},
};

// What is common to all operators: tensors, scratch, where the constants lie.
static bool check_record(decoder_t *d, const operator_t *kind, const uint8_t *r) {
    const microt_model_t *m = d->model;
    if (!microt_expect_range(d, "a number of inputs", r[2], kind->inputs_least, kind->inputs_most)) {
        return false;
    }
    if (r[3] != 0) {
        return microt_fail(d, "reserved fields are not zero", 0, 0);
    }
    const uint32_t scratch = microt_u32(r + 56), scratch_size = microt_u32(r + 60);
    if (scratch_size == 0 ? scratch != 0
        : (scratch & 15) != 0 || scratch > m->arena_size || scratch_size > m->arena_size - scratch) {
        return microt_fail(d, "scratch of % bytes at % is not inside the arena or not at a multiple of 16",
            (int32_t)scratch_size, (int32_t)scratch);
    }
    for (unsigned i = 0; i < MICROT_MAX_INPUTS; i++) {
        unsigned t = microt_u16(r + 4 + 2 * i);
        if (i < r[2] ? t >= m->tensor_count : t != MICROT_NONE) {
            return microt_fail(d, "input # is tensor #", (int32_t)i, (int32_t)t);
        }
    }
    if (microt_u16(r + 12) >= m->tensor_count) {
        return microt_fail(d, "its output is tensor # of #", microt_u16(r + 12), m->tensor_count);
    }
    unsigned branch = microt_u16(r + 14);
    if (branch != MICROT_TRUNK && branch >= m->exit_count) {
        return microt_fail(d, "it belongs to the branch of exit # of #", (int32_t)branch, m->exit_count);
    }
    const bool laid_out = r[1] >= MICROT_TARGET_LAYOUTS;
    for (unsigned i = 0; i < 4; i++) { // args, weights, bias, requant
        uint32_t offset = microt_u32(r + 16 + 8 * i);
        uint32_t size = microt_u32(r + 20 + 8 * i);
        bool wanted = i == 0 ? kind->args != 0
            : i == 1 ? kind->constants != NO_CONSTANTS && r[2] == kind->inputs_least
            : laid_out ? i == 3 && size != 0 : kind->constants == ALL_CONSTANTS;
        if (!wanted ? offset != 0 || size != 0
            : !microt_in_data(d, offset, size) || ((i != 1 || laid_out) && (offset & 3) != 0)) {
            return microt_fail(d, "% bytes of constants at % are not in the data section or not at a multiple of 4",
                (int32_t)size, (int32_t)offset);
        }
    }
    return microt_expect(d, "bytes of args", microt_u32(r + 20), 4u * kind->args)
           && microt_check_name(d, microt_u32(r + 52));
}

// What the kernels of the file's target ask: how the constants lie, and scratch.
static bool check_kernel(decoder_t *d, const microt_op_t *op) {
    const char *wrong = microt_target_check(d->model->target, op);
    if (wrong != NULL) {
        return microt_fail_text(d, "weight layout #: @", wrong, op->layout, 0, 0);
    }
    const uint32_t scratch = microt_target_scratch(d->model->target, op);
    return op->scratch_size >= scratch
           || microt_fail(d, "expected % bytes of scratch, got %", (int32_t)scratch, (int32_t)op->scratch_size);
}

static bool check_op(decoder_t *d, unsigned index) {
    const microt_model_t *m = d->model;
    const uint8_t *r = m->ops + MICROT_OP_SIZE * index;
    microt_about(d, "op", (int32_t)index);
    if (!microt_expect_range(d, "an opcode", r[0], 1, MICROT_OPCODES - 1)) {
        return false;
    }
    if (!microt_target_has_layout(m->target, r[0], r[1])) {
        return microt_fail_text(d, "weight layout # is none of opcode # for target @", microt_target_name(m->target),
            r[1], r[0], 0);
    }
    const operator_t *kind = &operators[r[0]];
    if (!check_record(d, kind, r)) {
        return false;
    }
    microt_op_t op;
    microt_load_op(m, index, &op);
    microt_args(&op, d->args, kind->args);
    d->macs = 0;
    return kind->check(d, &op) && check_kernel(d, &op)
           && microt_expect(d, "multiply-accumulates", microt_op_macs(m, index), d->macs);
}

bool microt_check_ops(decoder_t *d) {
    for (unsigned i = 0; i < d->model->op_count; i++) {
        if (!check_op(d, i)) {
            return false;
        }
    }
    return true;
}
