// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/apis/operations.h"

#include "appliance/base/json_write.h"
#include "appliance/metrics/metrics.h"

static void fail(struct exchange *exchange, enum failure failure)
{
    if (failure == FAIL_CREDENTIAL)
        http_reply_header(&exchange->reply, "WWW-Authenticate", "Bearer realm=\"operations\"");
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

// ---- keys --------------------------------------------------------------------------------------------

static void list_keys(void *context, struct exchange *exchange)
{
    const struct operations *state = context;
    struct buf *body = &exchange->reply.body;
    enum err rc = state->keys.describe(state->keys.context, body);
    if (rc == OK)
        rc = body->error;
    if (rc != OK) {
        buf_reset(body);
        fail(exchange, failure_from(exchange, rc));
        return;
    }
    exchange->reply.status = 200;
    exchange->reply.content_type = "application/json";
}

// 1..65535 in decimal, without leading zeros.
static bool read_number(struct slice text, unsigned *out_number)
{
    enum { NUMBER_MAX = 65535 };
    unsigned number = 0;
    if (text.len == 0 || text.len > 5 || text.at[0] == '0')
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        number = number * 10 + (unsigned)(text.at[i] - '0');
    }
    *out_number = number;
    return number <= NUMBER_MAX;
}

static bool read_order(const struct exchange *exchange, struct key_order *order)
{
    return read_number(exchange->request.params[0], &order->tenant_id) &&
           read_number(exchange->request.params[1], &order->generation);
}

static void render_result(struct exchange *exchange, const struct key_order *order,
                          const struct key_result *result)
{
    struct buf *body = &exchange->reply.body;
    exchange->reply.status = 200;
    exchange->reply.content_type = "application/json";
    buf_printf(body, "{\"tenant\":%u,\"generation\":%u,", order->tenant_id, order->generation);
    json_write_member(body, "state", result->state);
    buf_printf(body, ",\"changed\":%s", result->changed ? "true" : "false");
    if (order->action == KEY_RELEASE)
        buf_printf(body, ",\"spaces_closed\":%llu,\"values_left\":%llu",
                   (unsigned long long)result->spaces_closed, (unsigned long long)result->values_left);
    if (order->action == KEY_REWRAP)
        buf_printf(body, ",\"values_moved\":%llu,\"values_left\":%llu",
                   (unsigned long long)result->values_moved, (unsigned long long)result->values_left);
    buf_byte(body, '}');
}

static void refuse_order(struct exchange *exchange, enum err code, const char *why)
{
    exchange->note.outcome = code;
    if (code == ERR_NOT_FOUND)
        http_problem(&exchange->reply, 404, why);
    else if (code == ERR_CONFLICT || code == ERR_HSM_KEY)
        http_problem(&exchange->reply, 409, why);
    else
        fail(exchange, failure_from(exchange, code));
}

static void change_key(void *context, struct exchange *exchange, enum key_action action)
{
    const struct operations *state = context;
    struct key_order order = {.action = action};
    struct key_result result = {0};
    struct diag diag = {0};
    if (!read_order(exchange, &order)) {
        refuse_order(exchange, ERR_NOT_FOUND, "tenant and generation are numbers, 1 to 65535");
        return;
    }
    exchange->note.key_tenant_id = order.tenant_id;
    exchange->note.generation = order.generation;
    const enum err rc = state->keys.change(state->keys.context, &order, &result, &diag);
    if (rc == OK)
        render_result(exchange, &order, &result);
    else
        refuse_order(exchange, rc, diag.text[0] != '\0' ? diag.text : err_name(rc));
}

static void load_key(void *state, struct exchange *exchange)
{
    change_key(state, exchange, KEY_LOAD);
}

static void activate_key(void *state, struct exchange *exchange)
{
    change_key(state, exchange, KEY_ACTIVATE);
}

static void retire_key(void *state, struct exchange *exchange)
{
    change_key(state, exchange, KEY_RETIRE);
}

static void release_key(void *state, struct exchange *exchange)
{
    change_key(state, exchange, KEY_RELEASE);
}

static void rewrap_key(void *state, struct exchange *exchange)
{
    change_key(state, exchange, KEY_REWRAP);
}

// ---- the tables --------------------------------------------------------------------------------------

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
        {HTTP_GET, "/operations/keys", PERMISSION_ADMIN, AUDIT_KEYS_READ, 0, MEDIA_NONE, list_keys},
        {HTTP_POST, "/operations/keys/{tenant}/{generation}/load", PERMISSION_ADMIN, AUDIT_KEY_LOAD, 0,
         MEDIA_NONE, load_key},
        {HTTP_POST, "/operations/keys/{tenant}/{generation}/activate", PERMISSION_ADMIN, AUDIT_KEY_ACTIVATE,
         0, MEDIA_NONE, activate_key},
        {HTTP_POST, "/operations/keys/{tenant}/{generation}/retire", PERMISSION_ADMIN, AUDIT_KEY_RETIRE, 0,
         MEDIA_NONE, retire_key},
        {HTTP_POST, "/operations/keys/{tenant}/{generation}/release", PERMISSION_ADMIN, AUDIT_KEY_RELEASE, 0,
         MEDIA_NONE, release_key},
        {HTTP_POST, "/operations/keys/{tenant}/{generation}/rewrap", PERMISSION_ADMIN, AUDIT_KEY_REWRAP, 0,
         MEDIA_NONE, rewrap_key},
    };
    static const char *const prefixes[] = {"/operations/", NULL};
    return (struct api){
        .name = "operations",
        .client_api = CLIENT_API_OPERATIONS,
        .credential = CREDENTIAL_TOKEN,
        .prefixes = prefixes,
        .routes = routes,
        .route_count = sizeof routes / sizeof routes[0],
        .fail = fail,
        .state = state,
    };
}
