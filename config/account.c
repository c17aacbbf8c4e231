// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "config/account.h"

#include "config/characters.h"

#include <string.h>

enum {
    CUSTOMER_ID_MAX = 255,
    STATUS_MAX = 64,
    EXPIRY_MAX_S = 10 * 366 * 86400, // ten years: beyond them a value is a slip of the pen
};

// P for production, T for tests, then eight digits.
static bool is_account_id(const char *text)
{
    return (text[0] == 'P' || text[0] == 'T') && strlen(text) == 9 && strspn(text + 1, "0123456789") == 8;
}

static void read_expiry(const struct block *block, struct config_event_expiry *expiry)
{
    *expiry = (struct config_event_expiry){
        .status = block_title(block),
        .seconds = (int64_t)block_number(block, "seconds", 1, EXPIRY_MAX_S),
        .line = block->line,
    };
    if (expiry->status != NULL)
        characters_check_name(block, "", expiry->status, STATUS_MAX);
}

static void read_expiries(const struct block *block, struct config_account *account)
{
    account->expiries = block_rows(block, "event_expiry", sizeof *account->expiries, &account->expiry_count);
    for (unsigned i = 0; i < account->expiry_count; i++) {
        struct block expiry = block_repeated(block, "event_expiry", i);
        read_expiry(&expiry, &account->expiries[i]);
    }
}

void account_read(const struct block *block, struct config_account *out_account)
{
    *out_account = (struct config_account){
        .id = block_title(block),
        .auto_customer = block_switch(block, "auto_customer"),
        .line = block->line,
    };
    if (out_account->id != NULL && !is_account_id(out_account->id))
        block_complain(block, "", "the title must be P or T and eight digits");
    out_account->customers = block_names(block, "customers", &out_account->customer_count);
    for (size_t i = 0; i < out_account->customer_count; i++)
        characters_check_name(block, "customers", out_account->customers[i], CUSTOMER_ID_MAX);
    if (out_account->auto_customer && out_account->customer_count > 0)
        block_complain(block, "customers", "customers are only for auto_customer = false");
    read_expiries(block, out_account);
}
