// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The generated token ids of an account of the customer-token API, for a role: what POST .../tokens makes
// when the caller names none.
#include "appliance/tokens/account.h"
#include "appliance/tokens/customer.h"
#include "appliance/tokens/template_internal.h"

#include <math.h>
#include <string.h>

enum { PROOF_BITS = 64, SHORTEST = 15 };

static enum err init(struct transformation *transformation, const struct transformation_options *options,
                     const struct tenant *tenant, struct diag *diag)
{
    const struct slice id = {options->account, strlen(options->account)};
    const struct account *account = tenant_account(tenant, id);
    if (account == NULL)
        return diag_set(diag, ERR_NOT_FOUND, "transformation \"%s\": the tenant has no account \"%s\"",
                        options->name, options->account);
    transformation->account = account;
    return OK;
}

static void done([[maybe_unused]] struct transformation *transformation)
{
}

static const char *check(const struct token_item *item)
{
    if (item->tweak.len > 0)
        return template_takes_no_tweak;
    if (item->type.at == NULL || item->type.len == 0)
        return "needs a type in its metadata";
    if (item->type.len > CUSTOMER_TYPE_MAX)
        return "has a type of more than 255 bytes";
    if (item->value.len == 0)
        return "is empty";
    if (item->value.len > CUSTOMER_VALUE_MAX)
        return "has more than 1024 bytes";
    return NULL;
}

static enum err seal_one(const struct transformation *transformation, const struct batch *batch,
                         struct token_item *item)
{
    char token_id[CUSTOMER_TOKEN_ID_BYTES];
    struct store_subject subject = {0};
    const struct customer_value value = {batch->tenant, account_id(transformation->account), item->type,
                                         item->value};
    item->fault = check(item);
    if (item->fault != NULL)
        return OK;
    enum err rc = customer_seal(&value, &subject);
    if (rc == OK)
        rc = customer_make_token_id(batch->tenant, &subject, token_id);
    if (rc == OK) {
        item->generation = subject.generation;
        item->result_at = batch->out->len;
        buf_text(batch->out, token_id);
        item->result_len = batch->out->len - item->result_at;
    }
    store_subject_done(&subject);
    return rc;
}

static enum err seal(const struct transformation *transformation, const struct batch *batch,
                     struct token_item **items, size_t count)
{
    enum err rc = OK;
    for (size_t i = 0; i < count && rc == OK; i++)
        rc = seal_one(transformation, batch, items[i]);
    return rc == OK ? batch->out->error : rc;
}

static enum err open_one(const struct transformation *transformation, const struct batch *batch,
                         struct token_item *item)
{
    struct customer_opening opening;
    const struct slice token_id = {item->value.text, item->value.len};
    if (item->tweak.len > 0) {
        item->fault = template_takes_no_tweak;
        return OK;
    }
    const enum err rc = customer_open_token_id(batch->tenant, account_id(transformation->account), token_id,
                                               batch->out, &opening);
    if (rc == ERR_NOT_GENUINE) {
        item->fault = "is not a token that can be opened";
        return OK;
    }
    if (rc != OK)
        return rc;
    item->generation = opening.generation;
    item->type_at = opening.type_at;
    item->type_len = opening.type_len;
    item->result_at = opening.value_at;
    item->result_len = opening.value_len;
    return OK;
}

static enum err open_tokens(const struct transformation *transformation, const struct batch *batch,
                            struct token_item **items, size_t count)
{
    enum err rc = OK;
    for (size_t i = 0; i < count && rc == OK; i++)
        rc = open_one(transformation, batch, items[i]);
    return rc == OK ? batch->out->error : rc;
}

static bool describe([[maybe_unused]] const struct transformation *transformation, size_t index,
                     struct template_facts *out_facts)
{
    if (index > 0)
        return false;
    *out_facts = (struct template_facts){
        .candidates_log10 = INFINITY,
        .space_bits = INFINITY,
        .odds = exp2(-PROOF_BITS),
        .odds_per_generation = true,
        .note = "authentic: a made-up token does not open",
        .shortest = SHORTEST,
        .longest = CUSTOMER_TOKEN_ID_MAX,
    };
    return true;
}

const struct template template_customer = {
    .name = "customer",
    .type = "tokenization",
    .pattern = "([0-9A-Za-z_-]{15,255})",
    .alphabet = "builtin/alphanumeric",
    .properties = TEMPLATE_HAS_ACCOUNT,
    .init = init,
    .done = done,
    .seal = seal,
    .open = open_tokens,
    .describe = describe,
};
