// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Tokens of a customer: created, listed, deleted.
#include "web/apis/customer_tokens/internal.h"

#include "appliance/base/codec.h"
#include "appliance/base/json_write.h"
#include "web/json_raw.h"

#include <stdlib.h>
#include <string.h>

enum { METADATA_MAX = 16 * 1024 };

static void refuse_json(struct exchange *exchange, enum err code, const struct json_fault *fault)
{
    if (code == ERR_INPUT)
        customer_refuse_body(exchange, "/", fault->what);
    else
        customer_fail_from(exchange, code);
}

// The customer in the path. false: refused.
static bool take_customer(struct exchange *exchange, const struct account *account,
                          struct slice *out_customer)
{
    const struct slice customer = exchange->request.params[1];
    const char *wrong = customer_check_id(customer);
    if (wrong != NULL) {
        customer_refuse_body(exchange, "customer_id", wrong);
        return false;
    }
    if (!account_has_customer(account, customer)) {
        customer_refuse(exchange, 404, "customer_not_found", "No such customer", NULL);
        return false;
    }
    *out_customer = customer;
    return true;
}

// ---- answering -------------------------------------------------------------------------------------------

// All of it but the beginning, where type and value stand.
static void write_rest(struct buf *body, const struct store_customer_token *token)
{
    char id[UUID_TEXT_BYTES];
    uuid_encode(token->id, id);
    customer_write_text(body, "id", id);
    customer_write_time(body, "created_at", token->created_ms);
    customer_write_text(body, "created_by", token->created_by);
    customer_write_time(body, "updated_at", token->updated_ms);
    if (token->deleted_ms != 0) {
        customer_write_text(body, "deleted_by", token->deleted_by);
        customer_write_time(body, "deleted_at", token->deleted_ms);
    }
    customer_write_text(body, "token_id", token->token_id);
    if (token->metadata != NULL) {
        buf_text(body, ",\"metadata\":");
        buf_text(body, token->metadata);
    }
    buf_byte(body, '}');
}

static void write_token(struct buf *body, const struct store_customer_token *token,
                        const struct customer_values *values, size_t index)
{
    buf_byte(body, '{');
    json_write_member(body, "type", token->subject.type);
    customer_write_value(body, values, index);
    write_rest(body, token);
}

static void begin(struct exchange *exchange, unsigned status)
{
    exchange->reply.status = status;
    exchange->reply.content_type = "application/json";
}

// ---- creating --------------------------------------------------------------------------------------------

// What a request asks to create; slices point into it.
struct wish {
    struct slice customer;
    struct customer_pair pair;
    struct slice token_id; // NULL: to be generated
    struct slice metadata; // NULL: none
    bool delete_events;
};

static bool take_token_id(struct exchange *exchange, const struct json *root, struct wish *wish)
{
    const struct json *member = json_member(root, "token_id");
    if (member == NULL)
        return true;
    if (!json_string(member, &wish->token_id)) {
        customer_refuse_body(exchange, "/token_id", "must be a string");
        return false;
    }
    const char *wrong = customer_check_id(wish->token_id);
    if (wrong != NULL)
        customer_refuse_body(exchange, "/token_id", wrong);
    return wrong == NULL;
}

static bool take_metadata(struct exchange *exchange, const struct json *root, struct wish *wish)
{
    const struct json *member = json_member(root, "metadata");
    if (member == NULL)
        return true;
    if (json_type(member) != JSON_OBJECT ||
        !json_raw_member(exchange->request.body, "metadata", &wish->metadata))
        customer_refuse_body(exchange, "/metadata", "must be an object");
    else if (wish->metadata.len > METADATA_MAX)
        customer_refuse_body(exchange, "/metadata", "must have at most 16384 bytes");
    else
        return true;
    return false;
}

static bool take_wish(struct exchange *exchange, const struct json *root, struct wish *wish)
{
    if (json_type(root) != JSON_OBJECT) {
        customer_refuse_body(exchange, "/", "must be an object");
        return false;
    }
    return customer_take_flag(exchange, "delete_token_events", &wish->delete_events) &&
           customer_take_pair(exchange, root, "", &wish->pair) && take_token_id(exchange, root, wish) &&
           take_metadata(exchange, root, wish);
}

static void answer(struct exchange *exchange, const struct store_customer_token *token,
                   const struct wish *wish)
{
    struct buf *body = &exchange->reply.body;
    begin(exchange, 201);
    exchange->note.generation = token->subject.generation;
    buf_byte(body, '{');
    json_write_member(body, "type", token->subject.type);
    buf_text(body, ",\"value\":"); // what the caller has just sent
    json_write_clear(body, (struct clear){wish->pair.value.at, wish->pair.value.len});
    write_rest(body, token);
}

static void refuse_outcome(struct exchange *exchange, enum store_customer_outcome outcome)
{
    const bool value = outcome == STORE_CUSTOMER_VALUE_EXISTS;
    const struct customer_fault fault = {value ? "/value" : "/token_id",
                                         value ? "belongs to a token already"
                                               : "is the id of a token already"};
    exchange->note.outcome = ERR_CONFLICT;
    customer_refuse(exchange, 400, "token_exists", "The token exists", &fault);
}

static void create(const struct customer_tokens *state, struct exchange *exchange,
                   const struct account *account, const struct wish *wish)
{
    enum store_customer_outcome outcome;
    struct store_customer_token token = {0};
    const struct customer_order order = {
        .value = {http_tenant(&exchange->request),
                  account_id(account),
                  wish->pair.type,
                  {wish->pair.value.at, wish->pair.value.len}},
        .customer_id = wish->customer,
        .token_id = wish->token_id,
        .metadata = wish->metadata,
        .created_by = exchange->request.caller.name,
        .delete_events = wish->delete_events,
    };
    const enum err rc = customers_create(&state->customers, &order, &outcome, &token);
    if (rc != OK)
        customer_fail_from(exchange, rc);
    else if (outcome == STORE_CUSTOMER_CREATED)
        answer(exchange, &token, wish);
    else
        refuse_outcome(exchange, outcome);
    store_customer_token_done(&token);
}

void customer_create_token(void *context, struct exchange *exchange)
{
    JSON_DOCUMENT *document = NULL;
    struct json_fault fault;
    struct wish wish = {0};
    const struct account *account = customer_enter(exchange, SCOPE_WRITE_CUSTOMERS | SCOPE_ADMIN_CUSTOMERS);
    if (account == NULL || !take_customer(exchange, account, &wish.customer))
        return;
    const enum err rc = json_read(exchange->request.body, &document, &fault);
    if (rc != OK)
        refuse_json(exchange, rc, &fault);
    else if (take_wish(exchange, json_root(document), &wish))
        create(context, exchange, account, &wish);
}

// ---- listing ---------------------------------------------------------------------------------------------

// Texts of a list request, as the store wants them.
struct list_texts {
    char *customer, *type;
};

static enum err answer_list(struct exchange *exchange, const struct store_customer_token *tokens,
                            size_t count)
{
    CUSTOMER_VALUES values = {0};
    struct buf *body = &exchange->reply.body;
    const struct store_subject *subjects[CUSTOMER_PAGE_MAX] = {0};
    for (size_t i = 0; i < count; i++)
        subjects[i] = &tokens[i].subject;
    const enum err rc = customer_values_open(exchange, subjects, count, &values);
    if (rc != OK)
        return rc;
    begin(exchange, 200);
    exchange->note.items = count;
    buf_byte(body, '[');
    for (size_t i = 0; i < count; i++) {
        if (!http_charge(exchange, METADATA_MAX))
            return ERR_BUSY;
        if (i > 0)
            buf_byte(body, ',');
        write_token(body, &tokens[i], &values, i);
    }
    buf_byte(body, ']');
    return body->error;
}

static enum err list(const struct customers *customers, struct exchange *exchange,
                     const struct store_customer_query *query, bool total)
{
    uint64_t all = 0;
    size_t count = 0;
    struct store_customer_token *tokens = NULL;
    enum err rc = customers_list(customers, query, &tokens, &count, total ? &all : NULL);
    if (rc == OK)
        rc = answer_list(exchange, tokens, count);
    if (rc == OK && total)
        http_reply_header(&exchange->reply, "total-count", "%llu", (unsigned long long)all);
    for (size_t i = 0; i < count; i++)
        store_customer_token_done(&tokens[i]);
    free(tokens);
    return rc;
}

static char *copy(struct slice text)
{
    return text.at == NULL ? NULL : strndup(text.at, text.len);
}

static void list_for(const struct customer_tokens *state, struct exchange *exchange,
                     struct store_customer_query *query, struct slice customer)
{
    struct slice type = {0};
    struct customer_page page;
    bool total = false;
    customer_query(exchange, "type", &type);
    if (!customer_take_page(exchange, &page) || !customer_take_flag(exchange, "total", &total) ||
        !customer_take_flag(exchange, "include_deleted", &query->with_deleted))
        return;
    struct list_texts texts = {copy(customer), copy(type)};
    query->customer_id = texts.customer;
    query->type = texts.type;
    query->limit = page.limit;
    query->after = page.has_after ? page.after : NULL;
    const bool ready = texts.customer != NULL && (type.at == NULL || texts.type != NULL);
    const enum err rc = ready ? list(&state->customers, exchange, query, total) : ERR_MEMORY;
    if (rc == ERR_NOT_FOUND)
        customer_refuse_body(exchange, "starting_after", "is the id of no token of this customer");
    else if (rc != OK)
        customer_fail_from(exchange, rc);
    free(texts.customer);
    free(texts.type);
}

void customer_list_tokens(void *context, struct exchange *exchange)
{
    struct slice customer;
    const struct account *account = customer_enter(exchange, SCOPE_READ_CUSTOMERS | SCOPE_ADMIN_CUSTOMERS);
    if (account == NULL || !take_customer(exchange, account, &customer))
        return;
    struct store_customer_query query = {.tenant_id = exchange->request.caller.tenant_id,
                                         .account = account_id(account)};
    list_for(context, exchange, &query, customer);
}

// ---- deleting --------------------------------------------------------------------------------------------

static enum err delete_token(const struct customer_tokens *state, struct exchange *exchange,
                             const struct account *account, struct slice customer)
{
    CUSTOMER_VALUES values = {.shown = customer_sees_values(exchange)};
    struct buf *value = values.shown ? &values.text : NULL;
    const struct tenant *tenant = http_tenant(&exchange->request);
    struct store_customer_token token;
    char *customer_id = copy(customer), *token_id = copy(exchange->request.params[2]);
    struct store_customer_deletion deletion = {
        .tenant_id = exchange->request.caller.tenant_id,
        .account = account_id(account),
        .customer_id = customer_id,
        .token_id = token_id,
        .deleted_by = exchange->request.caller.name,
    };
    const enum err rc = customer_id != NULL && token_id != NULL
                            ? customers_delete(&state->customers, tenant, &deletion, value, &token)
                            : ERR_MEMORY;
    if (rc == OK) {
        begin(exchange, 200);
        exchange->note.generation = values.shown ? token.subject.generation : 0;
        values.places[0].len = values.text.len;
        write_token(&exchange->reply.body, &token, &values, 0);
        store_customer_token_done(&token);
    }
    free(customer_id);
    free(token_id);
    return rc;
}

void customer_delete_token(void *context, struct exchange *exchange)
{
    struct slice customer;
    const struct account *account = customer_enter(exchange, SCOPE_WRITE_CUSTOMERS | SCOPE_ADMIN_CUSTOMERS);
    if (account == NULL || !take_customer(exchange, account, &customer))
        return;
    const enum err rc = delete_token(context, exchange, account, customer);
    if (rc == ERR_NOT_FOUND)
        customer_refuse(exchange, 404, "token_not_found", "No such token of this customer", NULL);
    else if (rc != OK)
        customer_fail_from(exchange, rc);
}
