// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/serve.h"

#include "appliance/base/log.h"
#include "appliance/base/random.h"
#include "appliance/metrics/metrics.h"
#include "web/auth.h"
#include "web/call.h"
#include "web/media.h"
#include "web/memory.h"
#include "web/reply.h"
#include "web/text.h"

#include <errno.h>
#include <string.h>

enum { KEPT_BYTES = 64 * 1024 };

void worker_done(struct worker *worker)
{
    buf_done(&worker->body);
    buf_done(&worker->decoded);
    buf_done(&worker->out);
    buf_done(&worker->exchange.reply.body);
    buf_done(&worker->exchange.reply.long_headers);
    buf_done(&worker->exchange.request.scratch);
}

bool call_fail(struct call *call, enum failure failure)
{
    struct exchange *exchange = &call->worker->exchange;
    buf_reset(&exchange->reply.body);
    if (exchange->note.outcome == OK || failure == FAIL_AUDIT)
        exchange->note.outcome = failure_outcome(failure);
    if (call->match.api != NULL && call->match.api->fail != NULL)
        call->match.api->fail(exchange, failure);
    else
        http_problem(&exchange->reply, failure_status(failure), failure_detail(failure));
    return false;
}

bool call_fail_later(struct call *call, enum failure failure)
{
    http_reply_header(&call->worker->exchange.reply, "Retry-After", "1");
    return call_fail(call, failure);
}

// The reason is the last thing that went wrong in this thread: usually the one that matters.
static void note_audit(struct service *service, bool written, int reason)
{
    if (atomic_load_explicit(&service->audit_fails, memory_order_relaxed) == !written ||
        atomic_exchange(&service->audit_fails, !written) == !written)
        return;
    if (written)
        log_info("audit_written_again");
    else
        log_error("audit_failed", LOG_TEXT("reason", reason != 0 ? strerrordesc_np(reason) : "unknown"));
}

// What is only computed is nothing until the reply leaves, and that waits for its line.
static bool changes_state(const struct call *call)
{
    const enum audit_event event = call->match.route->event;
    const bool reads = call->shape.method == HTTP_GET || call->shape.method == HTTP_HEAD;
    const bool computes = event == AUDIT_CARD_TOKENIZE || event == AUDIT_GIFTCARD_TOKENIZE ||
                          event == AUDIT_TRANSFORM_ENCODE || event == AUDIT_TRANSFORM_DECODE ||
                          event == AUDIT_TRANSFORM_VALIDATE || event == AUDIT_TRANSFORM_REWRAP ||
                          event == AUDIT_TRANSFORM_METADATA;
    return event != AUDIT_NONE && !reads && !computes;
}

// Nothing is done of which no line could tell.
static bool check_audit(struct call *call)
{
    struct audit *audit = call->service->options->audit;
    if (audit == NULL || !changes_state(call))
        return true;
    errno = 0;
    if (audit_ready(audit) == OK)
        return true;
    note_audit(call->service, false, errno);
    return call_fail_later(call, FAIL_AUDIT);
}

static bool write_audit(struct call *call, enum audit_event event, enum err outcome)
{
    const struct exchange *exchange = &call->worker->exchange;
    const struct caller *caller = &exchange->request.caller;
    const bool called = caller->client_id != 0;
    struct audit *audit = call->service->options->audit;
    if (event == AUDIT_NONE || audit == NULL)
        return true;
    struct audit_record record = {
        .event = event,
        .request_id = exchange->request.id,
        .source = exchange->request.source,
        .client = called ? caller->name : exchange->note.client,
        .client_id = called ? caller->client_id : exchange->note.client_id,
        .tenant_id = called ? caller->tenant_id : exchange->note.tenant_id,
        .role = exchange->note.role,
        .items = exchange->note.items,
        .failed_items = exchange->note.failed_items,
        .generation = exchange->note.generation,
        .key_tenant_id = exchange->note.key_tenant_id,
        .request_number = exchange->note.request_number,
        .status = exchange->reply.status,
        .outcome = outcome,
    };
    errno = 0;
    const bool written = audit_write(audit, &record) == OK;
    note_audit(call->service, written, errno);
    if (written)
        return true;
    reply_reset(&call->worker->exchange.reply);
    return call_fail_later(call, FAIL_AUDIT);
}

static bool find_route(struct call *call)
{
    struct worker *worker = call->worker;
    enum found found =
        router_find(call->service->router, call->shape.method, worker->head.path, &call->match);
    if (atomic_load(&call->service->stopping)) {
        call->close = true;
        return call_fail_later(call, FAIL_STOPPING);
    }
    if (found == ROUTE_NONE)
        return call_fail(call, FAIL_NOT_FOUND);
    if (found == ROUTE_METHOD) {
        router_allow(&worker->exchange.reply, call->match.allowed);
        return call_fail(call, FAIL_METHOD);
    }
    return true;
}

// Captures are decoded exactly once, into memory that is sized before, because the slices point into it.
// Behind them is room for the query, decoded when a handler asks.
static bool decode_captures(struct call *call)
{
    struct http_request *request = &call->worker->exchange.request;
    size_t room_bytes = request->path.len + request->query.len;
    char *room = buf_reserve(&request->scratch, room_bytes);
    if (room == NULL)
        return call_fail_later(call, FAIL_BUSY);
    request->scratch.len += room_bytes; // to be wiped
    request->query_decoded = room + request->path.len;
    for (size_t i = 0; i < call->match.capture_count; i++) {
        struct slice text = {room, 0};
        if (!text_percent_decode(call->match.captures[i], room, &text.len) || !text_is_printable_utf8(text) ||
            slice_is(text, ".") || slice_is(text, ".."))
            return call_fail(call, FAIL_NOT_FOUND);
        request->params[i] = text;
        room += text.len;
    }
    return true;
}

static bool refuse_credential(struct call *call, int64_t now_ns)
{
    metrics_add(METRIC_AUTHENTICATION_FAILURES, 1);
    struct peer_key peer = peer_key(call->worker->source);
    if (penalty_serve(call->service->penalty, &peer, now_ns))
        call_fail(call, FAIL_CREDENTIAL);
    else
        call_fail_later(call, FAIL_THROTTLED);
    write_audit(call, AUDIT_AUTHENTICATION_FAILED, ERR_CREDENTIAL);
    return false;
}

static bool authenticate(struct call *call)
{
    struct worker *worker = call->worker;
    struct http_request *request = &worker->exchange.request;
    const struct api *api = call->match.api;
    const struct route *route = call->match.route;
    if (route->permission == PERMISSION_PUBLIC)
        return true;
    struct presented presented =
        auth_parse(router_credential(api, route), &worker->head, request->body, &worker->decoded);
    if (request->registry->public_host.len > 0) // whoever sends a request chooses its Host
        presented.host = request->registry->public_host;
    enum err rc = clients_authenticate(request->registry->clients, api->client_api, &presented,
                                       request->now_s, &request->caller);
    if (rc == ERR_CREDENTIAL)
        return refuse_credential(call, deadline_now_ns());
    return rc == OK || call_fail(call, failure_from(&worker->exchange, rc));
}

static bool permit(struct call *call)
{
    const struct route *route = call->match.route;
    if (route->permission == PERMISSION_PUBLIC || route->permission == PERMISSION_CALLER ||
        caller_may(&call->worker->exchange.request.caller, route->permission))
        return true;
    call_fail(call, FAIL_PERMISSION);
    write_audit(call, route->event, ERR_FORBIDDEN);
    return false;
}

// A client that asks too often is told so before its request costs more than knowing who asks.
static bool throttle(struct call *call)
{
    struct exchange *exchange = &call->worker->exchange;
    const struct client *client = exchange->request.caller.client;
    if (client == NULL || client_rate(client) == 0 ||
        rate_take(call->service->rate, client_id(client), client_rate(client), deadline_now_ns()))
        return true;
    metrics_add(METRIC_REQUESTS_THROTTLED, 1);
    exchange->note.outcome = ERR_BUSY;
    return call_fail_later(call, FAIL_THROTTLED);
}

static bool check_media(struct call *call)
{
    const struct head *head = &call->worker->head;
    const enum media media = call->match.route->media;
    if (media_is_coded(head, &call->shape)) {
        http_reply_header(&call->worker->exchange.reply, "Accept-Encoding", "identity");
        return call_fail(call, FAIL_MEDIA);
    }
    const bool reads = call->shape.method == HTTP_GET || call->shape.method == HTTP_HEAD;
    if (!reads && !media_sent_fits(media, head, &call->shape))
        return call_fail(call, FAIL_MEDIA);
    return media_is_accepted(media, head) || call_fail(call, FAIL_ACCEPT);
}

// A login is judged by its handler; who keeps failing there is slowed like everybody else.
static void slow_failed_login(struct call *call)
{
    struct exchange *exchange = &call->worker->exchange;
    struct peer_key peer = peer_key(call->worker->source);
    metrics_add(METRIC_AUTHENTICATION_FAILURES, 1);
    if (penalty_serve(call->service->penalty, &peer, deadline_now_ns()))
        return;
    reply_reset(&exchange->reply);
    call_fail_later(call, FAIL_THROTTLED);
}

// What a request did to tokens, from the same note as its audit line.
static void count_tokens(enum audit_event event, const struct http_note *note)
{
    const int64_t done = (int64_t)(note->items - note->failed_items);
    const bool makes = event == AUDIT_CARD_TOKENIZE || event == AUDIT_GIFTCARD_TOKENIZE ||
                       event == AUDIT_TRANSFORM_ENCODE || event == AUDIT_TRANSFORM_REWRAP ||
                       event == AUDIT_CUSTOMER_TOKEN_CREATE;
    // Of customers' values: whoever may not see them leaves them sealed, and no generation is noted.
    const bool shows = event == AUDIT_CUSTOMER_TOKEN_LIST || event == AUDIT_CUSTOMER_TOKEN_DELETE ||
                       event == AUDIT_TOKEN_EVENT_LIST;
    const bool opens = event == AUDIT_TRANSFORM_DECODE || event == AUDIT_TRANSFORM_METADATA ||
                       event == AUDIT_TRANSFORM_REWRAP || (shows && note->generation != 0);
    if (makes)
        metrics_add(METRIC_TOKENS_MADE, done);
    if (opens)
        metrics_add(METRIC_TOKENS_OPENED, done);
    metrics_add(METRIC_TOKENS_REFUSED, (int64_t)note->failed_items);
}

static void handle(struct call *call)
{
    struct exchange *exchange = &call->worker->exchange;
    call->match.route->handle(call->match.api->state, exchange);
    if (exchange->note.outcome == ERR_CREDENTIAL)
        slow_failed_login(call);
    count_tokens(call->match.route->event, &exchange->note);
    const struct http_reply *reply = &exchange->reply;
    bool one_body = reply->stream.produce == NULL || reply->body.len == 0;
    bool sound = reply->status >= 200 && reply->status <= 599 && one_body;
    bool fits = reply->body.error == OK && reply->long_headers.error == OK && http_charge(exchange, 0);
    if (!sound || !fits) {
        reply_reset(&exchange->reply);
        exchange->note.outcome = sound ? ERR_MEMORY : ERR_INTERNAL;
        if (sound)
            call_fail_later(call, FAIL_BUSY);
        else
            call_fail(call, FAIL_INTERNAL);
    }
    if (exchange->note.outcome == OK)
        exchange->note.outcome = failure_outcome_of_status(exchange->reply.status);
    const enum audit_event event = exchange->note.event;
    write_audit(call, event != AUDIT_NONE ? event : call->match.route->event, exchange->note.outcome);
}

static void answer(struct call *call)
{
    if (!find_route(call) || !body_check(call) || !decode_captures(call))
        return;
    bool early = call->match.api->signs_body;
    if (early && !body_read(call))
        return;
    if (!authenticate(call) || !permit(call) || !throttle(call) || !check_media(call))
        return;
    if (!early && !body_read(call))
        return;
    if (check_audit(call))
        handle(call);
}

static void begin(struct call *call)
{
    struct service *service = call->service;
    struct worker *worker = call->worker;
    struct http_request *request = &worker->exchange.request;
    random_uuid(request->id);
    request->now_s = clock_now_s(&service->options->clock);
    request->path = worker->head.path;
    request->query = worker->head.query;
    request->headers = &worker->head;
    request->source = worker->source;
    request->registry = registries_take(service->options->registries);
}

static void count_reply(unsigned status, int64_t duration_ns)
{
    enum metric metric = METRIC_HTTP_REQUESTS_1XX_3XX;
    if (status >= 500)
        metric = METRIC_HTTP_REQUESTS_5XX;
    else if (status >= 400)
        metric = METRIC_HTTP_REQUESTS_4XX;
    else if (status >= 200 && status < 300)
        metric = METRIC_HTTP_REQUESTS_2XX;
    metrics_add(metric, 1);
    metrics_observe_request((uint64_t)duration_ns);
}

// The route's pattern, never the path as sent: that may hold a token or a forged log line.
static void log_failure(const struct call *call)
{
    const struct exchange *exchange = &call->worker->exchange;
    unsigned status = exchange->reply.status;
    if (status < 400)
        return;
    const struct route *route = call->match.route;
    const char *client = exchange->request.caller.name;
    log_write(status >= 500 ? LOG_WARNING : LOG_INFO, "request_failed",
              LOG_FIELDS(LOG_TEXT("request_id", exchange->request.id),
                         LOG_TEXT("route", route != NULL ? route->pattern : "-"),
                         LOG_NUMBER("status", status), LOG_TEXT("source", exchange->request.source),
                         LOG_TEXT("client", client != NULL ? client : "-"),
                         LOG_TEXT("outcome", err_name(exchange->note.outcome))));
}

// The status of a streamed reply was sent before its body could fail.
static void log_cut_off(const struct call *call)
{
    const struct exchange *exchange = &call->worker->exchange;
    const struct route *route = call->match.route;
    if (call->cut_off == OK)
        return;
    log_write(call->cut_off == ERR_CLOSED ? LOG_INFO : LOG_WARNING, "reply_cut_off",
              LOG_FIELDS(LOG_TEXT("request_id", exchange->request.id), LOG_TEXT("route", route->pattern),
                         LOG_TEXT("source", exchange->request.source),
                         LOG_TEXT("outcome", err_name(call->cut_off))));
}

// Memory that one large request needed is not kept by every worker that ever served one.
static void recycle(struct buf *buf)
{
    if (buf->capacity > KEPT_BYTES)
        buf_done(buf);
    else
        buf_reset(buf);
}

static void end(struct call *call)
{
    struct worker *worker = call->worker;
    struct exchange *exchange = &worker->exchange;
    reply_reset(&exchange->reply); // a stream may hold on to the client
    registries_give(call->service->options->registries, exchange->request.registry);
    recycle(&worker->body);
    recycle(&worker->decoded);
    recycle(&worker->out);
    recycle(&exchange->reply.body);
    recycle(&exchange->reply.long_headers);
    recycle(&exchange->request.scratch);
    struct buf scratch = exchange->request.scratch;
    body_release(call);
    memory_release(&exchange->charged_bytes);
    exchange->request = (struct http_request){.scratch = scratch};
    exchange->note = (struct http_note){0};
}

static void finish(struct call *call, int64_t started_ns)
{
    unsigned status = call->worker->exchange.reply.status;
    body_decide_close(call);
    if (atomic_load(&call->service->stopping))
        call->close = true; // nobody will read another request here
    if (!send_reply(call))
        call->close = true;
    else
        body_discard(call);
    count_reply(status, deadline_now_ns() - started_ns);
    log_failure(call);
    log_cut_off(call);
}

bool serve_request(struct service *service, struct worker *worker, const struct wire *wire)
{
    int64_t started_ns = deadline_now_ns();
    struct call call = {.service = service, .worker = worker, .wire = wire};
    atomic_fetch_add(&service->in_flight, 1);
    metrics_add(METRIC_REQUESTS_IN_FLIGHT, 1);
    begin(&call);
    struct verdict verdict = guard_check(&worker->head, &call.shape);
    if (verdict.status != 0) {
        call.close = true;
        worker->exchange.note.outcome = failure_outcome_of_status(verdict.status);
        http_problem(&worker->exchange.reply, verdict.status, verdict.why);
    } else {
        worker->exchange.request.method = call.shape.method;
        call.close = !call.shape.keep_alive || worker->closing;
        answer(&call);
    }
    finish(&call, started_ns);
    end(&call);
    metrics_add(METRIC_REQUESTS_IN_FLIGHT, -1);
    atomic_fetch_sub(&service->in_flight, 1);
    return !call.close;
}

// The server tells a head that is too large from a malformed one no more than this.
static const char *unparsed_detail(unsigned status)
{
    switch (status) {
    case 400:
        return "the request head is malformed, or larger than 16 KiB";
    case 408:
        return "the request head did not arrive in time";
    case 505:
        return "only versions 1.0 and 1.1 of HTTP are spoken";
    default:
        return "the request could not be read";
    }
}

void serve_unparsed(struct service *service, struct worker *worker, const struct wire *wire, unsigned status)
{
    struct call call = {.service = service, .worker = worker, .wire = wire, .close = true};
    int64_t started_ns = deadline_now_ns();
    worker->head = (struct head){0};
    begin(&call);
    worker->exchange.note.outcome = failure_outcome_of_status(status);
    http_problem(&worker->exchange.reply, status, unparsed_detail(status));
    finish(&call, started_ns);
    end(&call);
}
