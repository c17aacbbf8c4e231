// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The hosted page: shown to whoever has the link, who may decide once.
#include "web/apis/token_requests/internal.h"
#include "web/apis/token_requests/rules.h"

#include <stdio.h>
#include <string.h>

// ---- what goes with every page ----------------------------------------------------------------------------

// The redirect that follows a form is a form action too (CSP 3, as Chromium has it), so the place to which it
// leads is named. CSP has no word for an IPv6 address; its scheme stands in.
static void write_policy(struct exchange *exchange, const char *redirect_url)
{
    BUF policy = {0};
    buf_text(&policy, "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
                      "form-action ");
    if (redirect_url == NULL) {
        buf_text(&policy, "'none'");
    } else {
        const struct slice url = {redirect_url, strlen(redirect_url)}, origin = url_origin(url);
        const bool has_word = memchr(origin.at, '[', origin.len) == NULL;
        buf_text(&policy, "'self' ");
        buf_append(&policy, origin.at, has_word ? origin.len : strcspn(origin.at, "/"));
    }
    http_reply_long_header(&exchange->reply, "Content-Security-Policy", buf_slice(&policy));
    if (policy.error != OK)
        exchange->reply.long_headers.error = policy.error;
}

// redirect_url: where the page's form may lead; NULL: it has none.
static void begin(struct exchange *exchange, unsigned status, const char *redirect_url)
{
    struct http_reply *reply = &exchange->reply;
    buf_reset(&reply->body);
    buf_reset(&reply->long_headers);
    reply->status = status;
    reply->content_type = "text/html; charset=utf-8";
    write_policy(exchange, redirect_url);
    http_reply_header(reply, "Referrer-Policy", "no-referrer");
    http_reply_header(reply, "X-Frame-Options", "DENY");
    http_reply_header(reply, "Cross-Origin-Resource-Policy", "same-origin");
}

static void answer_notice(struct exchange *exchange, unsigned status, const struct page_notice *notice)
{
    begin(exchange, status, NULL);
    html_notice(&exchange->reply.body, notice);
}

static void answer_unknown(struct exchange *exchange)
{
    static const struct page_notice unknown = {PAGE_MARK_UNKNOWN, "We do not know this link",
                                               "It may have been copied without its end, or it was never "
                                               "made here. Please go back to where you came "
                                               "from and begin again.",
                                               NULL, NULL};
    answer_notice(exchange, 404, &unknown);
}

void page_fail(struct exchange *exchange, enum failure failure)
{
    static const struct page_notice later = {
        PAGE_MARK_CLOCK, "This did not work just now",
        "Nothing is lost. Please wait a moment, then load this page again.", NULL, NULL};
    static const struct page_notice broken = {
        PAGE_MARK_UNKNOWN, "We could not read that",
        "Your browser sent something that this page does not understand. Please open the link again.", NULL,
        NULL};
    const unsigned status = failure_status(failure);
    if (failure == FAIL_NOT_FOUND)
        answer_unknown(exchange);
    else
        answer_notice(exchange, status, status >= 500 || status == 429 ? &later : &broken);
}

static void fail_from(struct exchange *exchange, enum err code)
{
    if (code == ERR_INPUT || code == ERR_NOT_GENUINE || code == ERR_NOT_FOUND) {
        exchange->note.outcome = code;
        answer_unknown(exchange);
    } else {
        page_fail(exchange, requests_failure(exchange, code));
    }
}

// ---- the ends ---------------------------------------------------------------------------------------------

static void answer_expired(struct exchange *exchange)
{
    static const struct page_notice expired = {
        PAGE_MARK_CLOCK, "This request has expired",
        "Nobody decided in time, so nothing was approved. Whoever sent you here can ask again.", NULL, NULL};
    answer_notice(exchange, 410, &expired);
}

// full: with the result, for whoever has just decided the same.
static enum err answer_decided(struct exchange *exchange, unsigned status, const struct request *request,
                               struct buf *link, bool full)
{
    char text[512];
    const bool approved = request->status == REQUEST_PROCESSED;
    const struct slice url = {request->record.redirect_url, strlen(request->record.redirect_url)};
    const struct slice host = url_host(url);
    buf_byte(link, '\0');
    if (link->error != OK)
        return link->error;
    const struct page_notice decided = {
        .mark = approved ? PAGE_MARK_DONE : PAGE_MARK_REJECTED,
        .title = approved ? "Already approved" : "Already rejected",
        .text = approved ? "This request was approved before. It cannot be decided a second time."
                         : "This request was rejected before. It cannot be decided a second time.",
        .link = link->at,
        .link_text = text,
    };
    snprintf(text, sizeof text, full ? "Continue to %.*s" : "Back to %.*s", (int)host.len, host.at);
    answer_notice(exchange, status, &decided);
    return OK;
}

// Whoever finds an old link must not learn the result.
static enum err answer_decided_barely(struct exchange *exchange, unsigned status,
                                      const struct request *request)
{
    BUF link = {0};
    redirect_write_bare_url(request, &link);
    return answer_decided(exchange, status, request, &link, false);
}

// ---- showing ----------------------------------------------------------------------------------------------

// The client may have been removed since: then there is nobody who asks.
static const struct client *asker_of(const struct exchange *exchange, const struct request *request)
{
    return clients_find_id(exchange->request.registry->clients, request->record.client_id);
}

static enum err show_question(const struct requests *state, struct exchange *exchange,
                              const struct request *request)
{
    enum err rc = OK;
    char token[REQUEST_FORM_BYTES];
    const struct client *asker = asker_of(exchange, request);
    REQUIRE(asker != NULL, ERR_NOT_FOUND);
    TRY(request_make_form_token(state, request, exchange->request.now_s, token));
    const struct page_question question = {request, client_display_name(asker), token};
    begin(exchange, 200, request->record.redirect_url);
    TRY(html_question(&exchange->reply.body, &question));
out:
    return rc;
}

static enum err show(const struct requests *state, struct exchange *exchange, const struct request *request)
{
    switch (request->status) {
    case REQUEST_PENDING:
        return show_question(state, exchange, request);
    case REQUEST_PROCESSED:
    case REQUEST_REJECTED:
        return answer_decided_barely(exchange, 200, request);
    case REQUEST_EXPIRED:
        answer_expired(exchange);
        return OK;
    }
    return ERR_INTERNAL;
}

static enum err find(const struct requests *state, struct exchange *exchange, struct request *out_request)
{
    const struct http_request *http = &exchange->request;
    const enum err rc = request_find(state, http->params[0], http->now_s, out_request);
    if (rc == OK)
        requests_note(exchange, out_request);
    return rc;
}

void page_show(void *context, struct exchange *exchange)
{
    struct request request = {0};
    exchange->note.items = 1;
    enum err rc = find(context, exchange, &request);
    if (rc == OK)
        rc = show(context, exchange, &request);
    if (rc != OK)
        fail_from(exchange, rc);
    request_done(&request);
}

// ---- deciding ---------------------------------------------------------------------------------------------

struct form {
    struct slice decision, token;
};

// Exactly the two fields, each once. Their values need no escapes, and browsers make none.
static bool read_form(struct slice body, struct form *out_form)
{
    struct form form = {0};
    while (body.len > 0) {
        const char *stop = memchr(body.at, '&', body.len);
        const size_t len = stop != NULL ? (size_t)(stop - body.at) : body.len;
        const char *equals = memchr(body.at, '=', len);
        if (equals == NULL)
            return false;
        const struct slice name = {body.at, (size_t)(equals - body.at)};
        const struct slice value = {equals + 1, len - name.len - 1};
        struct slice *field = slice_is(name, "decision") ? &form.decision
                              : slice_is(name, "csrf")   ? &form.token
                                                         : NULL;
        if (field == NULL || field->at != NULL)
            return false;
        *field = value;
        const size_t used = len + (stop != NULL);
        body = (struct slice){body.at + used, body.len - used};
    }
    *out_form = form;
    return form.token.len > 0 && (slice_is(form.decision, "approve") || slice_is(form.decision, "reject"));
}

static void refuse_form(struct exchange *exchange, const struct request *request)
{
    static const char path[] = "/app/request-token/";
    char link[sizeof path + LONG_ID_TEXT_BYTES];
    const struct page_notice stale = {
        PAGE_MARK_CLOCK, "Please look at the request again",
        "The page was open for too long, or it was not ours. Nothing has been decided.", link,
        "Show the request"};
    snprintf(link, sizeof link, "%s%s", path, request->id);
    exchange->note.outcome = ERR_FORBIDDEN;
    answer_notice(exchange, 403, &stale);
}

static enum err send_back(struct exchange *exchange, const struct buf *url)
{
    if (url->error != OK)
        return url->error;
    begin(exchange, 303, NULL);
    exchange->reply.content_type = NULL;
    http_reply_long_header(&exchange->reply, "Location", buf_slice(url));
    return OK;
}

// A late decision that is the one that stands gets the way back as a link: the reply to the first may have
// been lost.
static enum err decide(const struct requests *state, struct exchange *exchange, bool approve,
                       struct request *request)
{
    enum err rc = OK;
    BUF url = {0};
    enum store_decision_outcome outcome;
    struct request_result result;
    const struct request_decision decision = {
        .approve = approve, .source = exchange->request.source, .now_s = exchange->request.now_s};
    TRY(request_decide(state, &decision, request, &outcome, &result));
    redirect_write_url(request, request->status == REQUEST_PROCESSED ? &result : NULL, &url);
    const bool same = request->status == (approve ? REQUEST_PROCESSED : REQUEST_REJECTED);
    if (outcome == STORE_DECISION_EXPIRED)
        answer_expired(exchange);
    else if (outcome == STORE_DECISION_TAKEN)
        rc = send_back(exchange, &url);
    else if (same)
        rc = answer_decided(exchange, 409, request, &url, true);
    else
        rc = answer_decided_barely(exchange, 409, request);
out:
    return rc;
}

static enum err decide_by_form(const struct requests *state, struct exchange *exchange,
                               const struct form *form, struct request *request)
{
    const bool approve = slice_is(form->decision, "approve");
    exchange->note.event = approve ? AUDIT_TOKEN_REQUEST_APPROVE : AUDIT_TOKEN_REQUEST_REJECT;
    if (asker_of(exchange, request) == NULL)
        return ERR_NOT_FOUND;
    const enum err rc = request_check_form_token(state, request, exchange->request.now_s, form->token);
    if (rc == ERR_FORBIDDEN)
        refuse_form(exchange, request);
    else if (rc == OK)
        return decide(state, exchange, approve, request);
    return rc == ERR_FORBIDDEN ? OK : rc;
}

void page_decide(void *context, struct exchange *exchange)
{
    struct form form;
    struct request request = {0};
    exchange->note.items = 1;
    if (!read_form(exchange->request.body, &form)) {
        exchange->note.outcome = ERR_INPUT;
        page_fail(exchange, FAIL_BODY_BROKEN);
        return;
    }
    enum err rc = find(context, exchange, &request);
    if (rc == OK)
        rc = decide_by_form(context, exchange, &form, &request);
    if (rc != OK)
        fail_from(exchange, rc);
    request_done(&request);
}
