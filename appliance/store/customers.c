// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/store/subjects.h"

#include <stdlib.h>
#include <string.h>

void store_customer_token_done(struct store_customer_token *token)
{
    store_subject_done(&token->subject);
    free(token->customer_id);
    free(token->token_id);
    free(token->metadata);
    free(token->created_by);
    free(token->deleted_by);
    *token = (struct store_customer_token){0};
}

// ---- reading --------------------------------------------------------------------------------------------

static enum err read_token(struct query *query, void *item)
{
    enum err rc = OK;
    struct store_customer_token *token = item;
    TRY(subject_read(query, &token->subject));
    query_read_bytes(query, token->id, sizeof token->id);
    token->customer_id = query_read_text(query);
    token->token_id = query_read_text(query);
    token->metadata = query_read_text(query);
    token->created_by = query_read_text(query);
    token->deleted_by = query_read_text(query);
    token->created_ms = query_read_int(query);
    token->updated_ms = query_read_int(query);
    token->deleted_ms = query_read_int(query);
    rc = query_done_reading(query);
out:
    if (rc != OK)
        store_customer_token_done(token);
    return rc;
}

static void free_token(void *item)
{
    store_customer_token_done(item);
}

static enum err exists(struct query *query, bool *out_exists)
{
    int64_t one;
    const enum err rc = query_one_int(query, &one);
    *out_exists = rc == OK;
    return rc == ERR_NOT_FOUND ? OK : rc;
}

// ---- creating -------------------------------------------------------------------------------------------

struct creation {
    const struct store_customer_token *token;
    bool delete_events;
    enum store_customer_outcome outcome;
};

static enum err value_exists(struct db *db, int64_t subject, bool *out_exists)
{
    QUERY query = query_start(db, SQL_CUSTOMER_VALUE_EXISTS);
    query_int(&query, subject);
    return exists(&query, out_exists);
}

static enum err name_exists(struct db *db, const struct store_customer_token *token, bool *out_exists)
{
    QUERY query = query_start(db, SQL_CUSTOMER_NAME_EXISTS);
    query_int(&query, token->subject.tenant_id);
    query_text(&query, token->subject.account);
    query_text(&query, token->token_id);
    return exists(&query, out_exists);
}

static enum err add_token(struct db *db, const struct store_customer_token *token, int64_t subject)
{
    QUERY query = query_start(db, SQL_CUSTOMER_ADD);
    query_bytes(&query, token->id, sizeof token->id);
    query_int(&query, subject);
    query_int(&query, token->subject.tenant_id);
    query_text(&query, token->subject.account);
    query_text(&query, token->customer_id);
    query_text(&query, token->token_id);
    query_text(&query, token->metadata);
    query_text(&query, token->created_by);
    query_int(&query, token->created_ms);
    query_int(&query, token->updated_ms);
    return query_run(&query);
}

// ERR_CONFLICT rolls everything back; the outcome then says why.
static enum err create(struct db *db, void *argument)
{
    enum err rc = OK;
    bool taken = false;
    int64_t subject = 0;
    struct creation *creation = argument;
    const struct store_customer_token *token = creation->token;
    creation->outcome = STORE_CUSTOMER_ID_EXISTS;
    TRY(subject_take(db, &token->subject, &subject));
    TRY(value_exists(db, subject, &taken));
    if (taken)
        creation->outcome = STORE_CUSTOMER_VALUE_EXISTS;
    REQUIRE(!taken, ERR_CONFLICT);
    TRY(name_exists(db, token, &taken));
    if (taken)
        creation->outcome = STORE_CUSTOMER_TOKEN_ID_EXISTS;
    REQUIRE(!taken, ERR_CONFLICT);
    if (creation->delete_events)
        rc = subject_delete_events(db, subject, NULL, token->created_ms);
    REQUIRE(rc == OK || rc == ERR_NOT_FOUND, rc);
    TRY(add_token(db, token, subject));
    creation->outcome = STORE_CUSTOMER_CREATED;
out:
    return rc;
}

enum err store_customer_token_create(struct store *store, const struct store_customer_token *token,
                                     bool delete_events, enum store_customer_outcome *out_outcome)
{
    struct creation creation = {.token = token, .delete_events = delete_events};
    const enum err rc = store_write(store, create, &creation);
    if (rc != OK && rc != ERR_CONFLICT)
        return rc;
    *out_outcome = creation.outcome;
    return OK;
}

// ---- listing --------------------------------------------------------------------------------------------

struct list {
    const struct store_customer_query *query;
    int64_t below;
    void *tokens;
    size_t count;
    int64_t total;
};

static enum err find_number(struct db *db, const struct store_customer_query *of, int64_t *out_number)
{
    QUERY query = query_start(db, SQL_CUSTOMER_NUMBER);
    query_bytes(&query, of->after, STORE_ID_BYTES);
    query_int(&query, of->tenant_id);
    query_text(&query, of->account);
    query_text(&query, of->customer_id);
    return query_one_int(&query, out_number);
}

static void bind_page(struct query *query, const struct store_customer_query *of, int64_t below)
{
    query_int(query, of->tenant_id);
    query_text(query, of->account);
    query_text(query, of->customer_id);
    query_int(query, below);
    query_text(query, of->type);
    query_text(query, of->type);
}

static enum err list_below(struct db *db, struct list *list)
{
    static const struct rows rows = {sizeof(struct store_customer_token), read_token, free_token};
    QUERY query = query_start(db, list->query->with_deleted ? SQL_CUSTOMER_LIST_ALL : SQL_CUSTOMER_LIST_LIVE);
    bind_page(&query, list->query, list->below);
    query_int(&query, list->query->limit);
    return query_collect(&query, &rows, &list->tokens, &list->count);
}

static enum err list_tokens(struct db *db, void *argument)
{
    struct list *list = argument;
    list->below = INT64_MAX;
    const enum err rc = list->query->after != NULL ? find_number(db, list->query, &list->below) : OK;
    return rc == OK ? list_below(db, list) : rc;
}

enum err store_customer_token_list(struct store *store, const struct store_customer_query *query,
                                   struct store_customer_token **out_tokens, size_t *out_count)
{
    struct list list = {.query = query};
    const enum err rc = store_read(store, list_tokens, &list);
    if (rc == OK) {
        *out_tokens = list.tokens;
        *out_count = list.count;
    }
    return rc;
}

static enum err count_tokens(struct db *db, void *argument)
{
    struct list *list = argument;
    QUERY query =
        query_start(db, list->query->with_deleted ? SQL_CUSTOMER_COUNT_ALL : SQL_CUSTOMER_COUNT_LIVE);
    bind_page(&query, list->query, INT64_MAX);
    return query_one_int(&query, &list->total);
}

enum err store_customer_token_count(struct store *store, const struct store_customer_query *query,
                                    uint64_t *out_count)
{
    struct list list = {.query = query};
    const enum err rc = store_read(store, count_tokens, &list);
    if (rc == OK)
        *out_count = (uint64_t)list.total;
    return rc;
}

// ---- one token ------------------------------------------------------------------------------------------

struct find {
    unsigned tenant_id;
    const char *account, *token_id;
    struct store_customer_token token;
};

static enum err find_token(struct db *db, void *argument)
{
    enum err rc = OK;
    struct find *find = argument;
    QUERY query = query_start(db, SQL_CUSTOMER_FIND);
    query_int(&query, find->tenant_id);
    query_text(&query, find->account);
    query_text(&query, find->token_id);
    TRY(query_next(&query));
    TRY(read_token(&query, &find->token));
out:
    return rc;
}

enum err store_customer_token_find(struct store *store, unsigned tenant_id, const char *account,
                                   const char *token_id, struct store_customer_token *out_token)
{
    struct find find = {.tenant_id = tenant_id, .account = account, .token_id = token_id};
    const enum err rc = store_read(store, find_token, &find);
    if (rc == OK)
        *out_token = find.token;
    return rc;
}

static enum err mark_deleted(struct db *db, const struct store_customer_deletion *deletion)
{
    int64_t number;
    QUERY query = query_start(db, SQL_CUSTOMER_DELETE);
    query_text(&query, deletion->deleted_by);
    query_int(&query, deletion->now_ms);
    query_int(&query, deletion->now_ms);
    query_int(&query, deletion->tenant_id);
    query_text(&query, deletion->account);
    query_text(&query, deletion->token_id);
    query_text(&query, deletion->customer_id);
    return query_one_int(&query, &number);
}

struct deleting {
    const struct store_customer_deletion *deletion;
    struct find find;
};

static enum err delete_token(struct db *db, void *argument)
{
    enum err rc = OK;
    struct deleting *deleting = argument;
    const struct store_customer_deletion *deletion = deleting->deletion;
    struct store_customer_token *token = &deleting->find.token;
    store_customer_token_done(token); // a verb may run again
    TRY(find_token(db, &deleting->find));
    REQUIRE(strcmp(token->customer_id, deletion->customer_id) == 0, ERR_NOT_FOUND);
    token->deleted_by = strdup(deletion->deleted_by);
    REQUIRE(token->deleted_by != NULL, ERR_MEMORY);
    TRY(mark_deleted(db, deletion));
    token->deleted_ms = token->updated_ms = deletion->now_ms;
out:
    return rc;
}

enum err store_customer_token_delete(struct store *store, const struct store_customer_deletion *deletion,
                                     struct store_customer_token *out_token)
{
    struct deleting deleting = {
        .deletion = deletion,
        .find = {.tenant_id = deletion->tenant_id,
                 .account = deletion->account,
                 .token_id = deletion->token_id},
    };
    const enum err rc = store_write(store, delete_token, &deleting);
    if (rc == OK)
        *out_token = deleting.find.token;
    else
        store_customer_token_done(&deleting.find.token);
    return rc;
}
