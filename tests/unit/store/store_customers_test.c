// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/store/fixture.h"

#include <pthread.h>
#include <sqlite3.h>

#define ACCOUNT       "T12345678"
#define OTHER_ACCOUNT "P00000002"

enum { MANY = 100000, PAGE = 100, NOW_MS = 1000 };

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

// The store's structs own their texts; nothing here gives them back.
static char *text(const char *literal)
{
    return (char *)(uintptr_t)literal;
}

// A value is a number here: it makes the blind index and what is sealed.
static struct store_subject subject_of(const char *account, uint64_t value)
{
    static uint64_t drawn = 1;
    static uint8_t sealed[16];
    memset(sealed, 0xa5, sizeof sealed);
    struct store_subject subject = {.tenant_id = TENANT,
                                    .type = text("t"),
                                    .generation = GENERATION,
                                    .sealed = sealed,
                                    .sealed_bytes = 16};
    memcpy(subject.account, account, STORE_ACCOUNT_BYTES);
    memcpy(subject.index, &value, sizeof value);
    memcpy(subject.id, &drawn, sizeof drawn);
    drawn++;
    return subject;
}

static struct store_customer_token token_of(uint64_t id, uint64_t value, const char *customer,
                                            const char *name)
{
    struct store_customer_token token = {
        .subject = subject_of(ACCOUNT, value),
        .customer_id = text(customer),
        .token_id = text(name),
        .created_by = text("client"),
        .created_ms = NOW_MS,
        .updated_ms = NOW_MS,
    };
    memcpy(token.id, &id, sizeof id);
    return token;
}

static enum store_customer_outcome create(const struct store_customer_token *token, bool delete_events)
{
    enum store_customer_outcome outcome;
    assert_int_equal(store_customer_token_create(store, token, delete_events, &outcome), OK);
    return outcome;
}

static enum store_customer_outcome make(uint64_t id, uint64_t value, const char *customer, const char *name)
{
    const struct store_customer_token token = token_of(id, value, customer, name);
    return create(&token, false);
}

static enum err delete_named(const char *customer, const char *name, struct store_customer_token *out_token)
{
    const struct store_customer_deletion deletion = {TENANT, ACCOUNT, customer, name, "deleter", NOW_MS + 5};
    return store_customer_token_delete(store, &deletion, out_token);
}

static void remove_named(const char *customer, const char *name)
{
    struct store_customer_token token;
    assert_int_equal(delete_named(customer, name, &token), OK);
    store_customer_token_done(&token);
}

static void record(uint64_t value, const char *name, const char *status, int64_t created_ms)
{
    struct store_token_detail detail;
    const struct store_subject subject = subject_of(ACCOUNT, value);
    const struct store_token_event event = {
        .event = text(name), .status = text(status), .created_by = text("client"), .created_ms = created_ms};
    assert_int_equal(store_token_event_add(store, &subject, &event, &detail), OK);
    store_token_detail_done(&detail);
}

static size_t live_events(uint64_t value)
{
    struct store_token_detail detail;
    const struct store_subject subject = subject_of(ACCOUNT, value);
    assert_int_equal(store_token_event_add(store, &subject, NULL, &detail), OK);
    const size_t count = detail.event_count;
    store_token_detail_done(&detail);
    return count;
}

static int64_t rows_of(const char *table)
{
    sqlite3 *handle = NULL;
    sqlite3_stmt *statement = NULL;
    char sql[64];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
    assert_int_equal(sqlite3_open(store_path, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(handle, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    const int64_t count = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(handle);
    return count;
}

// ---- tokens ---------------------------------------------------------------------------------------------

static void a_token_is_found_as_it_was_made(void **state)
{
    (void)state;
    struct store_customer_token token = token_of(1, 10, "anna", "name"), found;
    token.metadata = text("{\"a\":1}");
    assert_int_equal(create(&token, false), STORE_CUSTOMER_CREATED);
    store_close(store);
    store = open_store();
    assert_int_equal(store_customer_token_find(store, TENANT, ACCOUNT, "name", &found), OK);
    assert_memory_equal(found.id, token.id, sizeof token.id);
    assert_memory_equal(found.subject.id, token.subject.id, sizeof token.subject.id);
    assert_memory_equal(found.subject.index, token.subject.index, sizeof token.subject.index);
    assert_int_equal(found.subject.sealed_bytes, 16);
    assert_memory_equal(found.subject.sealed, token.subject.sealed, 16);
    assert_int_equal(found.subject.generation, GENERATION);
    assert_string_equal(found.subject.account, ACCOUNT);
    assert_string_equal(found.subject.type, "t");
    assert_string_equal(found.customer_id, "anna");
    assert_string_equal(found.token_id, "name");
    assert_string_equal(found.metadata, "{\"a\":1}");
    assert_string_equal(found.created_by, "client");
    assert_null(found.deleted_by);
    assert_int_equal(found.created_ms, NOW_MS);
    assert_int_equal(found.deleted_ms, 0);
    store_customer_token_done(&found);
}

static void a_value_and_a_name_belong_to_one_live_token(void **state)
{
    (void)state;
    assert_int_equal(make(1, 10, "anna", "name"), STORE_CUSTOMER_CREATED);
    assert_int_equal(make(2, 10, "anna", "second"), STORE_CUSTOMER_VALUE_EXISTS);
    assert_int_equal(make(3, 10, "berta", "third"), STORE_CUSTOMER_VALUE_EXISTS);
    assert_int_equal(make(4, 11, "berta", "name"), STORE_CUSTOMER_TOKEN_ID_EXISTS);
    assert_int_equal(make(5, 10, "anna", "name"), STORE_CUSTOMER_VALUE_EXISTS);
    assert_int_equal(make(1, 12, "anna", "fourth"), STORE_CUSTOMER_ID_EXISTS);
    assert_int_equal(rows_of("customer_token"), 1);
    assert_int_equal(rows_of("subject"), 1); // what was refused left none behind
}

static void a_deleted_token_blocks_nothing_and_is_deleted_once(void **state)
{
    (void)state;
    struct store_customer_token token;
    for (uint64_t id = 1; id <= 3; id++) {
        assert_int_equal(make(id, 10, "anna", "name"), STORE_CUSTOMER_CREATED);
        assert_int_equal(delete_named("berta", "name", &token), ERR_NOT_FOUND);
        assert_int_equal(delete_named("anna", "name", &token), OK);
        assert_string_equal(token.deleted_by, "deleter");
        assert_int_equal(token.deleted_ms, NOW_MS + 5);
        assert_int_equal(token.updated_ms, NOW_MS + 5);
        store_customer_token_done(&token);
        assert_int_equal(delete_named("anna", "name", &token), ERR_NOT_FOUND);
        assert_int_equal(store_customer_token_find(store, TENANT, ACCOUNT, "name", &token), ERR_NOT_FOUND);
    }
    assert_int_equal(rows_of("customer_token"), 3);
    assert_int_equal(rows_of("subject"), 1);
}

static void accounts_and_tenants_share_nothing(void **state)
{
    (void)state;
    struct store_customer_token token = token_of(1, 10, "anna", "name"), found;
    assert_int_equal(create(&token, false), STORE_CUSTOMER_CREATED);
    token = token_of(2, 10, "anna", "name");
    memcpy(token.subject.account, OTHER_ACCOUNT, STORE_ACCOUNT_BYTES);
    assert_int_equal(create(&token, false), STORE_CUSTOMER_CREATED);
    token = token_of(3, 10, "anna", "name");
    token.subject.tenant_id = TENANT + 1;
    assert_int_equal(create(&token, false), STORE_CUSTOMER_CREATED);
    remove_named("anna", "name");
    assert_int_equal(store_customer_token_find(store, TENANT, OTHER_ACCOUNT, "name", &found), OK);
    assert_int_equal(found.id[0], 2);
    store_customer_token_done(&found);
    assert_int_equal(store_customer_token_find(store, TENANT + 1, ACCOUNT, "name", &found), OK);
    assert_int_equal(found.id[0], 3);
    store_customer_token_done(&found);
}

struct racer {
    pthread_t thread;
    unsigned number, created;
};

static void *race(void *argument)
{
    struct racer *racer = argument;
    for (uint64_t i = 0; i < 50; i++) {
        char name[32];
        enum store_customer_outcome outcome;
        struct store_customer_token token = {0};
        snprintf(name, sizeof name, "%u-%llu", racer->number, (unsigned long long)i);
        const uint64_t id = racer->number * 1000 + i + 1, index = 500 + i;
        token.subject = (struct store_subject){.tenant_id = TENANT, .account = ACCOUNT, .type = text("t")};
        token.subject.sealed = (uint8_t *)name;
        token.subject.sealed_bytes = sizeof name;
        token.subject.generation = 1;
        memcpy(token.subject.index, &index, sizeof index);
        memcpy(token.subject.id, &id, sizeof id);
        memcpy(token.id, &id, sizeof id);
        token.customer_id = token.created_by = text("c");
        token.token_id = name;
        if (store_customer_token_create(store, &token, false, &outcome) == OK &&
            outcome == STORE_CUSTOMER_CREATED)
            racer->created++;
    }
    return NULL;
}

static void of_many_who_create_the_same_value_one_succeeds(void **state)
{
    (void)state;
    struct racer racers[8];
    unsigned created = 0;
    for (unsigned i = 0; i < 8; i++) {
        racers[i] = (struct racer){.number = i + 1};
        assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    }
    for (unsigned i = 0; i < 8; i++) {
        pthread_join(racers[i].thread, NULL);
        created += racers[i].created;
    }
    assert_int_equal(created, 50);
    assert_int_equal(rows_of("customer_token"), 50);
}

// ---- lists ----------------------------------------------------------------------------------------------

// As many tokens of one customer as MANY, every tenth of type "rare", every second deleted, numbered from 1;
// beside them one token each of as many other customers.
static void fill_store(void)
{
    sqlite3 *handle = NULL;
    char *why = NULL;
    static const char sql[] =
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)"
        " INSERT INTO subject (number, id, tenant_id, account, value_index, type, generation, sealed)"
        " SELECT i, CAST(printf('%016d', i) AS BLOB), 7, 'T12345678', CAST(printf('%016d', i) AS BLOB),"
        " iif(i % 10 = 0, 'rare', 't'), 3, x'00' FROM n;"
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)"
        " INSERT INTO customer_token (number, id, subject, tenant_id, account, customer_id, token_id,"
        " created_by, created_ms, updated_ms, deleted_by, deleted_ms)"
        " SELECT i, CAST(printf('%016d', i) AS BLOB), i, 7, 'T12345678', iif(i <= 100000, 'anna', 'c' || i),"
        " 'n' || i, 'x', i, i, iif(i % 2 = 0, 'x', NULL), iif(i % 2 = 0, i, 0) FROM n;";
    assert_int_equal(sqlite3_open(store_path, &handle), SQLITE_OK);
    if (sqlite3_exec(handle, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s", why);
    sqlite3_close(handle);
}

// Walks all pages of a query; they must go down by `step` from `first` to the end.
static void assert_walk(struct store_customer_query query, int64_t first, int64_t step)
{
    uint8_t after[STORE_ID_BYTES];
    int64_t expected = first;
    size_t count = PAGE;
    query.limit = PAGE;
    while (count == PAGE) {
        struct store_customer_token *tokens = NULL;
        assert_int_equal(store_customer_token_list(store, &query, &tokens, &count), OK);
        for (size_t i = 0; i < count; i++, expected -= step) {
            if (tokens[i].created_ms != expected)
                fail_msg("%lld instead of %lld", (long long)tokens[i].created_ms, (long long)expected);
            memcpy(after, tokens[i].id, sizeof after);
            store_customer_token_done(&tokens[i]);
        }
        free(tokens);
        query.after = after;
    }
    assert_true(expected <= 0);
}

static void assert_count(struct store_customer_query query, uint64_t expected)
{
    uint64_t count = 0;
    assert_int_equal(store_customer_token_count(store, &query, &count), OK);
    assert_int_equal(count, expected);
}

static void pages_of_a_hundred_thousand_go_from_new_to_old_without_gap_or_repeat(void **state)
{
    (void)state;
    fill_store();
    struct store_customer_query query = {.tenant_id = TENANT, .account = ACCOUNT, .customer_id = "anna"};
    assert_walk(query, MANY - 1, 2);
    assert_count(query, MANY / 2);
    query.with_deleted = true;
    assert_walk(query, MANY, 1);
    assert_count(query, MANY);
    query.type = "rare";
    assert_walk(query, MANY, 10);
    assert_count(query, MANY / 10);
    query.with_deleted = false;
    assert_count(query, 0); // those of this type have even numbers
    query.customer_id = "c100001";
    query.type = NULL;
    assert_count(query, 1);
    query.customer_id = "nobody";
    assert_count(query, 0);
}

static void a_page_begins_only_behind_a_token_of_the_same_customer(void **state)
{
    (void)state;
    size_t count = 0;
    struct store_customer_token *tokens = NULL;
    const struct store_customer_token annas = token_of(1, 10, "anna", "a"),
                                      bertas = token_of(2, 11, "berta", "b");
    assert_int_equal(create(&annas, false), STORE_CUSTOMER_CREATED);
    assert_int_equal(create(&bertas, false), STORE_CUSTOMER_CREATED);
    struct store_customer_query query = {
        .tenant_id = TENANT, .account = ACCOUNT, .customer_id = "anna", .after = bertas.id, .limit = 10};
    assert_int_equal(store_customer_token_list(store, &query, &tokens, &count), ERR_NOT_FOUND);
    query.after = annas.subject.id;
    assert_int_equal(store_customer_token_list(store, &query, &tokens, &count), ERR_NOT_FOUND);
    query.after = annas.id;
    query.account = OTHER_ACCOUNT;
    assert_int_equal(store_customer_token_list(store, &query, &tokens, &count), ERR_NOT_FOUND);
    query.account = ACCOUNT;
    remove_named("anna", "a"); // a page may begin behind what was deleted meanwhile
    assert_int_equal(store_customer_token_list(store, &query, &tokens, &count), OK);
    assert_int_equal(count, 0);
    free(tokens);
}

// ---- events ---------------------------------------------------------------------------------------------

static void events_may_come_before_the_token_and_stay_with_the_value(void **state)
{
    (void)state;
    struct store_token_detail detail;
    record(10, "opt", "OUT", 1);
    record(10, "note", NULL, 2);
    assert_int_equal(make(1, 10, "anna", "name"), STORE_CUSTOMER_CREATED);
    const struct store_subject subject = subject_of(ACCOUNT, 10);
    assert_int_equal(store_token_event_add(store, &subject, NULL, &detail), OK);
    assert_int_equal(detail.event_count, 2);
    assert_string_equal(detail.events[0].event, "opt");
    assert_string_equal(detail.events[0].status, "OUT");
    assert_string_equal(detail.events[1].event, "note");
    assert_null(detail.events[1].status);
    assert_string_equal(detail.customer_id, "anna");
    assert_string_equal(detail.token_id, "name");
    store_token_detail_done(&detail);
    remove_named("anna", "name");
    assert_int_equal(store_token_event_add(store, &subject, NULL, &detail), OK);
    assert_int_equal(detail.event_count, 2);
    assert_null(detail.customer_id);
    store_token_detail_done(&detail);
}

static void a_creation_deletes_events_only_when_it_succeeds(void **state)
{
    (void)state;
    record(10, "a", "A", 1);
    struct store_customer_token token = token_of(1, 10, "anna", "name");
    assert_int_equal(create(&token, false), STORE_CUSTOMER_CREATED);
    assert_int_equal(live_events(10), 1);
    token = token_of(2, 10, "anna", "second");
    assert_int_equal(create(&token, true), STORE_CUSTOMER_VALUE_EXISTS);
    assert_int_equal(live_events(10), 1);
    record(11, "b", "B", 1);
    token = token_of(3, 11, "anna", "name");
    assert_int_equal(create(&token, true), STORE_CUSTOMER_TOKEN_ID_EXISTS);
    assert_int_equal(live_events(11), 1);
    token = token_of(1, 11, "anna", "third");
    assert_int_equal(create(&token, true), STORE_CUSTOMER_ID_EXISTS);
    assert_int_equal(live_events(11), 1);
    token = token_of(4, 11, "anna", "fourth");
    assert_int_equal(create(&token, true), STORE_CUSTOMER_CREATED);
    assert_int_equal(live_events(11), 0);
    assert_int_equal(live_events(10), 1); // those of another value
}

static void events_are_deleted_by_name_or_all(void **state)
{
    (void)state;
    uint64_t count = 0;
    const struct store_subject subject = subject_of(ACCOUNT, 10), unknown = subject_of(ACCOUNT, 99);
    record(10, "a", "A", 1);
    record(10, "b", "B", 2);
    record(10, "b", "C", 3);
    assert_int_equal(store_token_event_delete(store, &unknown, NULL, NOW_MS, &count), ERR_NOT_FOUND);
    assert_int_equal(store_token_event_delete(store, &subject, "b", NOW_MS, &count), OK);
    assert_int_equal(count, 2);
    assert_int_equal(live_events(10), 1);
    assert_int_equal(store_token_event_delete(store, &subject, "b", NOW_MS, &count), OK);
    assert_int_equal(count, 0);
    assert_int_equal(store_token_event_delete(store, &subject, NULL, NOW_MS, &count), OK);
    assert_int_equal(count, 1);
    assert_int_equal(live_events(10), 0);
}

static void record_with(uint64_t value, int64_t created_ms, char *metadata)
{
    struct store_token_detail detail;
    const struct store_subject subject = subject_of(ACCOUNT, value);
    const struct store_token_event event = {
        .event = text("e"), .created_by = text("client"), .created_ms = created_ms, .metadata = metadata};
    assert_int_equal(store_token_event_add(store, &subject, &event, &detail), OK);
    store_token_detail_done(&detail);
}

// What the events of a value say of when they were made, deleted ones among them.
static size_t all_events(uint64_t value, int64_t *out_oldest_ms)
{
    size_t count = 0, found = 0;
    struct store_token_detail *details = NULL;
    const struct store_event_query query = {TENANT, ACCOUNT, .deleted_since_ms = 1, .limit = 10};
    assert_int_equal(store_token_event_list(store, &query, &details, &count), OK);
    for (size_t i = 0; i < count; i++) {
        if (memcmp(details[i].subject.index, &value, sizeof value) == 0) {
            found = details[i].event_count;
            *out_oldest_ms = details[i].events[0].created_ms;
        }
        store_token_detail_done(&details[i]);
    }
    free(details);
    return found;
}

static void deleted_events_are_kept_in_bounds_the_latest_of_them(void **state)
{
    (void)state;
    enum { BIG = 20000, BIG_KEPT = STORE_EVENTS_BYTES_MAX / BIG };
    int64_t oldest_ms = 0;
    uint64_t removed = 0;
    const struct store_subject small = subject_of(ACCOUNT, 10), large = subject_of(ACCOUNT, 11);
    record(12, "other", "S", 1);
    for (int64_t ms = 1; ms <= 3 * STORE_EVENTS_MAX; ms++) {
        record_with(10, ms, NULL);
        if (ms % 10 == 0)
            assert_int_equal(store_token_event_delete(store, &small, NULL, ms, &removed), OK);
    }
    assert_int_equal(all_events(10, &oldest_ms), STORE_EVENTS_MAX);
    assert_int_equal(oldest_ms, 2 * STORE_EVENTS_MAX + 1);
    for (int64_t ms = 1; ms <= STORE_EVENTS_MAX; ms++)
        record_with(10, 1000 + ms, NULL);
    assert_int_equal(all_events(10, &oldest_ms), 2 * STORE_EVENTS_MAX); // live ones are none of them

    static char metadata[BIG + 1];
    memset(metadata, 'm', BIG);
    for (int64_t ms = 1; ms <= 10; ms++) {
        record_with(11, ms, metadata);
        assert_int_equal(store_token_event_delete(store, &large, NULL, ms, &removed), OK);
    }
    assert_int_equal(all_events(11, &oldest_ms), BIG_KEPT);
    assert_int_equal(oldest_ms, 10 - BIG_KEPT + 1);
    assert_int_equal(live_events(12), 1);
    assert_int_equal(rows_of("token_event"), 2 * STORE_EVENTS_MAX + BIG_KEPT + 1);
}

static size_t list_events(struct store_event_query query, uint64_t *out_first)
{
    size_t count = 0;
    struct store_token_detail *details = NULL;
    query.tenant_id = TENANT;
    query.account = ACCOUNT;
    query.limit = 10;
    assert_int_equal(store_token_event_list(store, &query, &details, &count), OK);
    for (size_t i = 0; i < count; i++) {
        if (i == 0)
            memcpy(out_first, details[0].subject.index, sizeof *out_first);
        store_token_detail_done(&details[i]);
    }
    free(details);
    return count;
}

static void a_list_of_events_knows_since_when_and_what_was_deleted(void **state)
{
    (void)state;
    uint64_t first = 0, removed = 0;
    const struct store_subject gone = subject_of(ACCOUNT, 12);
    assert_int_equal(make(1, 9, "anna", "without"), STORE_CUSTOMER_CREATED);
    record(10, "a", "A", 100);
    record(11, "a", "A", 200);
    record(12, "a", "A", 300);
    record(10, "b", "B", 400);
    assert_int_equal(list_events((struct store_event_query){0}, &first), 3);
    assert_int_equal(first, 12); // newest value first
    assert_int_equal(list_events((struct store_event_query){.since_ms = 250}, &first), 2);
    assert_int_equal(list_events((struct store_event_query){.since_ms = 401}, &first), 0);
    assert_int_equal(store_token_event_delete(store, &gone, NULL, 500, &removed), OK);
    assert_int_equal(list_events((struct store_event_query){0}, &first), 2);
    assert_int_equal(first, 11);
    assert_int_equal(list_events((struct store_event_query){.deleted_since_ms = 500}, &first), 3);
    assert_int_equal(list_events((struct store_event_query){.deleted_since_ms = 501}, &first), 2);
}

// ---- moving to another key ------------------------------------------------------------------------------

static void values_move_to_another_generation_once(void **state)
{
    (void)state;
    size_t count = PAGE;
    uint64_t moved = 0, again = 0;
    uint8_t other[3] = {1, 2, 3};
    struct store_generation_use use = {0};
    struct store_subject_query query = {TENANT, GENERATION, 0, 2};
    for (uint64_t i = 1; i <= 5; i++)
        record(i, "e", "S", 1);
    assert_int_equal(store_generation_use(store, TENANT, GENERATION, &use), OK);
    assert_int_equal(use.values, 5);
    for (size_t page = 0; page < 3; page++) {
        struct store_subject *subjects = NULL, fresh[2];
        assert_int_equal(store_subject_list_under(store, &query, &subjects, &count), OK);
        assert_int_equal(count, page < 2 ? 2 : 1);
        for (size_t i = 0; i < count; i++) {
            query.above = subjects[i].row;
            fresh[i] = (struct store_subject){.row = subjects[i].row,
                                              .generation = GENERATION + 1,
                                              .sealed = other,
                                              .sealed_bytes = sizeof other};
            store_subject_done(&subjects[i]);
        }
        free(subjects);
        assert_int_equal(store_subject_reseal(store, fresh, count, GENERATION, &moved), OK);
        assert_int_equal(moved, count);
        assert_int_equal(store_subject_reseal(store, fresh, count, GENERATION, &again), OK);
        assert_int_equal(again, 0); // moved already
    }
    assert_int_equal(store_generation_use(store, TENANT, GENERATION, &use), OK);
    assert_int_equal(use.values, 0);
    assert_int_equal(store_generation_use(store, TENANT, GENERATION + 1, &use), OK);
    assert_int_equal(use.values, 5);
    assert_int_equal(make(1, 3, "anna", "name"), STORE_CUSTOMER_CREATED); // found by its index as before
    assert_int_equal(rows_of("subject"), 5);
    assert_int_equal(live_events(3), 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_token_is_found_as_it_was_made),
        CASE(a_value_and_a_name_belong_to_one_live_token),
        CASE(a_deleted_token_blocks_nothing_and_is_deleted_once),
        CASE(accounts_and_tenants_share_nothing),
        CASE(of_many_who_create_the_same_value_one_succeeds),
        CASE(pages_of_a_hundred_thousand_go_from_new_to_old_without_gap_or_repeat),
        CASE(a_page_begins_only_behind_a_token_of_the_same_customer),
        CASE(events_may_come_before_the_token_and_stay_with_the_value),
        CASE(a_creation_deletes_events_only_when_it_succeeds),
        CASE(events_are_deleted_by_name_or_all),
        CASE(a_list_of_events_knows_since_when_and_what_was_deleted),
        CASE(deleted_events_are_kept_in_bounds_the_latest_of_them),
        CASE(values_move_to_another_generation_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
