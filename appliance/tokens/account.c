// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/account.h"

#include <stdlib.h>
#include <string.h>

enum { MS_A_SECOND = 1000 };

struct expiry {
    char *status;
    int64_t seconds;
};

struct account {
    char id[ACCOUNT_BYTES];
    bool auto_customer;
    char **customers;
    size_t customer_count;
    struct expiry *expiries;
    size_t expiry_count;
};

static enum err copy_customers(const struct account_options *options, struct account *account)
{
    account->customers = calloc(options->customer_count + 1, sizeof *account->customers);
    if (account->customers == NULL)
        return ERR_MEMORY;
    for (; account->customer_count < options->customer_count; account->customer_count++) {
        char *copy = strdup(options->customers[account->customer_count]);
        if (copy == NULL)
            return ERR_MEMORY;
        account->customers[account->customer_count] = copy;
    }
    return OK;
}

static enum err copy_expiries(const struct account_options *options, struct account *account)
{
    account->expiries = calloc(options->expiry_count + 1, sizeof *account->expiries);
    if (account->expiries == NULL)
        return ERR_MEMORY;
    for (; account->expiry_count < options->expiry_count; account->expiry_count++) {
        const struct account_expiry *from = &options->expiries[account->expiry_count];
        struct expiry *to = &account->expiries[account->expiry_count];
        *to = (struct expiry){strdup(from->status), from->seconds};
        if (to->status == NULL)
            return ERR_MEMORY;
    }
    return OK;
}

enum err account_new(const struct account_options *options, struct account **out_account)
{
    enum err rc = OK;
    struct account *account = calloc(1, sizeof *account);
    if (account == NULL)
        return ERR_MEMORY;
    REQUIRE(strlen(options->id) == ACCOUNT_BYTES - 1, ERR_INPUT);
    memcpy(account->id, options->id, ACCOUNT_BYTES);
    account->auto_customer = options->auto_customer;
    TRY(copy_customers(options, account));
    TRY(copy_expiries(options, account));
    *out_account = account;
    account = NULL;
out:
    account_free(account);
    return rc;
}

void account_free(struct account *account)
{
    if (account == NULL)
        return;
    for (size_t i = 0; i < account->customer_count; i++)
        free(account->customers[i]);
    for (size_t i = 0; i < account->expiry_count; i++)
        free(account->expiries[i].status);
    free(account->customers);
    free(account->expiries);
    free(account);
}

const char *account_id(const struct account *account)
{
    return account->id;
}

bool account_has_customer(const struct account *account, struct slice customer_id)
{
    for (size_t i = 0; i < account->customer_count; i++) {
        if (slice_is(customer_id, account->customers[i]))
            return true;
    }
    return account->auto_customer;
}

int64_t account_event_ends_ms(const struct account *account, struct slice status, int64_t now_ms)
{
    for (size_t i = 0; i < account->expiry_count; i++) {
        if (slice_is(status, account->expiries[i].status))
            return now_ms + account->expiries[i].seconds * MS_A_SECOND;
    }
    return 0;
}
