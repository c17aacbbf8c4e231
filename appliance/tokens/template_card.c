// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The card tokens of one client of the card API, for a role: the same tokens that POST /v2/tokens makes.
#include "appliance/tokens/card.h"
#include "appliance/tokens/template_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static enum err init(struct transformation *transformation, const struct transformation_options *options,
                     const struct tenant *tenant, struct diag *diag)
{
    (void)options;
    (void)tenant;
    struct format *format = NULL;
    const enum err rc = card_format_new(&format);
    transformation->format = format;
    return rc == OK ? OK
                    : diag_set(diag, rc, "transformation \"%s\": %s", transformation->name, err_name(rc));
}

static void done(struct transformation *transformation)
{
    format_free(transformation->format);
}

static const char *check(const struct transformation *transformation, int64_t now_s,
                         const struct token_item *item, struct card *out_card)
{
    *out_card = (struct card){.pan = item->value};
    if (item->tweak.len > 0)
        return template_takes_no_tweak;
    const char *fault = card_check_pan(item->value, client_wants_luhn(transformation->of));
    if (fault != NULL || item->expiration_date.at == NULL)
        return fault;
    if (card_parse_expiry(item->expiration_date, &out_card->year, &out_card->month) != NULL)
        return "has an expiration_date that is not YYMM";
    if (now_s >= card_keep_until_s(out_card->year, out_card->month))
        return "has an expiration_date in the past";
    return NULL;
}

static enum err seal(const struct transformation *transformation, const struct batch *batch,
                     struct token_item **items, size_t count)
{
    enum err rc = OK;
    size_t good = 0;
    struct card *cards = calloc(count + 1, sizeof *cards);
    struct token_item **sealed = calloc(count + 1, sizeof *sealed);
    REQUIRE(cards != NULL && sealed != NULL, ERR_MEMORY);
    for (size_t i = 0; i < count; i++) {
        items[i]->fault = check(transformation, batch->now_s, items[i], &cards[good]);
        if (items[i]->fault == NULL)
            sealed[good++] = items[i];
    }
    const size_t at = batch->out->len;
    char *tokens = buf_reserve(batch->out, good * CARD_TOKEN_LENGTH);
    REQUIRE(tokens != NULL || good == 0, ERR_MEMORY);
    const struct keyring *keyring = tenant_keyring(batch->tenant);
    TRY(card_seal(transformation->format, keyring, client_id(transformation->of), cards, good, tokens));
    batch->out->len += good * CARD_TOKEN_LENGTH;
    for (size_t i = 0; i < good; i++) {
        sealed[i]->generation = keyring_at(keyring, 0)->number;
        sealed[i]->result_at = at + i * CARD_TOKEN_LENGTH;
        sealed[i]->result_len = CARD_TOKEN_LENGTH;
    }
out:
    free(cards);
    free(sealed);
    return rc;
}

static void take(const struct card_opening *opening, const struct batch *batch, struct token_item *item)
{
    const bool expires = opening->generation != NULL && opening->month != 0;
    const int64_t expires_s = expires ? card_keep_until_s(opening->year, opening->month) : 0;
    if (item->tweak.len > 0) {
        item->fault = template_takes_no_tweak;
        return;
    }
    // Expired, foreign and made-up tokens cannot be told apart.
    if (opening->generation == NULL || (expires && batch->now_s >= expires_s)) {
        item->fault = "is not a token that can be opened";
        return;
    }
    item->generation = opening->generation->number;
    item->expires_s = expires_s;
    if (expires)
        snprintf(item->expiration, sizeof item->expiration, "%02u%02u", opening->year % 100,
                 opening->month % 100);
    item->result_at = batch->out->len;
    buf_text(batch->out, opening->digits);
    item->result_len = batch->out->len - item->result_at;
}

static enum err open_tokens(const struct transformation *transformation, const struct batch *batch,
                            struct token_item **items, size_t count)
{
    enum err rc = OK;
    struct card_opening *openings = calloc(count + 1, sizeof *openings);
    if (openings == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++)
        openings[i].token = (struct slice){items[i]->value.text, items[i]->value.len};
    TRY(card_open(transformation->format, tenant_keyring(batch->tenant), client_id(transformation->of),
                  openings, count));
    for (size_t i = 0; i < count; i++)
        take(&openings[i], batch, items[i]);
    rc = batch->out->error;
out:
    wipe(openings, count * sizeof *openings);
    free(openings);
    return rc;
}

static bool describe(const struct transformation *transformation, size_t index,
                     struct template_facts *out_facts)
{
    if (index > 0)
        return false;
    *out_facts = (struct template_facts){
        .candidates_log10 = PAN_DIGITS_MAX,
        .space_bits = format_space_bits(transformation->format),
        .odds = exp2(format_record_bits(transformation->format) - format_space_bits(transformation->format)),
        .odds_per_generation = true,
        .note = "authentic: a made-up token does not open",
        .shortest = CARD_TOKEN_LENGTH,
        .longest = CARD_TOKEN_LENGTH,
    };
    return true;
}

const struct template template_card = {
    .name = "card",
    .type = "tokenization",
    .pattern = "([0-9a-f]{48})",
    .alphabet = "builtin/hexlower",
    .properties = TEMPLATE_HAS_OWNER,
    .init = init,
    .done = done,
    .seal = seal,
    .open = open_tokens,
    .describe = describe,
};
