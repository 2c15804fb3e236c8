// SPDX-License-Identifier: MIT
//
// Checks of the feature transforms of a .mtb file.

#include "mtb.h"

#define FEATURE_SIZE (48)
#define MAX_PARTS (16)

static bool all_finite(const uint8_t *p, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        if (!microt_is_finite(microt_f32(p + 4 * i))) {
            return false;
        }
    }
    return true;
}

static bool check_parts(decoder_t *d, const microt_feature_t *f, unsigned exit) {
    uint32_t total = 0;
    for (unsigned i = 0; i < f->parts; i++) {
        const uint8_t *part = f->part + 8 * i;
        unsigned source = microt_u16(part);
        uint32_t length = microt_u16(part + 4);
        if (source > exit || microt_u16(part + 6) != 0 || length == 0
            || microt_u16(part + 2) + length > (uint32_t)d->model->exits[source].tensor.c) {
            return microt_fail(d, "part # takes # values that no embedding has", (int32_t)i, (int32_t)length);
        }
        total += length;
    }
    return total == f->d || microt_fail(d, "its parts have # values, it says %", (int32_t)total, (int32_t)f->d);
}

static bool check_feature(decoder_t *d, unsigned e) {
    const microt_model_t *m = d->model;
    const uint8_t *r = m->file + d->section[FEATURES].offset + FEATURE_SIZE * e;
    microt_feature_t *f = &d->model->exits[e].feature;
    const uint32_t parts = microt_u32(r + 12), mean = microt_u32(r + 16);
    const uint32_t projection = microt_u32(r + 20), row_scale = microt_u32(r + 24);
    microt_about(d, "feature", (int32_t)e);
    f->parts = microt_u16(r);
    f->square_root = (microt_u16(r + 2) & 1) != 0;
    f->d = microt_u32(r + 4);
    f->k = microt_u32(r + 8);
    f->shrink = microt_f32(r + 28);
    f->prior_trace = microt_f32(r + 32);
    if (f->parts == 0) {
        return microt_zeros(r, FEATURE_SIZE) || microt_fail(d, "no parts, but not all zero", 0, 0);
    }
    if (f->parts > MAX_PARTS || microt_u16(r + 2) > 1 || !microt_zeros(r + 36, 12)) {
        return microt_fail(d, "# parts with flags #, or reserved fields not zero", (int32_t)f->parts, microt_u16(r + 2));
    }
    if (f->k > 65535 || (f->k == 0 && (projection != 0 || row_scale != 0))) {
        return microt_fail(d, "a projection of % rows at %", (int32_t)f->k, (int32_t)projection);
    }
    if (!microt_in_data(d, parts, 8 * f->parts) || !microt_in_data(d, mean, 4 * (uint64_t)f->d)
        || (f->k != 0 && (!microt_in_data(d, projection, (uint64_t)f->k * f->d)
                          || !microt_in_data(d, row_scale, 4 * f->k)))
        || ((parts | mean | row_scale) & 3) != 0) {
        return microt_fail(d, "its % values and # rows are not in the data section or not at multiples of 4",
            (int32_t)f->d, (int32_t)f->k);
    }
    f->part = m->file + parts;
    f->mean = m->file + mean;
    f->projection = (const int8_t *)(m->file + projection);
    f->row_scale = m->file + row_scale;
    if (!check_parts(d, f, e)) {
        return false;
    }
    if (!all_finite(f->mean, f->d) || !all_finite(f->row_scale, f->k)) {
        return microt_fail(d, "a mean or a row scale is not finite", 0, 0);
    }
    if (!(f->shrink >= 0.0f && f->shrink <= 1.0f) || !microt_is_finite(f->prior_trace) || !(f->prior_trace >= 0.0f)) {
        return microt_fail(d, "expected a shrink of 0 to 1 and a prior trace of 0 or more", 0, 0);
    }
    return true;
}

bool microt_check_features(decoder_t *d) {
    const microt_model_t *m = d->model;
    const uint32_t size = d->section[FEATURES].size;
    microt_about(d, "features", -1);
    if (size != 0 && size != FEATURE_SIZE * (uint32_t)m->exit_count) {
        return microt_fail_text(d, "expected # bytes for # exits, got #", "", FEATURE_SIZE * m->exit_count,
            m->exit_count, (int32_t)size);
    }
    for (unsigned e = 0; size != 0 && e < m->exit_count; e++) {
        if (!check_feature(d, e)) {
            return false;
        }
    }
    return true;
}
