// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The engine agrees with the naive reference, value by value, in both directions, for every kind of half,
// every kernel of this machine, batches around the slice's edges, and mixed shapes and tweaks in a call.
// It proves agreement on random values; arithmetic at its corners is ff1_small_test's business.
#include "appliance/fpe/ff1.h"
#include "appliance/fpe/ff1_key.h"
#include "appliance/fpe/ff1_small.h"
#include "tests/support/ref_ff1.h"
#include "tests/support/soft.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

enum { TWEAK_BYTES_MAX = 1040 };

static struct soft_rng random_state = {.state = 20260};

static uint32_t below(uint32_t bound)
{
    uint64_t word;
    struct rng rng = soft_rng_seam(&random_state);
    assert_int_equal(rng_fill(&rng, (uint8_t *)&word, sizeof word), OK);
    return (uint32_t)(word % bound);
}

static void fill_bytes(uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)below(256);
}

struct fixture {
    uint8_t bytes[32];
    size_t key_bytes;
    struct soft_cipher soft;
    struct ff1_key *key;
};

static void fixture_init(struct fixture *f, size_t key_bytes, const char *kernel)
{
    fill_bytes(f->bytes, sizeof f->bytes);
    f->key_bytes = key_bytes;
    soft_cipher_init(&f->soft, f->bytes, key_bytes);
    assert_int_equal(ff1_key_new(soft_cipher_seam(&f->soft), &f->key), OK);
    assert_true(ff1_key_use_kernel(f->key, kernel));
}

static void fixture_done(struct fixture *f)
{
    ff1_key_free(f->key);
    soft_cipher_done(&f->soft);
}

// A run of random numerals; owns its tweak, shape and numerals.
static struct ff1_run run_new(uint32_t radix, size_t length, size_t tweak_bytes, size_t count)
{
    struct ff1_run run = {.tweak_bytes = tweak_bytes, .count = count};
    struct ff1_shape *shape;
    assert_int_equal(ff1_shape_new(radix, length, &shape), OK);
    run.shape = shape;
    uint8_t *tweak = malloc(tweak_bytes + 1);
    run.numerals = malloc((count * length + 1) * sizeof *run.numerals);
    assert_true(tweak != NULL && run.numerals != NULL);
    fill_bytes(tweak, tweak_bytes);
    run.tweak = tweak_bytes > 0 ? tweak : NULL;
    if (tweak_bytes == 0)
        free(tweak);
    for (size_t i = 0; i < count * length; i++)
        run.numerals[i] = (uint16_t)below(radix);
    return run;
}

static void run_done(struct ff1_run *run)
{
    free((void *)(uintptr_t)run->tweak);
    ff1_shape_free((struct ff1_shape *)(uintptr_t)run->shape);
    free(run->numerals);
}

// Compares values `step` apart with the reference's transform of what stood in `before`.
static void assert_agrees(const struct fixture *f, const struct ff1_run *run, uint16_t *before, bool decrypt,
                          size_t step)
{
    size_t length = ff1_shape_length(run->shape);
    struct ref_ff1 ref = {.key = f->bytes,
                          .key_bytes = f->key_bytes,
                          .radix = ff1_shape_radix(run->shape),
                          .tweak = run->tweak,
                          .tweak_bytes = run->tweak_bytes};
    for (size_t i = 0; i < run->count; i += step) {
        ref_ff1(&ref, decrypt, before + i * length, length);
        assert_memory_equal(before + i * length, run->numerals + i * length, length * sizeof *before);
    }
}

static uint16_t *copy_of(const struct ff1_run *run)
{
    size_t bytes = run->count * ff1_shape_length(run->shape) * sizeof(uint16_t);
    uint16_t *copy = malloc(bytes + 1);
    assert_non_null(copy);
    memcpy(copy, run->numerals, bytes);
    return copy;
}

// Runs them all in one call, each way, checks against the reference and that decryption inverts.
static void assert_runs_agree(const struct fixture *f, const struct ff1_run *runs, size_t run_count,
                              size_t step)
{
    uint16_t *before[64], *plain[64];
    assert_true(run_count <= 64);
    for (size_t direction = 0; direction < 2; direction++) {
        for (size_t i = 0; i < run_count; i++) {
            before[i] = copy_of(&runs[i]);
            plain[i] = copy_of(&runs[i]);
        }
        assert_int_equal(
            direction == 0 ? ff1_encrypt(f->key, runs, run_count) : ff1_decrypt(f->key, runs, run_count), OK);
        for (size_t i = 0; i < run_count; i++)
            assert_agrees(f, &runs[i], before[i], direction == 1, step);
        assert_int_equal(
            direction == 0 ? ff1_decrypt(f->key, runs, run_count) : ff1_encrypt(f->key, runs, run_count), OK);
        for (size_t i = 0; i < run_count; i++) {
            size_t length = ff1_shape_length(runs[i].shape);
            assert_memory_equal(plain[i], runs[i].numerals, runs[i].count * length * sizeof(uint16_t));
            free(before[i]);
            free(plain[i]);
        }
    }
}

static void check_one(const struct fixture *f, uint32_t radix, size_t length, size_t tweak_bytes,
                      size_t count, size_t step)
{
    struct ff1_run run = run_new(radix, length, tweak_bytes, count);
    assert_runs_agree(f, &run, 1, step);
    run_done(&run);
}

static size_t least_length(uint32_t radix)
{
    size_t length = 0;
    for (uint64_t domain = 1; domain < 1000000; length++)
        domain *= radix;
    return length < 2 ? 2 : length;
}

static const uint32_t radices[] = {2,    3,    4,    5,     7,     8,     10,    16,    26,   32,  36,
                                   58,   62,   64,   85,    94,    100,   128,   255,   256,  257, 1000,
                                   1024, 1114, 4096, 32767, 32768, 46341, 65533, 65535, 65536};

static void for_each_kernel(void (*check)(const struct fixture *f))
{
    size_t count;
    const struct ff1_kernel *const *kernels = ff1_kernels(&count);
    for (size_t i = 0; i < count; i++) {
        struct fixture f;
        fixture_init(&f, 16 + 8 * (i % 3), kernels[i]->name);
        check(&f);
        fixture_done(&f);
    }
}

static void check_lengths(const struct fixture *f)
{
    for (size_t r = 0; r < sizeof radices / sizeof *radices; r++) {
        size_t least = least_length(radices[r]);
        for (size_t length = least; length < least + 24; length++)
            check_one(f, radices[r], length, below(41), 3, 1);
        check_one(f, radices[r], least + below(300), below(41), 2, 1);
    }
}

static void every_short_length_of_many_radices_agrees(void **state)
{
    (void)state;
    for_each_kernel(check_lengths);
}

static void check_halves(const struct fixture *f)
{
    // Lengths about the borders between 30, 32, 62, 64, 96 and 128 bits of a half.
    for (size_t bits = 26; bits < 136; bits++)
        check_one(f, 2, 2 * bits - bits % 2, below(33), 2, 1);
    for (size_t length = 6; length < 82; length++)
        check_one(f, 10, length, 16, 2, 1);
}

static void halves_about_every_word_size_agree(void **state)
{
    (void)state;
    for_each_kernel(check_halves);
}

static void check_tweaks(const struct fixture *f)
{
    for (size_t tweak_bytes = 0; tweak_bytes <= 66; tweak_bytes++) {
        check_one(f, 10, 16, tweak_bytes, 2, 1);
        check_one(f, 16, 48, tweak_bytes, 1, 1);
        check_one(f, 256, 32, tweak_bytes, 1, 1);
    }
    check_one(f, 10, 16, 1000, 2, 1);
    check_one(f, 256, 30, 1000 + below(32), 2, 1);
}

static void every_tweak_length_agrees(void **state)
{
    (void)state;
    for_each_kernel(check_tweaks);
}

static void check_batches(const struct fixture *f)
{
    static const size_t sizes[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 100, 1023, 1024, 1025, 3000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t step = sizes[i] < 50 ? 1 : sizes[i] / 16 - 1;
        check_one(f, 10, 16, 16, sizes[i], step);
        check_one(f, 10, 19, 16, sizes[i], step);
        check_one(f, 16, 48, 16, sizes[i], step);
        check_one(f, 10, 38, 16, sizes[i], step);
        check_one(f, 256, 32, 16, sizes[i], step);
    }
}

static void batches_about_the_slice_edges_agree(void **state)
{
    (void)state;
    for_each_kernel(check_batches);
}

static void check_mixed(const struct fixture *f)
{
    for (size_t round = 0; round < 12; round++) {
        struct ff1_run runs[64];
        size_t run_count = 1 + below(64);
        for (size_t i = 0; i < run_count; i++) {
            uint32_t radix =
                below(3) == 0 ? 2 + below(65535) : radices[below(sizeof radices / sizeof *radices)];
            size_t length = least_length(radix) + below(below(8) == 0 ? 100 : 20);
            size_t count = below(6) == 0 ? 0 : below(10) == 0 ? below(700) : 1 + below(5);
            runs[i] = run_new(radix, length, below(20) == 0 ? below(TWEAK_BYTES_MAX) : below(41), count);
        }
        assert_runs_agree(f, runs, run_count, 97);
        for (size_t i = 0; i < run_count; i++)
            run_done(&runs[i]);
    }
}

static void mixed_shapes_and_tweaks_in_one_call_agree(void **state)
{
    (void)state;
    for_each_kernel(check_mixed);
}

// Runs of one shape object become neighbours in a slice, whatever stands between them in the call; each
// keeps its own tweak.
static void check_shared_shapes(const struct fixture *f)
{
    static const struct {
        uint32_t radix;
        size_t length;
    } kinds[] = {{10, 16}, {10, 15}, {10, 28}, {16, 48}, {256, 32}};
    enum { KINDS = sizeof kinds / sizeof *kinds };
    struct ff1_run first[KINDS], runs[48];
    for (size_t i = 0; i < KINDS; i++)
        first[i] = run_new(kinds[i].radix, kinds[i].length, 0, 0);
    for (size_t round = 0; round < 6; round++) {
        size_t run_count = 1 + below(48);
        for (size_t i = 0; i < run_count; i++) {
            size_t kind = below(round < 2 ? 1 : KINDS);
            runs[i] = run_new(kinds[kind].radix, kinds[kind].length, 16, 1 + below(40));
            ff1_shape_free((struct ff1_shape *)(uintptr_t)runs[i].shape);
            runs[i].shape = first[kind].shape;
        }
        assert_runs_agree(f, runs, run_count, 7);
        for (size_t i = 0; i < run_count; i++) {
            runs[i].shape = NULL;
            run_done(&runs[i]);
        }
    }
    for (size_t i = 0; i < KINDS; i++)
        run_done(&first[i]);
}

static void runs_that_share_a_shape_keep_their_tweaks(void **state)
{
    (void)state;
    for_each_kernel(check_shared_shapes);
}

static void check_long(const struct fixture *f)
{
    check_one(f, 2, 4096, 7, 1, 1);
    check_one(f, 10, 4095, 16, 1, 1);
    check_one(f, 65535, 4096, 0, 1, 1);
    check_one(f, 65536, 4096, 33, 1, 1);
    check_one(f, 65536, 513, 16, 2, 1);
    check_one(f, 3, 1025, 16, 3, 1);
}

static void the_longest_values_agree(void **state)
{
    (void)state;
    for_each_kernel(check_long);
}

static void a_tweak_of_65535_bytes_agrees(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 32, "portable");
    check_one(&f, 10, 16, FF1_TWEAK_BYTES_MAX, 1, 1);
    fixture_done(&f);
}

// One key's cache sees more prefixes than it holds, twice over, and runs that share theirs.
static void prefixes_that_come_and_go_agree(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 32, "portable");
    for (size_t round = 0; round < 3; round++) {
        random_state.state = 77; // the same tweaks again
        for (size_t i = 0; i < 600; i++)
            check_one(&f, 10, 12 + i % 7, 8 + i % 9, 1 + i % 2, 1);
    }
    fixture_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_short_length_of_many_radices_agrees),
        cmocka_unit_test(halves_about_every_word_size_agree),
        cmocka_unit_test(every_tweak_length_agrees),
        cmocka_unit_test(batches_about_the_slice_edges_agree),
        cmocka_unit_test(mixed_shapes_and_tweaks_in_one_call_agree),
        cmocka_unit_test(runs_that_share_a_shape_keep_their_tweaks),
        cmocka_unit_test(the_longest_values_agree),
        cmocka_unit_test(a_tweak_of_65535_bytes_agrees),
        cmocka_unit_test(prefixes_that_come_and_go_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
