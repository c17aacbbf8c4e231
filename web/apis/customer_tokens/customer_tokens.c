// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/apis/customer_tokens/internal.h"

#include "appliance/base/codec.h"
#include "appliance/base/json_write.h"
#include "appliance/base/utf8.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { BODY_LIMIT = 64 * 1024, TOKEN_BODY_LIMIT = 4096, LIMIT_DEFAULT = 10 };

static const struct route routes[] = {
    {HTTP_POST, "/v1/accounts/{aid}/auth/token", PERMISSION_CALLER, AUDIT_ACCESS_TOKEN, TOKEN_BODY_LIMIT,
     MEDIA_JSON, customer_get_access_token, CREDENTIAL_BASIC},
    {HTTP_GET, "/v1/accounts/{aid}/auth/jwks", PERMISSION_PUBLIC, AUDIT_NONE, 0, MEDIA_NONE,
     customer_get_key_set, 0},
    {HTTP_POST, "/v1/accounts/{aid}/customers/users/{customer_id}/tokens", PERMISSION_CALLER,
     AUDIT_CUSTOMER_TOKEN_CREATE, BODY_LIMIT, MEDIA_JSON, customer_create_token, 0},
    {HTTP_GET, "/v1/accounts/{aid}/customers/users/{customer_id}/tokens", PERMISSION_CALLER,
     AUDIT_CUSTOMER_TOKEN_LIST, 0, MEDIA_NONE, customer_list_tokens, 0},
    {HTTP_DELETE, "/v1/accounts/{aid}/customers/users/{customer_id}/tokens/{tid}", PERMISSION_CALLER,
     AUDIT_CUSTOMER_TOKEN_DELETE, 0, MEDIA_NONE, customer_delete_token, 0},
    {HTTP_POST, "/v1/accounts/{aid}/customers/tokens/events", PERMISSION_CALLER, AUDIT_TOKEN_EVENT_CREATE,
     BODY_LIMIT, MEDIA_JSON, customer_create_event, 0},
    {HTTP_GET, "/v1/accounts/{aid}/customers/tokens/events", PERMISSION_CALLER, AUDIT_TOKEN_EVENT_LIST, 0,
     MEDIA_NONE, customer_list_events, 0},
    {HTTP_DELETE, "/v1/accounts/{aid}/customers/tokens/events", PERMISSION_CALLER, AUDIT_TOKEN_EVENT_DELETE,
     BODY_LIMIT, MEDIA_JSON, customer_delete_events, 0},
};

// ---- errors ----------------------------------------------------------------------------------------------

void customer_refuse(struct exchange *exchange, unsigned status, const char *code, const char *message,
                     const struct customer_fault *fault)
{
    struct buf *body = &exchange->reply.body;
    buf_reset(body);
    exchange->reply.status = status;
    exchange->reply.content_type = "application/json";
    if (exchange->note.outcome == OK)
        exchange->note.outcome = failure_outcome_of_status(status);
    exchange->note.failed_items = exchange->note.items;
    buf_text(body, "{\"error\":{");
    json_write_member(body, "code", code);
    customer_write_text(body, "message", message);
    if (fault != NULL) {
        buf_text(body, ",\"errors\":[{");
        json_write_member(body, "path", fault->path);
        customer_write_text(body, "message", fault->message);
        buf_text(body, "}]");
    }
    buf_text(body, "}}");
}

void customer_refuse_body(struct exchange *exchange, const char *path, const char *message)
{
    const struct customer_fault fault = {path, message};
    exchange->note.outcome = ERR_INPUT;
    customer_refuse(exchange, 400, "invalid_request", "Request is not valid", &fault);
}

static const struct {
    enum failure failure;
    const char *code, *message;
} failures[] = {
    {FAIL_NOT_FOUND, "not_found", "No such resource"},
    {FAIL_METHOD, "method_not_allowed", "This resource does not know the method"},
    {FAIL_BODY_SIZE, "body_too_large", "The request body is larger than this route takes"},
    {FAIL_BODY_MISSING, "body_missing", "This route needs a request body"},
    {FAIL_BODY_BROKEN, "body_broken", "The body is shorter than announced or badly chunked"},
    {FAIL_TIMEOUT, "body_timeout", "The request body did not arrive in time"},
    {FAIL_CREDENTIAL, "unauthorized", "Access forbidden"},
    {FAIL_THROTTLED, "too_many_requests", "Too many requests"},
    {FAIL_PERMISSION, "forbidden", "This client may not do that"},
    {FAIL_MEDIA, "unsupported_media_type", "Content-Type must be application/json"},
    {FAIL_ACCEPT, "not_acceptable", "Not acceptable"},
    {FAIL_BUSY, "busy", "The appliance is at its limit; try again soon"},
    {FAIL_HSM, "unavailable", "The HSM does not answer; try again soon"},
    {FAIL_STOPPING, "unavailable", "The appliance is stopping"},
    {FAIL_AUDIT, "unavailable", "The audit file cannot be written"},
    {FAIL_INTERNAL, "internal", "The appliance failed to answer"},
};

static bool path_ends(const struct exchange *exchange, const char *suffix)
{
    const struct slice path = exchange->request.path;
    const size_t len = strlen(suffix);
    return path.len >= len && memcmp(path.at + path.len - len, suffix, len) == 0;
}

static bool presents_bearer(const struct exchange *exchange)
{
    static const char scheme[] = "Bearer";
    const struct slice header = http_header(&exchange->request, "Authorization");
    const size_t len = sizeof scheme - 1;
    return header.len >= len && strncasecmp(header.at, scheme, len) == 0 &&
           (header.len == len || header.at[len] == ' ');
}

// RFC 6750, 3: no error code where no bearer token was presented.
static void challenge(struct exchange *exchange)
{
    struct http_reply *reply = &exchange->reply;
    if (path_ends(exchange, "/auth/token"))
        http_reply_header(reply, "WWW-Authenticate", "Basic realm=\"customers\", charset=\"UTF-8\"");
    else if (presents_bearer(exchange))
        http_reply_header(reply, "WWW-Authenticate", "Bearer realm=\"customers\", error=\"invalid_token\"");
    else
        http_reply_header(reply, "WWW-Authenticate", "Bearer realm=\"customers\"");
}

void customer_fail(struct exchange *exchange, enum failure failure)
{
    if (failure == FAIL_CREDENTIAL)
        challenge(exchange);
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        if (failures[i].failure == failure) {
            customer_refuse(exchange, failure_status(failure), failures[i].code, failures[i].message, NULL);
            return;
        }
    }
}

void customer_fail_from(struct exchange *exchange, enum err code)
{
    customer_fail(exchange, failure_from(exchange, code));
}

// ---- who may ---------------------------------------------------------------------------------------------

static void refuse_scope(struct exchange *exchange, unsigned scopes)
{
    BUF text = {0};
    access_scopes_write(scopes, &text);
    http_reply_header(&exchange->reply, "WWW-Authenticate",
                      "Bearer realm=\"customers\", error=\"insufficient_scope\", scope=\"%.*s\"",
                      (int)text.len, text.len > 0 ? text.at : "");
    customer_refuse(exchange, 403, "forbidden", "The access token has not the scope", NULL);
}

const struct account *customer_enter(struct exchange *exchange, unsigned scopes)
{
    const struct caller *caller = &exchange->request.caller;
    const struct slice aid = exchange->request.params[0];
    exchange->note.items = 1;
    if (!account_is_well_formed(aid)) {
        customer_refuse_body(exchange, "aid", "must be P or T and 8 digits");
        return NULL;
    }
    if (!slice_is(aid, caller->account)) {
        http_reply_header(&exchange->reply, "WWW-Authenticate",
                          "Bearer realm=\"customers\", error=\"insufficient_scope\"");
        customer_refuse(exchange, 403, "forbidden", "The access token is for another account", NULL);
        return NULL;
    }
    if ((caller->scopes & scopes) == 0) {
        refuse_scope(exchange, scopes);
        return NULL;
    }
    const struct account *account = tenant_account(http_tenant(&exchange->request), aid);
    if (account == NULL)
        customer_refuse(exchange, 404, "account_not_found", "No such account", NULL);
    return account;
}

// ---- what is sent ----------------------------------------------------------------------------------------

static size_t count_characters(struct slice text)
{
    size_t count = 0;
    uint32_t point;
    for (size_t i = 0; i < text.len; count++) {
        const size_t used = utf8_next(text.at + i, text.len - i, &point);
        i += used > 0 ? used : 1;
    }
    return count;
}

static bool has_control(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.at[i] < 0x20 || text.at[i] == 0x7f)
            return true;
    }
    return false;
}

const char *customer_check_id(struct slice text)
{
    if (text.len == 0)
        return "must not be empty";
    if (text.at[0] == ' ' || text.at[text.len - 1] == ' ')
        return "must not begin or end with a space";
    // The server refuses these in a path, so that nobody could delete what is called so.
    if (slice_is(text, ".") || slice_is(text, "..") || has_control(text))
        return "must not be . or .. or hold control characters";
    return count_characters(text) > CUSTOMER_ID_MAX ? "must have at most 255 characters" : NULL;
}

static bool take_text(struct exchange *exchange, const struct json *object, const char *name,
                      const char *path, struct slice *out_text)
{
    const struct json *member = json_member(object, name);
    if (member == NULL)
        customer_refuse_body(exchange, path, "is required");
    else if (!json_string(member, out_text))
        customer_refuse_body(exchange, path, "must be a string");
    else if (out_text->len == 0)
        customer_refuse_body(exchange, path, "must not be empty");
    else
        return true;
    return false;
}

bool customer_take_pair(struct exchange *exchange, const struct json *object, const char *path,
                        struct customer_pair *out_pair)
{
    char type_path[32], value_path[32];
    snprintf(type_path, sizeof type_path, "%s/type", path);
    snprintf(value_path, sizeof value_path, "%s/value", path);
    if (!take_text(exchange, object, "type", type_path, &out_pair->type) ||
        !take_text(exchange, object, "value", value_path, &out_pair->value))
        return false;
    if (out_pair->type.len > CUSTOMER_TYPE_MAX)
        customer_refuse_body(exchange, type_path, "must have at most 255 bytes");
    else if (out_pair->value.len > CUSTOMER_VALUE_MAX)
        customer_refuse_body(exchange, value_path, "must have at most 1024 bytes");
    else
        return true;
    return false;
}

bool customer_query(const struct exchange *exchange, const char *name, struct slice *out_value)
{
    size_t position = 0;
    struct slice found, value;
    while (http_query_next(&exchange->request, &position, &found, &value)) {
        if (!slice_is(found, name))
            continue;
        *out_value = value;
        return true;
    }
    return false;
}

bool customer_take_flag(struct exchange *exchange, const char *name, bool *out_flag)
{
    struct slice value;
    *out_flag = false;
    if (!customer_query(exchange, name, &value))
        return true;
    *out_flag = slice_is(value, "true");
    if (*out_flag || slice_is(value, "false"))
        return true;
    customer_refuse_body(exchange, name, "must be true or false");
    return false;
}

static bool take_limit(struct exchange *exchange, unsigned *out_limit)
{
    struct slice value;
    unsigned limit = 0;
    *out_limit = LIMIT_DEFAULT;
    if (!customer_query(exchange, "limit", &value))
        return true;
    bool good = value.at != NULL && value.len >= 1 && value.len <= 3;
    for (size_t i = 0; good && i < value.len; i++) {
        good = value.at[i] >= '0' && value.at[i] <= '9';
        limit = limit * 10 + (unsigned)(value.at[i] - '0');
    }
    *out_limit = limit;
    if (good && limit >= 1 && limit <= CUSTOMER_PAGE_MAX)
        return true;
    customer_refuse_body(exchange, "limit", "must be a number from 1 to 100");
    return false;
}

bool customer_take_page(struct exchange *exchange, struct customer_page *out_page)
{
    struct slice after;
    if (!take_limit(exchange, &out_page->limit))
        return false;
    out_page->has_after = customer_query(exchange, "starting_after", &after);
    if (!out_page->has_after || (after.at != NULL && uuid_decode(after, out_page->after)))
        return true;
    customer_refuse_body(exchange, "starting_after", "must be an id");
    return false;
}

// ---- what is answered ------------------------------------------------------------------------------------

void customer_write_text(struct buf *out, const char *name, const char *text)
{
    buf_byte(out, ',');
    json_write_member(out, name, text);
}

void customer_write_time(struct buf *out, const char *name, int64_t unix_ms)
{
    char text[CLOCK_RFC3339_BYTES];
    clock_rfc3339_ms(unix_ms * 1000000, text);
    customer_write_text(out, name, text);
}

bool customer_sees_values(const struct exchange *exchange)
{
    return caller_may(&exchange->request.caller, PERMISSION_DETOKENIZE);
}

enum err customer_values_open(struct exchange *exchange, const struct store_subject *const *subjects,
                              size_t count, struct customer_values *out_values)
{
    const struct tenant *tenant = http_tenant(&exchange->request);
    if (count == 0 || !customer_sees_values(exchange))
        return OK;
    out_values->shown = true;
    exchange->note.generation = subjects[0]->generation;
    return customer_open_all(tenant, subjects, count, &out_values->text, out_values->places);
}

void customer_values_done(struct customer_values *values)
{
    buf_done(&values->text);
}

void customer_write_value(struct buf *out, const struct customer_values *values, size_t index)
{
    if (!values->shown)
        return;
    const struct customer_place *place = &values->places[index];
    buf_text(out, ",\"value\":");
    json_write_clear(out, (struct clear){values->text.at + place->at, place->len});
}

// ---- the table -------------------------------------------------------------------------------------------

struct api customer_tokens_api(struct customer_tokens *state)
{
    static const char *const prefixes[] = {"/v1/accounts/", NULL};
    return (struct api){
        .name = "customer_tokens",
        .client_api = CLIENT_API_CUSTOMERS,
        .credential = CREDENTIAL_ACCESS_TOKEN,
        .prefixes = prefixes,
        .routes = routes,
        .route_count = sizeof routes / sizeof routes[0],
        .fail = customer_fail,
        .state = state,
    };
}
