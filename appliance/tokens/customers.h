// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The customer-token service: tokens of customers and events of values, over the store. Threads: any.
#pragma once

#include "appliance/base/clock.h"
#include "appliance/tokens/account.h"
#include "appliance/tokens/customer.h"

struct customers {
    struct store *store;
    struct rng rng; // draws ids
    struct clock clock;
};
int64_t customers_now_ms(const struct customers *customers);

// What a token is to be; slices that are absent have NULL `at`.
struct customer_order {
    struct customer_value value;
    struct slice customer_id;
    struct slice token_id; // absent: generated
    struct slice metadata; // JSON
    const char *created_by;
    bool delete_events; // of the value, before
};
// out_token is given back by store_customer_token_done, whatever the outcome. Errors of cipher, mac and
// store.
enum err customers_create(const struct customers *customers, const struct customer_order *order,
                          enum store_customer_outcome *out_outcome, struct store_customer_token *out_token);
// Opens a generated token id that is too long to carry its value, through its record in the tenant's store;
// type and value are appended to out. ERR_NOT_GENUINE: there is none, or its key has been released.
enum err customers_open_record(const struct tenant *tenant, const char *account, struct slice token_id,
                               struct buf *out, struct customer_opening *out_opening);
// As store_customer_token_list; out_total is what there are without the page, unless it is NULL.
enum err customers_list(const struct customers *customers, const struct store_customer_query *query,
                        struct store_customer_token **out_tokens, size_t *out_count, uint64_t *out_total);
// As store_customer_token_delete, now. The value is appended to out_value unless that is NULL; it is opened
// first, so that nothing is deleted when the HSM is away.
enum err customers_delete(const struct customers *customers, const struct tenant *tenant,
                          struct store_customer_deletion *deletion, struct buf *out_value,
                          struct store_customer_token *out_token);

// What is recorded of a value; name NULL: nothing but that it is known.
struct event_order {
    struct customer_value value;
    const struct account *account; // says how long a status holds
    struct slice name, status, metadata;
    int64_t expires_ms; // 0: as the account says
    const char *created_by;
};
enum err customers_record(const struct customers *customers, const struct event_order *order,
                          struct store_token_detail *out_detail);
// Marks events of this name deleted, or all when it is NULL. ERR_NOT_FOUND: the value is not known.
enum err customers_forget(const struct customers *customers, const struct customer_value *value,
                          const char *name, uint64_t *out_count);
enum err customers_list_events(const struct customers *customers, const struct store_event_query *query,
                               struct store_token_detail **out_details, size_t *out_count);
// Of the latest event with a status that has not ended; "UNKNOWN" when there is none.
const char *customers_status(const struct customers *customers, const struct store_token_detail *detail);
