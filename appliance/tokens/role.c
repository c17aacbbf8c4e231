// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/role.h"

#include <stdlib.h>
#include <string.h>

static const struct transformation *resolve(const struct role *role, struct token_item *item)
{
    if (item->transformation.len == 0 && role->transformation_count == 1)
        return role->transformations[0];
    for (size_t i = 0; i < role->transformation_count; i++) {
        const struct transformation *transformation = role->transformations[i];
        if (slice_is(item->transformation, transformation->name))
            return transformation;
    }
    item->fault = item->transformation.len == 0 ? "needs a transformation: the role has several"
                                                : "names a transformation that the role does not have";
    return NULL;
}

// The items of one transformation that have no fault.
static size_t select_items(const struct transformation *transformation,
                           const struct transformation *const *resolved, struct token_item *items,
                           size_t count, struct token_item **out_selected)
{
    size_t selected = 0;
    for (size_t i = 0; i < count; i++) {
        if (resolved[i] == transformation && items[i].fault == NULL)
            out_selected[selected++] = &items[i];
    }
    return selected;
}

// The expiry found in a record, to be sealed again; NULL when it has none.
static struct slice opened_expiry(const struct token_item *item)
{
    struct slice expiry = {item->expiration, strlen(item->expiration)};
    if (expiry.len == 0)
        expiry.at = NULL;
    return expiry;
}

// Opens into a scratch buffer and seals what opened, under the current generation.
static enum err rewrap(const struct transformation *transformation, const struct batch *batch,
                       struct token_item **items, size_t count)
{
    enum err rc = OK;
    BUF clear = {0};
    const struct batch opening = {batch->tenant, batch->now_s, &clear};
    size_t opened = 0;
    TRY(transformation->template->open(transformation, &opening, items, count));
    for (size_t i = 0; i < count; i++) {
        struct token_item *item = items[i];
        if (item->fault != NULL)
            continue;
        item->value = (struct clear){clear.at + item->result_at, item->result_len};
        item->expiration_date = opened_expiry(item);
        if (item->type_len > 0)
            item->type = (struct slice){clear.at + item->type_at, item->type_len};
        if (transformation->tweak_source == TWEAK_GENERATED)
            item->tweak = (struct slice){0}; // a new one is made and given back
        items[opened++] = item;
    }
    TRY(transformation->template->seal(transformation, batch, items, opened));
out:
    for (size_t i = 0; i < opened; i++) { // it goes with the scratch buffer
        items[i]->value = (struct clear){0};
        items[i]->type = (struct slice){0};
    }
    return rc;
}

static enum err validate(const struct transformation *transformation, const struct batch *batch,
                         struct token_item **items, size_t count)
{
    BUF clear = {0};
    const struct batch opening = {batch->tenant, batch->now_s, &clear};
    const enum err rc = transformation->template->open(transformation, &opening, items, count);
    for (size_t i = 0; i < count; i++) {
        items[i]->result_len = items[i]->type_len = 0;
        wipe(items[i]->opened_code, sizeof items[i]->opened_code);
    }
    return rc;
}

static void refuse_all(struct token_item **items, size_t count, const char *fault)
{
    for (size_t i = 0; i < count; i++)
        items[i]->fault = fault;
}

static enum err run_one(const struct transformation *transformation, enum role_operation operation,
                        const struct batch *batch, struct token_item **items, size_t count)
{
    switch (operation) {
    case ROLE_ENCODE:
        return transformation->template->seal(transformation, batch, items, count);
    case ROLE_DECODE:
        return transformation->template->open(transformation, batch, items, count);
    case ROLE_VALIDATE:
        return validate(transformation, batch, items, count);
    case ROLE_REWRAP:
        if (template_is(transformation->template, TEMPLATE_NO_REWRAP)) {
            refuse_all(items, count, "cannot be rewrapped: its token lives for ten minutes");
            return OK;
        }
        return rewrap(transformation, batch, items, count);
    }
    return ERR_INTERNAL;
}

enum err role_run(const struct role *role, enum role_operation operation, const struct batch *batch,
                  struct token_item *items, size_t count)
{
    enum err rc = OK;
    const struct transformation **resolved = calloc(count + 1, sizeof *resolved);
    struct token_item **selected = calloc(count + 1, sizeof *selected);
    REQUIRE(resolved != NULL && selected != NULL, ERR_MEMORY);
    for (size_t i = 0; i < count; i++) {
        if (items[i].fault == NULL)
            resolved[i] = resolve(role, &items[i]);
    }
    for (size_t t = 0; t < role->transformation_count; t++) {
        const struct transformation *transformation = role->transformations[t];
        const size_t found = select_items(transformation, resolved, items, count, selected);
        if (found > 0)
            TRY(run_one(transformation, operation, batch, selected, found));
    }
out:
    free(resolved);
    free(selected);
    return rc;
}
