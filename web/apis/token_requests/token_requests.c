// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/apis/token_requests/internal.h"

#include "appliance/base/json_write.h"
#include "web/apis/token_requests/schema.h"

#include <stdio.h>
#include <string.h>

enum { BODY_LIMIT = 64 * 1024, FORM_LIMIT = 1024, AUTHORIZATION_LIMIT = 16 * 1024 };

// ---- errors -----------------------------------------------------------------------------------------------

static void begin(struct exchange *exchange, unsigned status)
{
    buf_reset(&exchange->reply.body);
    exchange->reply.status = status;
    exchange->reply.content_type = "application/json";
}

// {"error":{"errorCode","message","tokenTraceId"}}; code may be NULL, as it is for 400 and 401.
static void refuse(struct exchange *exchange, unsigned status, const char *code, const char *message)
{
    struct buf *body = &exchange->reply.body;
    begin(exchange, status);
    if (exchange->note.outcome == OK)
        exchange->note.outcome = failure_outcome_of_status(status);
    buf_text(body, "{\"error\":{");
    if (code != NULL) {
        json_write_member(body, "errorCode", code);
        buf_byte(body, ',');
    }
    json_write_member(body, "message", message);
    buf_byte(body, ',');
    json_write_member(body, "tokenTraceId", exchange->request.id);
    buf_text(body, "}}");
}

static const struct {
    const char *code, *message;
} failures[] = {
    [FAIL_NOT_FOUND] = {"NOT_FOUND", "Not found."},
    [FAIL_METHOD] = {"UNIMPLEMENTED", "This resource does not know the method."},
    [FAIL_BODY_SIZE] = {"INVALID_ARGUMENT", "The request body is larger than this route takes."},
    [FAIL_BODY_MISSING] = {"INVALID_ARGUMENT", "A request body is required."},
    [FAIL_BODY_BROKEN] = {NULL, "The body is shorter than announced, or badly chunked."},
    [FAIL_TIMEOUT] = {"DEADLINE_EXCEEDED", "The request body did not arrive in time."},
    [FAIL_CREDENTIAL] = {NULL, "The authorization information is missing or invalid."},
    [FAIL_THROTTLED] = {"RESOURCE_EXHAUSTED", "Too many requests; try again later."},
    [FAIL_PERMISSION] = {"PermissionDenied", "This member may not do that."},
    [FAIL_MEDIA] = {"INVALID_ARGUMENT", "Content-Type must be application/json."},
    [FAIL_ACCEPT] = {"INVALID_ARGUMENT", "The reply is application/json."},
    [FAIL_BUSY] = {"UNAVAILABLE", "The appliance is at its limit; try again soon."},
    [FAIL_HSM] = {"UNAVAILABLE", "The HSM does not answer; try again soon."},
    [FAIL_STOPPING] = {"UNAVAILABLE", "The appliance is stopping."},
    [FAIL_AUDIT] = {"UNAVAILABLE", "The audit file cannot be written."},
    [FAIL_INTERNAL] = {"InternalServerError", "The appliance failed to answer."},
};

static void challenge(struct exchange *exchange)
{
    const bool presented = http_header(&exchange->request, "Authorization").at != NULL;
    http_reply_header(&exchange->reply, "WWW-Authenticate", "Bearer realm=\"token-requests\"%s",
                      presented ? ", error=\"invalid_token\"" : "");
    http_reply_header(&exchange->reply, "WWW-Authenticate",
                      "Basic realm=\"token-requests\", charset=\"UTF-8\"");
}

static bool is_page(const struct exchange *exchange)
{
    static const char prefix[] = "/app/";
    const struct slice path = exchange->request.path;
    return path.len >= sizeof prefix - 1 && memcmp(path.at, prefix, sizeof prefix - 1) == 0;
}

static void fail(struct exchange *exchange, enum failure failure)
{
    if (is_page(exchange)) {
        page_fail(exchange, failure);
        return;
    }
    if (failure == FAIL_CREDENTIAL)
        challenge(exchange);
    if (failure == FAIL_HSM && exchange->note.outcome == ERR_TIMEOUT)
        refuse(exchange, 504, "DEADLINE_EXCEEDED", "The HSM did not answer in time.");
    else
        refuse(exchange, failure_status(failure), failures[failure].code, failures[failure].message);
}

enum failure requests_failure(struct exchange *exchange, enum err code)
{
    if (code != ERR_IO)
        return failure_from(exchange, code);
    exchange->note.outcome = ERR_IO;
    http_reply_header(&exchange->reply, "Retry-After", "1");
    return FAIL_BUSY;
}

void requests_note(struct exchange *exchange, const struct request *request)
{
    struct http_note *note = &exchange->note;
    const struct store_token_request *record = &request->record;
    const struct client *asker = clients_find_id(exchange->request.registry->clients, record->client_id);
    note->request_number = record->number;
    note->client = asker != NULL ? client_name(asker) : NULL;
    note->client_id = record->client_id;
    note->tenant_id = record->tenant_id;
}

static void fail_from(struct exchange *exchange, enum err code)
{
    fail(exchange, requests_failure(exchange, code));
}

// ---- answering --------------------------------------------------------------------------------------------

// {"tokenRequest":{"id","requestOptions","requestPayload"}}; card numbers for who may see them.
static enum err answer_request(const struct requests *state, struct exchange *exchange,
                               const struct request *request)
{
    enum err rc = OK;
    struct buf *body = &exchange->reply.body;
    begin(exchange, 200);
    buf_text(body, "{\"tokenRequest\":{");
    json_write_member(body, "id", request->id);
    if (request->record.options != NULL) {
        buf_text(body, ",\"requestOptions\":");
        buf_text(body, request->record.options);
    }
    buf_text(body, ",\"requestPayload\":");
    if (caller_may(&exchange->request.caller, PERMISSION_DETOKENIZE))
        rc = request_write_clear_payload(state, http_tenant(&exchange->request), request, body);
    else
        buf_text(body, request->record.payload);
    buf_text(body, "}}");
    return rc == OK ? body->error : rc;
}

static void write_text(struct buf *out, const char *name, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    buf_byte(out, ',');
    json_write_member(out, name, text);
}

static enum err answer_result(const struct requests *state, struct exchange *exchange,
                              const struct request *request)
{
    enum err rc = OK;
    struct request_result result = {0};
    struct buf *body = &exchange->reply.body;
    const bool processed = request->status == REQUEST_PROCESSED;
    if (processed)
        TRY(request_result(state, request, &result));
    begin(exchange, 200);
    buf_byte(body, '{');
    json_write_member(body, "status", request_status_name(request->status));
    write_text(body, "tokenId", result.token_id);
    write_text(body, "transferId", result.transfer_id);
    write_text(body, "standingOrderSubmissionId", result.submission_id);
    if (processed) {
        buf_text(body, ",\"signature\":");
        redirect_write_signature(&result, body);
    }
    write_text(body, "statusReasonInformation", request_reason(request));
    write_text(body, "bankId", request->record.bank_id);
    buf_byte(body, '}');
    rc = body->error;
out:
    return rc;
}

// ---- creating ---------------------------------------------------------------------------------------------

// What a POST asks for; slices point into the document.
struct wish {
    const struct json *payload, *options;
    struct buf payload_text, options_text;
    struct schema_reading reading;
};

static bool refuse_fault(struct exchange *exchange, const struct schema_fault *fault)
{
    char message[SCHEMA_PATH_BYTES + SCHEMA_MESSAGE_BYTES + 2];
    snprintf(message, sizeof message, "%s %s.", fault->path, fault->message);
    exchange->note.outcome = ERR_INPUT;
    exchange->note.failed_items = 1;
    refuse(exchange, 400, NULL, message);
    return false;
}

static bool refuse_body(struct exchange *exchange, const char *where, const char *what)
{
    struct schema_fault fault;
    snprintf(fault.path, sizeof fault.path, "%s", where);
    snprintf(fault.message, sizeof fault.message, "%s", what);
    return refuse_fault(exchange, &fault);
}

static bool take_wish(struct exchange *exchange, const struct json *root, struct wish *wish)
{
    struct schema_reading *reading = &wish->reading;
    wish->payload = json_member(root, "requestPayload");
    wish->options = json_member(root, "requestOptions");
    if (json_type(root) != JSON_OBJECT)
        return refuse_body(exchange, "The body", "must be an object");
    if (wish->payload == NULL)
        return refuse_body(exchange, "requestPayload", "is required");
    reading->luhn = client_wants_luhn(exchange->request.caller.client);
    reading->out = &wish->options_text;
    if (wish->options != NULL && json_type(wish->options) != JSON_NULL &&
        !schema_read(wish->options, "requestOptions", &schema_options, reading))
        return refuse_fault(exchange, &reading->fault);
    reading->out = &wish->payload_text;
    return schema_read(wish->payload, "requestPayload", &schema_payload, reading) ||
           refuse_fault(exchange, &reading->fault);
}

static const char *text_of(const struct json *object, const char *name)
{
    struct slice text;
    return json_string(json_member(object, name), &text) ? text.at : NULL; // NUL-terminated
}

// Of a payload that was read: one of the three is an object.
static enum store_request_kind kind_of(const struct json *payload)
{
    if (json_first(json_member(payload, "transferBody")) != NULL)
        return STORE_REQUEST_TRANSFER;
    return json_first(json_member(payload, "standingOrderBody")) != NULL ? STORE_REQUEST_STANDING_ORDER
                                                                         : STORE_REQUEST_ACCESS;
}

static enum err create(const struct requests *state, struct exchange *exchange, const struct wish *wish)
{
    enum err rc = OK;
    struct request request = {0};
    const struct http_request *http = &exchange->request;
    const struct request_draft draft = {
        .tenant = http_tenant(http),
        .client_id = http->caller.client_id,
        .kind = kind_of(wish->payload),
        .options = buf_slice(&wish->options_text),
        .payload = buf_slice(&wish->payload_text),
        .pans = wish->reading.pans,
        .pan_count = wish->reading.pan_count,
        .redirect_url = text_of(wish->payload, "redirectUrl"),
        .callback_state = text_of(wish->payload, "callbackState"),
        .bank_id = text_of(wish->options, "bankId"),
        .now_s = http->now_s,
        .life_s = http->registry->request_life_s,
    };
    TRY(wish->payload_text.error);
    TRY(wish->options_text.error);
    if (draft.pan_count > 0)
        exchange->note.generation = keyring_at(tenant_keyring(draft.tenant), 0)->number;
    TRY(request_create(state, &draft, &request));
    requests_note(exchange, &request);
    TRY(answer_request(state, exchange, &request));
out:
    request_done(&request);
    return rc;
}

static void post_request(void *context, struct exchange *exchange)
{
    JSON_DOCUMENT *document = NULL;
    struct json_fault fault;
    struct wish wish = {0};
    exchange->note.items = 1;
    enum err rc = json_read(exchange->request.body, &document, &fault);
    if (rc == ERR_INPUT) {
        refuse_body(exchange, "The body is not JSON:", fault.what);
        return;
    }
    if (rc == OK && take_wish(exchange, json_root(document), &wish))
        rc = create(context, exchange, &wish);
    if (rc != OK)
        fail_from(exchange, rc);
    buf_done(&wish.payload_text);
    buf_done(&wish.options_text);
}

// ---- reading ----------------------------------------------------------------------------------------------

static void refuse_unfound(struct exchange *exchange, enum err code)
{
    if (code == ERR_INPUT)
        refuse(exchange, 400, NULL, "The id of a token request begins with rq:.");
    else if (code == ERR_NOT_GENUINE || code == ERR_NOT_FOUND)
        refuse(exchange, 404, "NOT_FOUND", "Token request not found.");
    else
        fail_from(exchange, code);
}

// Writes the reply about a request.
typedef enum err answer_function(const struct requests *state, struct exchange *exchange,
                                 const struct request *request);

// The caller's request in the path. One of somebody else looks like one that was never made.
static void answer_about(const struct requests *state, struct exchange *exchange, answer_function *answer)
{
    struct request request = {0};
    const struct http_request *http = &exchange->request;
    exchange->note.items = 1;
    enum err rc = request_find(state, http->params[0], http->now_s, &request);
    if (rc == OK)
        requests_note(exchange, &request);
    if (rc == OK && request.record.client_id != http->caller.client_id)
        rc = ERR_NOT_FOUND;
    if (rc == OK)
        rc = answer(state, exchange, &request);
    if (rc != OK)
        refuse_unfound(exchange, rc);
    request_done(&request);
}

static void get_request(void *context, struct exchange *exchange)
{
    answer_about(context, exchange, answer_request);
}

static void get_result(void *context, struct exchange *exchange)
{
    answer_about(context, exchange, answer_result);
}

static void post_authorization(void *context, struct exchange *exchange)
{
    (void)context;
    refuse(exchange, 501, "UNIMPLEMENTED", "There is no bank here: a person decides on the hosted page.");
}

static void get_key_set(void *context, struct exchange *exchange)
{
    begin(exchange, 200);
    http_reply_header(&exchange->reply, "Cache-Control", "public, max-age=300");
    requests_write_key_set(context, &exchange->reply.body);
}

struct api token_requests_api(struct requests *state)
{
    static const struct route routes[] = {
        {HTTP_POST, "/token-requests", PERMISSION_TOKENIZE, AUDIT_TOKEN_REQUEST_CREATE, BODY_LIMIT,
         MEDIA_JSON, post_request},
        {HTTP_GET, "/token-requests/{id}", PERMISSION_READ, AUDIT_TOKEN_REQUEST_READ, 0, MEDIA_NONE,
         get_request},
        {HTTP_GET, "/token-requests/{id}/result", PERMISSION_READ, AUDIT_TOKEN_REQUEST_READ, 0, MEDIA_NONE,
         get_result},
        {HTTP_POST, "/token-requests/{id}/authorization", PERMISSION_CALLER, AUDIT_NONE, AUTHORIZATION_LIMIT,
         MEDIA_NONE, post_authorization},
        {HTTP_GET, "/.well-known/jwks.json", PERMISSION_PUBLIC, AUDIT_NONE, 0, MEDIA_NONE, get_key_set},
        {HTTP_GET, "/app/request-token/{id}", PERMISSION_PUBLIC, AUDIT_TOKEN_REQUEST_PAGE, 0, MEDIA_NONE,
         page_show},
        {HTTP_POST, "/app/request-token/{id}", PERMISSION_PUBLIC, AUDIT_TOKEN_REQUEST_PAGE, FORM_LIMIT,
         MEDIA_FORM, page_decide},
        {HTTP_GET, "/app/style.css", PERMISSION_PUBLIC, AUDIT_NONE, 0, MEDIA_NONE, page_style},
    };
    static const char *const prefixes[] = {"/token-requests", "/app/", NULL};
    return (struct api){
        .name = "token_requests",
        .client_api = CLIENT_API_REQUESTS,
        .credential = CREDENTIAL_MEMBER,
        .signs_body = true,
        .prefixes = prefixes,
        .routes = routes,
        .route_count = sizeof routes / sizeof routes[0],
        .fail = fail,
        .state = state,
    };
}
