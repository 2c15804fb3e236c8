// SPDX-License-Identifier: MIT
//
// What the parts of the .mtb decoder share: the sections of a file, its records, and sentences about
// what is wrong with it.

#ifndef MICROT_MTB_H
#define MICROT_MTB_H

#include "kernels.h"

#define MICROT_TENSOR_SIZE (32)
#define MICROT_OP_SIZE (64)
#define MICROT_MAX_ARGS (15)
#define MICROT_NONE (0xFFFF)

enum { TENSORS, OPS, EXITS, FEATURES, INPUT, STRINGS, DATA, SECTIONS };

typedef struct _section_t {
    uint32_t offset;
    uint32_t size;
} section_t;

typedef struct _decoder_t {
    microt_model_t *model;
    section_t section[SECTIONS];
    const char *subject; // what is being checked, the sentence begins with it
    int32_t index; // which one of them; -1: there is only one
    int32_t args[MICROT_MAX_ARGS]; // of the op that is being checked
    uint64_t macs; // of the same
    char *error;
    size_t error_size;
} decoder_t;

// The sentences' "subject index: ".
static inline void microt_about(decoder_t *d, const char *subject, int32_t index) {
    d->subject = subject;
    d->index = index;
}

// Writes a sentence: each '#' is the next of the numbers, each '%' the next as an unsigned one, '@' the
// text. Always returns false.
bool microt_fail_text(decoder_t *d, const char *sentence, const char *text, int32_t a, int32_t b, int32_t c);
bool microt_fail(decoder_t *d, const char *sentence, int32_t a, int32_t b);

// True if value is in [low, high], else "expected NAME of LOW to HIGH, got VALUE".
bool microt_expect_range(decoder_t *d, const char *name, int32_t value, int32_t low, int32_t high);

// True if got is expected, else "expected EXPECTED NAME, got GOT".
bool microt_expect(decoder_t *d, const char *name, uint32_t got, uint64_t expected);

// True if [offset, offset + size) lies inside the data section.
bool microt_in_data(const decoder_t *d, uint32_t offset, uint64_t size);

// True if a name's offset is inside the strings.
bool microt_check_name(decoder_t *d, uint32_t offset);

bool microt_zeros(const uint8_t *p, size_t n);

static inline bool microt_is_finite(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return (bits & 0x7F800000) != 0x7F800000;
}

static inline uint32_t microt_saturate(uint64_t value) {
    return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

// A tensor's values; a checked tensor lies inside the arena, below 2^30.
static inline uint32_t microt_elements(const microt_tensor_t *t) {
    return (uint32_t)t->h * (uint32_t)t->w * (uint32_t)t->c;
}

// Checks of a file's parts; each relies on those before it.
bool microt_check_input(decoder_t *d); // mtb_input.c
bool microt_check_ops(decoder_t *d); // mtb_ops.c
bool microt_check_order(decoder_t *d); // mtb_plan.c
bool microt_check_exits(decoder_t *d); // mtb_plan.c
bool microt_check_plan(decoder_t *d); // mtb_plan.c
bool microt_check_features(decoder_t *d); // mtb_features.c

#endif // MICROT_MTB_H
