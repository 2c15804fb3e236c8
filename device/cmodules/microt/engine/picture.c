// SPDX-License-Identifier: MIT
//
// Pillow's filter is a triangle as wide as two pixels of the result (of the source when it is enlarged): pixel x of the
// source weighs 1 - |x + 1/2 - c| / f in pixel i of the result, with c = (i + 1/2) side / size and f = max(side / size, 1).
// Times 2 max(side, size) that is a whole number, so that no float is needed. Rounded to 22 bits, rows first, then columns.

#include <string.h>

#include "picture.h"

#define WEIGHT_BITS 22

static unsigned minimum(unsigned a, unsigned b) {
    return a < b ? a : b;
}

static size_t channels(microt_pixels_t format) {
    return format == MICROT_PIXELS_GREY ? 1 : 3;
}

size_t microt_pixels_bytes(microt_pixels_t format) {
    static const uint8_t bytes[] = { 1, 3, 2, 2 };
    return bytes[format];
}

static unsigned taps(unsigned side, unsigned size) {
    return side > size ? 2 * ((side + size - 1) / size) + 1 : 3;
}

size_t microt_picture_memory(unsigned width, unsigned height, microt_pixels_t format, unsigned size) {
    const size_t n = taps(minimum(width, height), size);
    return size * (sizeof(int32_t) * n + sizeof(uint16_t) + n * channels(format));
}

// Of the result's pixel i and the source's x, times 2 max(side, size).
static int32_t weight(const microt_picture_t *p, unsigned i, unsigned x) {
    const int32_t whole = 2 * (p->side > p->size ? p->side : p->size);
    const int32_t away = (int32_t)((2 * x + 1) * p->size) - (int32_t)((2 * i + 1) * p->side);
    const int32_t left = whole - (away < 0 ? -away : away);
    return left < 0 ? 0 : left;
}

void microt_picture_open(microt_picture_t *p, unsigned width, unsigned height, microt_pixels_t format, unsigned size,
    void *memory) {
    const unsigned side = minimum(width, height);
    p->width = (uint16_t)width;
    p->height = (uint16_t)height;
    p->size = (uint16_t)size;
    p->side = (uint16_t)side;
    p->left = (uint16_t)((width - side) / 2);
    p->top = (uint16_t)((height - side) / 2);
    p->taps = (uint16_t)taps(side, size);
    p->format = (uint8_t)format;
    p->weights = memory;
    p->first = (uint16_t *)(p->weights + (size_t)size * p->taps);
    p->rows = (uint8_t *)(p->first + size);
    unsigned first = 0;
    for (unsigned i = 0; i < size; i++) {
        while (weight(p, i, first) == 0) {
            first++;
        }
        int64_t sum = 0;
        for (unsigned k = 0; k < p->taps && first + k < side; k++) {
            sum += weight(p, i, first + k);
        }
        int32_t *out = p->weights + (size_t)i * p->taps;
        for (unsigned k = 0; k < p->taps; k++) {
            const int64_t w = first + k < side ? weight(p, i, first + k) : 0;
            out[k] = (int32_t)(((w << (WEIGHT_BITS + 1)) + sum) / (2 * sum));
        }
        p->first[i] = (uint16_t)first;
    }
}

static uint8_t rounded(int32_t sum) {
    const int32_t value = (sum + (1 << (WEIGHT_BITS - 1))) >> WEIGHT_BITS;
    return (uint8_t)(value > 255 ? 255 : value);
}

static void scale_row(const microt_picture_t *p, const uint8_t *row, uint8_t *out) {
    const int32_t *weights = p->weights;
    for (unsigned i = 0; i < p->size; i++, weights += p->taps) {
        // Behind the last pixel all weights are 0.
        const unsigned n = minimum(p->taps, p->side - p->first[i]);
        int32_t red = 0, green = 0, blue = 0;
        if (p->format == MICROT_PIXELS_GREY) {
            const uint8_t *from = row + p->first[i];
            for (unsigned k = 0; k < n; k++) {
                red += weights[k] * from[k];
            }
            *out++ = rounded(red);
            continue;
        }
        if (p->format == MICROT_PIXELS_RGB888) {
            const uint8_t *from = row + 3 * p->first[i];
            for (unsigned k = 0; k < n; k++, from += 3) {
                red += weights[k] * from[0];
                green += weights[k] * from[1];
                blue += weights[k] * from[2];
            }
        } else {
            const uint8_t *from = row + 2 * p->first[i];
            for (unsigned k = 0; k < n; k++, from += 2) {
                uint16_t pixel;
                memcpy(&pixel, from, sizeof(pixel));
                if (p->format == MICROT_PIXELS_RGB565_SWAPPED) {
                    pixel = (uint16_t)(pixel << 8 | pixel >> 8);
                }
                // The upper bits again as the lower ones, so that white is 255.
                const int32_t r = pixel >> 11, g = pixel >> 5 & 63, b = pixel & 31;
                red += weights[k] * (r << 3 | r >> 2);
                green += weights[k] * (g << 2 | g >> 4);
                blue += weights[k] * (b << 3 | b >> 2);
            }
        }
        *out++ = rounded(red);
        *out++ = rounded(green);
        *out++ = rounded(blue);
    }
}

void microt_picture_scale(const microt_picture_t *p, const uint8_t *frame, uint8_t *out) {
    const size_t pixel = microt_pixels_bytes(p->format), stride = p->size * channels(p->format);
    const uint8_t *corner = frame + ((size_t)p->top * p->width + p->left) * pixel;
    const int32_t *weights = p->weights;
    unsigned scaled = 0; // rows of the square so far
    for (unsigned i = 0; i < p->size; i++, weights += p->taps) {
        const unsigned first = p->first[i], n = minimum(p->taps, p->side - first);
        for (; scaled < first + n; scaled++) {
            scale_row(p, corner + (size_t)scaled * p->width * pixel, p->rows + scaled % p->taps * stride);
        }
        for (size_t j = 0; j < stride; j++) {
            int32_t sum = 0;
            for (unsigned k = 0; k < n; k++) {
                sum += weights[k] * p->rows[(first + k) % p->taps * stride + j];
            }
            const uint8_t value = rounded(sum);
            *out++ = value;
            if (p->format == MICROT_PIXELS_GREY) {
                *out++ = value;
                *out++ = value;
            }
        }
    }
}
