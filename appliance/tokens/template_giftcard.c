// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The gift-card tokens of one client of the gift-card API, for a role: the way a gift-card server opens the
// `cardtoken` it is given.
#include "appliance/tokens/giftcard.h"
#include "appliance/tokens/template_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum err init(struct transformation *transformation, const struct transformation_options *options,
                     const struct tenant *tenant, struct diag *diag)
{
    (void)options;
    // The client's formats belong to the tenant and are only looked at here.
    const struct giftcards *giftcards = tenant_giftcards(tenant, client_id(transformation->of));
    if (giftcards == NULL)
        return diag_set(diag, ERR_NOT_FOUND,
                        "transformation \"%s\": its \"of\" is no client of the giftcard API",
                        transformation->name);
    transformation->giftcards = giftcards;
    return OK;
}

static void done(struct transformation *transformation)
{
    transformation->giftcards = NULL;
}

static const char *prepare(const struct token_item *item, struct giftcard_sealing *sealing)
{
    if (item->tweak.len > 0)
        return template_takes_no_tweak;
    if (!giftcard_strip(item->value, sealing->digits))
        return "must hold 12 to 19 digits";
    if (!giftcard_code_is_well_formed(item->code))
        return "has a securitycode that is not 0 to 8 digits";
    if (item->code.len > 0)
        memcpy(sealing->code, item->code.text, item->code.len);
    return NULL;
}

static void take_sealed(const struct giftcard_sealing *sealing, const struct batch *batch,
                        struct token_item *item)
{
    if (sealing->refused) {
        item->fault = "is outside the issuer ranges of this client";
        return;
    }
    item->generation = keyring_at(tenant_keyring(batch->tenant), 0)->number;
    item->expires_s = sealing->expires_s;
    item->result_at = batch->out->len;
    buf_text(batch->out, sealing->token);
    item->result_len = batch->out->len - item->result_at;
}

static enum err seal(const struct transformation *transformation, const struct batch *batch,
                     struct token_item **items, size_t count)
{
    enum err rc = OK;
    size_t good = 0;
    struct giftcard_sealing *sealings = calloc(count + 1, sizeof *sealings);
    struct token_item **sealed = calloc(count + 1, sizeof *sealed);
    REQUIRE(sealings != NULL && sealed != NULL, ERR_MEMORY);
    for (size_t i = 0; i < count; i++) {
        items[i]->fault = prepare(items[i], &sealings[good]);
        if (items[i]->fault == NULL)
            sealed[good++] = items[i];
    }
    TRY(giftcards_seal(transformation->giftcards, tenant_keyring(batch->tenant), batch->now_s, sealings,
                       good));
    for (size_t i = 0; i < good; i++)
        take_sealed(&sealings[i], batch, sealed[i]);
    rc = batch->out->error;
out:
    if (sealings != NULL)
        wipe(sealings, (count + 1) * sizeof *sealings);
    free(sealings);
    free(sealed);
    return rc;
}

static void take_opened(const struct giftcard_opening *opening, const struct batch *batch,
                        struct token_item *item)
{
    if (item->tweak.len > 0) {
        item->fault = template_takes_no_tweak;
        return;
    }
    if (opening->generation == NULL) {
        item->fault = "is not a token that can be opened";
        return;
    }
    item->generation = opening->generation->number;
    item->expires_s = opening->expires_s;
    memcpy(item->opened_code, opening->code, sizeof item->opened_code);
    item->result_at = batch->out->len;
    buf_text(batch->out, opening->digits);
    item->result_len = batch->out->len - item->result_at;
}

static enum err open_tokens(const struct transformation *transformation, const struct batch *batch,
                            struct token_item **items, size_t count)
{
    enum err rc = OK;
    struct giftcard_opening *openings = calloc(count + 1, sizeof *openings);
    if (openings == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++)
        openings[i].token = (struct slice){items[i]->value.text, items[i]->value.len};
    TRY(giftcards_open(transformation->giftcards, tenant_keyring(batch->tenant), batch->now_s, openings,
                       count));
    for (size_t i = 0; i < count; i++)
        take_opened(&openings[i], batch, items[i]);
    rc = batch->out->error;
out:
    wipe(openings, (count + 1) * sizeof *openings);
    free(openings);
    return rc;
}

static bool describe(const struct transformation *transformation, size_t index,
                     struct template_facts *out_facts)
{
    struct giftcard_layout_facts layout;
    if (index >= giftcards_layout_count(transformation->giftcards))
        return false;
    giftcards_describe(transformation->giftcards, index, &layout);
    *out_facts = (struct template_facts){
        .candidates_log10 = log10(layout.cards),
        .space_bits = layout.space_bits,
        .odds = layout.odds,
        .shortest = layout.token_digits,
        .longest = layout.token_digits,
        .slot = true,
        .note = layout.code_digits > 0 ? "600 s; always fails Luhn; carries the code"
                                       : "600 s; always fails Luhn",
    };
    snprintf(out_facts->name, sizeof out_facts->name, "%s%s%s",
             layout.prefix[0] != '\0' ? layout.prefix : "other", layout.code_digits > 0 ? "+" : "",
             layout.code_digits > 0 ? "code" : "");
    return true;
}

const struct template template_giftcard = {
    .name = "giftcard",
    .type = "tokenization",
    .pattern = "([0-9]{16,40})",
    .alphabet = "builtin/numeric",
    .properties = TEMPLATE_HAS_OWNER | TEMPLATE_NO_REWRAP,
    .init = init,
    .done = done,
    .seal = seal,
    .open = open_tokens,
    .describe = describe,
};
