// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Callers of one key share calls to the module, counted there: how many share one, who comes first, and that
// each gets its own result.
#include "tests/conformance/lane_rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct lane_rig rig;

static int set_up(void **state)
{
    (void)state;
    rig_open(&rig, FAULT_MODULE, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

static void assert_all_right(struct caller sum, size_t calls)
{
    assert_int_equal(sum.wrong, 0);
    assert_int_equal(sum.strange, 0);
    assert_int_equal(sum.failed, 0);
    assert_int_equal(sum.ok, calls);
}

static void assert_logged(const uint16_t *expected, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_int_equal(rig.control->blocks[i], expected[i]);
    assert_int_equal(rig_calls(&rig), rig.control->log_from + count - 1);
}

// ---- how many share a call --------------------------------------------------------------------------

static void check_sharing(unsigned lanes, size_t calls_each, size_t calls_allowed)
{
    enum { CALLERS = 64 };
    static struct caller callers[CALLERS];
    rig_close(&rig);
    rig_open(&rig, FAULT_MODULE, lanes);
    rig.control->update_us = 1000;
    const size_t before = rig_calls(&rig);
    callers_start(&rig, callers, CALLERS, calls_each, 1);
    assert_all_right(callers_join(callers, CALLERS), CALLERS * calls_each);
    print_message("%u lanes: %zu encryptions in %zu calls\n", lanes, CALLERS * calls_each,
                  rig_calls(&rig) - before);
    assert_in_range(rig_calls(&rig) - before, 1, calls_allowed);
}

static void sixty_four_callers_of_one_slow_lane_need_a_twentieth_of_the_calls(void **state)
{
    (void)state;
    check_sharing(1, 500, 64 * 500 / 20);
}

static void callers_share_two_lanes_and_four(void **state)
{
    (void)state;
    check_sharing(2, 100, 64 * 100 / 10);
    check_sharing(4, 100, 64 * 100 / 5);
}

static void callers_share_a_module_that_is_called_part_by_part(void **state)
{
    (void)state;
    enum { CALLERS = 16 };
    struct caller callers[CALLERS];
    rig_close(&rig);
    rig_open(&rig, FAULT_MODULE, 1);
    rig.control->wrong_in_stream = true;
    static const uint8_t key[32] = {7, 7, 7};
    assert_int_equal(hsm_import_test_cipher(rig.hsm, key, sizeof key, &rig.cipher, NULL), OK);
    const size_t before = rig_calls(&rig);
    callers_start(&rig, callers, CALLERS, 200, 3);
    assert_all_right(callers_join(callers, CALLERS), (size_t)CALLERS * 200);
    assert_int_equal(rig_calls(&rig), before);
}

static void a_lone_caller_makes_one_call_each_time(void **state)
{
    (void)state;
    struct caller caller;
    for (size_t blocks = 1; blocks <= LANE_BLOCKS_MAX; blocks = blocks * 3 + 1) {
        const size_t before = rig_calls(&rig);
        callers_start(&rig, &caller, 1, 100, blocks);
        assert_all_right(callers_join(&caller, 1), 100);
        assert_int_equal(rig_calls(&rig), before + 100);
    }
}

// ---- who is in which call ---------------------------------------------------------------------------

static void all_who_wait_are_in_the_next_call(void **state)
{
    (void)state;
    struct caller first, others[32];
    rig_hold(&rig, &first, 1);
    callers_start(&rig, others, 16, 1, 1);
    callers_start(&rig, others + 16, 16, 1, 5);
    rig_wait_for_line(&rig, 32);
    rig_release(&rig);
    assert_all_right(callers_join(&first, 1), 1);
    assert_all_right(callers_join(others, 32), 32);
    assert_logged((uint16_t[]){1, 16 * 1 + 16 * 5}, 2);
}

static void a_shared_call_has_at_most_2048_blocks_and_the_rest_is_in_the_next(void **state)
{
    (void)state;
    struct caller first, others[7];
    rig_hold(&rig, &first, 1);
    callers_start(&rig, others, 5, 1, 1000);
    rig_wait_for_line(&rig, 5);
    rig_release(&rig);
    assert_all_right(callers_join(&first, 1), 1);
    assert_all_right(callers_join(others, 5), 5);
    assert_logged((uint16_t[]){1, 2000, 2000, 1000}, 4);

    rig_hold(&rig, &first, 1);
    callers_start(&rig, others, 2, 1, 1024); // exactly full
    rig_wait_for_line(&rig, 2);
    callers_start(&rig, others + 2, 1, 1, 1);
    rig_wait_for_line(&rig, 3);
    callers_start(&rig, others + 3, 1, 1, 2048); // does not fit behind one block
    rig_wait_for_line(&rig, 4);
    callers_start(&rig, others + 4, 1, 1, 7); // does not overtake
    rig_wait_for_line(&rig, 5);
    rig_release(&rig);
    assert_all_right(callers_join(&first, 1), 1);
    assert_all_right(callers_join(others, 5), 5);
    assert_logged((uint16_t[]){1, 2048, 1, 2048, 7}, 5);
}

static void lone_callers_come_before_the_next_piece_of_a_huge_one(void **state)
{
    (void)state;
    struct caller huge, lone[8];
    rig_hold(&rig, &huge, (size_t)5 * LANE_BLOCKS_MAX + 3);
    callers_start(&rig, lone, 8, 1, 1);
    rig_wait_for_line(&rig, 8);
    rig_release(&rig);
    assert_all_right(callers_join(lone, 8), 8);
    assert_all_right(callers_join(&huge, 1), 1);
    assert_logged((uint16_t[]){2048, 8, 2048, 2048, 2048, 2048, 3}, 7);
}

static void two_huge_callers_take_turns(void **state)
{
    (void)state;
    struct caller first, second;
    rig_hold(&rig, &first, (size_t)2 * LANE_BLOCKS_MAX + 1);
    callers_start(&rig, &second, 1, 1, (size_t)2 * LANE_BLOCKS_MAX + 2);
    rig_wait_for_line(&rig, 1);
    rig_release(&rig);
    assert_all_right(callers_join(&first, 1), 1);
    assert_all_right(callers_join(&second, 1), 1);
    // Their last pieces share a call if both stand in line by then.
    assert_in_range(rig_calls(&rig) - rig.control->log_from + 1, 5, 6);
    assert_int_equal(rig.control->blocks[0], 2048);
    assert_int_equal(rig.control->blocks[1], 2048);
}

static void huge_and_small_callers_of_all_sizes_get_their_own_results(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 100, 683, 2047, 2048, 2049, 5000};
    enum { SIZES = sizeof sizes / sizeof sizes[0] };
    struct caller callers[SIZES][2];
    static const unsigned lanes[] = {1, 2, 4};
    for (size_t l = 0; l < 3; l++) {
        rig_close(&rig);
        rig_open(&rig, FAULT_MODULE, lanes[l]);
        for (size_t i = 0; i < SIZES; i++)
            callers_start(&rig, callers[i], 2, 20, sizes[i]);
        for (size_t i = 0; i < SIZES; i++)
            assert_all_right(callers_join(callers[i], 2), 40);
    }
}

// ---- secrets ----------------------------------------------------------------------------------------

static void nothing_is_left_where_a_shared_call_was_made(void **state)
{
    (void)state;
    struct caller first, others[20];
    static const uint8_t zero[20 * 10 * CIPHER_BLOCK_BYTES] = {0};
    rig_hold(&rig, &first, 1);
    callers_start(&rig, others, 20, 1, 10);
    rig_wait_for_line(&rig, 20);
    rig_release(&rig);
    assert_all_right(callers_join(&first, 1), 1);
    assert_all_right(callers_join(others, 20), 20);
    assert_logged((uint16_t[]){1, 200}, 2);
    assert_memory_equal(rig.control->update_bytes, zero, sizeof zero);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(sixty_four_callers_of_one_slow_lane_need_a_twentieth_of_the_calls),
        TEST(callers_share_two_lanes_and_four),
        TEST(callers_share_a_module_that_is_called_part_by_part),
        TEST(a_lone_caller_makes_one_call_each_time),
        TEST(all_who_wait_are_in_the_next_call),
        TEST(a_shared_call_has_at_most_2048_blocks_and_the_rest_is_in_the_next),
        TEST(lone_callers_come_before_the_next_piece_of_a_huge_one),
        TEST(two_huge_callers_take_turns),
        TEST(huge_and_small_callers_of_all_sizes_get_their_own_results),
        TEST(nothing_is_left_where_a_shared_call_was_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
