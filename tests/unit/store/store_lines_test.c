// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/store/fixture.h"

static struct store *store;
static const uint8_t nobody[STORE_ID_BYTES] = {0xff, 0xff};

// Lines 0, 1 and 2 of ten serials each.
static int setup(void **state)
{
    struct sample_order sample;
    make_folder(state);
    store = open_store();
    for (uint64_t i = 0; i < 3; i++) {
        sample_order(&sample, i, 1, 10);
        take(store, &sample, 10 * i, 10);
    }
    return 0;
}

static int teardown(void **state)
{
    store_close(store);
    return remove_folder(state);
}

static const uint8_t *id_of(uint64_t number)
{
    static struct sample_order sample;
    sample_order(&sample, number, 1, 1);
    return sample.order.line.id;
}

static void assert_owner(uint64_t serial, uint64_t number)
{
    struct store_line line = {0};
    assert_int_equal(store_line_of_serial(store, 1, serial, &line), OK);
    assert_memory_equal(line.id, id_of(number), STORE_ID_BYTES);
    store_line_done(&line);
}

static void assert_no_owner(int64_t space_row, uint64_t serial)
{
    struct store_line line = {.digits = 77};
    assert_int_equal(store_line_of_serial(store, space_row, serial, &line), ERR_NOT_FOUND);
    assert_int_equal(line.digits, 77);
}

static void a_serial_names_its_line_at_both_ends(void **state)
{
    (void)state;
    assert_owner(0, 0);
    assert_owner(9, 0);
    assert_owner(10, 1);
    assert_owner(29, 2);
    assert_no_owner(1, 30);
    assert_no_owner(1, INT64_MAX);
    assert_no_owner(1, UINT64_MAX);
    assert_no_owner(2, 0);
    assert_no_owner(0, 0);
    assert_no_owner(-1, 0);
}

static void serials_that_were_skipped_name_no_line(void **state)
{
    (void)state;
    struct sample_order sample;
    assert_int_equal(store_advance_all_spaces(store, 5), OK);
    sample_order(&sample, 3, 1, 10);
    take(store, &sample, 35, 10);
    assert_owner(29, 2);
    assert_no_owner(1, 30);
    assert_no_owner(1, 34);
    assert_owner(35, 3);
    assert_owner(44, 3);
}

static void a_deleted_line_is_gone_but_keeps_its_serials(void **state)
{
    (void)state;
    struct store_line line = {.digits = 77}, *lines = NULL;
    size_t count = 0;
    assert_int_equal(store_line_delete(store, id_of(1), CLIENT, 123), OK);
    assert_int_equal(store_line_get(store, id_of(1), &line), ERR_NOT_FOUND);
    assert_int_equal(line.digits, 77);
    assert_owner(15, 1);
    assert_int_equal(store_line_of_serial(store, 1, 15, &line), OK);
    assert_int_equal(line.deleted_ms, 123);
    assert_int_equal(store_line_list(store, line.session_id, &lines, &count), OK);
    assert_int_equal(count, 2);
    for (size_t i = 0; i < count; i++)
        store_line_done(&lines[i]);
    free(lines);
    store_line_done(&line);
    struct sample_order sample;
    sample_order(&sample, 3, 1, 1);
    take(store, &sample, 30, 1);
}

static void a_line_is_deleted_once_and_by_its_client_only(void **state)
{
    (void)state;
    struct store_line line = {0};
    assert_int_equal(store_line_delete(store, id_of(1), CLIENT + 1, 123), ERR_NOT_FOUND);
    assert_int_equal(store_line_delete(store, nobody, CLIENT, 123), ERR_NOT_FOUND);
    assert_int_equal(store_line_get(store, id_of(1), &line), OK);
    store_line_done(&line);
    assert_int_equal(store_line_delete(store, id_of(1), CLIENT, 123), OK);
    assert_int_equal(store_line_delete(store, id_of(1), CLIENT, 124), ERR_NOT_FOUND);
}

static void lines_of_a_session_come_oldest_first(void **state)
{
    (void)state;
    struct sample_order sample;
    struct store_line *lines = NULL;
    size_t count = 0;
    sample_order(&sample, 50, 1, 10);
    sample.order.line.session_id[0] = 8;
    take(store, &sample, 30, 10);
    // Ids that sort the other way round, and a clock that was set back.
    for (uint64_t i = 3; i < 40; i++) {
        sample_order(&sample, i, 1, 10);
        sample.order.line.id[0] = (uint8_t)(200 - i);
        sample.order.line.requested_ms = 1000 - (int64_t)i;
        take(store, &sample, 10 + 10 * i, 10);
    }
    sample.order.line.session_id[0] = 9;
    assert_int_equal(store_line_list(store, sample.order.line.session_id, &lines, &count), OK);
    assert_int_equal(count, 40);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(lines[i].first_serial, i < 3 ? 10 * i : 10 + 10 * i);
        assert_string_equal(lines[i].alphabet, "UPPER_HEX");
        store_line_done(&lines[i]);
    }
    free(lines);
}

static void a_session_without_lines_has_an_empty_list(void **state)
{
    (void)state;
    struct store_line *lines = (struct store_line *)1;
    size_t count = 99;
    assert_int_equal(store_line_list(store, nobody, &lines, &count), OK);
    assert_int_equal(count, 0);
    assert_null(lines);
}

// ---- the producer -----------------------------------------------------------------------------------

static const struct store_line_result result = {
    .checksum = "0110", .file_bytes = 109, .file_hash = {1, 2, [31] = 3}, .ended_ms = 20, .finished_ms = 21};

static void assert_next(uint64_t number)
{
    struct store_line line = {0};
    assert_int_equal(store_line_next_unfinished(store, UINT64_MAX, 0, &line), OK);
    assert_memory_equal(line.id, id_of(number), STORE_ID_BYTES);
    store_line_done(&line);
}

static void the_producer_meets_lines_in_their_order_until_none_is_left(void **state)
{
    (void)state;
    struct store_line line = {.digits = 77};
    assert_next(0);
    assert_int_equal(store_line_started(store, id_of(0), 10), OK);
    assert_next(0); // it may have died while it worked on it
    assert_int_equal(store_line_finished(store, id_of(0), &result), OK);
    assert_next(1);
    assert_int_equal(store_line_delete(store, id_of(1), CLIENT, 5), OK);
    assert_next(2);
    assert_int_equal(store_line_finished(store, id_of(2), &result), OK);
    assert_int_equal(store_line_next_unfinished(store, UINT64_MAX, 0, &line), ERR_NOT_FOUND);
    assert_int_equal(line.digits, 77);
}

static void each_step_is_seen(void **state)
{
    (void)state;
    struct store_line line = {0};
    assert_int_equal(store_line_started(store, id_of(0), 10), OK);
    assert_int_equal(store_line_started(store, id_of(0), 11), OK);
    assert_int_equal(store_line_get(store, id_of(0), &line), OK);
    assert_int_equal(line.status, STORE_LINE_STARTED);
    assert_int_equal(line.started_ms, 11);
    assert_null(line.checksum);
    store_line_done(&line);
    assert_int_equal(store_line_finished(store, id_of(0), &result), OK);
    assert_int_equal(store_line_get(store, id_of(0), &line), OK);
    assert_int_equal(line.status, STORE_LINE_FINISHED);
    assert_int_equal(line.started_ms, 11);
    assert_int_equal(line.ended_ms, 20);
    assert_int_equal(line.finished_ms, 21);
    assert_int_equal(line.file_bytes, 109);
    assert_string_equal(line.checksum, "0110");
    assert_memory_equal(line.file_hash, result.file_hash, STORE_HASH_BYTES);
    store_line_done(&line);
}

static void no_step_is_taken_on_a_line_that_is_deleted_finished_or_unknown(void **state)
{
    (void)state;
    assert_int_equal(store_line_delete(store, id_of(0), CLIENT, 5), OK);
    assert_int_equal(store_line_started(store, id_of(0), 10), ERR_NOT_FOUND);
    assert_int_equal(store_line_finished(store, id_of(0), &result), ERR_NOT_FOUND);
    assert_int_equal(store_line_started(store, nobody, 10), ERR_NOT_FOUND);
    assert_int_equal(store_line_finished(store, nobody, &result), ERR_NOT_FOUND);
    assert_int_equal(store_line_finished(store, id_of(1), &result), OK);
    assert_int_equal(store_line_started(store, id_of(1), 10), ERR_CONFLICT);
    assert_int_equal(store_line_finished(store, id_of(1), &result), ERR_CONFLICT);
}

static void a_file_larger_than_the_greatest_integer_is_refused(void **state)
{
    (void)state;
    struct store_line_result large = result;
    large.file_bytes = INT64_MAX + 1ULL;
    assert_int_equal(store_line_finished(store, id_of(0), &large), ERR_INPUT);
    assert_next(0);
    large.file_bytes = INT64_MAX;
    assert_int_equal(store_line_finished(store, id_of(0), &large), OK);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_serial_names_its_line_at_both_ends),
        CASE(serials_that_were_skipped_name_no_line),
        CASE(a_deleted_line_is_gone_but_keeps_its_serials),
        CASE(a_line_is_deleted_once_and_by_its_client_only),
        CASE(lines_of_a_session_come_oldest_first),
        CASE(a_session_without_lines_has_an_empty_list),
        CASE(the_producer_meets_lines_in_their_order_until_none_is_left),
        CASE(each_step_is_seen),
        CASE(no_step_is_taken_on_a_line_that_is_deleted_finished_or_unknown),
        CASE(a_file_larger_than_the_greatest_integer_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
