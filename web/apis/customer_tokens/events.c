// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Events of a (type, value): recorded, listed, deleted. They may exist before any token or customer does.
#include "web/apis/customer_tokens/internal.h"

#include "appliance/base/codec.h"
#include "appliance/base/json_write.h"
#include "web/json_raw.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 255, METADATA_MAX = 16 * 1024 };

// ---- answering -------------------------------------------------------------------------------------------

static void write_event(struct buf *body, const struct store_token_event *event)
{
    buf_byte(body, '{');
    json_write_member(body, "event", event->event);
    if (event->deleted_ms != 0)
        customer_write_text(body, "status", "DELETED");
    else if (event->status != NULL)
        customer_write_text(body, "status", event->status);
    if (event->metadata != NULL) {
        buf_text(body, ",\"metadata\":");
        buf_text(body, event->metadata);
    }
    customer_write_time(body, "created_at", event->created_ms);
    customer_write_text(body, "created_by", event->created_by);
    if (event->expires_ms != 0)
        customer_write_time(body, "expires_at", event->expires_ms);
    if (event->deleted_ms != 0)
        customer_write_time(body, "deleted_at", event->deleted_ms);
    buf_byte(body, '}');
}

static void write_detail(const struct customers *customers, struct buf *body,
                         const struct store_token_detail *detail, const struct customer_values *values,
                         size_t index)
{
    char id[UUID_TEXT_BYTES];
    uuid_encode(detail->subject.id, id);
    buf_byte(body, '{');
    json_write_member(body, "id", id);
    if (detail->customer_id != NULL) {
        buf_text(body, ",\"customer\":{");
        json_write_member(body, "customer_id", detail->customer_id);
        buf_byte(body, '}');
    }
    buf_text(body, ",\"token\":{");
    json_write_member(body, "type", detail->subject.type);
    customer_write_value(body, values, index);
    if (detail->token_id != NULL)
        customer_write_text(body, "token_id", detail->token_id);
    buf_byte(body, '}');
    customer_write_text(body, "status", customers_status(customers, detail));
    buf_text(body, ",\"events\":[");
    for (size_t i = 0; i < detail->event_count; i++) {
        if (i > 0)
            buf_byte(body, ',');
        write_event(body, &detail->events[i]);
    }
    buf_text(body, "]}");
}

static void begin(struct exchange *exchange)
{
    exchange->reply.status = 200;
    exchange->reply.content_type = "application/json";
}

static enum err answer_list(const struct customers *customers, struct exchange *exchange,
                            const struct store_token_detail *details, size_t count)
{
    CUSTOMER_VALUES values = {0};
    struct buf *body = &exchange->reply.body;
    const struct store_subject *subjects[CUSTOMER_PAGE_MAX] = {0};
    for (size_t i = 0; i < count; i++)
        subjects[i] = &details[i].subject;
    const enum err rc = customer_values_open(exchange, subjects, count, &values);
    if (rc != OK)
        return rc;
    begin(exchange);
    exchange->note.items = count;
    buf_byte(body, '[');
    for (size_t i = 0; i < count; i++) {
        if (!http_charge(exchange, 2 * STORE_EVENTS_BYTES_MAX)) // those that were deleted, too
            return ERR_BUSY;
        if (i > 0)
            buf_byte(body, ',');
        write_detail(customers, body, &details[i], &values, i);
    }
    buf_byte(body, ']');
    return body->error;
}

// ---- what is asked ---------------------------------------------------------------------------------------

// An event as a request names it; slices point into it.
struct wish {
    struct customer_pair pair;
    bool has_event;
    struct slice name, status, metadata; // status, metadata: NULL none
    int64_t expires_ms;                  // 0: not given
};

static bool take_pair(struct exchange *exchange, const struct json *root, struct wish *wish)
{
    const struct json *token = json_member(root, "token");
    if (json_type(root) != JSON_OBJECT)
        customer_refuse_body(exchange, "/", "must be an object");
    else if (token == NULL)
        customer_refuse_body(exchange, "/token", "is required");
    else if (json_type(token) != JSON_OBJECT)
        customer_refuse_body(exchange, "/token", "must be an object");
    else
        return customer_take_pair(exchange, token, "/token", &wish->pair);
    return false;
}

static bool take_name(struct exchange *exchange, const struct json *member, const char *path,
                      struct slice *out_text)
{
    if (!json_string(member, out_text))
        customer_refuse_body(exchange, path, "must be a string");
    else if (out_text->len == 0)
        customer_refuse_body(exchange, path, "must not be empty");
    else if (out_text->len > NAME_MAX_BYTES)
        customer_refuse_body(exchange, path, "must have at most 255 bytes");
    else
        return true;
    return false;
}

static bool take_metadata(struct exchange *exchange, const struct json *member, struct wish *wish)
{
    struct slice event;
    if (member == NULL)
        return true;
    if (json_type(member) != JSON_OBJECT || !json_raw_member(exchange->request.body, "event", &event) ||
        !json_raw_member(event, "metadata", &wish->metadata))
        customer_refuse_body(exchange, "/event/metadata", "must be an object");
    else if (wish->metadata.len > METADATA_MAX)
        customer_refuse_body(exchange, "/event/metadata", "must have at most 16384 bytes");
    else
        return true;
    return false;
}

static bool take_end(struct exchange *exchange, const struct json *member, struct wish *wish)
{
    struct slice text;
    if (member == NULL)
        return true;
    if (json_string(member, &text) && clock_read_rfc3339(text.at, text.len, &wish->expires_ms) &&
        wish->expires_ms > 0)
        return true;
    customer_refuse_body(exchange, "/event/expires_at", "must be a date-time of RFC 3339");
    return false;
}

static bool take_event(struct exchange *exchange, const struct json *event, struct wish *wish)
{
    const struct json *status = json_member(event, "status");
    wish->has_event = event != NULL;
    if (event == NULL)
        return true;
    if (json_type(event) != JSON_OBJECT) {
        customer_refuse_body(exchange, "/event", "must be an object");
        return false;
    }
    return take_name(exchange, json_member(event, "event"), "/event/event", &wish->name) &&
           (status == NULL || take_name(exchange, status, "/event/status", &wish->status)) &&
           take_metadata(exchange, json_member(event, "metadata"), wish) &&
           take_end(exchange, json_member(event, "expires_at"), wish);
}

// Of a deletion: the name alone, or an object with it.
static bool take_event_name(struct exchange *exchange, const struct json *event, struct wish *wish)
{
    wish->has_event = event != NULL;
    if (event == NULL)
        return true;
    if (json_type(event) == JSON_OBJECT)
        return take_name(exchange, json_member(event, "event"), "/event/event", &wish->name);
    return take_name(exchange, event, "/event", &wish->name);
}

// ---- recording -------------------------------------------------------------------------------------------

static struct customer_value value_of(const struct exchange *exchange, const struct account *account,
                                      const struct wish *wish)
{
    return (struct customer_value){http_tenant(&exchange->request),
                                   account_id(account),
                                   wish->pair.type,
                                   {wish->pair.value.at, wish->pair.value.len}};
}

static enum err create(const struct customer_tokens *state, struct exchange *exchange,
                       const struct account *account, const struct wish *wish)
{
    struct store_token_detail detail = {0};
    const struct event_order order = {
        .value = value_of(exchange, account, wish),
        .account = account,
        .name = wish->name,
        .status = wish->status,
        .metadata = wish->metadata,
        .expires_ms = wish->expires_ms,
        .created_by = exchange->request.caller.name,
    };
    const enum err rc = customers_record(&state->customers, &order, &detail);
    if (rc != OK)
        return rc;
    // The value is what the caller has just sent; it need not be opened.
    CUSTOMER_VALUES values = {.shown = customer_sees_values(exchange)};
    values.places[0].len = wish->pair.value.len;
    buf_append(&values.text, wish->pair.value.at, wish->pair.value.len);
    begin(exchange);
    exchange->note.generation = detail.subject.generation;
    if (values.text.error == OK)
        write_detail(&state->customers, &exchange->reply.body, &detail, &values, 0);
    store_token_detail_done(&detail);
    return values.text.error;
}

static bool read_body(struct exchange *exchange, struct json_document **document)
{
    struct json_fault fault;
    const enum err rc = json_read(exchange->request.body, document, &fault);
    if (rc == ERR_INPUT)
        customer_refuse_body(exchange, "/", fault.what);
    else if (rc != OK)
        customer_fail_from(exchange, rc);
    return rc == OK;
}

void customer_create_event(void *context, struct exchange *exchange)
{
    JSON_DOCUMENT *document = NULL;
    struct wish wish = {0};
    const struct account *account = customer_enter(exchange, SCOPE_WRITE_CUSTOMERS | SCOPE_ADMIN_CUSTOMERS);
    if (account == NULL || !read_body(exchange, &document))
        return;
    const struct json *root = json_root(document);
    if (!take_pair(exchange, root, &wish) || !take_event(exchange, json_member(root, "event"), &wish))
        return;
    const enum err rc = create(context, exchange, account, &wish);
    if (rc == ERR_TOO_LARGE)
        customer_refuse_body(exchange, "/event",
                             "is one too many: 100 events and 65536 bytes of metadata are kept");
    else if (rc != OK)
        customer_fail_from(exchange, rc);
}

// ---- deleting --------------------------------------------------------------------------------------------

static enum err delete_events(const struct customer_tokens *state, struct exchange *exchange,
                              const struct account *account, const struct wish *wish)
{
    const struct customer_value value = value_of(exchange, account, wish);
    char *name = wish->has_event ? strndup(wish->name.at, wish->name.len) : NULL;
    const enum err rc = wish->has_event && name == NULL
                            ? ERR_MEMORY
                            : customers_forget(&state->customers, &value, name, &exchange->note.items);
    free(name);
    return rc;
}

void customer_delete_events(void *context, struct exchange *exchange)
{
    JSON_DOCUMENT *document = NULL;
    struct wish wish = {0};
    const struct account *account = customer_enter(exchange, SCOPE_WRITE_CUSTOMERS | SCOPE_ADMIN_CUSTOMERS);
    if (account == NULL || !read_body(exchange, &document))
        return;
    const struct json *root = json_root(document);
    if (!take_pair(exchange, root, &wish) || !take_event_name(exchange, json_member(root, "event"), &wish))
        return;
    const enum err rc = delete_events(context, exchange, account, &wish);
    if (rc == OK)
        exchange->reply.status = 204;
    else if (rc == ERR_NOT_FOUND)
        customer_refuse(exchange, 404, "token_not_found", "Nothing is known of this token", NULL);
    else
        customer_fail_from(exchange, rc);
}

// ---- listing ---------------------------------------------------------------------------------------------

static bool take_since(struct exchange *exchange, const char *name, int64_t *out_ms)
{
    struct slice text;
    *out_ms = 0;
    if (!customer_query(exchange, name, &text) ||
        (text.at != NULL && clock_read_rfc3339(text.at, text.len, out_ms)))
        return true;
    customer_refuse_body(exchange, name, "must be a date-time of RFC 3339");
    return false;
}

static enum err list(const struct customer_tokens *state, struct exchange *exchange,
                     const struct store_event_query *query)
{
    size_t count = 0;
    struct store_token_detail *details = NULL;
    enum err rc = customers_list_events(&state->customers, query, &details, &count);
    if (rc != OK)
        return rc;
    rc = answer_list(&state->customers, exchange, details, count);
    for (size_t i = 0; i < count; i++)
        store_token_detail_done(&details[i]);
    free(details);
    return rc;
}

void customer_list_events(void *context, struct exchange *exchange)
{
    struct customer_page page;
    const struct account *account = customer_enter(exchange, SCOPE_READ_CUSTOMERS | SCOPE_ADMIN_CUSTOMERS);
    if (account == NULL)
        return;
    struct store_event_query query = {.tenant_id = exchange->request.caller.tenant_id,
                                      .account = account_id(account)};
    if (!customer_take_page(exchange, &page) || !take_since(exchange, "since_datetime", &query.since_ms) ||
        !take_since(exchange, "deleted_since", &query.deleted_since_ms))
        return;
    query.limit = page.limit;
    query.after = page.has_after ? page.after : NULL;
    const enum err rc = list(context, exchange, &query);
    if (rc == ERR_NOT_FOUND)
        customer_refuse_body(exchange, "starting_after", "is the id of nothing in this account");
    else if (rc != OK)
        customer_fail_from(exchange, rc);
}
