// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "web/rate.h"

#include <pthread.h>
#include <stdatomic.h>

enum { CLIENT = 7 };
static const int64_t second = 1000000000, start = 5000000000000;

static struct rate *rate;

static int make(void **state)
{
    (void)state;
    rate = rate_new();
    return rate == NULL;
}

static int drop(void **state)
{
    (void)state;
    rate_free(rate);
    return 0;
}

// How many of `asked` requests at one moment are let through.
static unsigned taken(unsigned client_id, unsigned per_second, unsigned asked, int64_t now_ns)
{
    unsigned count = 0;
    for (unsigned i = 0; i < asked; i++)
        count += rate_take(rate, client_id, per_second, now_ns);
    return count;
}

static void a_burst_is_a_seconds_worth_and_not_one_more(void **state)
{
    (void)state;
    static const unsigned rates[] = {1, 2, 3, 7, 10, 64, 999};
    for (unsigned i = 0; i < sizeof rates / sizeof rates[0]; i++)
        assert_int_equal(taken(CLIENT + i, rates[i], 3 * rates[i], start), rates[i]);
}

static void in_the_long_run_no_pattern_gets_more_than_the_rate(void **state)
{
    (void)state;
    static const int64_t steps[] = {1, 1000, 999999, 33333333, 100000000, 999999999, 1000000000, 2500000000};
    for (unsigned i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        uint64_t count = 0;
        for (int64_t n = 0; n < 2000; n++)
            count += taken(100 + i, 10, 3, start + n * steps[i]);
        const int64_t span = 1999 * steps[i];
        assert_true(count <= (uint64_t)(span / 100000000) + 10);
    }
}

static void whoever_keeps_to_the_rate_is_never_refused(void **state)
{
    (void)state;
    for (int64_t n = 0; n < 1000; n++)
        assert_true(rate_take(rate, CLIENT, 10, start + n * second / 10));
}

static void a_second_later_it_may_again_and_a_refusal_costs_nothing(void **state)
{
    (void)state;
    assert_int_equal(taken(CLIENT, 5, 100000, start), 5);
    assert_false(rate_take(rate, CLIENT, 5, start + second / 5 - 1));
    assert_true(rate_take(rate, CLIENT, 5, start + second / 5));
    assert_int_equal(taken(CLIENT, 5, 100000, start + second / 5 + second), 5);
}

static void idle_time_is_not_saved_up(void **state)
{
    (void)state;
    assert_int_equal(taken(CLIENT, 10, 1, start), 1);
    assert_int_equal(taken(CLIENT, 10, 100, start + 3600 * second), 10);
}

static void clients_do_not_pay_for_each_other(void **state)
{
    (void)state;
    assert_int_equal(taken(CLIENT, 10, 1000, start), 10);
    assert_int_equal(taken(CLIENT + 1, 10, 1000, start), 10);
    assert_int_equal(taken(1, 1, 1000, start), 1);
    assert_int_equal(taken(65535, 1, 1000, start), 1);
}

static void another_rate_holds_from_the_next_request_on(void **state)
{
    (void)state;
    assert_int_equal(taken(CLIENT, 1000, 2000, start), 1000);
    assert_int_equal(taken(CLIENT, 1, 10, start + second / 2), 0);
    assert_int_equal(taken(CLIENT, 1, 10, start + second), 1);
    assert_int_equal(taken(CLIENT, 1000, 2000, start + 2 * second), 1000);
}

static atomic_uint let_through;

static void *ask_often(void *context)
{
    (void)context;
    for (int i = 0; i < 20000; i++)
        atomic_fetch_add(&let_through, rate_take(rate, CLIENT, 1000, start));
    return NULL;
}

static void threads_share_one_rate(void **state)
{
    (void)state;
    pthread_t threads[4];
    atomic_store(&let_through, 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&let_through), 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_burst_is_a_seconds_worth_and_not_one_more, make, drop),
        cmocka_unit_test_setup_teardown(in_the_long_run_no_pattern_gets_more_than_the_rate, make, drop),
        cmocka_unit_test_setup_teardown(whoever_keeps_to_the_rate_is_never_refused, make, drop),
        cmocka_unit_test_setup_teardown(a_second_later_it_may_again_and_a_refusal_costs_nothing, make, drop),
        cmocka_unit_test_setup_teardown(idle_time_is_not_saved_up, make, drop),
        cmocka_unit_test_setup_teardown(clients_do_not_pay_for_each_other, make, drop),
        cmocka_unit_test_setup_teardown(another_rate_holds_from_the_next_request_on, make, drop),
        cmocka_unit_test_setup_teardown(threads_share_one_rate, make, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
