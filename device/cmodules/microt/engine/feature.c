// SPDX-License-Identifier: MIT
//
// From stored embeddings to the vector a head sees; the definition is in mtb.c. Sums are float32 in
// order and must not be contracted to fused multiply-adds: board and host agree bit for bit.

#include <math.h>

#include "dots.h"
#include "engine.h"
#include "vector.h"

uint32_t microt_embeddings_size(const microt_model_t *model, unsigned exit) {
    uint32_t size = 0;
    for (unsigned e = 0; e <= exit && e < model->exit_count; e++) {
        size += (uint32_t)model->exits[e].tensor.c;
    }
    return size;
}

int microt_feature(const microt_model_t *model, unsigned exit, const int8_t *embeddings, float *z) {
    if (exit >= model->exit_count || model->exits[exit].feature.parts == 0) {
        return -1;
    }
    const microt_feature_t *f = &model->exits[exit].feature;
    const float share = 1.0f / sqrtf((float)f->parts);
    uint32_t at = 0;
    for (uint32_t i = 0; i < f->parts; i++) {
        const uint8_t *part = f->part + 8 * i;
        const unsigned source = microt_u16(part);
        const uint32_t length = microt_u16(part + 4);
        const microt_tensor_t *t = &model->exits[source].tensor;
        const int8_t *q = embeddings + microt_u16(part + 2);
        if (source > 0) {
            q += microt_embeddings_size(model, source - 1);
        }
        float *v = z + at;
        float sum = 0.0f;
        for (uint32_t j = 0; j < length; j++) {
            float value = t->scale * (float)(q[j] - t->zero_point);
            if (f->square_root) {
                value = value > 0.0f ? sqrtf(value) : 0.0f;
            }
            value -= microt_f32(f->mean + 4 * (at + j));
            sum += value * value;
            v[j] = value;
        }
        float norm = sqrtf(sum);
        norm = norm > 1e-6f ? norm : 1e-6f;
        for (uint32_t j = 0; j < length; j++) {
            v[j] = v[j] / norm * share;
        }
        at += length;
    }
    return 0;
}

// out = round(x / scale), halves away from zero, placed as microt_dots4 wants it; scale = max |x| / 32767, returned.
// What is not a number counts as 0: a file's scales may be so large that a feature overflows.
static float quantize16(const float *x, int16_t *out, uint32_t n) {
    float most = 0.0f;
    for (uint32_t i = 0; i < n; i++) {
        const float size = fabsf(x[i]);
        most = size > most ? size : most;
    }
    const float scale = most / 32767.0f;
    for (uint32_t i = 0; i < n; i++) {
        float value = scale > 0.0f ? x[i] / scale : 0.0f;
        if (!(value > -32767.0f && value < 32767.0f)) {
            value = value > 0.0f ? 32767.0f : value < 0.0f ? -32767.0f : 0.0f;
        }
        out[microt_dots_place(i, n)] = (int16_t)(value < 0.0f ? value - 0.5f : value + 0.5f);
    }
    return scale;
}

// z is taken as int16, up to 512 values at a time, each stretch with a scale of its own: max |z| / 32767.
int microt_project(const microt_model_t *model, unsigned exit, const float *z, float *u) {
    if (exit >= model->exit_count || model->exits[exit].feature.k == 0) {
        return -1;
    }
    const microt_feature_t *f = &model->exits[exit].feature;
    for (uint32_t i = 0; i < f->k; i++) {
        u[i] = 0.0f;
    }
    for (uint32_t at = 0; at < f->d; at += MICROT_DOTS_MAX) {
        const uint32_t n = f->d - at < MICROT_DOTS_MAX ? f->d - at : MICROT_DOTS_MAX;
        int16_t whole[MICROT_DOTS_MAX];
        const float scale = quantize16(z + at, whole, n);
        const int8_t *rows = f->projection + at;
        uint32_t i = 0;
        for (; i + 4 <= f->k; i += 4) {
            int32_t sums[4];
            microt_dots4(whole, rows + (size_t)i * f->d, f->d, n, sums);
            for (unsigned m = 0; m < 4; m++) {
                u[i + m] += scale * (float)sums[m];
            }
        }
        for (; i < f->k; i++) {
            u[i] += scale * (float)microt_dots1(whole, rows + (size_t)i * f->d, n);
        }
    }
    for (uint32_t i = 0; i < f->k; i++) {
        u[i] *= microt_f32(f->row_scale + 4 * i);
    }
    return 0;
}

int microt_project_back(const microt_model_t *model, unsigned exit, const float *u, float *z) {
    if (exit >= model->exit_count || model->exits[exit].feature.k == 0) {
        return -1;
    }
    const microt_feature_t *f = &model->exits[exit].feature;
    const microt_vector_t rows = {(void *)(uintptr_t)f->projection, (size_t)f->k * f->d, true};
    for (uint32_t j = 0; j < f->d; j++) {
        z[j] = 0.0f;
    }
    for (uint32_t i = 0; i < f->k; i++) {
        const float weight = microt_f32(f->row_scale + 4 * i) * u[i];
        microt_axpy(weight, &rows, (size_t)i * f->d, z, f->d);
    }
    return 0;
}
