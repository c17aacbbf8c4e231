// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "web/penalty.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static const int64_t second = 1000000000;

static void the_first_failures_are_free_then_delays_double_up_to_a_second(void **state)
{
    (void)state;
    struct penalty *penalty = penalty_new();
    struct peer_key key = peer_key("192.0.2.1");
    static const unsigned delays[] = {0, 0, 0, 15, 30, 60, 120, 240, 480, 960, 960, 960};
    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++)
        assert_int_equal(penalty_note(penalty, &key, (int64_t)i), delays[i]);
    penalty_free(penalty);
}

static void another_address_is_not_punished(void **state)
{
    (void)state;
    struct penalty *penalty = penalty_new();
    struct peer_key guilty = peer_key("192.0.2.1"), innocent = peer_key("192.0.2.2");
    for (int i = 0; i < 20; i++)
        penalty_note(penalty, &guilty, i);
    assert_int_equal(penalty_note(penalty, &innocent, 20), 0);
    penalty_free(penalty);
}

static void a_quiet_minute_forgives(void **state)
{
    (void)state;
    struct penalty *penalty = penalty_new();
    struct peer_key key = peer_key("192.0.2.1");
    for (int i = 0; i < 20; i++)
        penalty_note(penalty, &key, i);
    assert_true(penalty_note(penalty, &key, 60 * second) > 0);
    assert_int_equal(penalty_note(penalty, &key, 121 * second), 0);
    penalty_free(penalty);
}

// Far more addresses than there is room for: the one that keeps failing is still remembered.
static void a_flood_of_addresses_does_not_hide_the_busiest(void **state)
{
    (void)state;
    struct penalty *penalty = penalty_new();
    struct peer_key busy = peer_key("192.0.2.1");
    unsigned delay = 0;
    for (unsigned i = 0; i < 100000; i++) {
        char address[32];
        snprintf(address, sizeof address, "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
        struct peer_key key = peer_key(address);
        penalty_note(penalty, &key, 2 * (int64_t)i);
        if (i % 16 == 0)
            delay = penalty_note(penalty, &busy, 2 * (int64_t)i + 1);
    }
    assert_int_equal(delay, 960);
    penalty_free(penalty);
}

static atomic_int waited, turned_away;

static void *fail_once(void *context)
{
    struct peer_key key = peer_key("192.0.2.1");
    atomic_fetch_add(penalty_serve(context, &key, 100) ? &waited : &turned_away, 1);
    return NULL;
}

static void only_so_many_wait_at_once(void **state)
{
    (void)state;
    enum { THREADS = 3 * PENALTY_SLEEPERS_MAX };
    struct penalty *penalty = penalty_new();
    struct peer_key key = peer_key("192.0.2.1");
    for (int i = 0; i < 20; i++)
        penalty_note(penalty, &key, i);
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, fail_once, penalty), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&waited) + atomic_load(&turned_away), THREADS);
    assert_true(atomic_load(&waited) >= PENALTY_SLEEPERS_MAX);
    assert_true(penalty_serve(penalty, &key, 100 * second)); // places are free again
    penalty_free(penalty);
}

static void addresses_of_one_IPv6_subscriber_are_one(void **state)
{
    (void)state;
    struct peer_key a = peer_key("2001:db8:1:2::1"), b = peer_key("2001:db8:1:2:ffff::9"),
                    c = peer_key("2001:db8:1:3::1"), v4 = peer_key("192.0.2.1"),
                    mapped = peer_key("::ffff:192.0.2.1");
    assert_true(peer_equal(&a, &b));
    assert_false(peer_equal(&a, &c));
    assert_true(peer_equal(&v4, &mapped));
    struct peer_key other_v4 = peer_key("192.0.2.2");
    assert_false(peer_equal(&v4, &other_v4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_failures_are_free_then_delays_double_up_to_a_second),
        cmocka_unit_test(another_address_is_not_punished),
        cmocka_unit_test(a_quiet_minute_forgives),
        cmocka_unit_test(a_flood_of_addresses_does_not_hide_the_busiest),
        cmocka_unit_test(only_so_many_wait_at_once),
        cmocka_unit_test(addresses_of_one_IPv6_subscriber_are_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
