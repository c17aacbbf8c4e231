// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Shared by the files of the customer-token API.
#pragma once

#include "appliance/tokens/access_token.h"
#include "web/apis/customer_tokens/customer_tokens.h"
#include "web/json_read.h"

enum { CUSTOMER_ID_MAX = 255, CUSTOMER_PAGE_MAX = 100 };

// One thing that is wrong with a request.
struct customer_fault {
    const char *path;    // JSON pointer, or the parameter's name
    const char *message; // completes it: "must not be empty"
};

// {"error":{"code","message","errors":[...]}}; fault may be NULL.
void customer_refuse(struct exchange *exchange, unsigned status, const char *code, const char *message,
                     const struct customer_fault *fault);
// The common 400.
void customer_refuse_body(struct exchange *exchange, const char *path, const char *message);
void customer_fail(struct exchange *exchange, enum failure failure);
// After an error of tokens/ or the store.
void customer_fail_from(struct exchange *exchange, enum err code);

// The account in the path, if it is one, the token is good for it and has one of these scopes. NULL: refused.
const struct account *customer_enter(struct exchange *exchange, unsigned scopes);

// A customer id, or a token id: 1..255 characters without outer spaces, and such that it can stand in a path.
// What is wrong with it; NULL: nothing.
const char *customer_check_id(struct slice text);
// type and value of the object at path; false: refused.
struct customer_pair {
    struct slice type, value;
};
bool customer_take_pair(struct exchange *exchange, const struct json *object, const char *path,
                        struct customer_pair *out_pair);
// The clear values of the subjects of an answer, if the caller may see them; wiped by customer_values_done.
struct customer_values {
    struct buf text;
    bool shown;
    struct customer_place places[CUSTOMER_PAGE_MAX];
};
// Whether the caller may see any.
bool customer_sees_values(const struct exchange *exchange);
// At most CUSTOMER_PAGE_MAX subjects. Errors of the cipher.
enum err customer_values_open(struct exchange *exchange, const struct store_subject *const *subjects,
                              size_t count, struct customer_values *out_values);
void customer_values_done(struct customer_values *values);
#define CUSTOMER_VALUES [[gnu::cleanup(customer_values_done)]] struct customer_values
// "value":"...", after a comma, of a subject; nothing when the caller may not see it.
void customer_write_value(struct buf *out, const struct customer_values *values, size_t index);
// "name":"<RFC 3339>", after a comma.
void customer_write_time(struct buf *out, const char *name, int64_t unix_ms);
// "name":"text", after a comma.
void customer_write_text(struct buf *out, const char *name, const char *text);

// A query parameter that is true or false; false: refused.
bool customer_take_flag(struct exchange *exchange, const char *name, bool *out_flag);
// The page of a list.
struct customer_page {
    unsigned limit;
    bool has_after;
    uint8_t after[STORE_ID_BYTES];
};
bool customer_take_page(struct exchange *exchange, struct customer_page *out_page);
// A query parameter, decoded; false: absent.
bool customer_query(const struct exchange *exchange, const char *name, struct slice *out_value);

void customer_get_access_token(void *context, struct exchange *exchange); // access.c
void customer_get_key_set(void *context, struct exchange *exchange);
void customer_create_token(void *context, struct exchange *exchange); // tokens.c
void customer_list_tokens(void *context, struct exchange *exchange);
void customer_delete_token(void *context, struct exchange *exchange);
void customer_create_event(void *context, struct exchange *exchange); // events.c
void customer_list_events(void *context, struct exchange *exchange);
void customer_delete_events(void *context, struct exchange *exchange);
