// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/request.h"

#include "appliance/base/json_write.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENT_AT = 0, SECOND_AT = 2, RANDOM_AT = 10, RANDOM_BYTES = STORE_ID_BYTES - RANDOM_AT, DRAWS = 8 };

const char *request_status_name(enum request_status status)
{
    static const char *const names[] = {
        [REQUEST_PENDING] = "PENDING",
        [REQUEST_PROCESSED] = "PROCESSED",
        [REQUEST_REJECTED] = "REJECTED",
        [REQUEST_EXPIRED] = "EXPIRED",
    };
    return names[status];
}

static enum request_status status_of(const struct store_token_request *record, int64_t now_s)
{
    switch (record->state) {
    case STORE_REQUEST_PROCESSED:
        return REQUEST_PROCESSED;
    case STORE_REQUEST_REJECTED:
        return REQUEST_REJECTED;
    case STORE_REQUEST_PENDING:
        break;
    }
    return now_s < record->expires_s ? REQUEST_PENDING : REQUEST_EXPIRED;
}

const char *request_reason(const struct request *request)
{
    static const char *const reasons[] = {
        [REQUEST_PENDING] = "Waiting for the user's consent.",
        [REQUEST_PROCESSED] = "The request was approved.",
        [REQUEST_REJECTED] = "The request was rejected.",
        [REQUEST_EXPIRED] = "Nobody decided before the request expired.",
    };
    return request->record.reason != NULL ? request->record.reason : reasons[request->status];
}

void request_done(struct request *request)
{
    store_token_request_done(&request->record);
    *request = (struct request){0};
}

// ---- the row's id -----------------------------------------------------------------------------------------

static void put(uint8_t *bytes, size_t count, uint64_t value)
{
    for (size_t i = count; i-- > 0; value >>= 8)
        bytes[i] = (uint8_t)value;
}

static void write_row_id(const struct long_id *name, uint8_t out_id[STORE_ID_BYTES])
{
    put(out_id + CLIENT_AT, SECOND_AT - CLIENT_AT, name->client_id);
    put(out_id + SECOND_AT, RANDOM_AT - SECOND_AT, (uint64_t)name->second);
    put(out_id + RANDOM_AT, RANDOM_BYTES, name->random);
}

static enum err draw_name(const struct requests *requests, struct request *request)
{
    enum err rc = OK;
    uint8_t bytes[RANDOM_BYTES];
    TRY(rng_fill(&requests->rng, bytes, sizeof bytes));
    request->name.random = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        request->name.random = request->name.random << 8 | bytes[i];
    write_row_id(&request->name, request->record.id);
    TRY(long_id_make(requests->ids, LONG_ID_REQUEST, &request->name, request->id));
out:
    return rc;
}

// ---- card numbers -----------------------------------------------------------------------------------------

static enum err seal_pans(const struct requests *requests, const struct request_draft *draft,
                          char tokens[REQUEST_PANS_MAX * CARD_TOKEN_LENGTH])
{
    struct card cards[REQUEST_PANS_MAX] = {0};
    if (draft->pan_count == 0)
        return OK;
    for (size_t i = 0; i < draft->pan_count; i++)
        cards[i].pan = draft->pans[i].digits;
    return card_seal(requests->card_format, tenant_keyring(draft->tenant), draft->client_id, cards,
                     draft->pan_count, tokens);
}

// The payload with card tokens for card numbers, NUL-terminated.
static enum err seal_payload(const struct requests *requests, const struct request_draft *draft,
                             char **out_payload)
{
    enum err rc = OK;
    BUF sealed = {0};
    char tokens[REQUEST_PANS_MAX * CARD_TOKEN_LENGTH];
    size_t from = 0;
    assert(draft->pan_count <= REQUEST_PANS_MAX);
    TRY(seal_pans(requests, draft, tokens));
    for (size_t i = 0; i < draft->pan_count; i++) {
        buf_append(&sealed, draft->payload.at + from, draft->pans[i].at - from);
        buf_append(&sealed, tokens + i * CARD_TOKEN_LENGTH, CARD_TOKEN_LENGTH);
        from = draft->pans[i].at;
    }
    buf_append(&sealed, draft->payload.at + from, draft->payload.len - from);
    TRY(sealed.error);
    *out_payload = strndup(sealed.at, sealed.len);
    REQUIRE(*out_payload != NULL, ERR_MEMORY);
out:
    return rc;
}

// What stands before a card token in what is kept. In canonical JSON these bytes are members and nothing
// else: within a string a quotation mark has a backslash in front.
static const char *const pan_members[] = {
    "\"pan\":\"",
    "\"schemeName\":\"" REQUEST_CARD_SCHEME "\",\"identification\":\"",
};

struct sealed_pans {
    struct card_opening openings[REQUEST_PANS_MAX];
    size_t count;
};

// Behind the next of those members; NULL: there is none.
static const char *next_pan(const char *from)
{
    const char *next = NULL;
    for (size_t i = 0; i < sizeof pan_members / sizeof pan_members[0]; i++) {
        const char *at = strstr(from, pan_members[i]);
        at = at != NULL ? at + strlen(pan_members[i]) : NULL;
        if (at != NULL && (next == NULL || at < next))
            next = at;
    }
    return next;
}

static void find_pans(const char *payload, struct sealed_pans *out_pans)
{
    out_pans->count = 0;
    for (const char *at = payload; (at = next_pan(at)) != NULL && out_pans->count < REQUEST_PANS_MAX;) {
        if (strcspn(at, "\"") == CARD_TOKEN_LENGTH)
            out_pans->openings[out_pans->count++] = (struct card_opening){.token = {at, CARD_TOKEN_LENGTH}};
    }
}

enum err request_write_clear_payload(const struct requests *requests, const struct tenant *tenant,
                                     const struct request *request, struct buf *out)
{
    enum err rc = OK;
    struct sealed_pans pans;
    WIPE_AT_EXIT(pans);
    const char *from = request->record.payload;
    find_pans(from, &pans);
    if (pans.count > 0)
        TRY(card_open(requests->card_format, tenant_keyring(tenant), request->record.client_id, pans.openings,
                      pans.count));
    for (size_t i = 0; i < pans.count; i++) {
        const struct card_opening *opening = &pans.openings[i];
        REQUIRE(opening->generation != NULL, ERR_NOT_GENUINE);
        buf_append(out, from, (size_t)(opening->token.at - 1 - from)); // up to the quotation mark
        json_write_clear(out, (struct clear){opening->digits, strlen(opening->digits)});
        from = opening->token.at + opening->token.len + 1;
    }
    buf_text(out, from);
    rc = out->error;
out:
    return rc;
}

// ---- creating and finding ---------------------------------------------------------------------------------

static enum err copy(const char *text, char **out_copy)
{
    *out_copy = text == NULL ? NULL : strdup(text);
    return text != NULL && *out_copy == NULL ? ERR_MEMORY : OK;
}

static enum err fill(const struct requests *requests, const struct request_draft *draft,
                     struct store_token_request *record)
{
    enum err rc = OK;
    record->client_id = draft->client_id;
    record->tenant_id = tenant_id(draft->tenant);
    record->kind = draft->kind;
    record->created_s = draft->now_s;
    record->expires_s = draft->now_s + draft->life_s;
    if (draft->options.len > 0) {
        record->options = strndup(draft->options.at, draft->options.len);
        REQUIRE(record->options != NULL, ERR_MEMORY);
    }
    TRY(copy(draft->redirect_url, &record->redirect_url));
    TRY(copy(draft->callback_state, &record->callback_state));
    TRY(copy(draft->bank_id, &record->bank_id));
    TRY(seal_payload(requests, draft, &record->payload));
out:
    return rc;
}

enum err request_create(const struct requests *requests, const struct request_draft *draft,
                        struct request *out_request)
{
    enum err rc = OK;
    struct request request = {.name = {.client_id = draft->client_id, .second = draft->now_s},
                              .status = REQUEST_PENDING};
    TRY(fill(requests, draft, &request.record));
    rc = ERR_CONFLICT;
    for (int i = 0; i < DRAWS && rc == ERR_CONFLICT; i++) {
        TRY(draw_name(requests, &request));
        rc = store_token_request_create(requests->store, &request.record, &request.record.number);
    }
    TRY(rc);
    *out_request = request;
    return OK;
out:
    request_done(&request);
    return rc;
}

enum err request_find(const struct requests *requests, struct slice id, int64_t now_s,
                      struct request *out_request)
{
    enum err rc = OK;
    struct request request = {0};
    uint8_t row_id[STORE_ID_BYTES];
    TRY(long_id_open(requests->ids, LONG_ID_REQUEST, id, &request.name));
    write_row_id(&request.name, row_id);
    TRY(store_token_request_get(requests->store, row_id, &request.record));
    memcpy(request.id, id.at, id.len); // a genuine one fits
    request.status = status_of(&request.record, now_s);
    *out_request = request;
out:
    return rc;
}

// ---- deciding ---------------------------------------------------------------------------------------------

enum err request_decide(const struct requests *requests, const struct request_decision *decision,
                        struct request *request, enum store_decision_outcome *out_outcome,
                        struct request_result *out_result)
{
    enum err rc = OK;
    struct store_token_request record;
    struct request_result result;
    const struct store_request_decision asked = {
        .id = request->record.id,
        .state = decision->approve ? STORE_REQUEST_PROCESSED : STORE_REQUEST_REJECTED,
        .now_s = decision->now_s,
        .by = decision->by != NULL ? decision->by : STORE_BY_PAGE,
        .by_client_id = decision->by_client_id,
        .source = decision->source,
        .reason = decision->reason,
    };
    if (decision->approve)
        TRY(request_result(requests, request, &result));
    TRY(store_token_request_decide(requests->store, &asked, out_outcome, &record));
    store_token_request_done(&request->record);
    request->record = record;
    request->status = status_of(&record, decision->now_s);
    if (request->status == REQUEST_PROCESSED && !decision->approve) // nothing was decided now
        TRY(request_result(requests, request, &result));
    if (request->status == REQUEST_PROCESSED)
        *out_result = result;
out:
    return rc;
}
