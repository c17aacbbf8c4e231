// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/fpe/alphabet.h"

#include "appliance/base/utf8.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { RADIX_MIN = 2, RADIX_MAX = 65536, ASCII = 128 };

struct entry {
    uint32_t code_point;
    uint16_t numeral;
};

struct alphabet {
    uint32_t radix;
    size_t char_bytes_max; // 1: every character is ASCII
    int32_t ascii[ASCII];  // numeral, or -1
    uint32_t *code_points; // by numeral
    struct entry *sorted;  // by code point
};

enum err alphabet_length(const char *text, size_t len, size_t *out_count)
{
    size_t count = 0;
    for (size_t at = 0, step; at < len; at += step, count++) {
        uint32_t ignored;
        step = utf8_next(text + at, len - at, &ignored);
        if (step == 0)
            return ERR_INPUT;
    }
    *out_count = count;
    return OK;
}

static int compare_entries(const void *a, const void *b)
{
    uint32_t x = ((const struct entry *)a)->code_point, y = ((const struct entry *)b)->code_point;
    return (x > y) - (x < y);
}

// Fills the tables from UTF-8 of alphabet->radix code points.
static enum err fill(struct alphabet *alphabet, const char *text, size_t len)
{
    memset(alphabet->ascii, 0xff, sizeof alphabet->ascii);
    for (uint32_t numeral = 0; numeral < alphabet->radix; numeral++) {
        uint32_t code_point = 0;
        size_t step = utf8_next(text, len, &code_point);
        if (utf8_is_control(code_point))
            return ERR_INPUT;
        if (step > alphabet->char_bytes_max)
            alphabet->char_bytes_max = step;
        if (code_point < ASCII)
            alphabet->ascii[code_point] = (int32_t)numeral;
        alphabet->code_points[numeral] = code_point;
        alphabet->sorted[numeral] = (struct entry){code_point, (uint16_t)numeral};
        text += step;
        len -= step;
    }
    qsort(alphabet->sorted, alphabet->radix, sizeof *alphabet->sorted, compare_entries);
    for (uint32_t i = 1; i < alphabet->radix; i++)
        if (alphabet->sorted[i].code_point == alphabet->sorted[i - 1].code_point)
            return ERR_INPUT;
    return OK;
}

enum err alphabet_new(const char *text, size_t len, struct alphabet **out_alphabet)
{
    size_t radix = 0;
    enum err rc = alphabet_length(text, len, &radix);
    if (rc != OK || radix < RADIX_MIN || radix > RADIX_MAX)
        return ERR_INPUT;
    struct alphabet *alphabet = calloc(1, sizeof *alphabet);
    if (alphabet == NULL)
        return ERR_MEMORY;
    alphabet->radix = (uint32_t)radix;
    alphabet->code_points = calloc(radix, sizeof *alphabet->code_points);
    alphabet->sorted = calloc(radix, sizeof *alphabet->sorted);
    REQUIRE(alphabet->code_points != NULL && alphabet->sorted != NULL, ERR_MEMORY);
    TRY(fill(alphabet, text, len));
    *out_alphabet = alphabet;
out:
    if (rc != OK)
        alphabet_free(alphabet);
    return rc;
}

void alphabet_free(struct alphabet *alphabet)
{
    if (alphabet == NULL)
        return;
    free(alphabet->code_points);
    free(alphabet->sorted);
    free(alphabet);
}

uint32_t alphabet_radix(const struct alphabet *alphabet)
{
    return alphabet->radix;
}

size_t alphabet_char_bytes_max(const struct alphabet *alphabet)
{
    return alphabet->char_bytes_max;
}

// One byte a character: faults are gathered and looked at once.
static enum err decode_ascii(const struct alphabet *alphabet, const char *text, uint16_t *out, size_t count)
{
    int32_t faults = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t byte = (uint8_t)text[i];
        int32_t numeral = alphabet->ascii[byte & (ASCII - 1)];
        faults |= numeral | (byte >= ASCII ? -1 : 0);
        out[i] = (uint16_t)numeral;
    }
    return faults < 0 ? ERR_INPUT : OK;
}

static enum err decode_one(const struct alphabet *alphabet, uint32_t code_point, uint16_t *out)
{
    const struct entry wanted = {.code_point = code_point};
    const struct entry *found =
        bsearch(&wanted, alphabet->sorted, alphabet->radix, sizeof wanted, compare_entries);
    if (found == NULL)
        return ERR_INPUT;
    *out = found->numeral;
    return OK;
}

enum err alphabet_decode(const struct alphabet *alphabet, const char *text, size_t len,
                         uint16_t *out_numerals, size_t count)
{
    if (alphabet->char_bytes_max == 1)
        return len == count ? decode_ascii(alphabet, text, out_numerals, count) : ERR_INPUT;
    for (size_t i = 0; i < count; i++) {
        uint32_t code_point = 0;
        size_t step = utf8_next(text, len, &code_point);
        if (step == 0 || decode_one(alphabet, code_point, &out_numerals[i]) != OK)
            return ERR_INPUT;
        text += step;
        len -= step;
    }
    return len == 0 ? OK : ERR_INPUT;
}

size_t alphabet_encode(const struct alphabet *alphabet, const uint16_t *numerals, size_t count,
                       char *out_text)
{
    char *at = out_text;
    for (size_t i = 0; i < count; i++) {
        assert(numerals[i] < alphabet->radix);
        at += utf8_put(alphabet->code_points[numerals[i]], at);
    }
    return (size_t)(at - out_text);
}
