// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Token requests: kept as they were asked, decided once.
#include "tests/unit/store/fixture.h"

#include <pthread.h>
#include <sqlite3.h>

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

static char options[] = "{\"bankId\":\"a\"}", payload[] = "{\"refId\":\"r\"}", url[] = "https://a.example",
            callback[] = "s-1", bank[] = "a";

static struct store_token_request sample(unsigned number)
{
    struct store_token_request request = {
        .client_id = CLIENT,
        .tenant_id = TENANT,
        .kind = STORE_REQUEST_ACCESS,
        .options = options,
        .payload = payload,
        .redirect_url = url,
        .callback_state = callback,
        .bank_id = bank,
        .created_s = 1000,
        .expires_s = 2000,
    };
    memcpy(request.id, &number, sizeof number);
    return request;
}

static void create(unsigned number)
{
    const struct store_token_request request = sample(number);
    uint64_t row = 0;
    assert_int_equal(store_token_request_create(store, &request, &row), OK);
}

static enum err decide(unsigned number, enum store_request_state state, int64_t now_s,
                       enum store_decision_outcome *out_outcome, struct store_token_request *out_request)
{
    const struct store_token_request request = sample(number);
    const struct store_request_decision decision = {.id = request.id,
                                                    .state = state,
                                                    .now_s = now_s,
                                                    .by = "desk",
                                                    .by_client_id = 5,
                                                    .source = "192.0.2.7",
                                                    .reason = "no such order"};
    return store_token_request_decide(store, &decision, out_outcome, out_request);
}

static enum store_decision_outcome outcome_of(unsigned number, enum store_request_state state, int64_t now_s)
{
    struct store_token_request request;
    enum store_decision_outcome outcome;
    assert_int_equal(decide(number, state, now_s, &outcome, &request), OK);
    store_token_request_done(&request);
    return outcome;
}

static enum store_request_state state_of(unsigned number)
{
    struct store_token_request request;
    const struct store_token_request like = sample(number);
    assert_int_equal(store_token_request_get(store, like.id, &request), OK);
    const enum store_request_state state = request.state;
    store_token_request_done(&request);
    return state;
}

static void a_request_comes_back_as_it_was_asked(void **state)
{
    (void)state;
    struct store_token_request request;
    const struct store_token_request expected = sample(1);
    create(1);
    assert_int_equal(store_token_request_get(store, expected.id, &request), OK);
    assert_memory_equal(request.id, expected.id, STORE_ID_BYTES);
    assert_int_equal(request.client_id, CLIENT);
    assert_int_equal(request.tenant_id, TENANT);
    assert_int_equal(request.kind, STORE_REQUEST_ACCESS);
    assert_string_equal(request.options, options);
    assert_string_equal(request.payload, payload);
    assert_string_equal(request.redirect_url, url);
    assert_string_equal(request.callback_state, callback);
    assert_string_equal(request.bank_id, bank);
    assert_int_equal(request.created_s, 1000);
    assert_int_equal(request.expires_s, 2000);
    assert_int_equal(request.state, STORE_REQUEST_PENDING);
    assert_int_equal(request.decided_s, 0);
    assert_null(request.decided_by);
    assert_int_equal(request.decided_client_id, 0);
    assert_null(request.decided_source);
    assert_null(request.reason);
    store_token_request_done(&request);
}

static void requests_are_numbered(void **state)
{
    (void)state;
    uint64_t rows[2];
    struct store_token_request found;
    for (unsigned i = 0; i < 2; i++) {
        const struct store_token_request request = sample(i);
        assert_int_equal(store_token_request_create(store, &request, &rows[i]), OK);
        assert_int_equal(store_token_request_get(store, request.id, &found), OK);
        assert_int_equal(found.number, rows[i]);
        store_token_request_done(&found);
    }
    assert_true(rows[0] != 0 && rows[1] > rows[0]);
}

static void what_is_left_out_stays_left_out(void **state)
{
    (void)state;
    uint64_t row;
    struct store_token_request request = sample(1), found;
    request.options = request.callback_state = request.bank_id = NULL;
    assert_int_equal(store_token_request_create(store, &request, &row), OK);
    assert_int_equal(store_token_request_get(store, request.id, &found), OK);
    assert_null(found.options);
    assert_null(found.callback_state);
    assert_null(found.bank_id);
    store_token_request_done(&found);
}

static void an_id_is_used_once(void **state)
{
    (void)state;
    uint64_t row = 77;
    const struct store_token_request request = sample(1);
    create(1);
    assert_int_equal(store_token_request_create(store, &request, &row), ERR_CONFLICT);
    assert_int_equal(row, 77);
}

static void an_unknown_request_is_neither_found_nor_decided(void **state)
{
    (void)state;
    struct store_token_request request = {.client_id = 77};
    enum store_decision_outcome outcome = STORE_DECISION_LATE;
    const struct store_token_request like = sample(2);
    create(1);
    assert_int_equal(store_token_request_get(store, like.id, &request), ERR_NOT_FOUND);
    assert_int_equal(decide(2, STORE_REQUEST_PROCESSED, 1500, &outcome, &request), ERR_NOT_FOUND);
    assert_int_equal(request.client_id, 77);
    assert_int_equal(outcome, STORE_DECISION_LATE);
    assert_int_equal(state_of(1), STORE_REQUEST_PENDING);
}

static void a_decision_is_noted_with_who_when_and_why(void **state)
{
    (void)state;
    struct store_token_request request;
    enum store_decision_outcome outcome;
    create(1);
    assert_int_equal(decide(1, STORE_REQUEST_REJECTED, 1500, &outcome, &request), OK);
    assert_int_equal(outcome, STORE_DECISION_TAKEN);
    assert_int_equal(request.state, STORE_REQUEST_REJECTED);
    assert_int_equal(request.decided_s, 1500);
    assert_string_equal(request.decided_by, "desk");
    assert_int_equal(request.decided_client_id, 5);
    assert_string_equal(request.decided_source, "192.0.2.7");
    assert_string_equal(request.reason, "no such order");
    store_token_request_done(&request);
}

static void the_first_decision_stays(void **state)
{
    (void)state;
    create(1);
    assert_int_equal(outcome_of(1, STORE_REQUEST_PROCESSED, 1500), STORE_DECISION_TAKEN);
    assert_int_equal(outcome_of(1, STORE_REQUEST_PROCESSED, 1501), STORE_DECISION_LATE);
    assert_int_equal(outcome_of(1, STORE_REQUEST_REJECTED, 1502), STORE_DECISION_LATE);
    assert_int_equal(outcome_of(1, STORE_REQUEST_REJECTED, 5000), STORE_DECISION_LATE);
    assert_int_equal(state_of(1), STORE_REQUEST_PROCESSED);
}

static void a_request_can_be_decided_to_its_last_second_only(void **state)
{
    (void)state;
    create(1);
    create(2);
    assert_int_equal(outcome_of(1, STORE_REQUEST_PROCESSED, 2000), STORE_DECISION_EXPIRED);
    assert_int_equal(state_of(1), STORE_REQUEST_PENDING);
    assert_int_equal(outcome_of(2, STORE_REQUEST_PROCESSED, 1999), STORE_DECISION_TAKEN);
}

// ---- many at once -----------------------------------------------------------------------------------------

enum { DECIDERS = 16, REQUESTS = 40 };

struct decider {
    pthread_t thread;
    enum store_request_state state;
    unsigned taken[REQUESTS];
};

static void *decide_all(void *argument)
{
    struct decider *decider = argument;
    for (unsigned i = 0; i < REQUESTS; i++) {
        struct store_token_request request;
        enum store_decision_outcome outcome = STORE_DECISION_EXPIRED;
        if (decide(i, decider->state, 1500, &outcome, &request) == OK)
            store_token_request_done(&request);
        decider->taken[i] = outcome == STORE_DECISION_TAKEN;
    }
    return NULL;
}

static void of_many_deciders_at_once_exactly_one_wins(void **state)
{
    (void)state;
    static struct decider deciders[DECIDERS];
    for (unsigned i = 0; i < REQUESTS; i++)
        create(i);
    for (unsigned i = 0; i < DECIDERS; i++) {
        deciders[i].state = i % 2 == 0 ? STORE_REQUEST_PROCESSED : STORE_REQUEST_REJECTED;
        assert_int_equal(pthread_create(&deciders[i].thread, NULL, decide_all, &deciders[i]), 0);
    }
    for (unsigned i = 0; i < DECIDERS; i++)
        pthread_join(deciders[i].thread, NULL);
    for (unsigned i = 0; i < REQUESTS; i++) {
        unsigned winners = 0, winner = 0;
        for (unsigned d = 0; d < DECIDERS; d++) {
            winners += deciders[d].taken[i];
            winner = deciders[d].taken[i] ? d : winner;
        }
        assert_int_equal(winners, 1);
        assert_int_equal(state_of(i), deciders[winner].state);
    }
}

// ---- what the schema alone ensures ------------------------------------------------------------------------

static void the_schema_lets_nobody_rewrite_a_request_or_its_decision(void **state)
{
    (void)state;
    static const char *const attempts[] = {
        "UPDATE token_request SET payload = '{}'",
        "UPDATE token_request SET redirect_url = 'https://b.example'",
        "UPDATE token_request SET expires_s = 9999",
        "UPDATE token_request SET state = 1",
        "UPDATE token_request SET state = 1, decided_s = 5 WHERE state = 2",
        "UPDATE token_request SET state = 0, decided_s = 0 WHERE state = 2",
        "UPDATE token_request SET state = 3, decided_s = 5",
    };
    sqlite3 *handle = NULL;
    create(1);
    create(2);
    assert_int_equal(outcome_of(2, STORE_REQUEST_REJECTED, 1500), STORE_DECISION_TAKEN);
    assert_int_equal(sqlite3_open(store_path, &handle), SQLITE_OK);
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++)
        assert_int_equal(sqlite3_exec(handle, attempts[i], NULL, NULL, NULL), SQLITE_CONSTRAINT);
    sqlite3_close(handle);
    assert_int_equal(state_of(1), STORE_REQUEST_PENDING);
    assert_int_equal(state_of(2), STORE_REQUEST_REJECTED);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_request_comes_back_as_it_was_asked),
        CASE(requests_are_numbered),
        CASE(what_is_left_out_stays_left_out),
        CASE(an_id_is_used_once),
        CASE(an_unknown_request_is_neither_found_nor_decided),
        CASE(a_decision_is_noted_with_who_when_and_why),
        CASE(the_first_decision_stays),
        CASE(a_request_can_be_decided_to_its_last_second_only),
        CASE(of_many_deciders_at_once_exactly_one_wins),
        CASE(the_schema_lets_nobody_rewrite_a_request_or_its_decision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
