// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The generated token ids of an account of the customer-token API, for a role: what POST .../tokens makes
// when the caller names none.
#include "appliance/tokens/account.h"
#include "appliance/tokens/customers.h"
#include "appliance/tokens/template_internal.h"

#include <math.h>
#include <stdlib.h>
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

static const char *check(const struct token_item *item, const struct customer_value *value)
{
    if (item->tweak.len > 0)
        return template_takes_no_tweak;
    if (item->type.at == NULL || item->type.len == 0)
        return "needs a type in its metadata";
    if (item->type.len > CUSTOMER_TYPE_MAX)
        return "has a type of more than 255 bytes";
    if (item->value.len == 0)
        return "is empty";
    // A longer one has a token id, too, but not one that a role could open again.
    if (item->value.len > CUSTOMER_VALUE_MAX || !customer_fits_token_id(value))
        return "has more than 182 bytes together with its type";
    return NULL;
}

// A slice of a batch on its way.
struct part {
    struct token_item *items[FF1_SLICE];
    size_t count;
    struct customer_value values[FF1_SLICE];
    struct slice token_ids[FF1_SLICE];
    struct customer_opening openings[FF1_SLICE];
    char made[FF1_SLICE][CUSTOMER_TOKEN_ID_BYTES];
};

typedef enum err part_step(const struct transformation *transformation, const struct batch *batch,
                           struct part *part);

static enum err in_parts(part_step *step, const struct transformation *transformation,
                         const struct batch *batch, struct token_item **items, size_t count)
{
    enum err rc = OK;
    struct part *part = malloc(sizeof *part);
    if (part == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count && rc == OK; i += part->count) {
        part->count = count - i < FF1_SLICE ? count - i : FF1_SLICE;
        memcpy(part->items, items + i, part->count * sizeof *items);
        rc = step(transformation, batch, part);
    }
    free(part);
    return rc == OK ? batch->out->error : rc;
}

static enum err seal_part(const struct transformation *transformation, const struct batch *batch,
                          struct part *part)
{
    size_t good = 0;
    unsigned generation = 0;
    for (size_t i = 0; i < part->count; i++) {
        struct token_item *item = part->items[i];
        part->values[good] = (struct customer_value){batch->tenant, account_id(transformation->account),
                                                     item->type, item->value};
        item->fault = check(item, &part->values[good]);
        if (item->fault == NULL)
            part->items[good++] = item;
    }
    const enum err rc = customer_make_token_ids(part->values, good, part->made, &generation);
    for (size_t i = 0; i < good && rc == OK; i++) {
        struct token_item *item = part->items[i];
        item->generation = generation;
        item->result_at = batch->out->len;
        item->result_len = strlen(part->made[i]);
        buf_append(batch->out, part->made[i], item->result_len);
    }
    return rc;
}

static enum err seal(const struct transformation *transformation, const struct batch *batch,
                     struct token_item **items, size_t count)
{
    return in_parts(seal_part, transformation, batch, items, count);
}

static void take_opening(struct token_item *item, const struct customer_opening *opening)
{
    if (opening->generation == 0) {
        item->fault = "is not a token that can be opened";
        return;
    }
    item->generation = opening->generation;
    item->type_at = opening->type.at;
    item->type_len = opening->type.len;
    item->result_at = opening->value.at;
    item->result_len = opening->value.len;
}

// Those that did not open by themselves may be the names of records.
static enum err take_openings(const struct transformation *transformation, const struct batch *batch,
                              struct part *part, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct customer_opening *opening = &part->openings[i];
        if (opening->generation == 0) {
            const enum err rc = customers_open_record(batch->tenant, account_id(transformation->account),
                                                      part->token_ids[i], batch->out, opening);
            if (rc != OK && rc != ERR_NOT_GENUINE)
                return rc;
        }
        take_opening(part->items[i], opening);
    }
    return OK;
}

static enum err open_part(const struct transformation *transformation, const struct batch *batch,
                          struct part *part)
{
    size_t good = 0;
    for (size_t i = 0; i < part->count; i++) {
        struct token_item *item = part->items[i];
        part->token_ids[good] = (struct slice){item->value.text, item->value.len};
        item->fault = item->tweak.len > 0 ? template_takes_no_tweak : NULL;
        if (item->fault == NULL)
            part->items[good++] = item;
    }
    const enum err rc = customer_open_token_ids(batch->tenant, account_id(transformation->account),
                                                part->token_ids, good, batch->out, part->openings);
    return rc == OK ? take_openings(transformation, batch, part, good) : rc;
}

static enum err open_tokens(const struct transformation *transformation, const struct batch *batch,
                            struct token_item **items, size_t count)
{
    return in_parts(open_part, transformation, batch, items, count);
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
