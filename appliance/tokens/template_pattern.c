// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Values of a form given by a regular expression, for a role: social security numbers and whatever the
// configuration describes.
#include "appliance/tokens/pattern.h"
#include "appliance/tokens/template_internal.h"

#include <math.h>
#include <stdlib.h>

static enum err init(struct transformation *transformation, const struct transformation_options *options,
                     const struct tenant *tenant, struct diag *diag)
{
    const struct template *template = transformation->template;
    const bool built_in = !template_is(template, TEMPLATE_HAS_PATTERN);
    const char *alphabet = built_in ? template->alphabet : options->alphabet;
    struct pattern_format *format = NULL;
    struct diag reason = {0};
    const struct pattern_options pattern_options = {
        .transformation_id = transformation->id,
        .generation = transformation->generation,
        .pattern = built_in ? template->pattern : options->pattern,
        .alphabet = tenant_alphabet(tenant, alphabet),
    };
    if (pattern_options.alphabet == NULL)
        return diag_set(diag, ERR_NOT_FOUND, "transformation \"%s\": no alphabet is named \"%s\"",
                        transformation->name, alphabet);
    const enum err rc = pattern_format_new(&pattern_options, &format, &reason);
    transformation->format = format;
    return rc == OK ? OK : diag_set(diag, rc, "transformation \"%s\": %s", transformation->name, reason.text);
}

static void done(struct transformation *transformation)
{
    pattern_format_free(transformation->format);
}

static enum err run(const struct transformation *transformation, const struct batch *batch, bool sealing,
                    struct token_item **items, size_t count)
{
    enum err rc = OK;
    struct tweaked tweaked = {0};
    const struct keyring *keyring = tenant_keyring(batch->tenant);
    struct pattern_item *values = calloc(count + 1, sizeof *values);
    REQUIRE(values != NULL, ERR_MEMORY);
    TRY(tweaked_init(&tweaked, transformation, batch, sealing, items, count));
    for (size_t i = 0; i < tweaked.count; i++)
        values[i] = (struct pattern_item){.value = tweaked.items[i]->value, .tweak = tweaked.tweaks[i]};
    TRY(sealing ? pattern_seal(transformation->format, keyring, values, tweaked.count, batch->out)
                : pattern_open(transformation->format, keyring, values, tweaked.count, batch->out));
    for (size_t i = 0; i < tweaked.count; i++) {
        struct token_item *item = tweaked.items[i];
        item->fault = values[i].fault;
        item->generation = transformation->generation;
        item->result_at = values[i].result_at;
        item->result_len = values[i].result_len;
    }
out:
    tweaked_done(&tweaked);
    free(values);
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
    if (index > 0)
        return false;
    *out_facts = (struct template_facts){
        .candidates_log10 = pattern_domain_bits(transformation->format) * log10(2),
        .space_bits = pattern_domain_bits(transformation->format),
        .odds = 1,
        .note = "no slot: pinned to its generation; every well-formed value opens",
    };
    return true;
}

#define PATTERN_TEMPLATE                                                                                     \
    .type = "fpe", .init = init, .done = done, .seal = seal, .open = open_tokens, .describe = describe

const struct template template_social_security_number = {
    PATTERN_TEMPLATE,
    .name = "builtin/socialsecuritynumber",
    .pattern = "([0-9]{3})[- ]?([0-9]{2})[- ]?([0-9]{4})",
    .alphabet = "builtin/numeric",
    .properties = TEMPLATE_TAKES_TWEAK | TEMPLATE_IS_PINNED,
};

const struct template template_regex = {
    PATTERN_TEMPLATE,
    .name = "regex",
    .properties = TEMPLATE_TAKES_TWEAK | TEMPLATE_IS_PINNED | TEMPLATE_HAS_PATTERN,
};
