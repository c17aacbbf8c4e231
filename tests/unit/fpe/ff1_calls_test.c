// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What a call costs in cipher calls, what it refuses, and what it does when the cipher fails.
#include "appliance/fpe/ff1.h"
#include "tests/support/soft.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static struct soft_cipher soft;
static struct ff1_key *key;

static int setup(void **state)
{
    (void)state;
    static const uint8_t bytes[32] = {9, 8, 7};
    soft_cipher_init(&soft, bytes, sizeof bytes);
    return ff1_key_new(soft_cipher_seam(&soft), &key) == OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    ff1_key_free(key);
    soft_cipher_done(&soft);
    return 0;
}

static struct ff1_shape *shape_of(uint32_t radix, size_t length)
{
    struct ff1_shape *shape = NULL;
    assert_int_equal(ff1_shape_new(radix, length, &shape), OK);
    return shape;
}

static size_t calls_of(const struct ff1_run *runs, size_t run_count)
{
    size_t before = soft.calls;
    assert_int_equal(ff1_encrypt(key, runs, run_count), OK);
    return soft.calls - before;
}

static void a_slice_of_16_digits_costs_12_calls_and_10_once_its_prefix_is_known(void **state)
{
    (void)state;
    struct ff1_shape *shape = shape_of(10, 16);
    static uint16_t numerals[FF1_SLICE * 16];
    struct ff1_run run = {shape, (const uint8_t *)"sixteen byte twk", 16, numerals, FF1_SLICE};
    assert_int_equal(calls_of(&run, 1), 12);
    assert_int_equal(calls_of(&run, 1), 10);
    run.count = 1;
    assert_int_equal(calls_of(&run, 1), 10);
    ff1_shape_free(shape);
}

static void every_half_up_to_12_bytes_costs_10_calls_and_10_blocks(void **state)
{
    (void)state;
    static const struct {
        uint32_t radix;
        size_t length;
    } shapes[] = {{10, 8}, {10, 28}, {16, 48}, {256, 20}, {256, 24}, {10, 56}, {62, 30}, {65536, 12}};
    static uint16_t numerals[100 * 56];
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct ff1_shape *shape = shape_of(shapes[i].radix, shapes[i].length);
        memset(numerals, 0, sizeof numerals);
        struct ff1_run run = {shape, (const uint8_t *)"sixteen byte twk", 16, numerals, 100};
        assert_int_equal(calls_of(&run, 1), 12);
        size_t blocks = soft.blocks;
        assert_int_equal(calls_of(&run, 1), 10);
        assert_int_equal(soft.blocks - blocks, 10 * 100);
        ff1_shape_free(shape);
    }
}

// Nothing is encrypted that need not be: a value under its own tweak costs its ten blocks and two for
// the prefix, whatever stands beside it.
static void mixed_card_lengths_under_their_own_tweaks_cost_12_calls(void **state)
{
    (void)state;
    enum { RUNS = 1024 };
    struct ff1_shape *shapes[8];
    static struct ff1_run runs[RUNS];
    static uint16_t numerals[RUNS][18];
    static uint8_t tweaks[RUNS][16];
    for (size_t i = 0; i < 8; i++)
        shapes[i] = shape_of(10, 11 + i);
    for (size_t i = 0; i < RUNS; i++) {
        memcpy(tweaks[i], &i, sizeof i);
        runs[i] = (struct ff1_run){shapes[i * 7 % 8], tweaks[i], 16, numerals[i], 1};
    }
    size_t blocks = soft.blocks;
    assert_in_range(calls_of(runs, RUNS), 11, 12);
    assert_int_equal(soft.blocks - blocks, 12 * RUNS);
    for (size_t i = 0; i < 8; i++)
        ff1_shape_free(shapes[i]);
}

static void a_prefix_in_use_survives_thousands_of_lone_tweaks(void **state)
{
    (void)state;
    struct ff1_shape *shape = shape_of(10, 16);
    uint16_t numerals[16] = {0};
    uint8_t tweak[16] = {0};
    struct ff1_run kept = {shape, (const uint8_t *)"sixteen byte twk", 16, numerals, 1};
    calls_of(&kept, 1);
    for (size_t i = 1; i < 5000; i++) {
        memcpy(tweak, &i, sizeof i);
        struct ff1_run lone = {shape, tweak, 16, numerals, 1};
        assert_int_equal(calls_of(&lone, 1), 12);
    }
    assert_int_equal(calls_of(&kept, 1), 10);
    ff1_shape_free(shape);
}

static void a_prefix_asked_for_again_gets_into_a_full_cache(void **state)
{
    (void)state;
    struct ff1_shape *shape = shape_of(10, 16);
    uint16_t numerals[16] = {0};
    uint8_t tweak[16] = {0};
    struct ff1_run run = {shape, tweak, 16, numerals, 1};
    for (size_t i = 1; i < 5000; i++) {
        memcpy(tweak, &i, sizeof i);
        calls_of(&run, 1);
    }
    memset(tweak, 0xff, sizeof tweak);
    calls_of(&run, 1);
    calls_of(&run, 1);
    assert_int_equal(calls_of(&run, 1), 10);
    ff1_shape_free(shape);
}

static void shapes_and_tweaks_are_told_apart_in_the_cache(void **state)
{
    (void)state;
    struct ff1_shape *shape = shape_of(10, 16), *same = shape_of(10, 16), *longer = shape_of(10, 17);
    uint16_t numerals[17] = {0};
    const uint8_t *tweak = (const uint8_t *)"tweak with a tail";
    struct ff1_run run = {shape, tweak, 11, numerals, 1};
    assert_int_equal(calls_of(&run, 1), 11);
    run.shape = same;
    assert_int_equal(calls_of(&run, 1), 10);
    run.shape = longer;
    assert_int_equal(calls_of(&run, 1), 11);
    run.tweak_bytes = 10;
    assert_int_equal(calls_of(&run, 1), 11);
    run.tweak = tweak + 1;
    assert_int_equal(calls_of(&run, 1), 11);
    run.tweak = NULL;
    run.tweak_bytes = 0;
    assert_int_equal(calls_of(&run, 1), 11);
    assert_int_equal(calls_of(&run, 1), 10);
    ff1_shape_free(shape);
    ff1_shape_free(same);
    ff1_shape_free(longer);
}

static void wide_values_share_their_calls(void **state)
{
    (void)state;
    struct ff1_shape *shape = shape_of(256, 32); // two blocks of tail, one more of S
    static uint16_t numerals[300 * 32];
    struct ff1_run run = {shape, (const uint8_t *)"sixteen byte twk", 16, numerals, 300};
    calls_of(&run, 1);
    size_t blocks = soft.blocks;
    assert_int_equal(calls_of(&run, 1), 30);
    assert_int_equal(soft.blocks - blocks, 30 * 300);
    ff1_shape_free(shape);
}

static void nothing_to_do_costs_nothing(void **state)
{
    (void)state;
    struct ff1_shape *shape = shape_of(10, 16);
    struct ff1_run run = {.shape = shape};
    assert_int_equal(calls_of(NULL, 0), 0);
    assert_int_equal(calls_of(&run, 1), 0);
    ff1_shape_free(shape);
}

// ---- refusals ------------------------------------------------------------------------------------------

static void a_numeral_out_of_range_anywhere_leaves_everything_as_it_was(void **state)
{
    (void)state;
    struct ff1_shape *digits = shape_of(10, 16), *wide = shape_of(60000, 300);
    static uint16_t narrow_values[2000 * 16], wide_values[3 * 300];
    static uint16_t narrow_before[2000 * 16], wide_before[3 * 300];
    struct ff1_run runs[] = {{digits, NULL, 0, narrow_values, 2000}, {wide, NULL, 0, wide_values, 3}};
    static const struct {
        uint16_t *at, numeral;
    } faults[] = {{narrow_values, 10},
                  {narrow_values + 2000 * 16 - 1, 65535},
                  {narrow_values + 16385, 266},
                  {wide_values, 60000},
                  {wide_values + 899, 65535}};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        memset(narrow_values, 0, sizeof narrow_values);
        memset(wide_values, 0, sizeof wide_values);
        *faults[i].at = faults[i].numeral;
        memcpy(narrow_before, narrow_values, sizeof narrow_values);
        memcpy(wide_before, wide_values, sizeof wide_values);
        size_t calls = soft.calls;
        assert_int_equal(ff1_encrypt(key, runs, 2), ERR_INPUT);
        assert_int_equal(ff1_decrypt(key, runs, 2), ERR_INPUT);
        assert_int_equal(soft.calls, calls);
        assert_memory_equal(narrow_before, narrow_values, sizeof narrow_values);
        assert_memory_equal(wide_before, wide_values, sizeof wide_values);
    }
    ff1_shape_free(digits);
    ff1_shape_free(wide);
}

static void a_tweak_over_65535_bytes_is_refused(void **state)
{
    (void)state;
    struct ff1_shape *shape = shape_of(10, 16);
    static uint8_t tweak[FF1_TWEAK_BYTES_MAX + 1];
    uint16_t numerals[16] = {0};
    struct ff1_run run = {shape, tweak, sizeof tweak, numerals, 1};
    assert_int_equal(ff1_encrypt(key, &run, 1), ERR_INPUT);
    run.tweak_bytes--;
    assert_int_equal(ff1_encrypt(key, &run, 1), OK);
    ff1_shape_free(shape);
}

static void shapes_out_of_range_are_refused_and_small_domains_named(void **state)
{
    (void)state;
    static const struct {
        uint32_t radix;
        size_t length;
        enum err expected;
    } cases[] = {
        {0, 10, ERR_INPUT},
        {1, 4096, ERR_INPUT},
        {65537, 10, ERR_INPUT},
        {UINT32_MAX, 10, ERR_INPUT},
        {10, 0, ERR_INPUT},
        {10, 1, ERR_INPUT},
        {65536, 1, ERR_INPUT},
        {10, 4097, ERR_INPUT},
        {10, SIZE_MAX, ERR_INPUT},
        {10, 5, ERR_DOMAIN},
        {2, 19, ERR_DOMAIN},
        {999, 2, ERR_DOMAIN},
        {99, 3, ERR_DOMAIN},
        {10, 6, OK},
        {2, 20, OK},
        {1000, 2, OK},
        {100, 3, OK},
        {65536, 2, OK},
        {65536, 4096, OK},
        {2, 4096, OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ff1_shape *const untouched = (struct ff1_shape *)&soft, *shape = untouched;
        assert_int_equal(ff1_shape_new(cases[i].radix, cases[i].length, &shape), cases[i].expected);
        if (cases[i].expected != OK) {
            assert_ptr_equal(shape, untouched);
            continue;
        }
        assert_int_equal(ff1_shape_radix(shape), cases[i].radix);
        assert_int_equal(ff1_shape_length(shape), cases[i].length);
        ff1_shape_free(shape);
    }
    ff1_shape_free(NULL);
    ff1_key_free(NULL);
}

// ---- a cipher that fails -------------------------------------------------------------------------------

static void fail_at_every_call(const struct ff1_run *runs, size_t run_count, size_t calls)
{
    for (size_t at = 1; at <= calls; at++) {
        struct ff1_key *fresh;
        assert_int_equal(ff1_key_new(soft_cipher_seam(&soft), &fresh), OK);
        enum err (*const transform)(struct ff1_key *, const struct ff1_run *, size_t) =
            at % 2 == 0 ? ff1_encrypt : ff1_decrypt;
        soft.failure = at % 3 == 0 ? ERR_HSM_DOWN : ERR_BUSY;
        soft.fail_at_call = soft.calls + at;
        assert_int_equal(transform(fresh, runs, run_count), soft.failure);
        assert_int_equal(soft.calls, soft.fail_at_call);
        soft.fail_at_call = 0;
        for (size_t i = 0; i < run_count; i++)
            memset(runs[i].numerals, 0, runs[i].count * ff1_shape_length(runs[i].shape) * sizeof(uint16_t));
        assert_int_equal(transform(fresh, runs, run_count), OK);
        ff1_key_free(fresh);
    }
}

static void a_failure_at_any_call_comes_back_as_it_is(void **state)
{
    (void)state;
    struct ff1_shape *digits = shape_of(10, 16), *ids = shape_of(256, 32);
    static uint16_t numerals[FF1_SLICE * 16], wide[5 * 32];
    struct ff1_run runs[] = {{digits, (const uint8_t *)"sixteen byte twk", 16, numerals, 3},
                             {ids, (const uint8_t *)"sixteen byte twk", 16, wide, 5}};
    fail_at_every_call(runs, 1, 12);
    fail_at_every_call(runs + 1, 1, 32);
    fail_at_every_call(runs, 2, 44);
    runs[0].count = FF1_SLICE;
    fail_at_every_call(runs, 1, 12);
    ff1_shape_free(digits);
    ff1_shape_free(ids);
}

// A failed prefix must not be remembered: the same call later gives what a fresh key gives.
static void after_a_failure_the_key_gives_the_same_tokens(void **state)
{
    (void)state;
    struct ff1_shape *shape = shape_of(10, 16);
    for (size_t at = 1; at <= 12; at++) {
        uint16_t expected[16] = {1, 2, 3}, numerals[16] = {1, 2, 3}, lost[16] = {0};
        struct ff1_key *fresh, *hurt;
        assert_int_equal(ff1_key_new(soft_cipher_seam(&soft), &fresh), OK);
        assert_int_equal(ff1_key_new(soft_cipher_seam(&soft), &hurt), OK);
        struct ff1_run run = {shape, (const uint8_t *)"sixteen byte twk", 16, expected, 1};
        assert_int_equal(ff1_encrypt(fresh, &run, 1), OK);
        soft.failure = ERR_TIMEOUT;
        soft.fail_at_call = soft.calls + at;
        run.numerals = lost;
        assert_int_equal(ff1_encrypt(hurt, &run, 1), ERR_TIMEOUT);
        soft.fail_at_call = 0;
        run.numerals = numerals;
        assert_int_equal(ff1_encrypt(hurt, &run, 1), OK);
        assert_memory_equal(expected, numerals, sizeof expected);
        ff1_key_free(fresh);
        ff1_key_free(hurt);
    }
    ff1_shape_free(shape);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_slice_of_16_digits_costs_12_calls_and_10_once_its_prefix_is_known),
        TEST(every_half_up_to_12_bytes_costs_10_calls_and_10_blocks),
        TEST(mixed_card_lengths_under_their_own_tweaks_cost_12_calls),
        TEST(a_prefix_in_use_survives_thousands_of_lone_tweaks),
        TEST(a_prefix_asked_for_again_gets_into_a_full_cache),
        TEST(shapes_and_tweaks_are_told_apart_in_the_cache),
        TEST(wide_values_share_their_calls),
        TEST(nothing_to_do_costs_nothing),
        TEST(a_numeral_out_of_range_anywhere_leaves_everything_as_it_was),
        TEST(a_tweak_over_65535_bytes_is_refused),
        TEST(shapes_out_of_range_are_refused_and_small_domains_named),
        TEST(a_failure_at_any_call_comes_back_as_it_is),
        TEST(after_a_failure_the_key_gives_the_same_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
