// SPDX-License-Identifier: MIT
//
// A camera's frame as a backbone takes it: the middle square, scaled, in RGB of 8 bits. The same bytes as Pillow's
// Image.resize(..., BILINEAR) of the same square, which is how the host prepares pictures (host/microt/data.py).
#ifndef MICROT_PICTURE_H
#define MICROT_PICTURE_H

#include <stddef.h>
#include <stdint.h>

#define MICROT_PICTURE_SIDE_MAX 4096

typedef enum _microt_pixels_t {
    MICROT_PIXELS_GREY, // one byte
    MICROT_PIXELS_RGB888, // three bytes
    MICROT_PIXELS_RGB565, // u16 of this machine's byte order
    MICROT_PIXELS_RGB565_SWAPPED, // u16 of the other byte order, as cameras send it
} microt_pixels_t;

typedef struct _microt_picture_t {
    uint16_t width, height, size; // of the frame, of the result
    uint16_t side, left, top; // the square in the frame
    uint16_t taps; // pixels of a row or column that a pixel of the result is made of, at most
    uint8_t format;
    uint16_t *first; // [size] the first of them
    int32_t *weights; // [size][taps] that add up to 1 << 22
    uint8_t *rows; // [taps][size][channels] rows of the square that were scaled already, row y at y % taps
} microt_picture_t;

// Bytes of a frame's pixel.
size_t microt_pixels_bytes(microt_pixels_t format);

// Bytes that microt_picture_open wants for width, height, size of 1 to MICROT_PICTURE_SIDE_MAX.
size_t microt_picture_memory(unsigned width, unsigned height, microt_pixels_t format, unsigned size);

// memory: aligned to 4, for as long as the picture is used.
void microt_picture_open(microt_picture_t *p, unsigned width, unsigned height, microt_pixels_t format, unsigned size,
    void *memory);

// frame: height rows of width pixels; out: [size][size][3].
void microt_picture_scale(const microt_picture_t *p, const uint8_t *frame, uint8_t *out);

#endif // MICROT_PICTURE_H
