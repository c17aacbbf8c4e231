// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/tokens/token_fixture.h"

#include "appliance/tokens/format.h"

#include <math.h>
#include <stdlib.h>

static struct format_options decimal(size_t length, uint64_t a, uint64_t b)
{
    return (struct format_options){
        .name = "test", .alphabet = "0123456789", .length = length, .cardinality = {a, b}, .field_count = 2};
}

static struct format *new_format(struct format_options options)
{
    struct format *format;
    assert_int_equal(format_new(&options, &format), OK);
    return format;
}

static void tweak_for(const struct format *format, uint8_t out_tweak[TWEAK_BYTES])
{
    assert_int_equal(format_tweak(format, 1, FIELD_TEXT("owner"), NULL, out_tweak), OK);
}

static enum err try_new(struct format_options options)
{
    struct format *format = NULL;
    const enum err rc = format_new(&options, &format);
    assert_int_equal(rc == OK, format != NULL);
    format_free(format);
    return rc;
}

static void limits_are_checked(void **state)
{
    (void)state;
    assert_int_equal(try_new(decimal(6, 1000, 1000)), OK);        // P is the whole space
    assert_int_equal(try_new(decimal(6, 1000, 1001)), ERR_INPUT); // one row over
    assert_int_equal(try_new(decimal(6, 0, 10)), ERR_INPUT);
    assert_int_equal(try_new(decimal(6, 10, 0)), ERR_INPUT);
    assert_int_equal(try_new(decimal(6, 1, 1)), OK);
    assert_int_equal(try_new(decimal(5, 10, 10)), ERR_DOMAIN);
    struct format_options empty = decimal(6, 1, 1);
    empty.field_count = 0;
    assert_int_equal(try_new(empty), OK);
    assert_int_equal(try_new(decimal(40, UINT64_MAX, 1ull << 48)), OK);
    assert_int_equal(try_new(decimal(40, 1ull << 63, 1ull << 49)), OK); // 2^112
    assert_int_equal(try_new(decimal(40, 1ull << 63, 1ull << 50)), ERR_INPUT);
    struct format_options wide = decimal(60, UINT64_MAX, UINT64_MAX);
    assert_int_equal(try_new(wide), ERR_INPUT);
    wide.field_count = 6;
    for (size_t i = 0; i < 6; i++)
        wide.cardinality[i] = UINT64_MAX;
    assert_int_equal(try_new(wide), ERR_INPUT);
}

static void the_records_must_fit_the_space(void **state)
{
    (void)state;
    // 10^7 is between 16^5 and 16^6.
    struct format_options hex = {.name = "test", .alphabet = "0123456789abcdef", .cardinality = {10000000}};
    hex.field_count = 1;
    hex.length = 5;
    assert_int_equal(try_new(hex), ERR_INPUT);
    hex.length = 6;
    assert_int_equal(try_new(hex), OK);
    hex.cardinality[0] = 1 << 24;
    assert_int_equal(try_new(hex), OK);
    hex.cardinality[0]++;
    assert_int_equal(try_new(hex), ERR_INPUT);
}

static void records_at_both_ends_come_back(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1, 1);
    const struct format_options shapes[] = {
        decimal(6, 1000, 1000),
        decimal(40, UINT64_MAX, 1ull << 48),
        decimal(19, 10000000000ull, 999999999),
        {.name = "bits",
         .alphabet = "01",
         .length = 122,
         .cardinality = {65536, 16, 1ull << 32},
         .field_count = 3},
        {.name = "hex",
         .alphabet = "0123456789abcdef",
         .length = 48,
         .cardinality = {8, 10000000000000000000u, 100, 13},
         .field_count = 4},
        {.name = "six",
         .alphabet = "0123456789",
         .length = 20,
         .cardinality = {2, 3, 5, 7, 11, 13},
         .field_count = 6},
    };
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        struct format *format = new_format(shapes[s]);
        uint8_t tweak[TWEAK_BYTES];
        struct record records[4] = {0}; // all zero, all at the top, only the first, only the last
        char tokens[4 * 128];
        struct opening openings[4] = {0};
        tweak_for(format, tweak);
        for (size_t f = 0; f < shapes[s].field_count; f++)
            records[1].field[f] = shapes[s].cardinality[f] - 1;
        records[2].field[0] = shapes[s].cardinality[0] - 1;
        records[3].field[shapes[s].field_count - 1] = shapes[s].cardinality[shapes[s].field_count - 1] - 1;
        assert_int_equal(format_seal(format, keyring_at(fixture.keyring, 0), tweak, records, 4, tokens), OK);
        for (size_t i = 0; i < 4; i++)
            openings[i].token = tokens + i * format_length(format);
        assert_int_equal(format_open(fixture.keyring, &(struct format_job){format, tweak, openings, 4}), OK);
        for (size_t i = 0; i < 4; i++) {
            assert_non_null(openings[i].generation);
            for (size_t f = 0; f < shapes[s].field_count; f++)
                assert_true(openings[i].record.field[f] == records[i].field[f]);
        }
        format_free(format);
    }
    fixture_done(&fixture);
}

// With 10^6 strings and P = 1000, exactly P of them are genuine, each once.
static void exactly_as_many_strings_open_as_there_are_records(void **state)
{
    (void)state;
    enum { SPACE = 1000000, SLICE = 10000 };
    struct fixture fixture;
    fixture_init(&fixture, 1, 1);
    struct format *format = new_format(decimal(6, 10, 100));
    uint8_t tweak[TWEAK_BYTES];
    bool seen[1000] = {false};
    size_t genuine = 0;
    char *tokens = malloc(SLICE * 6 + 1);
    struct opening *openings = calloc(SLICE, sizeof *openings);
    tweak_for(format, tweak);
    for (size_t from = 0; from < SPACE; from += SLICE) {
        for (size_t i = 0; i < SLICE; i++) {
            snprintf(tokens + 6 * i, 7, "%06zu", from + i);
            openings[i].token = tokens + 6 * i;
        }
        assert_int_equal(format_open(fixture.keyring, &(struct format_job){format, tweak, openings, SLICE}),
                         OK);
        for (size_t i = 0; i < SLICE; i++) {
            if (openings[i].generation == NULL)
                continue;
            const size_t rank = openings[i].record.field[0] * 100 + openings[i].record.field[1];
            assert_true(rank < 1000 && !seen[rank]);
            seen[rank] = true;
            genuine++;
        }
    }
    assert_int_equal(genuine, 1000);
    free(tokens);
    free(openings);
    format_free(format);
    fixture_done(&fixture);
}

static void every_part_of_the_shape_changes_the_tweak(void **state)
{
    (void)state;
    static const struct field prefix = {"6035", 4}, other = {"6036", 4}, two[] = {{"60", 2}, {"35", 2}};
    struct format_options options[10];
    uint8_t tweaks[12][TWEAK_BYTES];
    for (size_t i = 0; i < 10; i++)
        options[i] = decimal(20, 1000, 1000);
    options[1].name = "text";
    options[2].alphabet = "0123456798";
    options[3].length = 21;
    options[4].cardinality[0] = 1001;
    options[5].cardinality[1] = 1001;
    options[6].field_count = 1;
    options[7].shape = &prefix;
    options[7].shape_count = 1;
    options[8].shape = &other;
    options[8].shape_count = 1;
    options[9].shape = two; // the same bytes in other fields
    options[9].shape_count = 2;
    for (size_t i = 0; i < 12; i++) {
        struct format *format = new_format(options[i < 10 ? i : 0]);
        const struct field more = FIELD_TEXT("more");
        if (i < 10)
            tweak_for(format, tweaks[i]);
        else
            assert_int_equal(
                format_tweak(format, i == 10 ? 2 : 1, FIELD_TEXT("owner"), i == 10 ? NULL : &more, tweaks[i]),
                OK);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(tweaks[i], tweaks[j], TWEAK_BYTES);
        format_free(format);
    }
}

static void characters_outside_the_alphabet_are_not_genuine(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1, 1);
    struct format *format = new_format(decimal(6, 1000, 1000)); // every string of digits opens
    uint8_t tweak[TWEAK_BYTES];
    tweak_for(format, tweak);
    for (unsigned byte = 0; byte < 256; byte++) {
        for (size_t at = 0; at < 6; at++) {
            char token[] = "123456";
            token[at] = (char)byte;
            struct opening opening = {.token = token};
            assert_int_equal(format_open(fixture.keyring, &(struct format_job){format, tweak, &opening, 1}),
                             OK);
            assert_int_equal(opening.generation != NULL, byte >= '0' && byte <= '9');
        }
    }
    format_free(format);
    fixture_done(&fixture);
}

enum { JOBS = 3, EACH = 300 };

static void several_formats_are_tried_in_one_call_and_only_what_is_not_opened(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_many(&fixture, 1, 2, 2);
    const struct generation *current = keyring_at(fixture.keyring, 0), *old = keyring_at(fixture.keyring, 1);
    struct format *formats[JOBS];
    uint8_t tweaks[JOBS][TWEAK_BYTES];
    static char tokens[JOBS][EACH * 30];
    static struct opening openings[JOBS][EACH];
    struct format_job jobs[JOBS];
    for (size_t j = 0; j < JOBS; j++) {
        formats[j] = new_format(decimal(20 + 2 * j, 1000, 1000));
        tweak_for(formats[j], tweaks[j]);
        static struct record records[EACH];
        for (size_t i = 0; i < EACH; i++)
            records[i] = (struct record){{i, j}};
        const size_t half = EACH / 2, length = 20 + 2 * j;
        assert_int_equal(format_seal(formats[j], current, tweaks[j], records, half, tokens[j]), OK);
        assert_int_equal(
            format_seal(formats[j], old, tweaks[j], records + half, EACH - half, tokens[j] + half * length),
            OK);
        for (size_t i = 0; i < EACH; i++)
            openings[j][i] = (struct opening){.token = tokens[j] + i * length};
        jobs[j] = (struct format_job){formats[j], tweaks[j], openings[j], EACH};
    }
    atomic_store(&fixture.ciphers[0].calls, 0);
    atomic_store(&fixture.ciphers[1].calls, 0);
    atomic_store(&fixture.ciphers[1].blocks, 0);
    assert_int_equal(format_try(current, jobs, JOBS), OK);
    assert_in_range(atomic_load(&fixture.ciphers[0].calls), 10, 12);
    for (size_t j = 0; j < JOBS; j++) {
        for (size_t i = 0; i < EACH; i++)
            assert_ptr_equal(openings[j][i].generation, i < EACH / 2 ? current : NULL);
    }
    assert_int_equal(format_try(old, jobs, JOBS), OK);
    assert_in_range(atomic_load(&fixture.ciphers[1].calls), 10, 12);
    // Ten rounds for the half that was still shut, and a prefix for each job.
    assert_in_range(atomic_load(&fixture.ciphers[1].blocks), 10, JOBS * (EACH / 2) * 10 + 4 * JOBS);
    for (size_t j = 0; j < JOBS; j++) {
        for (size_t i = 0; i < EACH; i++) {
            assert_ptr_equal(openings[j][i].generation, i < EACH / 2 ? current : old);
            assert_true(openings[j][i].record.field[0] == i && openings[j][i].record.field[1] == j);
        }
        format_free(formats[j]);
    }
    fixture_done(&fixture);
}

static void no_jobs_and_empty_jobs_are_nothing(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1, 1);
    struct format *format = new_format(decimal(20, 1000, 1000));
    uint8_t tweak[TWEAK_BYTES];
    tweak_for(format, tweak);
    const struct format_job empty = {format, tweak, NULL, 0};
    assert_int_equal(format_try(keyring_at(fixture.keyring, 0), NULL, 0), OK);
    assert_int_equal(format_try(keyring_at(fixture.keyring, 0), &empty, 1), OK);
    assert_int_equal(format_open(fixture.keyring, &empty), OK);
    assert_int_equal(format_seal(format, keyring_at(fixture.keyring, 0), tweak, NULL, 0, NULL), OK);
    format_free(format);
    format_free(NULL);
    fixture_done(&fixture);
}

static void the_sizes_told_are_the_real_ones(void **state)
{
    (void)state;
    struct format *format = new_format(decimal(20, 1000, 1000));
    assert_int_equal(format_length(format), 20);
    assert_true(fabs(format_space_bits(format) - 20 * log2(10)) < 1e-9);
    assert_true(fabs(format_record_bits(format) - 6 * log2(10)) < 1e-9);
    format_free(format);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_are_checked),
        cmocka_unit_test(the_records_must_fit_the_space),
        cmocka_unit_test(records_at_both_ends_come_back),
        cmocka_unit_test(exactly_as_many_strings_open_as_there_are_records),
        cmocka_unit_test(every_part_of_the_shape_changes_the_tweak),
        cmocka_unit_test(characters_outside_the_alphabet_are_not_genuine),
        cmocka_unit_test(several_formats_are_tried_in_one_call_and_only_what_is_not_opened),
        cmocka_unit_test(no_jobs_and_empty_jobs_are_nothing),
        cmocka_unit_test(the_sizes_told_are_the_real_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
