// SPDX-License-Identifier: MIT

#include <math.h>

#include "dots.h"
#include "symmetric.h"
#include "vector.h"

// While row i of the matrix is written, rows 0 to i of the samples are still read: row i starts behind them.
size_t microt_gram_size(size_t n, size_t k) {
    size_t base = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t rows = (k * (i + 1) + 3) / 4;
        const size_t before = MICROT_TRIANGLE(i);
        if (rows > before && rows - before > base) {
            base = rows - before;
        }
    }
    return base + MICROT_TRIANGLE(n);
}

float microt_gram(float *buffer, const float *scales, size_t n, size_t k) {
    const int8_t *rows = (const int8_t *)buffer;
    float *matrix = buffer + microt_gram_size(n, k) - MICROT_TRIANGLE(n);
    float trace = 0.0f;
    for (size_t i = n; i-- > 0;) {
        float *out = matrix + MICROT_TRIANGLE(i);
        for (size_t j = 0; j <= i; j++) {
            out[j] = 0.0f;
        }
        for (size_t at = 0; at < k; at += MICROT_DOTS_MAX) {
            const size_t part = k - at < MICROT_DOTS_MAX ? k - at : MICROT_DOTS_MAX;
            int16_t a[MICROT_DOTS_MAX];
            for (size_t m = 0; m < part; m++) {
                a[microt_dots_place(m, part)] = rows[i * k + at + m];
            }
            size_t j = 0;
            for (; j + 4 <= i + 1; j += 4) {
                int32_t sums[4];
                microt_dots4(a, rows + j * k + at, k, part, sums);
                for (size_t m = 0; m < 4; m++) {
                    out[j + m] += (float)sums[m];
                }
            }
            for (; j <= i; j++) {
                out[j] += (float)microt_dots1(a, rows + j * k + at, part);
            }
        }
        for (size_t j = 0; j <= i; j++) {
            out[j] *= scales[i] * scales[j];
        }
        trace += out[i];
    }
    return trace;
}

void microt_symmetric_times(const float *a, const float *x, float *out, size_t n) {
    for (size_t i = 0; i < n; i++) {
        out[i] = 0.0f;
    }
    for (size_t i = 0; i < n; i++) {
        const float *row = a + MICROT_TRIANGLE(i);
        if (x[i] != 0.0f) {
            microt_axpy_float(x[i], row, out, i);
        }
        out[i] += microt_dot_float(row, x, i + 1);
    }
}

void microt_symmetric_rank2(float *a, float alpha, const float *x, const float *y, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float *row = a + MICROT_TRIANGLE(i);
        // indicators are mostly zeros
        if (x[i] != 0.0f) {
            microt_axpy_float(alpha * x[i], y, row, i + 1);
        }
        if (y[i] != 0.0f) {
            microt_axpy_float(alpha * y[i], x, row, i + 1);
        }
    }
}

bool microt_cholesky(float *a, float shift, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float *row = a + MICROT_TRIANGLE(i);
        for (size_t j = 0; j < i; j++) {
            const float *other = a + MICROT_TRIANGLE(j);
            row[j] = (row[j] - microt_dot_float(row, other, j)) / other[j];
        }
        const float rest = row[i] + shift - microt_dot_float(row, row, i);
        if (!(rest > 0.0f) || !isfinite(rest)) {
            return false;
        }
        row[i] = sqrtf(rest);
    }
    return true;
}

void microt_cholesky_solve(const float *l, float *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const float *row = l + MICROT_TRIANGLE(i);
        x[i] = (x[i] - microt_dot_float(row, x, i)) / row[i];
    }
    for (size_t i = n; i-- > 0;) {
        const float *row = l + MICROT_TRIANGLE(i);
        x[i] /= row[i];
        microt_axpy_float(-x[i], row, x, i);
    }
}

void microt_cholesky_diagonal(float *l, float *out, float *work, size_t n) {
    for (size_t i = 0; i < n; i++) {
        out[i] = 0.0f;
    }
    for (size_t i = 0; i < n; i++) {
        float *row = l + MICROT_TRIANGLE(i);
        const float inverse = 1.0f / row[i];
        for (size_t j = 0; j < i; j++) {
            work[j] = -inverse * row[j];
            row[j] = 0.0f;
        }
        // row i of the inverse from those above it
        for (size_t j = 0; j < i; j++) {
            microt_axpy_float(work[j], l + MICROT_TRIANGLE(j), row, j + 1);
        }
        row[i] = inverse;
        for (size_t j = 0; j <= i; j++) {
            out[j] += row[j] * row[j];
        }
    }
}
