// SPDX-License-Identifier: MIT

#include <math.h>

#include "vector.h"

float microt_dot_float(const float *a, const float *b, size_t n) {
    float sum = 0.0f;
    for (; n >= 4; n -= 4) {
        sum += a[0] * b[0];
        sum += a[1] * b[1];
        sum += a[2] * b[2];
        sum += a[3] * b[3];
        a += 4;
        b += 4;
    }
    for (size_t i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

static float dot_int8_float(const int8_t *a, const float *b, size_t n) {
    float sum = 0.0f;
    for (; n >= 4; n -= 4) {
        sum += (float)a[0] * b[0];
        sum += (float)a[1] * b[1];
        sum += (float)a[2] * b[2];
        sum += (float)a[3] * b[3];
        a += 4;
        b += 4;
    }
    for (size_t i = 0; i < n; i++) {
        sum += (float)a[i] * b[i];
    }
    return sum;
}

// 65536 products of at most 2^14 fit an int32.
static float dot_int8_int8(const int8_t *a, const int8_t *b, size_t n) {
    float total = 0.0f;
    while (n > 0) {
        const size_t part = n < 65536 ? n : 65536;
        int32_t sum = 0;
        for (size_t i = 0; i < part; i++) {
            sum += a[i] * b[i];
        }
        total += (float)sum;
        a += part;
        b += part;
        n -= part;
    }
    return total;
}

float microt_dot(const microt_vector_t *a, size_t a_off, const microt_vector_t *b, size_t b_off, size_t n) {
    if (a->is_int8 && b->is_int8) {
        return dot_int8_int8((const int8_t *)a->data + a_off, (const int8_t *)b->data + b_off, n);
    }
    if (a->is_int8) {
        return dot_int8_float((const int8_t *)a->data + a_off, (const float *)b->data + b_off, n);
    }
    if (b->is_int8) {
        return dot_int8_float((const int8_t *)b->data + b_off, (const float *)a->data + a_off, n);
    }
    return microt_dot_float((const float *)a->data + a_off, (const float *)b->data + b_off, n);
}

void microt_axpy_float(float alpha, const float *x, float *y, size_t n) {
    for (; n >= 4; n -= 4) {
        const float y0 = y[0] + alpha * x[0], y1 = y[1] + alpha * x[1];
        const float y2 = y[2] + alpha * x[2], y3 = y[3] + alpha * x[3];
        y[0] = y0;
        y[1] = y1;
        y[2] = y2;
        y[3] = y3;
        x += 4;
        y += 4;
    }
    for (size_t i = 0; i < n; i++) {
        y[i] += alpha * x[i];
    }
}

static void axpy_int8(float alpha, const int8_t *x, float *y, size_t n) {
    for (; n >= 4; n -= 4) {
        const float y0 = y[0] + alpha * (float)x[0], y1 = y[1] + alpha * (float)x[1];
        const float y2 = y[2] + alpha * (float)x[2], y3 = y[3] + alpha * (float)x[3];
        y[0] = y0;
        y[1] = y1;
        y[2] = y2;
        y[3] = y3;
        x += 4;
        y += 4;
    }
    for (size_t i = 0; i < n; i++) {
        y[i] += alpha * (float)x[i];
    }
}

void microt_axpy(float alpha, const microt_vector_t *x, size_t x_off, float *y, size_t n) {
    if (x->is_int8) {
        axpy_int8(alpha, (const int8_t *)x->data + x_off, y, n);
    } else {
        microt_axpy_float(alpha, (const float *)x->data + x_off, y, n);
    }
}

// Four rows at a time share the loads of x; each sum is still in order.
void microt_matvec(const microt_vector_t *a, size_t a_off, const microt_vector_t *x, float *out, size_t rows,
    size_t cols) {
    size_t r = 0;
    if (!a->is_int8 && !x->is_int8) {
        const float *v = x->data;
        for (; r + 4 <= rows; r += 4) {
            const float *p0 = (const float *)a->data + a_off + r * cols;
            const float *p1 = p0 + cols, *p2 = p1 + cols, *p3 = p2 + cols;
            float s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;
            size_t c = cols;
            for (; c >= 2; c -= 2) {
                s0 += p0[0] * v[0];
                s1 += p1[0] * v[0];
                s2 += p2[0] * v[0];
                s3 += p3[0] * v[0];
                s0 += p0[1] * v[1];
                s1 += p1[1] * v[1];
                s2 += p2[1] * v[1];
                s3 += p3[1] * v[1];
                p0 += 2;
                p1 += 2;
                p2 += 2;
                p3 += 2;
                v += 2;
            }
            if (c) {
                s0 += p0[0] * v[0];
                s1 += p1[0] * v[0];
                s2 += p2[0] * v[0];
                s3 += p3[0] * v[0];
            }
            v = x->data;
            out[r] = s0;
            out[r + 1] = s1;
            out[r + 2] = s2;
            out[r + 3] = s3;
        }
    }
    for (; r < rows; r++) {
        out[r] = microt_dot(a, a_off + r * cols, x, 0, cols);
    }
}

// Four rows at a time share the loads and stores of out; each sum is still in order.
void microt_vecmat(const float *v, const microt_vector_t *a, size_t a_off, float *out, size_t rows, size_t cols) {
    for (size_t c = 0; c < cols; c++) {
        out[c] = 0.0f;
    }
    size_t r = 0;
    for (; r + 4 <= rows; r += 4) {
        const float v0 = v[r], v1 = v[r + 1], v2 = v[r + 2], v3 = v[r + 3];
        if (a->is_int8) {
            const int8_t *p0 = (const int8_t *)a->data + a_off + r * cols;
            const int8_t *p1 = p0 + cols, *p2 = p1 + cols, *p3 = p2 + cols;
            for (size_t c = 0; c < cols; c++) {
                float sum = out[c] + v0 * (float)p0[c];
                sum += v1 * (float)p1[c];
                sum += v2 * (float)p2[c];
                out[c] = sum + v3 * (float)p3[c];
            }
        } else {
            const float *p0 = (const float *)a->data + a_off + r * cols;
            const float *p1 = p0 + cols, *p2 = p1 + cols, *p3 = p2 + cols;
            for (size_t c = 0; c < cols; c++) {
                float sum = out[c] + v0 * p0[c];
                sum += v1 * p1[c];
                sum += v2 * p2[c];
                out[c] = sum + v3 * p3[c];
            }
        }
    }
    for (; r < rows; r++) {
        microt_axpy(v[r], a, a_off + r * cols, out, cols);
    }
}

void microt_scale(float *x, float alpha, size_t n) {
    for (; n >= 4; n -= 4) {
        x[0] *= alpha;
        x[1] *= alpha;
        x[2] *= alpha;
        x[3] *= alpha;
        x += 4;
    }
    for (size_t i = 0; i < n; i++) {
        x[i] *= alpha;
    }
}

size_t microt_softmax(const float *x, float *out, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++) {
        if (x[i] > x[best]) {
            best = i;
        }
    }
    const float most = n > 0 ? x[best] : 0.0f;
    float sum = 0.0f;
    for (size_t i = 0; i < n; i++) {
        out[i] = expf(x[i] - most);
        sum += out[i];
    }
    for (size_t i = 0; i < n; i++) {
        out[i] /= sum;
    }
    return best;
}

float microt_quantize(const float *x, int8_t *out, size_t n) {
    float most = 0.0f;
    for (size_t i = 0; i < n; i++) {
        const float size = fabsf(x[i]);
        most = size > most ? size : most;
    }
    const float scale = most / 127.0f;
    for (size_t i = 0; i < n; i++) {
        // a scale that is zero or underflowed leaves zeros, and so does what is not a number
        float value = scale > 0.0f ? x[i] / scale : 0.0f;
        if (!(value > -127.0f && value < 127.0f)) {
            value = value > 0.0f ? 127.0f : value < 0.0f ? -127.0f : 0.0f;
        }
        out[i] = (int8_t)(value < 0.0f ? value - 0.5f : value + 0.5f);
    }
    return scale;
}
