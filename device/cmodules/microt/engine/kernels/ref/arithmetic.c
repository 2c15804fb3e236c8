// SPDX-License-Identifier: MIT
//
// ARITHMETIC: two operands of their own scales, repeated where their size is 1; one may be a constant.

#include "../../kernels.h"
#include "../fixed.h"

typedef struct _operand_t {
    const int8_t *x;
    int32_t row, column, channel; // steps; 0 where the operand is repeated
    int32_t zero_point;
} operand_t;

static operand_t operand(const int8_t *x, const microt_tensor_t *shape) {
    const int32_t row = shape->w * shape->c;
    operand_t found;
    found.x = x;
    found.row = shape->h == 1 ? 0 : row;
    found.column = shape->w == 1 ? 0 : shape->c;
    found.channel = shape->c == 1 ? 0 : 1;
    found.zero_point = shape->zero_point;
    return found;
}

// x1 and x2 without their zero points; a: the args.
static int32_t combine(const int32_t *a, int32_t x1, int32_t x2) {
    if (a[0] >= MICROT_KIND_MINIMUM) {
        return (x1 < x2) == (a[0] == MICROT_KIND_MINIMUM) ? x1 : x2;
    }
    if (a[0] == MICROT_KIND_MUL || (a[0] == MICROT_KIND_PRELU && x1 < 0)) {
        return microt_requantize(x1 * x2, a[6], a[7]);
    }
    if (a[0] == MICROT_KIND_PRELU) {
        return microt_requantize(x1, a[2], a[3]);
    }
    const int32_t unit = (int32_t)1 << a[1];
    const int32_t first = microt_requantize(x1 * unit, a[2], a[3]);
    const int32_t second = microt_requantize(x2 * unit, a[4], a[5]);
    return microt_requantize(a[0] == MICROT_KIND_ADD ? first + second : first - second, a[6], a[7]);
}

void microt_ref_arithmetic(const microt_op_t *op, uint8_t *arena) {
    const microt_tensor_t *out = &op->out;
    int32_t a[15];
    microt_args(op, a, 15);
    const microt_tensor_t constant = {.h = a[11], .w = a[12], .c = a[13], .zero_point = a[14]};
    operand_t operands[2];
    const microt_tensor_t *in = op->in;
    for (int i = 0; i < 2; i++) {
        if (a[10] == i + 1) {
            operands[i] = operand(op->weights, &constant);
        } else {
            operands[i] = operand(microt_data(in, arena), in);
            in++;
        }
    }
    const operand_t *p = &operands[0], *q = &operands[1];
    int8_t *y = microt_data(out, arena); // may be an operand of the same shape

    for (int32_t oy = 0; oy < out->h; oy++) {
        for (int32_t ox = 0; ox < out->w; ox++) {
            const int8_t *x1 = p->x + oy * p->row + ox * p->column;
            const int8_t *x2 = q->x + oy * q->row + ox * q->column;
            for (int32_t c = 0; c < out->c; c++) {
                const int32_t value = combine(a, x1[c * p->channel] - p->zero_point, x2[c * q->channel] - q->zero_point);
                *y++ = (int8_t)microt_clamp(microt_wrap_add(value, out->zero_point), a[8], a[9]);
            }
        }
    }
}
