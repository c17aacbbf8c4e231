// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/store/transact.h"

#include <stdlib.h>

void store_token_request_done(struct store_token_request *request)
{
    free(request->options);
    free(request->payload);
    free(request->redirect_url);
    free(request->callback_state);
    free(request->bank_id);
    free(request->decided_by);
    free(request->decided_source);
    free(request->reason);
    *request = (struct store_token_request){0};
}

struct creation {
    const struct store_token_request *request;
    int64_t number;
};

static enum err create(struct db *db, void *argument)
{
    struct creation *creation = argument;
    const struct store_token_request *request = creation->request;
    QUERY query = query_start(db, SQL_REQUEST_ADD);
    query_bytes(&query, request->id, sizeof request->id);
    query_int(&query, request->client_id);
    query_int(&query, request->tenant_id);
    query_int(&query, (int64_t)request->kind);
    query_text(&query, request->options);
    query_text(&query, request->payload);
    query_text(&query, request->redirect_url);
    query_text(&query, request->callback_state);
    query_text(&query, request->bank_id);
    query_int(&query, request->created_s);
    query_int(&query, request->expires_s);
    return query_one_int(&query, &creation->number);
}

enum err store_token_request_create(struct store *store, const struct store_token_request *request,
                                    uint64_t *out_number)
{
    struct creation creation = {.request = request};
    const enum err rc = store_write(store, create, &creation);
    if (rc == OK)
        *out_number = (uint64_t)creation.number;
    return rc;
}

static enum err read_request(struct query *query, struct store_token_request *out_request)
{
    struct store_token_request request = {.number = (uint64_t)query_read_int(query)};
    query_read_bytes(query, request.id, sizeof request.id);
    request.client_id = (unsigned)query_read_int(query);
    request.tenant_id = (unsigned)query_read_int(query);
    request.kind = (enum store_request_kind)query_read_int(query);
    request.options = query_read_text(query);
    request.payload = query_read_text(query);
    request.redirect_url = query_read_text(query);
    request.callback_state = query_read_text(query);
    request.bank_id = query_read_text(query);
    request.created_s = query_read_int(query);
    request.expires_s = query_read_int(query);
    request.state = (enum store_request_state)query_read_int(query);
    request.decided_s = query_read_int(query);
    request.decided_by = query_read_text(query);
    request.decided_client_id = (unsigned)query_read_int(query);
    request.decided_source = query_read_text(query);
    request.reason = query_read_text(query);
    const enum err rc = query_done_reading(query);
    if (rc == OK)
        *out_request = request;
    else
        store_token_request_done(&request);
    return rc;
}

struct lookup {
    const uint8_t *id;
    struct store_token_request request;
};

static enum err get(struct db *db, void *argument)
{
    struct lookup *lookup = argument;
    QUERY query = query_start(db, SQL_REQUEST_GET);
    query_bytes(&query, lookup->id, STORE_ID_BYTES);
    const enum err rc = query_next(&query);
    return rc == OK ? read_request(&query, &lookup->request) : rc;
}

enum err store_token_request_get(struct store *store, const uint8_t id[STORE_ID_BYTES],
                                 struct store_token_request *out_request)
{
    struct lookup lookup = {.id = id};
    const enum err rc = store_read(store, get, &lookup);
    if (rc == OK)
        *out_request = lookup.request;
    return rc;
}

struct decision {
    const struct store_request_decision *asked;
    enum store_decision_outcome outcome;
    struct lookup now;
};

static enum err change(struct db *db, const struct store_request_decision *asked)
{
    QUERY query = query_start(db, SQL_REQUEST_DECIDE);
    query_int(&query, (int64_t)asked->state);
    query_int(&query, asked->now_s);
    query_text(&query, asked->by);
    query_int(&query, asked->by_client_id);
    query_text(&query, asked->source);
    query_text(&query, asked->reason);
    query_bytes(&query, asked->id, STORE_ID_BYTES);
    query_int(&query, asked->now_s);
    return query_change(&query);
}

static enum err decide(struct db *db, void *argument)
{
    enum err rc = OK;
    struct decision *decision = argument;
    const enum err changed = change(db, decision->asked);
    REQUIRE(changed == OK || changed == ERR_NOT_FOUND, changed);
    TRY(get(db, &decision->now));
    if (changed == OK)
        decision->outcome = STORE_DECISION_TAKEN;
    else if (decision->now.request.state == STORE_REQUEST_PENDING)
        decision->outcome = STORE_DECISION_EXPIRED;
    else
        decision->outcome = STORE_DECISION_LATE;
out:
    return rc;
}

enum err store_token_request_decide(struct store *store, const struct store_request_decision *decision,
                                    enum store_decision_outcome *out_outcome,
                                    struct store_token_request *out_request)
{
    struct decision argument = {.asked = decision, .now.id = decision->id};
    const enum err rc = store_write(store, decide, &argument);
    if (rc != OK) {
        store_token_request_done(&argument.now.request);
        return rc;
    }
    *out_outcome = argument.outcome;
    *out_request = argument.now.request;
    return OK;
}
