// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What a call of the engine takes from the heap: nothing for a few values, one block for many, however many.
#include "appliance/fpe/ff1.h"
#include "tests/support/allocations.h"
#include "tests/support/soft.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES_MAX = 5000 };

static struct soft_cipher soft;
static struct ff1_key *key;

static int setup(void **state)
{
    (void)state;
    static const uint8_t bytes[32] = {4, 5, 6};
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

// Of `count` values under each of `run_count` tweaks.
static size_t allocations_of(const struct ff1_shape *shape, size_t count, size_t run_count)
{
    static uint8_t tweaks[VALUES_MAX][16];
    struct ff1_run *runs = calloc(run_count, sizeof *runs);
    uint16_t *numerals = calloc(count * run_count, ff1_shape_length(shape) * sizeof *numerals);
    assert_non_null(runs);
    assert_non_null(numerals);
    for (size_t i = 0; i < run_count; i++) {
        memcpy(tweaks[i], &i, sizeof i);
        runs[i] =
            (struct ff1_run){shape, tweaks[i], 16, numerals + i * count * ff1_shape_length(shape), count};
    }
    const size_t before = allocations_so_far();
    assert_int_equal(ff1_encrypt(key, runs, run_count), OK);
    assert_int_equal(ff1_decrypt(key, runs, run_count), OK);
    const size_t made = allocations_so_far() - before;
    free(numerals);
    free(runs);
    return made;
}

static void up_to_eight_lone_values_take_nothing_from_the_heap(void **state)
{
    (void)state;
    static const struct {
        uint32_t radix;
        size_t length;
    } narrow[] = {{10, 16}, {10, 28}, {16, 48}, {256, 20}, {36, 10}};
    for (size_t i = 0; i < sizeof narrow / sizeof *narrow; i++) {
        struct ff1_shape *shape = shape_of(narrow[i].radix, narrow[i].length);
        for (size_t count = 1; count <= 8; count++) {
            assert_int_equal(allocations_of(shape, count, 1), 0);
            assert_int_equal(allocations_of(shape, 1, count), 0);
        }
        ff1_shape_free(shape);
    }
}

// One to encrypt, one to decrypt.
static void a_call_takes_one_block_however_many_values_it_has(void **state)
{
    (void)state;
    struct ff1_shape *shape = shape_of(10, 16);
    static const size_t counts[] = {100, 1000, VALUES_MAX};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        assert_int_equal(allocations_of(shape, counts[i], 1), 2);
        assert_int_equal(allocations_of(shape, 1, counts[i]), 2);
    }
    ff1_shape_free(shape);
}

static void wide_values_take_one_block_too(void **state)
{
    (void)state;
    struct ff1_shape *small = shape_of(256, 32), *large = shape_of(65536, 300);
    static const size_t counts[] = {1, 100, 2000};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        assert_int_equal(allocations_of(small, counts[i], 1), 2);
        assert_int_equal(allocations_of(large, counts[i], 1), 2);
    }
    ff1_shape_free(small);
    ff1_shape_free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(up_to_eight_lone_values_take_nothing_from_the_heap, setup, teardown),
        cmocka_unit_test_setup_teardown(a_call_takes_one_block_however_many_values_it_has, setup, teardown),
        cmocka_unit_test_setup_teardown(wide_values_take_one_block_too, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
