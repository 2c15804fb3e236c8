// SPDX-License-Identifier: MIT
//
// Symmetric matrices of float32 as their lower triangle, packed by rows: (i, j), j <= i, is at i (i + 1) / 2 + j.
// Made from int8 samples (their Gram matrix) and solved by Cholesky's decomposition. Sums run in order.

#ifndef MICROT_SYMMETRIC_H
#define MICROT_SYMMETRIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Values in the triangle of n rows.
#define MICROT_TRIANGLE(n) ((size_t)(n) * ((size_t)(n) + 1) / 2)

// float32 values of the buffer that microt_gram works in
size_t microt_gram_size(size_t n, size_t k);

// The Gram matrix of n int8 rows of k values, in place: the rows lie at the start of buffer, which has
// microt_gram_size(n, k) values, and are gone afterwards; the matrix, (i, j) = scales[i] * scales[j] * row i . row j, lies
// at its end. Returns the sum of the diagonal.
float microt_gram(float *buffer, const float *scales, size_t n, size_t k);

// out = A x
void microt_symmetric_times(const float *a, const float *x, float *out, size_t n);

// A += alpha (x y^T + y x^T)
void microt_symmetric_rank2(float *a, float alpha, const float *x, const float *y, size_t n);

// A + shift I = L L^T, in place. false when that is not positive definite; A is then of no more use.
bool microt_cholesky(float *a, float shift, size_t n);

// x = (L L^T)^-1 x
void microt_cholesky_solve(const float *l, float *x, size_t n);

// out = diagonal of (L L^T)^-1; L becomes its inverse; work: n values
void microt_cholesky_diagonal(float *l, float *out, float *work, size_t n);

#endif // MICROT_SYMMETRIC_H
