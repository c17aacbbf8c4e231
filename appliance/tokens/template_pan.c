// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// PAN tokens with a key slot, for a role. Results are rewritten in the batch's buffer, so the values are
// copied there first.
#include "appliance/base/codec.h"
#include "appliance/tokens/pan.h"
#include "appliance/tokens/template_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct pan_batch {
    struct pan_item *pans;
    struct token_item **items; // those without a fault so far, beside their pans
    uint8_t (*tweaks)[TEMPLATE_TWEAK_BYTES];
    size_t count;
};

static enum err init(struct transformation *transformation, struct diag *diag)
{
    struct pan_format *format = NULL;
    const struct pan_format_options options = {.transformation_id = transformation->id};
    const enum err rc = pan_format_new(&options, &format);
    transformation->format = format;
    return rc == OK ? OK
                    : diag_set(diag, rc, "transformation \"%s\": %s", transformation->name, err_name(rc));
}

static void done(struct transformation *transformation)
{
    pan_format_free(transformation->format);
}

// The caller's tweak of one item, checked against the transformation's source and decoded.
static const char *supplied_tweak(const struct transformation *transformation, bool sealing,
                                  const struct token_item *item, uint8_t *tweak, size_t *out_bytes)
{
    const bool wanted = transformation->tweak_source == TWEAK_SUPPLIED ||
                        (transformation->tweak_source == TWEAK_GENERATED && !sealing);
    *out_bytes = 0;
    if (!wanted)
        return item->tweak.len == 0 ? NULL : "comes with a tweak that this transformation does not take";
    if (item->tweak.len == 0)
        return "needs a tweak";
    if (!base64_decode(item->tweak, tweak, TEMPLATE_TWEAK_BYTES, out_bytes) ||
        *out_bytes != TEMPLATE_TWEAK_BYTES)
        return "has a tweak that is not 7 bytes in base64";
    return NULL;
}

static enum err generate_tweak(const struct batch *batch, struct token_item *item, uint8_t *tweak)
{
    const enum err rc = rng_fill(tenant_rng(batch->tenant), tweak, TEMPLATE_TWEAK_BYTES);
    if (rc == OK)
        base64_encode(tweak, TEMPLATE_TWEAK_BYTES, item->generated_tweak);
    return rc;
}

// Copies one value into the batch's buffer; its address is filled in once all are there.
static enum err collect(const struct transformation *transformation, const struct batch *batch, bool sealing,
                        struct token_item *item, struct pan_batch *pans)
{
    enum err rc = OK;
    uint8_t *tweak = pans->tweaks[pans->count];
    size_t tweak_bytes;
    item->fault = supplied_tweak(transformation, sealing, item, tweak, &tweak_bytes);
    if (item->fault != NULL)
        return OK;
    if (sealing && transformation->tweak_source == TWEAK_GENERATED) {
        TRY(generate_tweak(batch, item, tweak));
        tweak_bytes = TEMPLATE_TWEAK_BYTES;
    }
    item->result_at = batch->out->len;
    item->result_len = item->value.len;
    buf_append(batch->out, item->value.text, item->value.len);
    pans->pans[pans->count].tweak = (struct slice){(const char *)tweak, tweak_bytes};
    pans->items[pans->count++] = item;
out:
    return rc;
}

static enum err run(const struct transformation *transformation, const struct batch *batch, bool sealing,
                    struct token_item **items, size_t count)
{
    enum err rc = OK;
    struct pan_batch pans = {
        .pans = calloc(count + 1, sizeof *pans.pans),
        .items = calloc(count + 1, sizeof *pans.items),
        .tweaks = calloc(count + 1, sizeof *pans.tweaks),
    };
    REQUIRE(pans.pans != NULL && pans.items != NULL && pans.tweaks != NULL, ERR_MEMORY);
    for (size_t i = 0; i < count; i++)
        TRY(collect(transformation, batch, sealing, items[i], &pans));
    TRY(batch->out->error);
    for (size_t i = 0; i < pans.count; i++) {
        pans.pans[i].text = batch->out->at + pans.items[i]->result_at;
        pans.pans[i].len = pans.items[i]->result_len;
    }
    const struct keyring *keyring = tenant_keyring(batch->tenant);
    TRY(sealing ? pan_seal(transformation->format, keyring, pans.pans, pans.count)
                : pan_open(transformation->format, keyring, pans.pans, pans.count));
    for (size_t i = 0; i < pans.count; i++) {
        pans.items[i]->fault = pans.pans[i].fault;
        pans.items[i]->generation = pans.pans[i].generation;
    }
out:
    free(pans.pans);
    free(pans.items);
    free(pans.tweaks);
    return rc;
}

static enum err seal(const struct transformation *transformation, const struct batch *batch,
                     struct token_item **items, size_t count)
{
    return run(transformation, batch, true, items, count);
}

static enum err open_tokens(const struct transformation *transformation, const struct batch *batch,
                            struct token_item **items, size_t count)
{
    return run(transformation, batch, false, items, count);
}

static void describe(const struct transformation *transformation, struct template_facts *out_facts)
{
    const size_t shortest = pan_format_shortest(transformation->format);
    *out_facts = (struct template_facts){
        .space_bits = (double)(shortest - 1) * log2(10),
        .record_bits = -1,
        .note = "fails Luhn and names its generation; no authenticity",
        .shortest = (unsigned)shortest,
        .longest = PAN_DIGITS_MAX,
    };
}

const struct template template_credit_card_number = {
    .name = "builtin/creditcardnumber",
    .type = "fpe",
    .pattern = "([0-9][ -]?){12,19}",
    .alphabet = "builtin/numeric",
    .takes_tweak = true,
    .init = init,
    .done = done,
    .seal = seal,
    .open = open_tokens,
    .describe = describe,
};
