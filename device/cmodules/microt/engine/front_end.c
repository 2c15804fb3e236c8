// SPDX-License-Identifier: MIT
//
// From a window of int16 samples to the backbone's int8 input, in integers only: the definition is in
// mtb.c. Sums that a hostile file's tables can push out of range wrap around.

#include "kernels/fixed.h"
#include "engine.h"

static int32_t i16(const uint8_t *table, uint32_t index) {
    int16_t v;
    memcpy(&v, table + 2 * index, sizeof(v));
    return v;
}

static int32_t u16(const uint8_t *table, uint32_t index) {
    return microt_u16(table + 2 * index);
}

static int32_t magnitude(int32_t x) {
    return x < 0 ? -x : x;
}

// a * c + b * s, with c and s in 2^-15.
static int32_t turn(int32_t a, int32_t c, int32_t b, int32_t s) {
    return (int32_t)(((int64_t)a * c + (int64_t)b * s + (1 << 14)) >> 15);
}

// L of mtb.c: the logarithm of x > 0 to base 2, in 2^-10.
static int32_t log2_of(uint64_t x) {
    const int whole = 63 - __builtin_clzll(x);
    const int32_t f = (int32_t)((whole >= 16 ? x >> (whole - 16) : x << (16 - whole)) & 0xFFFF);
    const int32_t bow = (int32_t)(((uint32_t)f * (uint32_t)(65536 - f)) >> 16);
    const int32_t part = f + ((bow * (27709 - ((10433 * f) >> 16))) >> 16);
    return whole * 1024 + ((part + 32) >> 6);
}

// The Fourier transform of n = 2^order complex numbers z, in place, without scaling.
static void transform(int32_t (*z)[2], int order, const uint8_t *sines) {
    const uint32_t n = 1u << order;
    for (uint32_t i = 1, j = 0; i < n; i++) {
        uint32_t bit = n >> 1;
        for (; j & bit; bit >>= 1) {
            j ^= bit;
        }
        j ^= bit;
        if (i < j) {
            const int32_t re = z[i][0], im = z[i][1];
            z[i][0] = z[j][0];
            z[i][1] = z[j][1];
            z[j][0] = re;
            z[j][1] = im;
        }
    }
    for (uint32_t half = 1; half < n; half *= 2) {
        for (uint32_t k = 0; k < half; k++) {
            const uint32_t angle = k * (n / half); // of 2 n to the circle
            const int32_t s = i16(sines, angle), c = i16(sines, angle + n / 2);
            for (uint32_t i = k; i < n; i += 2 * half) {
                int32_t *a = z[i], *b = z[i + half];
                const int32_t re = turn(b[0], c, b[1], s), im = turn(b[1], c, b[0], -s);
                b[0] = microt_wrap_add(a[0], -re);
                b[1] = microt_wrap_add(a[1], -im);
                a[0] = microt_wrap_add(a[0], re);
                a[1] = microt_wrap_add(a[1], im);
            }
        }
    }
}

// From the transform z of 2 n real numbers, taken as n complex ones, to twice the spectrum of the real
// ones: z[0] to z[n].
static void untangle(int32_t (*z)[2], uint32_t n, const uint8_t *sines) {
    z[n][0] = z[0][0];
    z[n][1] = z[0][1];
    for (uint32_t k = 0; k <= n / 2; k++) {
        int32_t *a = z[k], *b = z[n - k];
        const int32_t s = i16(sines, k), c = i16(sines, k + n / 2);
        const int32_t even_re = microt_wrap_add(a[0], b[0]), even_im = microt_wrap_add(a[1], -b[1]);
        const int32_t odd_re = microt_wrap_add(a[1], b[1]), odd_im = microt_wrap_add(b[0], -a[0]);
        const int32_t re = turn(odd_re, c, odd_im, s), im = turn(odd_im, c, odd_re, -s);
        a[0] = microt_wrap_add(even_re, re);
        a[1] = microt_wrap_add(even_im, im);
        b[0] = microt_wrap_add(even_re, -re);
        b[1] = microt_wrap_add(im, -even_im);
    }
}

// Powers of z[0] to z[n] divided by 2^shift, written over z; returns the least even shift that makes
// them fit.
static int powers(int32_t (*z)[2], uint32_t n) {
    uint32_t all = 1;
    for (uint32_t k = 0; k <= n; k++) {
        all |= (uint32_t)(z[k][0] ^ (z[k][0] >> 31)) | (uint32_t)(z[k][1] ^ (z[k][1] >> 31));
    }
    const int bits = 32 - __builtin_clz(all); // each power is at most 2^(2 bits + 1)
    const int shift = bits > 15 ? 2 * (bits - 15) : 0;
    uint32_t *power = (uint32_t *)z;
    for (uint32_t k = 0; k <= n; k++) {
        const int64_t re = z[k][0], im = z[k][1];
        power[k] = (uint32_t)(((uint64_t)(re * re) + (uint64_t)(im * im)) >> shift);
    }
    return shift;
}

// The logarithms of one frame's band energies, i32[bands]; peak: of the window.
static void frame_bands(const microt_model_t *m, const uint8_t *samples, int32_t peak, int32_t (*z)[2],
    int32_t *logs) {
    const uint8_t *r = m->front_end.record, *sines = m->file + microt_u32(r + 36);
    const uint32_t frame = microt_u16(r + 8), size = microt_u16(r + 12);
    const int order = 31 - __builtin_clz(size);
    const int up = __builtin_clz((uint32_t)peak) > 17 ? __builtin_clz((uint32_t)peak) - 17 : 0;
    int32_t *y = z[0];
    for (uint32_t i = 0; i < size; i++) {
        y[i] = i >= frame ? 0
            : (i16(samples, i) * (1 << up) * i16(m->file + microt_u32(r + 32), i) + (1 << order)) >> (order + 1);
    }
    transform(z, order - 1, sines);
    untangle(z, size / 2, sines);
    const int shift = powers(z, size / 2);
    const uint32_t *power = (const uint32_t *)z;
    const uint8_t *bands = m->file + microt_u32(r + 40), *weights = m->file + microt_u32(r + 44);
    const int32_t base = (shift + 2 * (order - up) - 45) * 1024 - 2 * log2_of((uint64_t)peak), floor = microt_i32(r + 20);
    for (uint32_t i = 0; i < microt_u16(r + 14); i++) {
        const uint32_t first = microt_u16(bands + 4 * i), bins = microt_u16(bands + 4 * i + 2);
        uint64_t energy = 0;
        for (uint32_t k = 0; k < bins; k++) {
            energy += (uint64_t)power[first + k] * (uint32_t)u16(weights, k);
        }
        weights += 2 * bins;
        const int32_t level = energy != 0 ? log2_of(energy) + base : floor;
        logs[i] = level > floor ? level : floor;
    }
}

static void mel(const microt_model_t *m, uint8_t *arena, const uint8_t *samples) {
    const uint8_t *r = m->front_end.record;
    const microt_tensor_t t = microt_tensor(m, m->input);
    const uint32_t bands = microt_u16(r + 14), coefficients = microt_u16(r + 16);
    int32_t(*z)[2] = (int32_t(*)[2])(arena + microt_u32(r + 52));
    int32_t *logs = z[microt_u16(r + 12) / 2 + 1];
    int32_t peak = microt_u16(r + 18);
    for (uint32_t i = 0; i < m->front_end.samples; i++) {
        const int32_t x = magnitude(i16(samples, i));
        peak = x > peak ? x : peak;
    }
    int8_t *out = (int8_t *)arena + t.offset;
    for (int32_t row = 0; row < t.h; row++) {
        frame_bands(m, samples + 2 * (uint32_t)row * microt_u16(r + 10), peak, z, logs);
        for (int32_t i = 0; i < t.w; i++) {
            int64_t v = logs[i];
            if (coefficients != 0) {
                const uint8_t *cosines = m->file + microt_u32(r + 48) + 2 * bands * (uint32_t)i;
                v = 1 << 14;
                for (uint32_t k = 0; k < bands; k++) {
                    v += (int64_t)logs[k] * i16(cosines, k);
                }
                v >>= 15;
            }
            const int32_t q = microt_requantize_once((int32_t)v, microt_i32(r + 24), microt_i32(r + 28));
            *out++ = (int8_t)microt_clamp(microt_wrap_add(q, t.zero_point), -128, 127);
        }
    }
}

static void axes(const microt_model_t *m, uint8_t *arena, const uint8_t *samples) {
    const uint8_t *r = m->front_end.record;
    const microt_tensor_t t = microt_tensor(m, m->input);
    const uint32_t width = microt_u16(r + 8), rows = (uint32_t)t.h;
    for (uint32_t c = 0; c < (uint32_t)t.c; c++) {
        const uint8_t *channel = m->file + microt_u32(r + 12) + 12 * c;
        const uint8_t *from = samples + 2 * microt_u16(channel);
        const unsigned kind = microt_u16(channel + 2);
        int32_t base = 0;
        if (kind == MICROT_LESS_MEAN) {
            for (uint32_t i = 0; i < rows; i++) {
                base += i16(from, i * width);
            }
            base = microt_round_divide(base, t.h);
        } else if (kind == MICROT_CHANGE) {
            base = i16(from, 0);
        }
        int8_t *out = (int8_t *)arena + t.offset + c;
        for (uint32_t i = 0; i < rows; i++) {
            const int32_t x = i16(from, i * width);
            const int32_t q = microt_requantize_once(x - base, microt_i32(channel + 4), microt_i32(channel + 8));
            out[i * (uint32_t)t.c] = (int8_t)microt_clamp(microt_wrap_add(q, t.zero_point), -128, 127);
            if (kind == MICROT_CHANGE) {
                base = x;
            }
        }
    }
}

void microt_front_end(const microt_model_t *model, uint8_t *arena, const uint8_t *samples) {
    if (model->front_end.kind == MICROT_MEL) {
        mel(model, arena, samples);
    } else if (model->front_end.kind == MICROT_AXES) {
        axes(model, arena, samples);
    }
}
