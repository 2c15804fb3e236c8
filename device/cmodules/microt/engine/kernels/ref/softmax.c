// SPDX-License-Identifier: MIT
//
// SOFTMAX along the channels, in fixed point, the way TensorFlow Lite's reference does it.
//
// Qn below: an int32 with n integer bits, value = raw / 2^(31 - n). The difference to the
// largest input, scaled to Q5, is exponentiated to Q0; the exponentials are summed in Q12; each
// is multiplied by the reciprocal of the sum.

#include "../../kernels.h"
#include "../fixed.h"

static int32_t saturate(int64_t x) {
    return x > INT32_MAX ? INT32_MAX : x < INT32_MIN ? INT32_MIN : (int32_t)x;
}

// exp(x) in Q0 for x in [-1/4, 0) in Q0: Taylor's series to the fourth degree around -1/8.
static int32_t exp_small(int32_t x) {
    const int32_t exp_of_minus_eighth = 1895147668; // Q0
    const int32_t third = 715827883; // Q0
    const int32_t t = x + ((int32_t)1 << 28);
    const int32_t t2 = microt_high_mul(t, t);
    const int32_t t3 = microt_high_mul(t2, t);
    const int32_t t4 = microt_high_mul(t2, t2);
    // t2 / 2 + t3 / 6 + t4 / 24
    const int32_t rest = microt_round_shift(
        microt_high_mul(microt_round_shift(t4, 2) + t3, third) + t2, 1);
    return exp_of_minus_eighth + microt_high_mul(exp_of_minus_eighth, t + rest);
}

// exp(x) in Q0 for x <= 0 in Q5: the multiples of 1/4 in x each bring a constant factor.
static int32_t exp_negative(int32_t x) {
    // exp(-2^i / 4) in Q0, i = 0 to 6
    static const int32_t factor[7] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
    const int32_t quarter = (int32_t)1 << 24; // Q5
    if (x == 0) {
        return INT32_MAX;
    }
    const int32_t part = (x & (quarter - 1)) - quarter; // in [-1/4, 0)
    int32_t y = exp_small(part * (1 << 5));
    const int32_t quarters = part - x;
    for (int i = 0; i < 7; i++) {
        if (quarters & ((int32_t)1 << (24 + i))) {
            y = microt_high_mul(y, factor[i]);
        }
    }
    return y;
}

// 1 / (1 + x) in Q0 for x in [0, 1) in Q0: three steps of Newton's method.
static int32_t reciprocal(int32_t x) {
    // half of the denominator, rounded: (x + 1) / 2 in Q0
    const int32_t half = (int32_t)(((int64_t)x + INT32_MAX + 1) / 2);
    const int32_t c48_17 = 1515870810; // 48 / 17 in Q2
    const int32_t minus_c32_17 = -1010580540; // -32 / 17 in Q2
    int32_t y = c48_17 + microt_high_mul(half, minus_c32_17); // Q2
    for (int i = 0; i < 3; i++) {
        const int32_t miss = ((int32_t)1 << 29) - microt_high_mul(half, y); // Q2
        y += saturate((int64_t)microt_high_mul(y, miss) * 4); // Q4 to Q2
    }
    return saturate((int64_t)y * 2); // y / 2, Q2 to Q0
}

static void softmax_row(const int8_t *x, int8_t *y, int32_t n, int32_t multiplier, int32_t left,
    int32_t least) {
    int32_t most = -128;
    for (int32_t c = 0; c < n; c++) {
        most = x[c] > most ? x[c] : most;
    }
    int32_t sum = 0; // Q12
    for (int32_t c = 0; c < n; c++) {
        const int32_t difference = x[c] - most;
        if (difference >= least) {
            const int32_t scaled = microt_high_mul(difference * ((int32_t)1 << left), multiplier);
            sum += microt_round_shift(exp_negative(scaled), 12);
        }
    }
    // sum = 2^bits * (1 + fraction)
    int headroom = 0;
    while (headroom < 31 && ((uint32_t)sum << headroom) < 0x80000000u) {
        headroom++;
    }
    // The result is scale * exp / 2^shift; above 31 it is less than a half, whatever they are.
    const int shift = 12 - headroom + 31 - 8;
    const int32_t fraction = (int32_t)(((uint32_t)sum << headroom) - 0x80000000u);
    const int32_t scale = reciprocal(fraction); // Q0
    for (int32_t c = 0; c < n; c++) {
        const int32_t difference = x[c] - most;
        int32_t value = -128;
        if (difference >= least && shift <= 31) {
            const int32_t scaled = microt_high_mul(difference * ((int32_t)1 << left), multiplier);
            value += microt_round_shift(microt_high_mul(scale, exp_negative(scaled)), shift);
        }
        y[c] = (int8_t)microt_clamp(value, -128, 127);
    }
}

void microt_ref_softmax(const microt_op_t *op, uint8_t *arena) {
    const microt_tensor_t *in = &op->in[0];
    int32_t a[3]; // multiplier, left shift, least difference
    microt_args(op, a, 3);
    const int8_t *x = microt_data(in, arena);
    int8_t *y = microt_data(&op->out, arena);
    const int32_t rows = in->h * in->w;

    for (int32_t row = 0; row < rows; row++) {
        softmax_row(x + row * in->c, y + row * in->c, in->c, a[0], a[1], a[2]);
    }
}
