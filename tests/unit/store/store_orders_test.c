// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/store/fixture.h"

static struct store *store;

static int setup(void **state)
{
    make_folder(state);
    store = open_store();
    return 0;
}

static int teardown(void **state)
{
    store_close(store);
    return remove_folder(state);
}

static void assert_line_equal(const struct store_line *a, const struct store_line *b)
{
    assert_memory_equal(a->id, b->id, STORE_ID_BYTES);
    assert_memory_equal(a->session_id, b->session_id, STORE_ID_BYTES);
    assert_int_equal(a->client_id, b->client_id);
    assert_int_equal(a->tenant_id, b->tenant_id);
    assert_int_equal(a->space_row, b->space_row);
    assert_int_equal(a->generation, b->generation);
    assert_string_equal(a->alphabet, b->alphabet);
    assert_string_equal(a->characters, b->characters);
    assert_int_equal(a->digits, b->digits);
    assert_int_equal(a->first_serial, b->first_serial);
    assert_int_equal(a->size, b->size);
    assert_int_equal(a->issued_before, b->issued_before);
    assert_string_equal(a->payment_id, b->payment_id);
    assert_string_equal(a->payment_ident, b->payment_ident);
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->requested_ms, b->requested_ms);
}

static void a_line_is_given_back_as_it_was_ordered(void **state)
{
    (void)state;
    struct sample_order sample;
    struct store_line made = {0}, found = {0};
    sample_order(&sample, 1, 1, 1000);
    assert_int_equal(place(store, &sample, &made), STORE_ORDER_TAKEN);
    assert_int_equal(made.first_serial, 0);
    assert_int_equal(made.issued_before, 0);
    assert_int_equal(made.size, 1000);
    assert_int_equal(made.tenant_id, TENANT);
    assert_int_equal(made.generation, GENERATION);
    assert_int_equal(made.status, STORE_LINE_REQUESTED);
    assert_int_equal(store_line_get(store, made.id, &found), OK);
    assert_line_equal(&made, &found);
    assert_string_equal(found.seed, "a seed");
    assert_null(found.checksum);
    assert_int_equal(found.started_ms | found.ended_ms | found.finished_ms | found.deleted_ms, 0);
    store_line_done(&made);
    store_line_done(&found);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_line_is_given_back_as_it_was_ordered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
