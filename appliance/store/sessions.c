// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/store/transact.h"

#include <assert.h>
#include <stdlib.h>

void store_session_done(struct store_session *session)
{
    free(session->note);
    free(session->peer);
    free(session->agent);
    *session = (struct store_session){0};
}

// ---- reading ----------------------------------------------------------------------------------------

static enum err read_session(struct query *query, void *item)
{
    struct store_session *session = item;
    query_read_bytes(query, session->id, sizeof session->id);
    session->client_id = (unsigned)query_read_int(query);
    session->note = query_read_text(query);
    session->peer = query_read_text(query);
    session->agent = query_read_text(query);
    session->granted_ms = query_read_int(query);
    session->revoked_ms = query_read_int(query);
    session->used_minute = query_read_int(query);
    enum err rc = query_done_reading(query);
    if (rc != OK)
        store_session_done(session);
    return rc;
}

static void free_session(void *item)
{
    store_session_done(item);
}

struct get {
    const uint8_t *id;
    struct store_session session;
};

static enum err get(struct db *db, void *argument)
{
    enum err rc = OK;
    struct get *get = argument;
    QUERY query = query_start(db, SQL_SESSION_GET);
    query_bytes(&query, get->id, STORE_ID_BYTES);
    TRY(query_next(&query));
    TRY(read_session(&query, &get->session));
out:
    return rc;
}

enum err store_session_get(struct store *store, const uint8_t id[STORE_ID_BYTES],
                           struct store_session *out_session)
{
    struct get argument = {.id = id};
    enum err rc = store_read(store, get, &argument);
    if (rc == OK)
        *out_session = argument.session;
    return rc;
}

struct list {
    unsigned client_id;
    void *sessions;
    size_t count;
};

static enum err list(struct db *db, void *argument)
{
    static const struct rows rows = {sizeof(struct store_session), read_session, free_session};
    struct list *list = argument;
    QUERY query = query_start(db, SQL_SESSION_LIST);
    query_int(&query, list->client_id);
    return query_collect(&query, &rows, &list->sessions, &list->count);
}

enum err store_session_list(struct store *store, unsigned client_id, struct store_session **out_sessions,
                            size_t *out_count)
{
    struct list argument = {.client_id = client_id};
    enum err rc = store_read(store, list, &argument);
    if (rc == OK) {
        *out_sessions = argument.sessions;
        *out_count = argument.count;
    }
    return rc;
}

// ---- writing ----------------------------------------------------------------------------------------

static enum err create(struct db *db, void *argument)
{
    const struct store_session *session = argument;
    QUERY query = query_start(db, SQL_SESSION_CREATE);
    query_bytes(&query, session->id, sizeof session->id);
    query_int(&query, session->client_id);
    query_text(&query, session->note);
    query_text(&query, session->peer);
    query_text(&query, session->agent);
    query_int(&query, session->granted_ms);
    query_int(&query, session->revoked_ms);
    query_int(&query, session->used_minute);
    return query_run(&query);
}

enum err store_session_create(struct store *store, const struct store_session *session)
{
    struct store_session borrowed = *session;
    return store_write(store, create, &borrowed);
}

struct touch {
    const uint8_t *id;
    int64_t minute;
};

static enum err touch(struct db *db, void *argument)
{
    const struct touch *touch = argument;
    QUERY query = query_start(db, SQL_SESSION_TOUCH);
    query_int(&query, touch->minute);
    query_bytes(&query, touch->id, STORE_ID_BYTES);
    return query_change(&query);
}

enum err store_session_touch(struct store *store, const uint8_t id[STORE_ID_BYTES], int64_t minute)
{
    enum err rc = OK;
    struct get known = {.id = id};
    TRY(store_read(store, get, &known));
    int64_t noted = known.session.used_minute;
    store_session_done(&known.session);
    struct touch argument = {id, minute};
    if (noted < minute)
        TRY(store_write(store, touch, &argument));
out:
    return rc;
}

struct revoke {
    const uint8_t *id;
    unsigned client_id;
    int64_t now_ms;
};

static enum err revoke(struct db *db, void *argument)
{
    const struct revoke *revoke = argument;
    QUERY query = query_start(db, SQL_SESSION_REVOKE);
    query_int(&query, revoke->now_ms);
    query_bytes(&query, revoke->id, STORE_ID_BYTES);
    query_int(&query, revoke->client_id);
    return query_change(&query);
}

enum err store_session_revoke(struct store *store, const uint8_t id[STORE_ID_BYTES], unsigned client_id,
                              int64_t now_ms)
{
    assert(now_ms != 0); // it would say "not revoked"
    struct revoke argument = {id, client_id, now_ms};
    return store_write(store, revoke, &argument);
}
