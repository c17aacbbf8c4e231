// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/store/transact.h"

#include <stdlib.h>
#include <string.h>

static const char *const state_names[] = {
    [STORE_KEY_NO_STATE] = "",       [STORE_KEY_NEW] = "new",           [STORE_KEY_CURRENT] = "current",
    [STORE_KEY_RETIRED] = "retired", [STORE_KEY_RELEASED] = "released",
};

enum { STATES = sizeof state_names / sizeof state_names[0] };

const char *store_key_state_name(enum store_key_state state)
{
    return state_names[state];
}

// The file may have been written by a newer program that knows more.
static enum err state_named(const char *name, enum store_key_state *out_state)
{
    for (size_t i = 0; i < STATES; i++) {
        if (strcmp(state_names[i], name) == 0) {
            *out_state = (enum store_key_state)i;
            return OK;
        }
    }
    return ERR_IO;
}

// ---- pinning ----------------------------------------------------------------------------------------

// A key to pin, and the state that the store knows.
struct pinning {
    const struct store_key *key;
    enum store_key_state state;
};

static enum err read_state(struct query *query, enum store_key_state *out_state)
{
    enum err rc = OK;
    char *name = query_read_text(query);
    TRY(query_done_reading(query));
    rc = name == NULL ? ERR_IO : state_named(name, out_state);
out:
    free(name);
    return rc;
}

static enum err find(struct db *db, void *argument)
{
    enum err rc = OK;
    struct pinning *pinning = argument;
    const struct store_key *key = pinning->key;
    uint8_t check_value[KEY_CHECK_VALUE_BYTES];
    QUERY query = query_start(db, SQL_KEY_GET);
    query_int(&query, key->tenant_id);
    query_text(&query, key->use);
    query_int(&query, key->generation);
    TRY(query_next(&query));
    query_read_bytes(&query, check_value, sizeof check_value);
    TRY(read_state(&query, &pinning->state));
    REQUIRE(memcmp(check_value, key->check_value, sizeof check_value) == 0, ERR_CONFLICT);
out:
    return rc;
}

static enum err has_current(struct db *db, unsigned tenant_id, bool *out_has)
{
    int64_t count = 0;
    QUERY query = query_start(db, SQL_KEY_COUNT_CURRENT);
    query_int(&query, tenant_id);
    const enum err rc = query_one_int(&query, &count);
    *out_has = count > 0;
    return rc;
}

static enum err insert(struct db *db, const struct store_key *key, enum store_key_state state)
{
    QUERY query = query_start(db, SQL_KEY_ADD);
    query_int(&query, key->tenant_id);
    query_text(&query, key->use);
    query_int(&query, key->generation);
    query_text(&query, store_key_state_name(state));
    query_bytes(&query, key->check_value, sizeof key->check_value);
    return query_run(&query);
}

static enum err add(struct db *db, struct pinning *pinning)
{
    enum err rc = OK;
    bool taken = false;
    const struct store_key *key = pinning->key;
    if (key->state == STORE_KEY_CURRENT)
        TRY(has_current(db, key->tenant_id, &taken));
    const enum store_key_state state = taken ? STORE_KEY_NEW : key->state;
    TRY(insert(db, key, state));
    pinning->state = state;
out:
    return rc;
}

static enum err pin(struct db *db, void *argument)
{
    const enum err rc = find(db, argument); // another writer may have been quicker
    return rc == ERR_NOT_FOUND ? add(db, argument) : rc;
}

enum err store_key_pin(struct store *store, const struct store_key *key, enum store_key_state *out_state)
{
    struct pinning pinning = {.key = key};
    enum err rc = store_read(store, find, &pinning);
    if (rc == ERR_NOT_FOUND)
        rc = store_write(store, pin, &pinning);
    if (rc == OK)
        *out_state = pinning.state;
    return rc;
}

// ---- listing ----------------------------------------------------------------------------------------

static enum err read_key(struct query *query, void *item)
{
    enum err rc = OK;
    struct store_key *key = item;
    key->tenant_id = (unsigned)query_read_int(query);
    key->generation = (unsigned)query_read_int(query);
    query_read_bytes(query, key->check_value, sizeof key->check_value);
    char *use = query_read_text(query);
    REQUIRE(use != NULL && strlen(use) < sizeof key->use, ERR_IO);
    memcpy(key->use, use, strlen(use) + 1);
    TRY(read_state(query, &key->state));
out:
    free(use);
    return rc;
}

static void nothing_to_free(void *item)
{
    (void)item;
}

struct key_list {
    struct store_key *keys;
    size_t count;
};

static enum err list(struct db *db, void *argument)
{
    struct key_list *keys = argument;
    static const struct rows rows = {sizeof(struct store_key), read_key, nothing_to_free};
    QUERY query = query_start(db, SQL_KEY_LIST);
    return query_collect(&query, &rows, (void **)&keys->keys, &keys->count);
}

enum err store_key_list(struct store *store, struct store_key **out_keys, size_t *out_count)
{
    struct key_list keys;
    const enum err rc = store_read(store, list, &keys);
    if (rc == OK) {
        *out_keys = keys.keys;
        *out_count = keys.count;
    }
    return rc;
}

enum err store_read_keys(const char *path, struct store_key **out_keys, size_t *out_count, struct diag *diag)
{
    enum err rc = OK;
    int64_t version = 0;
    struct db *db = NULL;
    struct key_list keys;
    TRY(store_file_exists(path, diag));
    TRY(db_open(path, DB_READER, &db, diag));
    TRY(store_check_origin(db, path, &version, diag));
    REQUIRE(version > 0, diag_set(diag, ERR_CONFIG, "store %s: is empty", path));
    rc = list(db, &keys);
    REQUIRE(rc == OK, db_explain(db, rc, path, diag));
    *out_keys = keys.keys;
    *out_count = keys.count;
out:
    db_close(db);
    return rc;
}

// ---- moving -----------------------------------------------------------------------------------------

struct move {
    unsigned tenant_id, generation;
    enum store_key_state from, to;
};

static enum err retire_current(struct db *db, unsigned tenant_id)
{
    QUERY query = query_start(db, SQL_KEY_RETIRE_CURRENT);
    query_int(&query, tenant_id);
    return query_run(&query);
}

static enum err set_state(struct db *db, const struct move *move)
{
    QUERY query = query_start(db, SQL_KEY_MOVE);
    query_text(&query, store_key_state_name(move->to));
    query_int(&query, move->tenant_id);
    query_int(&query, move->generation);
    query_text(&query, store_key_state_name(move->from));
    return query_change(&query);
}

static enum err state_of(struct db *db, const struct move *move, enum store_key_state *out_state)
{
    enum err rc = OK;
    uint8_t check_value[KEY_CHECK_VALUE_BYTES];
    QUERY query = query_start(db, SQL_KEY_GET);
    query_int(&query, move->tenant_id);
    query_text(&query, "fpe");
    query_int(&query, move->generation);
    TRY(query_next(&query));
    query_read_bytes(&query, check_value, sizeof check_value);
    TRY(read_state(&query, out_state));
out:
    return rc;
}

static enum err move_key(struct db *db, void *argument)
{
    enum err rc = OK;
    const struct move *move = argument;
    enum store_key_state state;
    TRY(state_of(db, move, &state));
    REQUIRE(state == move->from, ERR_CONFLICT);
    if (move->to == STORE_KEY_CURRENT)
        TRY(retire_current(db, move->tenant_id));
    TRY(set_state(db, move));
out:
    return rc;
}

enum err store_key_move(struct store *store, unsigned tenant_id, unsigned generation,
                        enum store_key_state from, enum store_key_state to)
{
    struct move move = {tenant_id, generation, from, to};
    return store_write(store, move_key, &move);
}

// ---- what hangs on a generation -----------------------------------------------------------------------

struct use_query {
    unsigned tenant_id, generation;
    struct store_generation_use use;
};

static enum err count_under(struct db *db, enum statement which, const struct use_query *of,
                            uint64_t *out_count)
{
    int64_t count = 0;
    QUERY query = query_start(db, which);
    query_int(&query, of->tenant_id);
    query_int(&query, of->generation);
    const enum err rc = query_one_int(&query, &count);
    *out_count = (uint64_t)count;
    return rc;
}

static enum err count_use(struct db *db, void *argument)
{
    struct use_query *of = argument;
    const enum err rc = count_under(db, SQL_SPACE_COUNT_UNDER, of, &of->use.spaces);
    return rc == OK ? count_under(db, SQL_SUBJECT_COUNT_UNDER, of, &of->use.values) : rc;
}

enum err store_generation_use(struct store *store, unsigned tenant_id, unsigned generation,
                              struct store_generation_use *out_use)
{
    struct use_query of = {.tenant_id = tenant_id, .generation = generation};
    const enum err rc = store_read(store, count_use, &of);
    if (rc == OK)
        *out_use = of.use;
    return rc;
}
