// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// One key in many threads, which push each other's prefixes out of its cache.
#include "appliance/fpe/ff1.h"
#include "tests/support/soft.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <string.h>

enum { THREADS = 6, CALLS = 300, VALUES = 40, TWEAKS = 1500, LENGTHS = 3 };

static struct soft_cipher soft;
static struct ff1_key *key;
static struct ff1_shape *shapes[LENGTHS]; // of words of 32, 64 and 128 bits
static const size_t lengths[LENGTHS] = {16, 28, 40};
static uint16_t expected[LENGTHS][TWEAKS][40]; // the token of the value of zeros

struct caller {
    pthread_t thread;
    uint64_t seed;
    size_t wrong;
};

static uint64_t draw(struct caller *caller)
{
    caller->seed = caller->seed * 6364136223846793005u + 1442695040888963407u;
    return caller->seed >> 33;
}

static void tweak_put(size_t number, uint8_t out[16])
{
    memset(out, 0x5a, 16);
    memcpy(out, &number, sizeof number);
}

// Values of zeros under tweaks drawn at random: some in many values, some alone.
static void call(struct caller *caller)
{
    uint16_t numerals[VALUES][40] = {0};
    uint8_t tweaks[VALUES][16];
    size_t numbers[VALUES], kinds[VALUES];
    struct ff1_run runs[VALUES];
    const size_t count = 1 + draw(caller) % VALUES;
    for (size_t i = 0; i < count; i++) {
        kinds[i] = draw(caller) % LENGTHS;
        numbers[i] = draw(caller) % 4 == 0 ? draw(caller) % 3 : draw(caller) % TWEAKS;
        tweak_put(numbers[i], tweaks[i]);
        runs[i] = (struct ff1_run){shapes[kinds[i]], tweaks[i], 16, numerals[i], 1};
    }
    caller->wrong += ff1_encrypt(key, runs, count) != OK;
    for (size_t i = 0; i < count; i++)
        caller->wrong += memcmp(numerals[i], expected[kinds[i]][numbers[i]], 80) != 0;
}

static void *work(void *context)
{
    struct caller *caller = context;
    for (size_t i = 0; i < CALLS; i++)
        call(caller);
    return NULL;
}

static void prefixes_of_a_shared_key_are_never_mixed_up(void **state)
{
    (void)state;
    static const uint8_t bytes[32] = {6, 5, 4};
    struct caller callers[THREADS] = {0};
    soft_cipher_init(&soft, bytes, sizeof bytes);
    for (size_t kind = 0; kind < LENGTHS; kind++) {
        assert_int_equal(ff1_shape_new(10, lengths[kind], &shapes[kind]), OK);
        for (size_t number = 0; number < TWEAKS; number++) {
            uint8_t tweak[16];
            const struct ff1_run run = {shapes[kind], tweak, 16, expected[kind][number], 1};
            struct ff1_key *fresh = NULL; // remembers nothing
            tweak_put(number, tweak);
            assert_int_equal(ff1_key_new(soft_cipher_seam(&soft), &fresh), OK);
            assert_int_equal(ff1_encrypt(fresh, &run, 1), OK);
            ff1_key_free(fresh);
        }
    }
    assert_int_equal(ff1_key_new(soft_cipher_seam(&soft), &key), OK);
    for (size_t i = 0; i < THREADS; i++) {
        callers[i].seed = i + 1;
        assert_int_equal(pthread_create(&callers[i].thread, NULL, work, &callers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].wrong, 0);
    }
    for (size_t kind = 0; kind < LENGTHS; kind++)
        ff1_shape_free(shapes[kind]);
    ff1_key_free(key);
    soft_cipher_done(&soft);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(prefixes_of_a_shared_key_are_never_mixed_up)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
