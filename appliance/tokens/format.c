// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Conversions between integer and numerals go by chunks: radix^k is the largest power that fits 64 bits,
// so one 128-bit division serves k digits and the rest are 64-bit ones.
#include "appliance/tokens/format.h"

#include "appliance/base/secret.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned __int128 u128;

enum { RECORD_BITS_MAX = 112, NOT_A_NUMERAL = 0xff };

struct format {
    char *name;
    uint64_t cardinality[FORMAT_FIELDS_MAX];
    size_t field_count;
    u128 records; // P
    size_t length;
    uint32_t radix;
    size_t digits;  // numerals that an integer < P can need
    uint64_t chunk; // radix^chunk_digits < 2^64
    size_t chunk_digits;
    struct ff1_shape *shape;
    uint8_t layout[LAYOUT_BYTES];
    char character[256];
    uint8_t numeral[256];
};

static bool count_records(struct format *format)
{
    format->records = 1;
    for (size_t i = 0; i < format->field_count; i++) {
        const uint64_t cardinality = format->cardinality[i];
        if (cardinality == 0 || format->records > ((u128)1 << RECORD_BITS_MAX) / cardinality)
            return false;
        format->records *= cardinality;
    }
    return true;
}

static bool count_digits(struct format *format)
{
    u128 rest = format->records - 1;
    for (format->digits = 0; rest > 0; format->digits++)
        rest /= format->radix;
    for (format->chunk = 1; format->chunk <= UINT64_MAX / format->radix; format->chunk_digits++)
        format->chunk *= format->radix;
    return format->digits <= format->length;
}

static void map_alphabet(struct format *format, const char *alphabet)
{
    memset(format->numeral, NOT_A_NUMERAL, sizeof format->numeral);
    for (uint32_t i = 0; i < format->radix; i++) {
        format->character[i] = alphabet[i];
        format->numeral[(uint8_t)alphabet[i]] = (uint8_t)i;
    }
}

static void put_be64(uint64_t value, uint8_t out[8])
{
    for (int i = 7; i >= 0; i--, value >>= 8)
        out[i] = (uint8_t)value;
}

static enum err digest_layout(struct format *format, const char *alphabet)
{
    uint8_t numbers[1 + FORMAT_FIELDS_MAX][8];
    struct field fields[3 + FORMAT_FIELDS_MAX];
    put_be64(format->length, numbers[0]);
    fields[0] = (struct field){format->name, strlen(format->name)};
    fields[1] = (struct field){alphabet, format->radix};
    fields[2] = FIELD_ARRAY(numbers[0]);
    for (size_t i = 0; i < format->field_count; i++) {
        put_be64(format->cardinality[i], numbers[1 + i]);
        fields[3 + i] = FIELD_ARRAY(numbers[1 + i]);
    }
    return layout_derive(fields, 3 + format->field_count, format->layout);
}

enum err format_new(const struct format_options *options, struct format **out_format)
{
    enum err rc = OK;
    struct format *format = calloc(1, sizeof *format);
    if (format == NULL)
        return ERR_MEMORY;
    assert(options->field_count <= FORMAT_FIELDS_MAX && strlen(options->alphabet) <= NOT_A_NUMERAL);
    format->name = strdup(options->name);
    REQUIRE(format->name != NULL, ERR_MEMORY);
    memcpy(format->cardinality, options->cardinality, sizeof format->cardinality);
    format->field_count = options->field_count;
    format->length = options->length;
    format->radix = (uint32_t)strlen(options->alphabet);
    TRY(ff1_shape_new(format->radix, format->length, &format->shape));
    REQUIRE(count_records(format) && count_digits(format), ERR_INPUT);
    map_alphabet(format, options->alphabet);
    TRY(digest_layout(format, options->alphabet));
    *out_format = format;
    format = NULL;
out:
    format_free(format);
    return rc;
}

void format_free(struct format *format)
{
    if (format == NULL)
        return;
    ff1_shape_free(format->shape);
    free(format->name);
    free(format);
}

size_t format_length(const struct format *format)
{
    return format->length;
}

double format_space_bits(const struct format *format)
{
    return (double)format->length * log2((double)format->radix);
}

double format_record_bits(const struct format *format)
{
    return log2((double)format->records);
}

enum err format_tweak(const struct format *format, unsigned tenant_id, const struct field *owner,
                      size_t count, uint8_t out_tweak[TWEAK_BYTES])
{
    struct field fields[FORMAT_FIELDS_MAX + 1];
    assert(count <= FORMAT_FIELDS_MAX);
    memcpy(fields, owner, count * sizeof *owner);
    fields[count] = FIELD_ARRAY(format->layout);
    return tweak_derive(format->name, tenant_id, fields, count + 1, out_tweak);
}

static u128 pack(const struct format *format, const struct record *record)
{
    u128 integer = 0;
    for (size_t i = 0; i < format->field_count; i++) {
        assert(record->field[i] < format->cardinality[i]);
        integer = integer * format->cardinality[i] + record->field[i];
    }
    return integer;
}

static void unpack(const struct format *format, u128 integer, struct record *out_record)
{
    for (size_t i = format->field_count; i-- > 0;) {
        out_record->field[i] = (uint64_t)(integer % format->cardinality[i]);
        integer /= format->cardinality[i];
    }
}

static void write_numerals(const struct format *format, u128 integer, uint16_t *numerals)
{
    size_t at = format->length;
    while (at > 0) {
        uint64_t chunk = integer < format->chunk ? (uint64_t)integer : (uint64_t)(integer % format->chunk);
        integer = integer < format->chunk ? 0 : integer / format->chunk;
        for (size_t i = 0; i < format->chunk_digits && at > 0; i++, chunk /= format->radix)
            numerals[--at] = (uint16_t)(chunk % format->radix);
    }
}

// false when the numerals stand for P or more.
static bool read_numerals(const struct format *format, const uint16_t *numerals, u128 *out_integer)
{
    u128 integer = 0;
    uint32_t excess = 0;
    const size_t zeros = format->length - format->digits;
    for (size_t i = 0; i < zeros; i++)
        excess |= numerals[i];
    for (size_t i = zeros; i < format->length; i++)
        integer = integer * format->radix + numerals[i];
    *out_integer = integer;
    return excess == 0 && integer < format->records;
}

enum err format_seal(const struct format *format, const struct generation *generation,
                     const uint8_t tweak[TWEAK_BYTES], const struct record *records, size_t count,
                     char *out_tokens)
{
    enum err rc = OK;
    const size_t numeral_count = count * format->length;
    uint16_t *numerals = malloc(numeral_count * sizeof *numerals + 1);
    if (numerals == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++)
        write_numerals(format, pack(format, &records[i]), numerals + i * format->length);
    const struct ff1_run run = {format->shape, tweak, TWEAK_BYTES, numerals, count};
    TRY(ff1_encrypt(generation->key, &run, 1));
    for (size_t i = 0; i < numeral_count; i++)
        out_tokens[i] = format->character[numerals[i]];
out:
    wipe(numerals, numeral_count * sizeof *numerals);
    free(numerals);
    return rc;
}

// The openings not yet opened that are made of the alphabet only: their indices and numerals.
static size_t gather(const struct format *format, const struct opening *openings, size_t count,
                     size_t *out_index, uint16_t *out_numerals)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        if (openings[i].generation != NULL)
            continue;
        uint16_t *numerals = out_numerals + found * format->length;
        bool clean = true;
        for (size_t j = 0; j < format->length; j++) {
            numerals[j] = format->numeral[(uint8_t)openings[i].token[j]];
            clean = clean && numerals[j] != NOT_A_NUMERAL;
        }
        if (clean)
            out_index[found++] = i;
    }
    return found;
}

static void accept(const struct format *format, const struct generation *generation, const uint16_t *numerals,
                   struct opening *opening)
{
    u128 integer;
    if (!read_numerals(format, numerals, &integer))
        return;
    unpack(format, integer, &opening->record);
    opening->generation = generation;
}

enum err format_open(const struct format *format, const struct keyring *keyring,
                     const uint8_t tweak[TWEAK_BYTES], struct opening *openings, size_t count)
{
    enum err rc = OK;
    const size_t numeral_bytes = count * format->length * sizeof(uint16_t);
    uint16_t *numerals = malloc(numeral_bytes + 1);
    size_t *index = malloc(count * sizeof *index + 1);
    REQUIRE(numerals != NULL && index != NULL, ERR_MEMORY);
    for (size_t i = 0; i < count; i++)
        openings[i].generation = NULL;
    for (size_t g = 0; g < keyring_count(keyring); g++) {
        const struct generation *generation = keyring_at(keyring, g);
        const size_t found = gather(format, openings, count, index, numerals);
        if (found == 0)
            break;
        const struct ff1_run run = {format->shape, tweak, TWEAK_BYTES, numerals, found};
        TRY(ff1_decrypt(generation->key, &run, 1));
        for (size_t i = 0; i < found; i++)
            accept(format, generation, numerals + i * format->length, &openings[index[i]]);
    }
out:
    if (numerals != NULL)
        wipe(numerals, numeral_bytes);
    free(numerals);
    free(index);
    return rc;
}
