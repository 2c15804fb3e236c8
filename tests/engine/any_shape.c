// SPDX-License-Identifier: MIT
//
// Asks a target's checks of layouts and its sizes of scratch about random ops of any shape that the decoder lets pass. Built
// for the host with the sanitizers, which stop at an overflow; prints how many ops were taken, by layout. The compiler's
// line gives KERNELS, the target's header, and CHECK and SCRATCH, its functions.

#include <stdio.h>
#include <stdlib.h>

#include KERNELS

#define LAYOUTS (64)

static uint64_t state;

static uint32_t number(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 32);
}

// 1 to most, small numbers and large ones alike.
static int32_t size(int32_t most) {
    const int32_t n = (int32_t)(number() >> (1 + number() % 31)) % most;
    return n + 1;
}

// One direction of a window, as the decoder checks it; false when it does not fit.
static bool window(int32_t in, int32_t *stride, int32_t *dilation, int32_t *pad, int32_t *pad_end, int32_t *kernel,
    int32_t *out) {
    *stride = size(number() % 4 == 0 ? 65535 : 3);
    *dilation = number() % 4 != 0 ? 1 : size(65535);
    *kernel = size(number() % 4 == 0 ? 65535 : 8);
    const int64_t reach = (int64_t)(*kernel - 1) * *dilation + 1;
    if (reach > 65535) {
        return false;
    }
    *pad = (int32_t)(number() % (uint32_t)reach);
    *pad_end = (int32_t)(number() % (uint32_t)reach);
    const int64_t room = in + *pad + *pad_end - reach;
    *out = (int32_t)(room / *stride + 1);
    return room >= 0 && *out <= 65535;
}

static bool fits(const microt_tensor_t *t) {
    return (int64_t)t->h * t->w * t->c < (1 << 30);
}

int main(int argc, char **argv) {
    const long count = argc > 1 ? atol(argv[1]) : 1000;
    state = argc > 2 ? (uint64_t)atoll(argv[2]) : 1;
    unsigned long taken[LAYOUTS] = {0};
    uint64_t bytes = 0;
    for (long i = 0; i < count;) {
        int32_t args[13] = {[8] = -128, [9] = 127, [12] = 1};
        microt_op_t op = {.code = number() % 2 ? MICROT_CONV_2D : MICROT_DEPTHWISE_CONV_2D, .inputs = 1};
        op.in[0] = (microt_tensor_t) {.h = size(65535), .w = size(65535), .c = size(65535)};
        op.out.c = op.code == MICROT_CONV_2D ? size(65535) : op.in[0].c;
        if (!window(op.in[0].h, &args[0], &args[2], &args[4], &args[6], &args[10], &op.out.h)
            || !window(op.in[0].w, &args[1], &args[3], &args[5], &args[7], &args[11], &op.out.w)) {
            continue;
        }
        const int64_t taps = (int64_t)args[10] * args[11] * (op.code == MICROT_CONV_2D ? op.in[0].c : 1);
        if (taps > 65535 || !fits(&op.in[0]) || !fits(&op.out) || taps * op.out.c >= 1 << 30) {
            continue;
        }
        i++;
        op.args = (const uint8_t *)args;
        op.args_size = sizeof(args);
        // Any sections: their sizes do not fit, so an answer other than that is one about the shape.
        op.weights_size = (uint32_t)(taps * op.out.c);
        op.requant_size = 1;
        for (unsigned layout = 0; layout < LAYOUTS; layout++) {
            const char *wrong = CHECK(&op, layout);
            if (wrong != NULL && wrong[0] != 's') { // not the one about sizes
                continue;
            }
            taken[layout]++;
            bytes += SCRATCH(&op, layout);
        }
    }
    for (unsigned layout = 0; layout < LAYOUTS; layout++) {
        printf("%lu ", taken[layout]);
    }
    printf("\n");
    return bytes == 0;
}
