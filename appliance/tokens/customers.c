// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/customers.h"

#include <stdlib.h>
#include <string.h>

enum { DRAWS = 8 }; // an id that exists already is one in 2^122

int64_t customers_now_ms(const struct customers *customers)
{
    return customers->clock.now_ns(customers->clock.context) / 1000000;
}

// A random UUID (RFC 9562, 5.4).
static enum err draw(const struct customers *customers, uint8_t out_id[STORE_ID_BYTES])
{
    const enum err rc = rng_fill(&customers->rng, out_id, STORE_ID_BYTES);
    out_id[6] = (uint8_t)((out_id[6] & 0x0f) | 0x40);
    out_id[8] = (uint8_t)((out_id[8] & 0x3f) | 0x80);
    return rc;
}

// false: no memory.
static bool copy(struct slice text, char **out_copy)
{
    *out_copy = text.at == NULL ? NULL : strndup(text.at, text.len);
    return text.at == NULL || *out_copy != NULL;
}

// ---- tokens ----------------------------------------------------------------------------------------------

static enum err fill(const struct customers *customers, const struct customer_order *order,
                     struct store_customer_token *token)
{
    enum err rc = OK;
    char generated[CUSTOMER_TOKEN_ID_BYTES];
    struct slice token_id = order->token_id;
    if (token_id.at != NULL) {
        TRY(customer_seal(&order->value, &token->subject));
    } else {
        TRY(customer_seal_named(&order->value, &token->subject, generated));
        token_id = (struct slice){generated, strlen(generated)};
    }
    const struct slice created_by = {order->created_by, strlen(order->created_by)};
    REQUIRE(copy(order->customer_id, &token->customer_id) && copy(token_id, &token->token_id) &&
                copy(order->metadata, &token->metadata) && copy(created_by, &token->created_by),
            ERR_MEMORY);
    token->created_ms = token->updated_ms = customers_now_ms(customers);
out:
    return rc;
}

static enum err keep(const struct customers *customers, bool delete_events,
                     struct store_customer_token *token, enum store_customer_outcome *out_outcome)
{
    enum err rc = OK;
    *out_outcome = STORE_CUSTOMER_ID_EXISTS;
    for (int i = 0; i < DRAWS && *out_outcome == STORE_CUSTOMER_ID_EXISTS; i++) {
        TRY(draw(customers, token->id));
        TRY(draw(customers, token->subject.id));
        TRY(store_customer_token_create(customers->store, token, delete_events, out_outcome));
    }
out:
    return rc;
}

// A name of the caller's own that opens as another value would mean two things.
static enum err check_name(const struct customer_order *order, bool *out_means_another)
{
    BUF opened = {0};
    struct customer_opening opening;
    const struct customer_value *value = &order->value;
    *out_means_another = false;
    if (order->token_id.at == NULL)
        return OK;
    const enum err rc =
        customer_open_token_ids(value->tenant, value->account, &order->token_id, 1, &opened, &opening);
    if (rc != OK || opening.generation == 0)
        return rc;
    const struct slice type = {opened.at + opening.type.at, opening.type.len};
    *out_means_another = !slice_equal(type, value->type) || opening.value.len != value->value.len ||
                         !ct_equal(opened.at + opening.value.at, value->value.text, opening.value.len);
    return OK;
}

enum err customers_create(const struct customers *customers, const struct customer_order *order,
                          enum store_customer_outcome *out_outcome, struct store_customer_token *out_token)
{
    bool means_another = false;
    struct store_customer_token token = {0};
    enum err rc = check_name(order, &means_another);
    if (rc == OK && means_another) {
        *out_outcome = STORE_CUSTOMER_TOKEN_ID_EXISTS;
        return OK;
    }
    if (rc == OK)
        rc = fill(customers, order, &token);
    if (rc == OK)
        rc = keep(customers, order->delete_events, &token, out_outcome);
    if (rc == OK)
        *out_token = token;
    else
        store_customer_token_done(&token);
    return rc;
}

static enum err open_record(const struct tenant *tenant, const struct store_customer_token *token,
                            struct buf *out, struct customer_opening *out_opening)
{
    enum err rc = OK;
    char generated[CUSTOMER_TOKEN_ID_BYTES];
    const struct store_subject *subject = &token->subject;
    struct customer_opening opening = {.generation = subject->generation};
    // One that fits opens by itself, or not at all.
    REQUIRE(subject->sealed_bytes > CUSTOMER_TOKEN_ID_SEALED_MAX, ERR_NOT_GENUINE);
    TRY(customer_make_long_token_id(tenant, subject, generated));
    REQUIRE(strcmp(generated, token->token_id) == 0, ERR_NOT_GENUINE); // a name of somebody's own
    opening.type = (struct customer_place){out->len, strlen(subject->type)};
    buf_text(out, subject->type);
    opening.value.at = out->len;
    TRY(customer_open(tenant, subject, out));
    opening.value.len = out->len - opening.value.at;
    *out_opening = opening;
out:
    return rc == ERR_HSM_KEY ? ERR_NOT_GENUINE : rc;
}

enum err customers_open_record(const struct tenant *tenant, const char *account, struct slice token_id,
                               struct buf *out, struct customer_opening *out_opening)
{
    char *name = NULL;
    struct store_customer_token token = {0};
    if (tenant_store(tenant) == NULL || token_id.len == 0 || token_id.len > CUSTOMER_TOKEN_ID_MAX)
        return ERR_NOT_GENUINE;
    if (!copy(token_id, &name))
        return ERR_MEMORY;
    enum err rc = store_customer_token_find(tenant_store(tenant), tenant_id(tenant), account, name, &token);
    if (rc == OK)
        rc = open_record(tenant, &token, out, out_opening);
    store_customer_token_done(&token);
    free(name);
    return rc == ERR_NOT_FOUND ? ERR_NOT_GENUINE : rc;
}

enum err customers_list(const struct customers *customers, const struct store_customer_query *query,
                        struct store_customer_token **out_tokens, size_t *out_count, uint64_t *out_total)
{
    const enum err rc =
        out_total != NULL ? store_customer_token_count(customers->store, query, out_total) : OK;
    return rc == OK ? store_customer_token_list(customers->store, query, out_tokens, out_count) : rc;
}

// The row of the value that was opened.
static enum err open_named(const struct customers *customers, const struct tenant *tenant,
                           const struct store_customer_deletion *deletion, struct buf *out_value,
                           int64_t *out_row)
{
    struct store_customer_token token = {0};
    enum err rc = store_customer_token_find(customers->store, deletion->tenant_id, deletion->account,
                                            deletion->token_id, &token);
    if (rc == OK && strcmp(token.customer_id, deletion->customer_id) != 0)
        rc = ERR_NOT_FOUND;
    if (rc == OK)
        rc = customer_open(tenant, &token.subject, out_value);
    if (rc == OK)
        *out_row = token.subject.row;
    store_customer_token_done(&token);
    return rc;
}

enum err customers_delete(const struct customers *customers, const struct tenant *tenant,
                          struct store_customer_deletion *deletion, struct buf *out_value,
                          struct store_customer_token *out_token)
{
    enum err rc = OK;
    int64_t row = 0;
    struct store_customer_token token = {0};
    deletion->now_ms = customers_now_ms(customers);
    if (out_value != NULL)
        TRY(open_named(customers, tenant, deletion, out_value, &row));
    TRY(store_customer_token_delete(customers->store, deletion, &token));
    if (out_value != NULL && row != token.subject.row) { // it was deleted and made anew meanwhile
        buf_reset(out_value);
        TRY(customer_open(tenant, &token.subject, out_value));
    }
    *out_token = token;
    token = (struct store_customer_token){0};
out:
    store_customer_token_done(&token);
    return rc;
}

// ---- events ----------------------------------------------------------------------------------------------

static void event_done(struct store_token_event *event)
{
    free(event->event);
    free(event->status);
    free(event->metadata);
    free(event->created_by);
}

static enum err fill_event(const struct event_order *order, int64_t now_ms, struct store_token_event *event)
{
    const struct slice created_by = {order->created_by, strlen(order->created_by)};
    event->created_ms = now_ms;
    event->expires_ms = order->expires_ms != 0 ? order->expires_ms
                                               : account_event_ends_ms(order->account, order->status, now_ms);
    return copy(order->name, &event->event) && copy(order->status, &event->status) &&
                   copy(order->metadata, &event->metadata) && copy(created_by, &event->created_by)
               ? OK
               : ERR_MEMORY;
}

enum err customers_record(const struct customers *customers, const struct event_order *order,
                          struct store_token_detail *out_detail)
{
    enum err rc = OK;
    struct store_subject subject = {0};
    struct store_token_event event = {0};
    const bool has_event = order->name.at != NULL;
    TRY(customer_seal(&order->value, &subject));
    if (has_event)
        TRY(fill_event(order, customers_now_ms(customers), &event));
    rc = ERR_CONFLICT;
    for (int i = 0; i < DRAWS && rc == ERR_CONFLICT; i++) {
        TRY(draw(customers, subject.id));
        rc = store_token_event_add(customers->store, &subject, has_event ? &event : NULL, out_detail);
    }
out:
    store_subject_done(&subject);
    event_done(&event);
    return rc;
}

enum err customers_forget(const struct customers *customers, const struct customer_value *value,
                          const char *name, uint64_t *out_count)
{
    struct store_subject subject;
    const enum err rc = customer_index(value, &subject);
    if (rc != OK)
        return rc;
    return store_token_event_delete(customers->store, &subject, name, customers_now_ms(customers), out_count);
}

enum err customers_list_events(const struct customers *customers, const struct store_event_query *query,
                               struct store_token_detail **out_details, size_t *out_count)
{
    return store_token_event_list(customers->store, query, out_details, out_count);
}

const char *customers_status(const struct customers *customers, const struct store_token_detail *detail)
{
    const int64_t now_ms = customers_now_ms(customers);
    for (size_t i = detail->event_count; i > 0; i--) {
        const struct store_token_event *event = &detail->events[i - 1];
        const bool ended = event->expires_ms != 0 && event->expires_ms <= now_ms;
        if (event->status != NULL && event->deleted_ms == 0 && !ended)
            return event->status;
    }
    return "UNKNOWN";
}
