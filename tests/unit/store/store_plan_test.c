// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/store/fixture.h"

#include <sqlite3.h>

static sqlite3 *handle;

static int setup(void **state)
{
    make_folder(state);
    store_close(open_store());
    return sqlite3_open(store_path, &handle);
}

static int teardown(void **state)
{
    sqlite3_close(handle);
    return remove_folder(state);
}

static void every_statement_can_be_prepared(void **state)
{
    (void)state;
    for (size_t i = 0; i < SQL_STATEMENTS; i++) {
        sqlite3_stmt *statement = NULL;
        if (sqlite3_prepare_v2(handle, store_sql[i], -1, &statement, NULL) != SQLITE_OK)
            fail_msg("%s: %s", store_sql[i], sqlite3_errmsg(handle));
        sqlite3_finalize(statement);
    }
}

// Every step must look rows up; a walk along a partial index that holds nothing but the answer is no scan,
// and of keys all are asked for.
static void assert_indexed(const char *sql)
{
    char *explain = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sql);
    sqlite3_stmt *plan = NULL;
    assert_int_equal(sqlite3_prepare_v2(handle, explain, -1, &plan, NULL), SQLITE_OK);
    size_t steps = 0;
    for (; sqlite3_step(plan) == SQLITE_ROW; steps++) {
        const char *detail = (const char *)sqlite3_column_text(plan, 3);
        if (strncmp(detail, "SEARCH ", 7) != 0 &&
            strcmp(detail, "SCAN line USING INDEX line_unfinished") != 0 &&
            strcmp(detail, "SCAN tenant_key") != 0 && strncmp(detail, "CORRELATED ", 11) != 0)
            fail_msg("%s: %s", sql, detail);
    }
    assert_int_not_equal(steps, 0);
    sqlite3_finalize(plan);
    sqlite3_free(explain);
}

static void every_read_uses_an_index_and_sorts_nothing(void **state)
{
    (void)state;
    for (size_t i = SQL_FIRST_READ; i < SQL_STATEMENTS; i++)
        assert_indexed(store_sql[i]);
}

static void every_change_of_a_row_finds_it_by_an_index(void **state)
{
    (void)state;
    static const enum statement changes[] = {
        SQL_SESSION_TOUCH,   SQL_SESSION_REVOKE, SQL_ALPHABET_DELETE, SQL_SPACE_TAKE, SQL_LINE_DELETE,
        SQL_LINE_STARTED,    SQL_LINE_FINISHED,  SQL_OPENING_ADVANCE, SQL_KEY_MOVE,   SQL_SUBJECT_RESEAL,
        SQL_CUSTOMER_DELETE, SQL_EVENT_DELETE,   SQL_REQUEST_DECIDE};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++)
        assert_indexed(store_sql[changes[i]]);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(every_statement_can_be_prepared),
        CASE(every_read_uses_an_index_and_sorts_nothing),
        CASE(every_change_of_a_row_finds_it_by_an_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
