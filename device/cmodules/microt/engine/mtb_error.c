// SPDX-License-Identifier: MIT
//
// Sentences about what is wrong with a .mtb file.

#include "mtb.h"

typedef struct _text_t {
    char *at;
    size_t left; // bytes, one of them for the NUL
} text_t;

static void put_char(text_t *t, char c) {
    if (t->left > 1) {
        *t->at++ = c;
        t->left--;
    }
}

static void put_text(text_t *t, const char *text) {
    while (*text != 0) {
        put_char(t, *text++);
    }
}

static void put_number(text_t *t, uint32_t number) {
    char digits[11];
    char *p = digits + sizeof(digits);
    *--p = 0;
    do {
        *--p = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    put_text(t, p);
}

static void put_signed(text_t *t, int32_t number) {
    if (number < 0) {
        put_char(t, '-');
    }
    put_number(t, number < 0 ? 0 - (uint32_t)number : (uint32_t)number);
}

bool microt_fail_text(decoder_t *d, const char *sentence, const char *text, int32_t a, int32_t b, int32_t c) {
    const int32_t numbers[3] = {a, b, c};
    const int32_t *next = numbers;
    if (d->error_size == 0) {
        return false;
    }
    text_t t = {d->error, d->error_size};
    put_text(&t, d->subject);
    if (d->index >= 0) {
        put_char(&t, ' ');
        put_signed(&t, d->index);
    }
    put_text(&t, ": ");
    for (const char *p = sentence; *p != 0; p++) {
        if (*p == '#') {
            put_signed(&t, *next++);
        } else if (*p == '%') {
            put_number(&t, (uint32_t)*next++);
        } else if (*p == '@') {
            put_text(&t, text);
        } else {
            put_char(&t, *p);
        }
    }
    *t.at = 0;
    return false;
}

bool microt_fail(decoder_t *d, const char *sentence, int32_t a, int32_t b) {
    return microt_fail_text(d, sentence, "", a, b, 0);
}

bool microt_expect_range(decoder_t *d, const char *name, int32_t value, int32_t low, int32_t high) {
    return (value >= low && value <= high)
           || microt_fail_text(d, "expected @ of # to #, got #", name, low, high, value);
}

bool microt_expect(decoder_t *d, const char *name, uint32_t got, uint64_t expected) {
    return got == expected
           || microt_fail_text(d, "expected % @, got %", name, (int32_t)microt_saturate(expected), (int32_t)got, 0);
}
