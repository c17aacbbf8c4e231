// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/apis/transform/transform_internal.h"

#include <assert.h>
#include <string.h>

enum {
    VALUES = 1, // stands for the configured body limit in the table below
    LOGIN_BODY_LIMIT = 4096,
};

#define WRITES (HTTP_POST | HTTP_PUT)

// Names hold a slash when they are built in ("builtin/creditcardnumber"), hence two rows for those.
static const struct route table[] = {
    {WRITES, "/v1/transform/encode/{role}", PERMISSION_TOKENIZE, AUDIT_TRANSFORM_ENCODE, VALUES, MEDIA_NONE,
     transform_encode},
    {WRITES, "/v1/transform/decode/{role}", PERMISSION_DETOKENIZE, AUDIT_TRANSFORM_DECODE, VALUES, MEDIA_NONE,
     transform_decode},
    {WRITES, "/v1/transform/validate/{role}", PERMISSION_TOKENIZE, AUDIT_TRANSFORM_VALIDATE, VALUES,
     MEDIA_NONE, transform_validate},
    {WRITES, "/v1/transform/rewrap/{role}", PERMISSION_TOKENIZE, AUDIT_TRANSFORM_REWRAP, VALUES, MEDIA_NONE,
     transform_rewrap},
    {WRITES, "/v1/transform/metadata/{role}", PERMISSION_DETOKENIZE, AUDIT_TRANSFORM_METADATA, VALUES,
     MEDIA_NONE, transform_metadata},
    {WRITES, "/v1/auth/approle/login", PERMISSION_PUBLIC, AUDIT_LOGIN, LOGIN_BODY_LIMIT, MEDIA_NONE,
     transform_login},
    {HTTP_GET, "/v1/transform/role", PERMISSION_CALLER, AUDIT_NONE, 0, MEDIA_NONE, transform_list_roles},
    {HTTP_GET, "/v1/transform/role/{name}", PERMISSION_CALLER, AUDIT_NONE, 0, MEDIA_NONE,
     transform_read_role},
    {HTTP_GET, "/v1/transform/transformation", PERMISSION_CALLER, AUDIT_NONE, 0, MEDIA_NONE,
     transform_list_transformations},
    {HTTP_GET, "/v1/transform/transformation/{name}", PERMISSION_CALLER, AUDIT_NONE, 0, MEDIA_NONE,
     transform_read_transformation},
    {HTTP_GET, "/v1/transform/template", PERMISSION_CALLER, AUDIT_NONE, 0, MEDIA_NONE,
     transform_list_templates},
    {HTTP_GET, "/v1/transform/template/{name}", PERMISSION_CALLER, AUDIT_NONE, 0, MEDIA_NONE,
     transform_read_template},
    {HTTP_GET, "/v1/transform/template/{family}/{name}", PERMISSION_CALLER, AUDIT_NONE, 0, MEDIA_NONE,
     transform_read_template},
    {HTTP_GET, "/v1/transform/alphabet", PERMISSION_CALLER, AUDIT_NONE, 0, MEDIA_NONE,
     transform_list_alphabets},
    {HTTP_GET, "/v1/transform/alphabet/{name}", PERMISSION_CALLER, AUDIT_NONE, 0, MEDIA_NONE,
     transform_read_alphabet},
    {HTTP_GET, "/v1/transform/alphabet/{family}/{name}", PERMISSION_CALLER, AUDIT_NONE, 0, MEDIA_NONE,
     transform_read_alphabet},
    {HTTP_GET, "/v1/auth/token/lookup-self", PERMISSION_CALLER, AUDIT_NONE, 0, MEDIA_NONE,
     transform_lookup_self},
    {HTTP_GET, "/v1/sys/health", PERMISSION_PUBLIC, AUDIT_NONE, 0, MEDIA_NONE, transform_health},
};

void transform_open_data(struct exchange *exchange)
{
    struct buf *body = &exchange->reply.body;
    exchange->reply.status = 200;
    exchange->reply.content_type = "application/json";
    buf_byte(body, '{');
    json_write_member(body, "request_id", exchange->request.id);
    buf_text(body, ",\"lease_id\":\"\",\"renewable\":false,\"lease_duration\":0,\"data\":");
}

void transform_close_data(struct exchange *exchange)
{
    buf_text(&exchange->reply.body, ",\"wrap_info\":null,\"warnings\":null,\"auth\":null}");
}

void transform_refuse(struct exchange *exchange, unsigned status, const char *text)
{
    struct buf *body = &exchange->reply.body;
    buf_reset(body);
    exchange->reply.status = status;
    exchange->reply.content_type = "application/json";
    buf_text(body, "{\"errors\":[");
    json_write_text(body, text);
    buf_text(body, "]}");
}

static const char *failure_text(enum failure failure)
{
    switch (failure) {
    case FAIL_NOT_FOUND:
        return "no handler for this path";
    case FAIL_METHOD:
        return "unsupported operation";
    case FAIL_BODY_SIZE:
        return "request body is too large";
    case FAIL_BODY_MISSING:
        return "request body is missing";
    case FAIL_BODY_BROKEN:
        return "request body is shorter than announced or badly chunked";
    case FAIL_TIMEOUT:
        return "request body did not arrive in time";
    case FAIL_CREDENTIAL:
    case FAIL_PERMISSION:
        return "permission denied";
    case FAIL_THROTTLED:
        return "too many requests";
    case FAIL_MEDIA:
        return "unsupported media type";
    case FAIL_ACCEPT:
        return "not acceptable";
    case FAIL_BUSY:
        return "the appliance is at its limit, try again";
    case FAIL_HSM:
        return "the HSM does not answer";
    case FAIL_STOPPING:
        return "the appliance is stopping";
    case FAIL_AUDIT:
        return "the audit file cannot be written";
    case FAIL_INTERNAL:
        return "internal error";
    }
    return "internal error";
}

void transform_fail(struct exchange *exchange, enum failure failure)
{
    // Clients of this wire format expect 403 for a missing or unknown token too.
    const unsigned status = failure == FAIL_CREDENTIAL ? 403 : failure_status(failure);
    transform_refuse(exchange, status, failure_text(failure));
}

struct api transform_api(struct transform *state)
{
    static const char *const prefixes[] = {"/v1/transform/", "/v1/auth/", "/v1/sys/", NULL};
    const size_t count = sizeof table / sizeof table[0];
    static_assert(sizeof table / sizeof table[0] <= TRANSFORM_ROUTES_MAX);
    memcpy(state->routes, table, sizeof table);
    for (size_t i = 0; i < count; i++) {
        if (state->routes[i].body_limit == VALUES)
            state->routes[i].body_limit = state->body_limit;
    }
    return (struct api){
        .name = "transform",
        .client_api = CLIENT_API_TRANSFORM,
        .credential = CREDENTIAL_TOKEN,
        .prefixes = prefixes,
        .routes = state->routes,
        .route_count = count,
        .fail = transform_fail,
        .state = state,
    };
}
