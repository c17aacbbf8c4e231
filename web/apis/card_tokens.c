// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/apis/card_tokens.h"

#include "appliance/base/clock.h"
#include "appliance/base/json_write.h"
#include "web/json_read.h"

#include <stdio.h>

enum { BODY_LIMIT = 64 * 1024 };

static void write_status(struct exchange *exchange, unsigned http_status, const char *status,
                         const char *message)
{
    struct buf *body = &exchange->reply.body;
    exchange->reply.status = http_status;
    exchange->reply.content_type = "application/json";
    buf_byte(body, '{');
    json_write_member(body, "status", status);
    buf_byte(body, ',');
    json_write_member(body, "message", message);
    buf_byte(body, '}');
}

static const char *failure_message(enum failure failure)
{
    switch (failure) {
    case FAIL_NOT_FOUND:
        return "No such resource";
    case FAIL_METHOD:
        return "Method not allowed";
    case FAIL_BODY_SIZE:
        return "Body is too large";
    case FAIL_BODY_MISSING:
        return "Body is missing";
    case FAIL_BODY_BROKEN:
        return "Body is shorter than announced or badly chunked";
    case FAIL_TIMEOUT:
        return "Body did not arrive in time";
    case FAIL_CREDENTIAL:
        return "Authorization failed";
    case FAIL_THROTTLED:
        return "Too many requests";
    case FAIL_PERMISSION:
        return "This client may not tokenize";
    case FAIL_MEDIA:
        return "Content-Type must be application/json";
    case FAIL_ACCEPT:
        return "Not acceptable";
    case FAIL_BUSY:
    case FAIL_HSM:
    case FAIL_STOPPING:
    case FAIL_AUDIT:
        return "Service unavailable";
    case FAIL_INTERNAL:
        return "Internal error";
    }
    return "Internal error";
}

static void fail(struct exchange *exchange, enum failure failure)
{
    const unsigned status = failure_status(failure);
    if (failure == FAIL_CREDENTIAL)
        http_reply_header(&exchange->reply, "WWW-Authenticate", "WP3-v2.1");
    write_status(exchange, status, status < 500 ? "invalid-request" : "error", failure_message(failure));
}

static void refuse(struct exchange *exchange, const char *member, const char *fault)
{
    char message[128];
    snprintf(message, sizeof message, "%s %s", member, fault);
    exchange->note.outcome = ERR_INPUT;
    exchange->note.failed_items = 1;
    write_status(exchange, 400, "invalid-request", message);
}

// The string member `name` of `object`; otherwise refuses, naming it by its full path.
static bool take_string(struct exchange *exchange, const struct json *object, const char *name,
                        const char *path, struct slice *out_text)
{
    const struct json *member = json_member(object, name);
    if (member == NULL) {
        refuse(exchange, path, "is required");
        return false;
    }
    if (!json_string(member, out_text)) {
        refuse(exchange, path, "must be a string");
        return false;
    }
    return true;
}

// Metadata is accepted, never echoed, never stored: an object of scalar values.
static bool check_metadata(struct exchange *exchange, const struct json *root)
{
    const struct json *metadata = json_member(root, "metadata");
    if (metadata == NULL)
        return true;
    bool fine = json_type(metadata) == JSON_OBJECT;
    for (const struct json *member = json_first(metadata); member != NULL; member = json_next(member))
        fine = fine && json_type(member) != JSON_OBJECT && json_type(member) != JSON_ARRAY;
    if (!fine)
        refuse(exchange, "metadata", "must be an object of scalar values");
    return fine;
}

static const struct json *take_card(struct exchange *exchange, const struct json *root)
{
    struct slice type;
    if (json_type(root) != JSON_OBJECT) {
        refuse(exchange, "Body", "must be a JSON object");
        return NULL;
    }
    if (!take_string(exchange, root, "type", "type", &type))
        return NULL;
    if (!slice_is(type, "card")) {
        refuse(exchange, "type", "must be \"card\"");
        return NULL;
    }
    const struct json *card = json_member(root, "card");
    if (card == NULL || json_type(card) != JSON_OBJECT) {
        refuse(exchange, "card", card == NULL ? "is required" : "must be an object");
        return NULL;
    }
    return card;
}

// Schema and semantics. False: the reply is already written.
static bool check_request(struct exchange *exchange, const struct json *root, struct card *out_card)
{
    const struct http_request *request = &exchange->request;
    struct slice pan, expiry;
    const struct json *card = take_card(exchange, root);
    if (card == NULL || !take_string(exchange, card, "pan", "card.pan", &pan) ||
        !take_string(exchange, card, "expiration_date", "card.expiration_date", &expiry) ||
        !check_metadata(exchange, root))
        return false;

    out_card->pan = (struct clear){pan.at, pan.len};
    const char *fault = card_check_pan(out_card->pan, client_wants_luhn(request->caller.client));
    if (fault != NULL) {
        refuse(exchange, "card.pan", fault);
        return false;
    }
    fault = card_parse_expiry(expiry, &out_card->year, &out_card->month);
    if (fault == NULL && request->now_s >= card_keep_until_s(out_card->year, out_card->month))
        fault = "is in the past";
    if (fault != NULL)
        refuse(exchange, "card.expiration_date", fault);
    return fault == NULL;
}

static void render(struct exchange *exchange, const struct card *card, const char *token)
{
    char keep_until[CLOCK_RFC3339_BYTES], mask[CARD_MASK_BYTES], expiry[16];
    struct buf *body = &exchange->reply.body;
    clock_rfc3339_s(card_keep_until_s(card->year, card->month), keep_until);
    card_mask(card->pan, mask);
    snprintf(expiry, sizeof expiry, "%02u%02u", card->year, card->month);

    exchange->reply.status = 200;
    exchange->reply.content_type = "application/json";
    buf_text(body, "{\"token\":");
    json_write_string(body, (struct slice){token, CARD_TOKEN_LENGTH});
    buf_text(body, ",\"status\":\"approved\",\"card\":{");
    json_write_member(body, "keep_until", keep_until);
    buf_byte(body, ',');
    json_write_member(body, "masked_pan", mask);
    buf_byte(body, ',');
    json_write_member(body, "expiration_date", expiry);
    buf_text(body, "}}");
}

static void create(void *context, struct exchange *exchange)
{
    const struct card_tokens *state = context;
    const struct caller *caller = &exchange->request.caller;
    JSON_DOCUMENT *document = NULL;
    struct json_fault fault;
    struct card card = {0};
    char token[CARD_TOKEN_LENGTH];

    exchange->note.items = 1;
    enum err rc = json_read(exchange->request.body, &document, &fault);
    if (rc == ERR_INPUT) {
        refuse(exchange, "Body is not valid JSON:", fault.what);
        return;
    }
    if (rc == OK && !check_request(exchange, json_root(document), &card))
        return;
    if (rc == OK) {
        const struct keyring *keyring = tenant_keyring(http_tenant(&exchange->request));
        exchange->note.generation = keyring_at(keyring, 0)->number;
        rc = card_seal(state->format, keyring, caller->client_id, &card, 1, token);
    }
    if (rc == OK)
        render(exchange, &card, token);
    else
        fail(exchange, failure_from(exchange, rc));
}

struct api card_tokens_api(struct card_tokens *state)
{
    static const struct route routes[] = {
        {HTTP_POST, "/v2/tokens", PERMISSION_TOKENIZE, AUDIT_CARD_TOKENIZE, BODY_LIMIT, MEDIA_JSON, create},
    };
    static const char *const prefixes[] = {"/v2/", NULL};
    return (struct api){
        .name = "card_tokens",
        .client_api = CLIENT_API_CARD,
        .credential = CREDENTIAL_WP3,
        .signs_body = true,
        .prefixes = prefixes,
        .routes = routes,
        .route_count = sizeof routes / sizeof routes[0],
        .fail = fail,
        .state = state,
    };
}
