// SPDX-License-Identifier: MIT
//
// What heads are made of: products and sums of float32 and int8 vectors. Sums run in order in
// float32 (int8 times int8 in int32, exact), the same bits on host and board.

#ifndef MICROT_VECTOR_H
#define MICROT_VECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Values that are float32 or, for kernels that say so, int8.
typedef struct _microt_vector_t {
    void *data;
    size_t size; // values
    bool is_int8;
} microt_vector_t;

// sum a[i] * b[i], n values; a or b may be int8
float microt_dot(const microt_vector_t *a, size_t a_off, const microt_vector_t *b, size_t b_off, size_t n);
float microt_dot_float(const float *a, const float *b, size_t n);

// y += alpha * x; x may be int8
void microt_axpy(float alpha, const microt_vector_t *x, size_t x_off, float *y, size_t n);
void microt_axpy_float(float alpha, const float *x, float *y, size_t n);

// out[r] = row r of A . x; A or x may be int8
void microt_matvec(const microt_vector_t *a, size_t a_off, const microt_vector_t *x, float *out, size_t rows,
    size_t cols);

// out = sum v[r] * row r of A; A may be int8
void microt_vecmat(const float *v, const microt_vector_t *a, size_t a_off, float *out, size_t rows, size_t cols);

// x *= alpha
void microt_scale(float *x, float alpha, size_t n);

// softmax of x into out, which may be x; returns the index of the largest
size_t microt_softmax(const float *x, float *out, size_t n);

// out = round(x / scale), halves away from zero; scale = max |x| / 127, returned. x is finite.
float microt_quantize(const float *x, int8_t *out, size_t n);

#endif // MICROT_VECTOR_H
