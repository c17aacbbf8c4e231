// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Get Token (RFC 6749, 4.4) and the key that verifies what it gives (RFC 7517).
#include "web/apis/customer_tokens/internal.h"

#include <string.h>

// P or T and 3 or 8 digits: an account, or the organization above it.
static bool is_owner(struct slice text)
{
    enum { SHORT = 4, LONG = 9 };
    if ((text.len != SHORT && text.len != LONG) || (text.at[0] != 'P' && text.at[0] != 'T'))
        return false;
    for (size_t i = 1; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
    }
    return true;
}

static bool take_audience(struct exchange *exchange, const struct json *root, struct slice *out_audience)
{
    const struct json *grant = json_member(root, "grant_type");
    if (json_type(root) != JSON_OBJECT)
        customer_refuse_body(exchange, "/", "must be an object");
    else if (grant == NULL)
        customer_refuse_body(exchange, "/grant_type", "is required");
    else if (!json_string_is(grant, "client_credentials"))
        customer_refuse_body(exchange, "/grant_type", "must be client_credentials");
    else if (json_member(root, "audience") == NULL)
        customer_refuse_body(exchange, "/audience", "is required");
    else if (!json_string(json_member(root, "audience"), out_audience))
        customer_refuse_body(exchange, "/audience", "must be a string");
    else
        return true;
    return false;
}

static void give(const struct customer_tokens *state, struct exchange *exchange, struct slice audience)
{
    const struct http_request *request = &exchange->request;
    const struct access_tokens *tokens = request->registry->access_tokens;
    BUF token = {0};
    struct buf *body = &exchange->reply.body;
    const enum err rc =
        access_token_make(tokens, &request->caller, audience, state->customers.rng, request->now_s, &token);
    if (rc == ERR_INPUT) {
        customer_refuse_body(exchange, "/audience", "must be the URL of an account");
    } else if (rc == ERR_FORBIDDEN) {
        exchange->note.outcome = rc;
        customer_refuse(exchange, 403, "forbidden", "The audience is no grant of this client", NULL);
    } else if (rc != OK) {
        customer_fail_from(exchange, rc);
    } else {
        exchange->reply.status = 200;
        exchange->reply.content_type = "application/json";
        http_reply_header(&exchange->reply, "Cache-Control", "no-store");
        buf_printf(body, "{\"access_token\":\"%.*s\",\"token_type\":\"Bearer\",\"expires_in\":%lld}",
                   (int)token.len, token.at, (long long)access_tokens_life_s(tokens));
    }
}

void customer_get_access_token(void *context, struct exchange *exchange)
{
    JSON_DOCUMENT *document = NULL;
    struct json_fault fault;
    struct slice audience;
    if (!is_owner(exchange->request.params[0])) {
        customer_refuse_body(exchange, "aid", "must be P or T and 3 or 8 digits");
        return;
    }
    const enum err rc = json_read(exchange->request.body, &document, &fault);
    if (rc == ERR_INPUT)
        customer_refuse_body(exchange, "/", fault.what);
    else if (rc != OK)
        customer_fail_from(exchange, rc);
    else if (take_audience(exchange, json_root(document), &audience))
        give(context, exchange, audience);
}

void customer_get_key_set([[maybe_unused]] void *context, struct exchange *exchange)
{
    const struct access_tokens *tokens = exchange->request.registry->access_tokens;
    if (!is_owner(exchange->request.params[0]) || tokens == NULL) {
        customer_fail(exchange, FAIL_NOT_FOUND);
        return;
    }
    exchange->reply.status = 200;
    exchange->reply.content_type = "application/json";
    access_tokens_write_jwks(tokens, &exchange->reply.body);
}
