// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/format.h"

#include "appliance/base/bigint.h"
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
    struct bigint_radix digit;
    size_t digits; // numerals that an integer < P can need
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
    bigint_radix_init(&format->digit, format->radix);
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

static enum err digest_layout(struct format *format, const struct format_options *options)
{
    uint8_t numbers[1 + FORMAT_FIELDS_MAX][8];
    struct field fields[3 + 2 * FORMAT_FIELDS_MAX];
    size_t count = 0;
    put_be64(format->length, numbers[0]);
    fields[count++] = (struct field){format->name, strlen(format->name)};
    fields[count++] = (struct field){options->alphabet, format->radix};
    fields[count++] = FIELD_ARRAY(numbers[0]);
    for (size_t i = 0; i < format->field_count; i++) {
        put_be64(format->cardinality[i], numbers[1 + i]);
        fields[count++] = FIELD_ARRAY(numbers[1 + i]);
    }
    for (size_t i = 0; i < options->shape_count; i++)
        fields[count++] = options->shape[i];
    return layout_derive(fields, count, format->layout);
}

enum err format_new(const struct format_options *options, struct format **out_format)
{
    enum err rc = OK;
    struct format *format = calloc(1, sizeof *format);
    if (format == NULL)
        return ERR_MEMORY;
    assert(options->field_count <= FORMAT_FIELDS_MAX && options->shape_count <= FORMAT_FIELDS_MAX &&
           strlen(options->alphabet) <= NOT_A_NUMERAL);
    format->name = strdup(options->name);
    REQUIRE(format->name != NULL, ERR_MEMORY);
    memcpy(format->cardinality, options->cardinality, sizeof format->cardinality);
    format->field_count = options->field_count;
    format->length = options->length;
    format->radix = (uint32_t)strlen(options->alphabet);
    TRY(ff1_shape_new(format->radix, format->length, &format->shape));
    REQUIRE(count_records(format) && count_digits(format), ERR_INPUT);
    map_alphabet(format, options->alphabet);
    TRY(digest_layout(format, options));
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

enum err format_tweak(const struct format *format, unsigned tenant_id, struct field owner,
                      const struct field *more, uint8_t out_tweak[TWEAK_BYTES])
{
    struct field fields[3] = {owner, FIELD_ARRAY(format->layout)};
    if (more != NULL)
        fields[2] = *more;
    return tweak_derive(format->name, tenant_id, fields, more != NULL ? 3 : 2, out_tweak);
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
    uint64_t limbs[2] = {(uint64_t)integer, (uint64_t)(integer >> 64)};
    const size_t zeros = format->length - format->digits;
    memset(numerals, 0, zeros * sizeof *numerals);
    bigint_to_numerals(&format->digit, limbs, 2, numerals + zeros, format->digits);
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

// ---- opening ---------------------------------------------------------------------------------------

// What one call of format_try works on: all numerals side by side, and where each came from.
struct trial {
    uint16_t *numerals;
    size_t numeral_count;
    struct opening **origins; // one for each value that is made of its alphabet
    struct ff1_run *runs;     // one for each job
};

static enum err trial_init(struct trial *trial, const struct format_job *jobs, size_t job_count)
{
    size_t openings = 0;
    *trial = (struct trial){0};
    for (size_t i = 0; i < job_count; i++) {
        openings += jobs[i].count;
        trial->numeral_count += jobs[i].count * jobs[i].format->length;
    }
    trial->numerals = calloc(trial->numeral_count + 1, sizeof *trial->numerals);
    trial->origins = malloc(openings * sizeof *trial->origins + 1);
    trial->runs = calloc(job_count + 1, sizeof *trial->runs);
    return trial->numerals != NULL && trial->origins != NULL && trial->runs != NULL ? OK : ERR_MEMORY;
}

static void trial_done(struct trial *trial)
{
    if (trial->numerals != NULL)
        wipe(trial->numerals, trial->numeral_count * sizeof *trial->numerals);
    free(trial->numerals);
    free(trial->origins);
    free(trial->runs);
}

// false when a character is outside the alphabet.
static bool read_token(const struct format *format, const char *token, uint16_t *out_numerals)
{
    bool clean = true;
    for (size_t i = 0; i < format->length; i++) {
        out_numerals[i] = format->numeral[(uint8_t)token[i]];
        clean = clean && out_numerals[i] != NOT_A_NUMERAL;
    }
    return clean;
}

// The openings of a job not yet opened, as one run; origins receives where its values came from.
static struct ff1_run gather(const struct format_job *job, uint16_t *numerals, struct opening **origins)
{
    struct ff1_run run = {job->format->shape, job->tweak, TWEAK_BYTES, numerals, 0};
    for (size_t i = 0; i < job->count; i++) {
        struct opening *opening = &job->openings[i];
        if (opening->generation == NULL &&
            read_token(job->format, opening->token, numerals + run.count * job->format->length))
            origins[run.count++] = opening;
    }
    return run;
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

enum err format_try(const struct generation *generation, const struct format_job *jobs, size_t job_count)
{
    enum err rc = OK;
    struct trial trial;
    TRY(trial_init(&trial, jobs, job_count));
    uint16_t *numerals = trial.numerals;
    struct opening **origins = trial.origins;
    for (size_t i = 0; i < job_count; i++) {
        trial.runs[i] = gather(&jobs[i], numerals, origins);
        numerals += trial.runs[i].count * jobs[i].format->length;
        origins += trial.runs[i].count;
    }
    TRY(ff1_decrypt(generation->key, trial.runs, job_count));
    origins = trial.origins;
    for (size_t i = 0; i < job_count; i++) {
        for (size_t j = 0; j < trial.runs[i].count; j++)
            accept(jobs[i].format, generation, trial.runs[i].numerals + j * jobs[i].format->length,
                   *origins++);
    }
out:
    trial_done(&trial);
    return rc;
}

enum err format_open(const struct keyring *keyring, const struct format_job *job)
{
    enum err rc = OK;
    for (size_t i = 0; i < job->count; i++)
        job->openings[i].generation = NULL;
    for (size_t g = 0; g < keyring_count(keyring); g++)
        TRY(format_try(keyring_at(keyring, g), job, 1));
out:
    return rc;
}
