// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/base/codec.h"
#include "appliance/tokens/template_internal.h"

#include <stdlib.h>

const char template_takes_no_tweak[] = "comes with a tweak that this transformation does not take";

// Decodes what the caller gave, if this transformation takes it now.
static const char *supplied_tweak(const struct transformation *transformation, bool sealing,
                                  const struct token_item *item, uint8_t *tweak, size_t *out_bytes)
{
    const bool wanted = transformation->tweak_source == TWEAK_SUPPLIED ||
                        (transformation->tweak_source == TWEAK_GENERATED && !sealing);
    *out_bytes = 0;
    if (!wanted)
        return item->tweak.len == 0 ? NULL : template_takes_no_tweak;
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

enum err tweaked_init(struct tweaked *tweaked, const struct transformation *transformation,
                      const struct batch *batch, bool sealing, struct token_item **items, size_t count)
{
    enum err rc = OK;
    const bool generate = sealing && transformation->tweak_source == TWEAK_GENERATED;
    *tweaked = (struct tweaked){
        .items = calloc(count + 1, sizeof(struct token_item *)),
        .tweaks = calloc(count + 1, sizeof *tweaked->tweaks),
        .bytes = calloc(count + 1, sizeof *tweaked->bytes),
    };
    REQUIRE(tweaked->items != NULL && tweaked->tweaks != NULL && tweaked->bytes != NULL, ERR_MEMORY);
    for (size_t i = 0; i < count; i++) {
        uint8_t *bytes = tweaked->bytes[tweaked->count];
        size_t len;
        items[i]->fault = supplied_tweak(transformation, sealing, items[i], bytes, &len);
        if (items[i]->fault != NULL)
            continue;
        if (generate)
            TRY(generate_tweak(batch, items[i], bytes));
        tweaked->tweaks[tweaked->count] =
            (struct slice){(const char *)bytes, generate ? (size_t)TEMPLATE_TWEAK_BYTES : len};
        tweaked->items[tweaked->count++] = items[i];
    }
out:
    return rc;
}

void tweaked_done(struct tweaked *tweaked)
{
    free(tweaked->items);
    free(tweaked->tweaks);
    free(tweaked->bytes);
}
