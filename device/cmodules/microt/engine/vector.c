// SPDX-License-Identifier: MIT

#include <math.h>

#include "vector.h"

static float dot_float_float(const float *a, const float *b, size_t n) {
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
    return dot_float_float((const float *)a->data + a_off, (const float *)b->data + b_off, n);
}

void microt_axpy(float alpha, const microt_vector_t *x, size_t x_off, float *y, size_t n) {
    if (x->is_int8) {
        const int8_t *p = (const int8_t *)x->data + x_off;
        for (size_t i = 0; i < n; i++) {
            y[i] += alpha * (float)p[i];
        }
    } else {
        const float *p = (const float *)x->data + x_off;
        for (size_t i = 0; i < n; i++) {
            y[i] += alpha * p[i];
        }
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
        // a scale that is zero or underflowed leaves zeros
        const float value = scale > 0.0f ? x[i] / scale : 0.0f;
        const int32_t rounded = (int32_t)(value < 0.0f ? value - 0.5f : value + 0.5f);
        out[i] = (int8_t)(rounded > 127 ? 127 : rounded < -127 ? -127 : rounded);
    }
    return scale;
}
