// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Decisions of operators. Errors are problems of RFC 9457, as everywhere on their listener.
#include "web/apis/token_requests/internal.h"

#include "appliance/base/json_write.h"
#include "appliance/base/utf8.h"
#include "web/json_read.h"

#include <stdio.h>
#include <string.h>

enum { BODY_LIMIT = 4096 };

static void fail(struct exchange *exchange, enum failure failure)
{
    if (failure == FAIL_CREDENTIAL)
        http_reply_header(&exchange->reply, "WWW-Authenticate", "Bearer realm=\"operations\"");
    http_problem(&exchange->reply, failure_status(failure), failure_detail(failure));
}

static void refuse(struct exchange *exchange, enum err outcome, unsigned status, const char *detail)
{
    exchange->note.outcome = outcome;
    exchange->note.failed_items = 1;
    http_problem(&exchange->reply, status, detail);
}

static void refuse_unfound(struct exchange *exchange, enum err code)
{
    if (code == ERR_INPUT)
        refuse(exchange, code, 400, "the id of a token request begins with rq:");
    else if (code == ERR_NOT_GENUINE || code == ERR_NOT_FOUND)
        refuse(exchange, code, 404, "there is no such token request");
    else
        fail(exchange, requests_failure(exchange, code));
}

// ---- what is sent -----------------------------------------------------------------------------------------

static bool is_reason(struct slice text)
{
    size_t characters = 0;
    uint32_t point;
    for (size_t i = 0, used; i < text.len; i += used, characters++) {
        used = utf8_next(text.at + i, text.len - i, &point);
        if (used == 0 || utf8_is_control(point))
            return false;
    }
    return characters >= 1 && characters <= REQUEST_REASON_MAX;
}

static const char *read_decision(const struct json *root, struct request_decision *decision)
{
    const struct json *asked = json_member(root, "decision"), *reason = json_member(root, "reason");
    struct slice text;
    if (json_type(root) != JSON_OBJECT)
        return "the body must be an object";
    decision->approve = json_string_is(asked, "approve");
    if (!decision->approve && !json_string_is(asked, "reject"))
        return "decision must be \"approve\" or \"reject\"";
    if (reason == NULL)
        return NULL;
    if (!json_string(reason, &text) || !is_reason(text))
        return "reason must be a string of 1..256 characters without control characters";
    decision->reason = text.at; // NUL-terminated
    return NULL;
}

// ---- deciding ---------------------------------------------------------------------------------------------

static void answer(struct exchange *exchange, const struct request *request, struct slice way_back)
{
    struct buf *body = &exchange->reply.body;
    exchange->reply.status = 200;
    exchange->reply.content_type = "application/json";
    buf_byte(body, '{');
    json_write_member(body, "id", request->id);
    buf_byte(body, ',');
    json_write_member(body, "status", request_status_name(request->status));
    buf_text(body, ",\"redirectUrl\":");
    json_write_string(body, way_back);
    buf_byte(body, '}');
}

// The reply to the decision that was taken may have been lost.
static void refuse_late(struct exchange *exchange, const struct request *request, struct slice way_back)
{
    char detail[96];
    snprintf(detail, sizeof detail, "the token request is %s already", request_status_name(request->status));
    refuse(exchange, ERR_CONFLICT, 409, detail);
    if (request->status != REQUEST_EXPIRED)
        http_problem_add(&exchange->reply, "redirectUrl", way_back);
}

static enum err decide(const struct requests *state, struct exchange *exchange,
                       const struct request_decision *decision, struct request *request)
{
    enum err rc = OK;
    BUF url = {0};
    enum store_decision_outcome outcome;
    struct request_result result;
    TRY(request_decide(state, decision, request, &outcome, &result));
    redirect_write_url(request, request->status == REQUEST_PROCESSED ? &result : NULL, &url);
    TRY(url.error);
    if (outcome == STORE_DECISION_TAKEN)
        answer(exchange, request, buf_slice(&url));
    else
        refuse_late(exchange, request, buf_slice(&url));
out:
    return rc;
}

static enum err find_and_decide(const struct requests *state, struct exchange *exchange,
                                const struct request_decision *decision)
{
    enum err rc = OK;
    struct request request = {0};
    const struct http_request *http = &exchange->request;
    TRY(request_find(state, http->params[0], http->now_s, &request));
    requests_note(exchange, &request);
    REQUIRE(request.record.tenant_id == http->caller.tenant_id, ERR_NOT_FOUND);
    rc = decide(state, exchange, decision, &request);
out:
    request_done(&request);
    return rc;
}

static void post_decision(void *context, struct exchange *exchange)
{
    JSON_DOCUMENT *document = NULL;
    struct json_fault fault;
    struct request_decision decision = {.by = exchange->request.caller.name,
                                        .by_client_id = exchange->request.caller.client_id,
                                        .source = exchange->request.source,
                                        .now_s = exchange->request.now_s};
    exchange->note.items = 1;
    enum err rc = json_read(exchange->request.body, &document, &fault);
    if (rc == ERR_INPUT) {
        refuse(exchange, rc, 400, fault.what);
        return;
    }
    const char *wrong = rc == OK ? read_decision(json_root(document), &decision) : NULL;
    if (wrong != NULL) {
        refuse(exchange, ERR_INPUT, 400, wrong);
        return;
    }
    if (!decision.approve)
        exchange->note.event = AUDIT_TOKEN_REQUEST_REJECT;
    if (rc == OK)
        rc = find_and_decide(context, exchange, &decision);
    if (rc != OK)
        refuse_unfound(exchange, rc);
}

struct api token_request_decisions_api(struct requests *state)
{
    static const struct route routes[] = {
        {HTTP_POST, "/operations/token-requests/{id}", PERMISSION_APPROVE, AUDIT_TOKEN_REQUEST_APPROVE,
         BODY_LIMIT, MEDIA_JSON, post_decision},
    };
    return (struct api){
        .name = "token_request_decisions",
        .client_api = CLIENT_API_OPERATIONS,
        .credential = CREDENTIAL_TOKEN,
        .routes = routes,
        .route_count = sizeof routes / sizeof routes[0],
        .fail = fail,
        .state = state,
    };
}
