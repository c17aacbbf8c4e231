// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/apis/serial_tokens/internal.h"

#include "appliance/base/clock.h"
#include "appliance/base/codec.h"

#include <stdio.h>
#include <string.h>

enum {
    BODY_LIMIT = 64 * 1024,
    ALPHABET_BODY_LIMIT = 1024 * 1024,
    PARAMETER_BYTES = 64, // longer names are not repeated
};

static const struct route routes[] = {
    {HTTP_POST, "/api/sessions", PERMISSION_CALLER, AUDIT_SERIAL_SESSION, BODY_LIMIT, MEDIA_JSON_API,
     serial_open_session, CREDENTIAL_API_KEY},
    {HTTP_GET, "/api/sessions", PERMISSION_CALLER, AUDIT_NONE, 0, MEDIA_JSON_API, serial_list_sessions,
     CREDENTIAL_API_KEY},
    {HTTP_GET, "/api/sessions/{id}", PERMISSION_CALLER, AUDIT_NONE, 0, MEDIA_JSON_API, serial_get_session,
     CREDENTIAL_API_KEY},
    {HTTP_DELETE, "/api/sessions/{id}", PERMISSION_CALLER, AUDIT_SERIAL_SESSION, 0, MEDIA_NONE,
     serial_revoke_session, CREDENTIAL_API_KEY},
    {HTTP_GET, "/api/alphabets", PERMISSION_READ, AUDIT_NONE, 0, MEDIA_JSON_API, serial_list_alphabets, 0},
    {HTTP_POST, "/api/alphabets", PERMISSION_PRODUCE, AUDIT_SERIAL_ALPHABET, ALPHABET_BODY_LIMIT,
     MEDIA_JSON_API, serial_add_alphabet, 0},
    {HTTP_DELETE, "/api/alphabets", PERMISSION_PRODUCE, AUDIT_SERIAL_ALPHABET, 0, MEDIA_NONE,
     serial_delete_alphabets, 0},
    {HTTP_GET, "/api/alphabets/{name}", PERMISSION_READ, AUDIT_NONE, 0, MEDIA_JSON_API, serial_get_alphabet,
     0},
    {HTTP_DELETE, "/api/alphabets/{name}", PERMISSION_PRODUCE, AUDIT_SERIAL_ALPHABET, 0, MEDIA_NONE,
     serial_delete_alphabet, 0},
    {HTTP_GET, "/api/alphabets/{name}/{digits}", PERMISSION_READ, AUDIT_NONE, 0, MEDIA_JSON_API,
     serial_get_capacity, 0},
    {HTTP_GET, "/api/alphabets/{name}/{digits}/tokens/{token}", PERMISSION_READ, AUDIT_SERIAL_PROVE, 0,
     MEDIA_JSON_API, serial_prove, 0},
    {HTTP_POST, "/api/tokens", PERMISSION_PRODUCE, AUDIT_SERIAL_ORDER, BODY_LIMIT, MEDIA_JSON_API,
     serial_order_line, 0},
    {HTTP_GET, "/api/tokens", PERMISSION_READ, AUDIT_NONE, 0, MEDIA_JSON_API, serial_list_lines, 0},
    {HTTP_DELETE, "/api/tokens", PERMISSION_PRODUCE, AUDIT_SERIAL_DELETE, 0, MEDIA_NONE, serial_delete_lines,
     0},
    {HTTP_GET, "/api/tokens/{id}", PERMISSION_READ, AUDIT_NONE, 0, MEDIA_JSON_API, serial_get_line, 0},
    {HTTP_DELETE, "/api/tokens/{id}", PERMISSION_PRODUCE, AUDIT_SERIAL_DELETE, 0, MEDIA_NONE,
     serial_delete_line, 0},
    {HTTP_GET, "/api/tokens/{id}/data", PERMISSION_READ, AUDIT_SERIAL_DATA, 0, MEDIA_NONE, serial_get_data,
     0},
    {HTTP_GET, "/api/tokens/{id}/{status}", PERMISSION_READ, AUDIT_NONE, 0, MEDIA_JSON_API,
     serial_get_line_as_of, 0},
};

// ---- errors ------------------------------------------------------------------------------------------

static void write_source(struct buf *out, const struct complaint *complaint)
{
    const char *name = complaint->pointer != NULL     ? "pointer"
                       : complaint->parameter != NULL ? "parameter"
                       : complaint->header != NULL    ? "header"
                                                      : NULL;
    const char *value = complaint->pointer != NULL     ? complaint->pointer
                        : complaint->parameter != NULL ? complaint->parameter
                                                       : complaint->header;
    if (name == NULL)
        return;
    buf_text(out, ",\"source\":{");
    json_write_member(out, name, value);
    buf_byte(out, '}');
}

void serial_refuse(struct exchange *exchange, const struct complaint *complaint)
{
    struct buf *body = &exchange->reply.body;
    buf_reset(body);
    exchange->reply.status = complaint->status;
    exchange->reply.content_type = "application/vnd.api+json";
    if (exchange->note.outcome == OK)
        exchange->note.outcome = complaint->status == 404   ? ERR_NOT_FOUND
                                 : complaint->status == 409 ? ERR_CONFLICT
                                                            : ERR_INPUT;
    buf_printf(body, "{\"errors\":[{\"status\":\"%u\",", complaint->status);
    json_write_member(body, "code", complaint->code);
    buf_byte(body, ',');
    json_write_member(body, "title", complaint->title);
    buf_byte(body, ',');
    json_write_member(body, "detail", complaint->detail);
    write_source(body, complaint);
    buf_text(body, "}]}");
}

static const struct {
    enum failure failure;
    const char *code, *title, *detail;
} failures[] = {
    {FAIL_NOT_FOUND, "not_found", "Not found", "Nothing has this path."},
    {FAIL_METHOD, "method_not_allowed", "Method not allowed", "This resource does not know the method."},
    {FAIL_BODY_SIZE, "body_too_large", "Body too large", "The request body is larger than this route takes."},
    {FAIL_BODY_MISSING, "body_missing", "Body missing", "This route needs a request body."},
    {FAIL_BODY_BROKEN, "body_broken", "Body broken", "The body is shorter than announced or badly chunked."},
    {FAIL_TIMEOUT, "body_timeout", "Body too slow", "The request body did not arrive in time."},
    {FAIL_THROTTLED, "throttled", "Too many requests",
     "Too many requests or failed authentications; try again later."},
    {FAIL_PERMISSION, "forbidden", "Forbidden", "This client may not do that."},
    {FAIL_MEDIA, "unsupported_media_type", "Unsupported media type",
     "The request must be application/vnd.api+json without parameters other than profile."},
    {FAIL_ACCEPT, "not_acceptable", "Not acceptable",
     "The reply is application/vnd.api+json without parameters."},
    {FAIL_BUSY, "busy", "Busy", "The appliance is at its limit; try again soon."},
    {FAIL_HSM, "hsm_unavailable", "HSM unavailable", "The HSM does not answer; try again soon."},
    {FAIL_STOPPING, "stopping", "Stopping", "The appliance is stopping."},
    {FAIL_AUDIT, "audit_unavailable", "Audit unavailable", "The audit file cannot be written."},
    {FAIL_INTERNAL, "internal", "Internal error", "The appliance failed to answer."},
};

static bool path_begins(const struct exchange *exchange, const char *prefix)
{
    const struct slice path = exchange->request.path;
    return path.len >= strlen(prefix) && memcmp(path.at, prefix, strlen(prefix)) == 0;
}

static void refuse_credential(struct exchange *exchange)
{
    const bool api_key = path_begins(exchange, "/api/sessions");
    http_reply_header(&exchange->reply, "WWW-Authenticate", "%s realm=\"api\"",
                      api_key ? "Api-Key" : "Session-Key");
    exchange->note.outcome = ERR_CREDENTIAL;
    serial_refuse(exchange,
                  &(struct complaint){
                      .status = 401,
                      .code = api_key ? "api_key_invalid" : "session_invalid",
                      .title = "Unauthorized",
                      .detail = api_key ? "The Api-Key is missing or not valid."
                                        : "The Session-Key is missing, not valid or no longer valid.",
                      .header = api_key ? "Api-Key" : "Session-Key",
                  });
}

void serial_fail(struct exchange *exchange, enum failure failure)
{
    if (failure == FAIL_CREDENTIAL) {
        refuse_credential(exchange);
        return;
    }
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        if (failures[i].failure == failure)
            serial_refuse(exchange, &(struct complaint){
                                        .status = failure_status(failure),
                                        .code = failures[i].code,
                                        .title = failures[i].title,
                                        .detail = failures[i].detail,
                                        .header = failure == FAIL_MEDIA    ? "Content-Type"
                                                  : failure == FAIL_ACCEPT ? "Accept"
                                                                           : NULL,
                                    });
    }
}

void serial_fail_from(struct exchange *exchange, enum err code)
{
    if (code == ERR_NOT_FOUND) {
        serial_fail(exchange, FAIL_NOT_FOUND);
        return;
    }
    if (code != ERR_IO) {
        serial_fail(exchange, failure_from(exchange, code));
        return;
    }
    exchange->note.outcome = ERR_IO;
    http_reply_header(&exchange->reply, "Retry-After", "1");
    serial_refuse(exchange, &(struct complaint){.status = 503,
                                                .code = "store_unavailable",
                                                .title = "Store unavailable",
                                                .detail = "The store cannot be read or written."});
}

void serial_refuse_closed_or_fail(struct exchange *exchange, enum err code)
{
    if (code != ERR_HSM_KEY) {
        serial_fail_from(exchange, code);
        return;
    }
    serial_refuse(exchange, &(struct complaint){.status = 410,
                                                .code = "space_closed",
                                                .title = "Gone",
                                                .detail = "The key of this space has been released."});
}

bool serial_refuse_parameter(struct exchange *exchange, const char *code, struct slice name,
                             const char *detail)
{
    char parameter[PARAMETER_BYTES];
    snprintf(parameter, sizeof parameter, "%.*s", (int)(name.len < sizeof parameter ? name.len : 0), name.at);
    serial_refuse(exchange, &(struct complaint){.status = 400,
                                                .code = code,
                                                .title = "Invalid parameter",
                                                .detail = detail,
                                                .parameter = parameter});
    return false;
}

bool serial_has_no_query(struct exchange *exchange)
{
    size_t position = 0;
    struct slice name, value;
    return !http_query_next(&exchange->request, &position, &name, &value) ||
           serial_refuse_parameter(exchange, "parameter_unknown", name, "This route takes no parameters.");
}

// ---- documents ---------------------------------------------------------------------------------------

struct buf *serial_open_document(struct exchange *exchange, unsigned status)
{
    exchange->reply.status = status;
    exchange->reply.content_type = "application/vnd.api+json";
    http_reply_header(&exchange->reply, "Accept", "application/vnd.api+json");
    http_reply_header(&exchange->reply, "Cache-Control", "no-cache");
    return &exchange->reply.body;
}

void serial_write_time(struct buf *out, const char *name, int64_t unix_ms)
{
    char text[CLOCK_RFC3339_BYTES];
    clock_rfc3339_ms(unix_ms * 1000000, text);
    json_write_member(out, name, text);
}

void serial_write_number(struct buf *out, const char *name, uint64_t number)
{
    json_write_text(out, name);
    buf_printf(out, ":\"%llu\"", (unsigned long long)number);
}

const struct json *serial_read_data(struct exchange *exchange, struct json_document **out_document)
{
    struct json_fault fault;
    const enum err rc = json_read(exchange->request.body, out_document, &fault);
    if (rc == ERR_INPUT) {
        serial_refuse(exchange, &(struct complaint){.status = 400,
                                                    .code = "json_invalid",
                                                    .title = "Not JSON",
                                                    .detail = fault.what,
                                                    .pointer = ""});
        return NULL;
    }
    if (rc != OK) {
        serial_fail_from(exchange, rc);
        return NULL;
    }
    const struct json *root = json_root(*out_document), *data = json_member(root, "data");
    if (json_type(root) == JSON_OBJECT && data != NULL && json_type(data) == JSON_OBJECT)
        return data;
    serial_refuse(exchange, &(struct complaint){.status = 422,
                                                .code = "data_invalid",
                                                .title = "Data missing",
                                                .detail = "The document must have a data object.",
                                                .pointer = data == NULL ? "" : "/data"});
    return NULL;
}

bool serial_check_type(struct exchange *exchange, const struct json *data, const char *type,
                       const char *other_type)
{
    const struct json *member = json_member(data, "type");
    if (!json_string_is(member, type) && (other_type == NULL || !json_string_is(member, other_type))) {
        serial_refuse(exchange,
                      &(struct complaint){.status = member == NULL ? 422 : 409,
                                          .code = "type_wrong",
                                          .title = "Wrong type",
                                          .detail = "The resource type is not that of this collection.",
                                          .pointer = member == NULL ? "/data" : "/data/type"});
        return false;
    }
    return true;
}

bool serial_check_no_id(struct exchange *exchange, const struct json *data)
{
    if (json_member(data, "id") == NULL)
        return true;
    serial_refuse(exchange,
                  &(struct complaint){.status = 403,
                                      .code = "client_id_forbidden",
                                      .title = "Id not accepted",
                                      .detail = "The id of this resource is given by the appliance.",
                                      .pointer = "/data/id"});
    return false;
}

bool serial_path_id(struct exchange *exchange, size_t param, uint8_t out_id[STORE_ID_BYTES])
{
    if (uuid_decode(exchange->request.params[param], out_id))
        return true;
    serial_fail_from(exchange, ERR_NOT_FOUND);
    return false;
}

bool serial_parse_number(struct slice text, uint64_t *out_number)
{
    uint64_t number = 0;
    if (text.len == 0 || text.len > 20 || (text.len > 1 && text.at[0] == '0'))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        const uint64_t digit = (uint64_t)(text.at[i] - '0');
        number = number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : number * 10 + digit;
    }
    *out_number = number;
    return true;
}

struct api serial_tokens_api(struct serial_tokens *state)
{
    static const char *const prefixes[] = {"/api/", NULL};
    return (struct api){
        .name = "serial_tokens",
        .client_api = CLIENT_API_SERIAL,
        .credential = CREDENTIAL_SESSION_KEY,
        .prefixes = prefixes,
        .routes = routes,
        .route_count = sizeof routes / sizeof routes[0],
        .fail = serial_fail,
        .state = state,
    };
}
