// SPDX-License-Identifier: MIT
//
// Which taps of a window lie inside the input.

#ifndef MICROT_KERNELS_REF_WINDOW_H
#define MICROT_KERNELS_REF_WINDOW_H

#include <stdint.h>

typedef struct _microt_window_t {
    int32_t at; // input position of tap 0, may be negative
    int32_t first, end; // taps [first, end) are inside
} microt_window_t;

static inline microt_window_t microt_window(int32_t out, int32_t stride, int32_t pad, int32_t kernel,
    int32_t dilation, int32_t size) {
    const int32_t at = out * stride - pad;
    microt_window_t w = {at, 0, kernel};
    if (w.at < 0) {
        w.first = (-w.at + dilation - 1) / dilation;
        w.first = w.first < kernel ? w.first : kernel;
    }
    if (w.at + (kernel - 1) * dilation >= size) {
        w.end = (size - w.at + dilation - 1) / dilation;
        w.end = w.end > w.first ? w.end : w.first;
    }
    return w;
}

#endif // MICROT_KERNELS_REF_WINDOW_H
