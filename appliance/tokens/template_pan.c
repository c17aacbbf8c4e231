// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// PAN tokens for a role: four rows over one implementation. Results are rewritten in the batch's buffer, so
// the values are copied there first.
#include "appliance/tokens/pan.h"
#include "appliance/tokens/template_internal.h"

#include <math.h>
#include <stdlib.h>

static enum err init(struct transformation *transformation, const struct transformation_options *options,
                     const struct tenant *tenant, struct diag *diag)
{
    (void)options;
    (void)tenant;
    struct pan_format *format = NULL;
    const struct pan_format_options pan_options = {
        .transformation_id = transformation->id,
        .keep_first = transformation->template->keep_first,
        .keep_last = transformation->template->keep_last,
        .pinned_generation = transformation->generation,
    };
    const enum err rc = pan_format_new(&pan_options, &format);
    transformation->format = format;
    return rc == OK ? OK
                    : diag_set(diag, rc, "transformation \"%s\": %s", transformation->name, err_name(rc));
}

static void done(struct transformation *transformation)
{
    pan_format_free(transformation->format);
}

// The values are copied first and their addresses taken when the buffer no longer moves.
static enum err copy_values(const struct tweaked *tweaked, struct buf *out, struct pan_item *pans)
{
    for (size_t i = 0; i < tweaked->count; i++) {
        struct token_item *item = tweaked->items[i];
        item->result_at = out->len;
        item->result_len = item->value.len;
        buf_append(out, item->value.text, item->value.len);
    }
    if (out->error != OK)
        return out->error;
    for (size_t i = 0; i < tweaked->count; i++)
        pans[i] = (struct pan_item){
            .text = out->at + tweaked->items[i]->result_at,
            .len = tweaked->items[i]->result_len,
            .tweak = tweaked->tweaks[i],
        };
    return OK;
}

static enum err run(const struct transformation *transformation, const struct batch *batch, bool sealing,
                    struct token_item **items, size_t count)
{
    enum err rc = OK;
    struct tweaked tweaked = {0};
    const struct keyring *keyring = tenant_keyring(batch->tenant);
    struct pan_item *pans = calloc(count + 1, sizeof *pans);
    REQUIRE(pans != NULL, ERR_MEMORY);
    TRY(tweaked_init(&tweaked, transformation, batch, sealing, items, count));
    TRY(copy_values(&tweaked, batch->out, pans));
    TRY(sealing ? pan_seal(transformation->format, keyring, pans, tweaked.count)
                : pan_open(transformation->format, keyring, pans, tweaked.count));
    for (size_t i = 0; i < tweaked.count; i++) {
        tweaked.items[i]->fault = pans[i].fault;
        tweaked.items[i]->generation = pans[i].generation;
    }
out:
    tweaked_done(&tweaked);
    free(pans);
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

static bool describe(const struct transformation *transformation, size_t index,
                     struct template_facts *out_facts)
{
    const struct template *template = transformation->template;
    const size_t shortest = pan_format_shortest(transformation->format);
    const bool slot = !template_is(template, TEMPLATE_IS_PINNED);
    if (index > 0)
        return false;
    const double luhn_valid = (double)(shortest - template->keep_first - template->keep_last) - 1;
    *out_facts = (struct template_facts){
        .candidates_log10 = luhn_valid,
        .space_bits = (double)(shortest - template->keep_first - template->keep_last - slot) * log2(10),
        .odds = 0.1, // one Luhn sum in ten
        .odds_per_generation = slot,
        .shortest = (unsigned)shortest,
        .longest = PAN_DIGITS_MAX,
        .slot = slot,
        .note = slot ? "always fails Luhn; no authenticity" : "not distinguishable from a PAN",
    };
    return true;
}

#define PAN_TEMPLATE                                                                                         \
    .type = "fpe", .pattern = "([0-9][ -]?){12,19}", .alphabet = "builtin/numeric", .init = init,            \
    .done = done, .seal = seal, .open = open_tokens, .describe = describe

const struct template template_credit_card_number = {
    PAN_TEMPLATE,
    .name = "builtin/creditcardnumber",
    .properties = TEMPLATE_TAKES_TWEAK,
};

const struct template template_pan_first_six = {
    PAN_TEMPLATE,
    .name = "pan-first-six",
    .properties = TEMPLATE_TAKES_TWEAK,
    .keep_first = 6,
};

const struct template template_pan_last_four = {
    PAN_TEMPLATE,
    .name = "pan-last-four",
    .properties = TEMPLATE_TAKES_TWEAK,
    .keep_last = 4,
};

const struct template template_pan_first_six_last_four = {
    PAN_TEMPLATE,
    .name = "pan-first-six-last-four",
    .properties = TEMPLATE_TAKES_TWEAK | TEMPLATE_IS_PINNED,
    .keep_first = 6,
    .keep_last = 4,
};
