// SPDX-License-Identifier: MIT
//
// DEPTHWISE_CONV_2D of square windows, with its output elsewhere or where its input is: the plane of a channel is gathered
// to the stack, with its padding, in strips of rows; then three outputs of a row are made at a time. The zero point goes
// to the bias, times the sum of the channel's weights.

#include "finish.h"

#ifdef MICROT_HAVE_C

#define OUTPUTS (3) // of a row, at once
#define PLANE_BYTES (1280)

typedef struct _plane_t {
    const int8_t *x; // (rows, pitch)
    int32_t pitch;
    const int8_t *w; // (kernel, kernel)
    int8_t *y;
    int32_t rows, columns, channels; // of the output; channels: bytes between neighbours
    int32_t bias, multiplier, shift;
    microt_c_range_t range;
} plane_t;

static inline __attribute__((always_inline)) void plane(const plane_t *p, const int kernel, const int stride) {
    const int inputs = (OUTPUTS - 1) * stride + kernel;
    const int32_t pitch = p->pitch, columns = p->columns, channels = p->channels;
    const int32_t bias = p->bias, multiplier = p->multiplier, shift = p->shift;
    const microt_c_range_t range = p->range;
    const int8_t *row = p->x;
    int8_t *y = p->y;
    for (int32_t rows = p->rows; rows > 0; rows--, row += stride * pitch, y += columns * channels) {
        for (int32_t column = 0; column < columns; column += OUTPUTS) {
            column = column < columns - OUTPUTS ? column : columns - OUTPUTS; // the last may overlap
            const int8_t *x = row + stride * column, *w = p->w;
            int32_t sum[OUTPUTS] = {0};
            UNROLL_BY(3)
            for (int ky = 0; ky < kernel; ky++, x += pitch, w += kernel) {
                UNROLL(11)
                for (int i = 0; i < inputs; i++) {
                    UNROLL(4)
                    for (int o = 0; o < OUTPUTS; o++) {
                        if (i >= stride * o && i < stride * o + kernel) {
                            sum[o] += x[i] * w[i - stride * o];
                        }
                    }
                }
            }
            int8_t *to = y + column * channels;
            UNROLL(4)
            for (int o = 0; o < OUTPUTS; o++, to += channels) {
                const int32_t scaled = microt_c_requantize_any(microt_wrap_add(sum[o], bias), multiplier, shift);
                *to = (int8_t)microt_c_output(scaled, range);
            }
        }
    }
}

#define PLANE(kernel, stride) \
    __attribute__((noinline)) static void plane_##kernel##_s##stride(const plane_t *p) { \
        plane(p, kernel, stride); \
    }
PLANE(3, 1)
PLANE(5, 1)
PLANE(7, 1)
PLANE(3, 2)
PLANE(5, 2)
PLANE(7, 2)

static void(*const planes[2][3])(const plane_t *) = {
    {plane_3_s1, plane_5_s1, plane_7_s1},
    {plane_3_s2, plane_5_s2, plane_7_s2},
};

static void copy(int8_t *to, const int8_t *from, int32_t n, int32_t step) {
    UNROLL_BY(4)
    for (; n > 0; n--, from += step) {
        *to++ = *from;
    }
}

// Bytes of a row of the plane: what the windows reach.
static int32_t pitch_of(const microt_op_t *op, const int32_t *a) {
    return (op->out.w - 1) * a[1] + a[11];
}

bool microt_c_fits_depthwise_conv_2d(const microt_op_t *op) {
    int32_t a[13];
    microt_args(op, a, 13);
    const int32_t kernel = a[10], stride = a[0];
    return (kernel == 3 || kernel == 5 || kernel == 7) && a[11] == kernel && stride <= 2 && a[1] == stride && a[2] == 1
           && a[3] == 1 && a[12] == 1 && op->out.w >= OUTPUTS && microt_c_words(op)
           && pitch_of(op, a) <= PLANE_BYTES / kernel;
}

void microt_c_depthwise_conv_2d(const microt_op_t *op, uint8_t *arena) {
    const microt_tensor_t *in = &op->in[0], *out = &op->out;
    int32_t a[12];
    microt_args(op, a, 12);
    const int32_t stride = a[0], top = a[4], left = a[5], kernel = a[10], pitch = pitch_of(op, a), channels = in->c;
    const int32_t inside = in->w < pitch - left ? in->w : pitch - left; // columns that windows reach
    const int32_t strip = (PLANE_BYTES / pitch - kernel) / stride + 1; // rows of the output
    const int32_t *bias = (const int32_t *)op->bias, *requant = (const int32_t *)op->requant;
    int8_t *scratch = (int8_t *)(arena + op->scratch);
    const int8_t *x = microt_data(in, arena); // (h, w, c)
    int8_t *y = microt_data(out, arena); // may be x
    int8_t values[PLANE_BYTES], weights[7 * 7];
    plane_t p = {values, pitch, weights, y, strip, out->w, channels, 0, 0, 0, {out->zero_point, a[8], a[9]}};

    memset(values, in->zero_point, sizeof(values));
    for (int32_t c = 0; c < channels; c++) {
        const int8_t *from = x + c;
        int32_t step = channels; // from pixel to pixel
        if (op->layout == MICROT_IN_PLACE && strip < out->h) { // outputs would overwrite what the next strip reads
            copy(scratch, from, in->h * in->w, step);
            from = scratch;
            step = 1;
        }
        copy(weights, op->weights + c, kernel * kernel, channels);
        int32_t sum = 0;
        for (int32_t i = 0; i < kernel * kernel; i++) {
            sum += weights[i];
        }
        p.bias = microt_wrap_add(bias[c], -in->zero_point * sum);
        p.multiplier = requant[2 * c];
        p.shift = requant[2 * c + 1];
        for (int32_t oy = 0; oy < out->h; oy += strip) {
            p.rows = out->h - oy < strip ? out->h - oy : strip;
            int8_t *to = values + left;
            int32_t row = oy * stride - top;
            for (int32_t n = (p.rows - 1) * stride + kernel; n > 0; n--, row++, to += pitch) {
                if (row >= 0 && row < in->h) {
                    copy(to, from + row * in->w * step, inside, step);
                } else {
                    memset(to, in->zero_point, (size_t)inside);
                }
            }
            p.y = y + oy * out->w * channels + c;
            planes[stride - 1][kernel / 2 - 1](&p);
        }
    }
}

#endif
