// SPDX-License-Identifier: MIT
//
// Checks of what makes a .mtb file's input: a table of pixels or a front end.

#include "mtb.h"

#define PIXELS_SIZE (256)
#define FRONT_END_SIZE (64)

static bool good_multiplier(const uint8_t *r) {
    return microt_i32(r) >= 0 && microt_i32(r + 4) >= -31 && microt_i32(r + 4) <= 30;
}

// The record's field at `at` points at so many u16 or i16 in the data section.
static bool check_table(decoder_t *d, unsigned at, uint32_t count) {
    const uint32_t offset = microt_u32(d->model->front_end.record + at);
    return microt_in_data(d, offset, 2 * count)
           || microt_fail(d, "# values at % are not in the data section", (int32_t)count, (int32_t)offset);
}

static bool check_bands(decoder_t *d, uint32_t bands, uint32_t most) {
    const microt_model_t *m = d->model;
    const uint8_t *band = m->file + microt_u32(m->front_end.record + 40);
    uint32_t weights = 0;
    for (uint32_t i = 0; i < bands; i++, band += 4) {
        const uint32_t bins = microt_u16(band + 2);
        if (microt_u16(band) + bins > most) {
            return microt_fail(d, "band # takes # bins that the transform has not", (int32_t)i, (int32_t)bins);
        }
        weights += bins;
    }
    return check_table(d, 44, weights);
}

static bool check_mel(decoder_t *d, const microt_tensor_t *t) {
    const microt_model_t *m = d->model;
    const uint8_t *r = m->front_end.record;
    const uint32_t frame = microt_u16(r + 8), step = microt_u16(r + 10), size = microt_u16(r + 12);
    const uint32_t bands = microt_u16(r + 14), coefficients = microt_u16(r + 16), peak = microt_u16(r + 18);
    if (size < 32 || size > 2048 || (size & (size - 1)) != 0 || frame == 0 || frame > size || step == 0) {
        return microt_fail(d, "frames of # samples with a transform of #", (int32_t)frame, (int32_t)size);
    }
    if (!microt_expect_range(d, "bands", (int32_t)bands, 1, 128)
        || !microt_expect_range(d, "coefficients", (int32_t)coefficients, 0, (int32_t)bands)
        || !microt_expect_range(d, "a least peak", (int32_t)peak, 1, 32768)
        || !microt_expect_range(d, "a floor", microt_i32(r + 20), -65536, 65536)
        || !microt_expect(d, "columns", (uint32_t)t->w, coefficients != 0 ? coefficients : bands)
        || !microt_expect(d, "channels", (uint32_t)t->c, 1)
        || !microt_expect(d, "samples", m->front_end.samples, frame + (uint64_t)(t->h - 1) * step)) {
        return false;
    }
    if (!good_multiplier(r + 24) || !microt_zeros(r + 60, 4) || (coefficients == 0 && !microt_zeros(r + 48, 4))) {
        return microt_fail(d, "multiplier % with shift # is out of range, or reserved fields not zero", microt_i32(r + 24),
            microt_i32(r + 28));
    }
    if (!check_table(d, 32, frame) || !check_table(d, 36, 3 * size / 4) || !check_table(d, 40, 2 * bands)
        || !check_bands(d, bands, size / 2 + 1) || (coefficients != 0 && !check_table(d, 48, bands * coefficients))) {
        return false;
    }
    const uint32_t scratch = microt_u32(r + 52), bytes = microt_u32(r + 56);
    if ((scratch & 15) != 0 || bytes < 4 * size + 8 + 4 * bands || scratch > m->arena_size
        || bytes > m->arena_size - scratch
        || (scratch < t->offset + microt_elements(t) && t->offset < scratch + bytes)) {
        return microt_fail(d, "scratch of % bytes at % is too small, outside the arena or over the input",
            (int32_t)bytes, (int32_t)scratch);
    }
    return true;
}

static bool check_axes(decoder_t *d, const microt_tensor_t *t) {
    const microt_model_t *m = d->model;
    const uint8_t *r = m->front_end.record;
    const uint32_t axes = microt_u16(r + 8), channels = microt_u32(r + 12);
    if (!microt_expect_range(d, "axes", (int32_t)axes, 1, 64) || !microt_expect_range(d, "rows", t->h, 1, 32768)
        || !microt_expect(d, "columns", (uint32_t)t->w, 1)
        || !microt_expect(d, "samples", m->front_end.samples, axes * (uint32_t)t->h)) {
        return false;
    }
    if (!microt_in_data(d, channels, 12 * (uint32_t)t->c) || !microt_zeros(r + 10, 2) || !microt_zeros(r + 16, 48)) {
        return microt_fail(d, "# channels at % are not in the data section, or reserved fields not zero", t->c,
            (int32_t)channels);
    }
    for (int32_t c = 0; c < t->c; c++) {
        const uint8_t *channel = m->file + channels + 12 * (uint32_t)c;
        if (microt_u16(channel) >= axes || microt_u16(channel + 2) > MICROT_CHANGE || !good_multiplier(channel + 4)) {
            return microt_fail(d, "channel # of axis #: its axis, way or multiplier is out of range", c,
                microt_u16(channel));
        }
    }
    return true;
}

bool microt_check_input(decoder_t *d) {
    microt_model_t *m = d->model;
    const uint32_t size = d->section[INPUT].size;
    const uint8_t *r = m->file + d->section[INPUT].offset;
    microt_about(d, "input", -1);
    if (size == 0) {
        return true;
    }
    if (size == PIXELS_SIZE) {
        m->pixel_table = (const int8_t *)r;
        return true;
    }
    if (size != FRONT_END_SIZE) {
        return microt_fail_text(d, "expected # bytes of pixels or # of a front end, got %", "", PIXELS_SIZE,
            FRONT_END_SIZE, (int32_t)size);
    }
    microt_about(d, "front end", -1);
    const microt_tensor_t t = microt_tensor(m, m->input);
    m->front_end.kind = microt_u16(r);
    m->front_end.rate = microt_u16(r + 2);
    m->front_end.samples = microt_u32(r + 4);
    m->front_end.record = r;
    return microt_expect_range(d, "a kind", m->front_end.kind, MICROT_MEL, MICROT_AXES)
           && (m->front_end.kind == MICROT_MEL ? check_mel(d, &t) : check_axes(d, &t));
}
