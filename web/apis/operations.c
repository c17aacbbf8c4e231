// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/apis/operations.h"

#include "appliance/metrics/metrics.h"

static void fail(struct exchange *exchange, enum failure failure)
{
    http_problem(&exchange->reply, failure_status(failure), failure_detail(failure));
}

static void answer_text(struct exchange *exchange, unsigned status, const char *text)
{
    exchange->reply.status = status;
    exchange->reply.content_type = "text/plain; charset=utf-8";
    buf_text(&exchange->reply.body, text);
}

static void live(void *state, struct exchange *exchange)
{
    (void)state;
    answer_text(exchange, 200, "live\n");
}

static void ready(void *context, struct exchange *exchange)
{
    const struct operations *state = context;
    if (state->is_ready(state->ready_context)) {
        answer_text(exchange, 200, "ready\n");
        return;
    }
    exchange->note.outcome = ERR_HSM_DOWN;
    http_reply_header(&exchange->reply, "Retry-After", "1");
    answer_text(exchange, 503, "not ready: the HSM does not answer\n");
}

static void metrics(void *context, struct exchange *exchange)
{
    const struct operations *state = context;
    metrics_set(METRIC_HSM_UP, state->is_ready(state->ready_context));
    exchange->reply.status = 200;
    exchange->reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_render(&exchange->reply.body);
}

struct api health_api(struct operations *state)
{
    static const struct route routes[] = {
        {HTTP_GET, "/livez", PERMISSION_PUBLIC, AUDIT_NONE, 0, MEDIA_NONE, live},
        {HTTP_GET, "/readyz", PERMISSION_PUBLIC, AUDIT_NONE, 0, MEDIA_NONE, ready},
    };
    return (struct api){
        .name = "health",
        .routes = routes,
        .route_count = sizeof routes / sizeof routes[0],
        .fail = fail,
        .state = state,
    };
}

struct api operations_api(struct operations *state)
{
    static const struct route routes[] = {
        {HTTP_GET, "/metrics", PERMISSION_PUBLIC, AUDIT_NONE, 0, MEDIA_NONE, metrics},
    };
    static const char *const prefixes[] = {"/operations/", NULL};
    return (struct api){
        .name = "operations",
        .client_api = CLIENT_API_OPERATIONS,
        .prefixes = prefixes,
        .routes = routes,
        .route_count = sizeof routes / sizeof routes[0],
        .fail = fail,
        .state = state,
    };
}
