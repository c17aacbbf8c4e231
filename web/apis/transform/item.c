// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/apis/transform/item.h"

#include <stdlib.h>
#include <string.h>

// ---- from a tree
// --------------------------------------------------------------------------------------------

// Notes a fault unless the item has one already.
static void fault(struct token_item *item, const char *text)
{
    if (item->fault == NULL)
        item->fault = text;
}

// null is as good as absent.
static void take_text(const struct json *member, struct token_item *item, const char *text,
                      struct slice *out_text)
{
    if (json_type(member) != JSON_NULL && !json_string(member, out_text))
        fault(item, text);
}

static void take_value(const struct json *member, struct token_item *item)
{
    struct slice text = {0};
    if (!json_string(member, &text))
        fault(item, "must be a string");
    item->value = (struct clear){text.at, text.len};
}

static void take_code(const struct json *member, struct token_item *item)
{
    struct slice code = {0};
    if (!json_string(member, &code))
        fault(item, "has a securitycode that is not a string");
    item->code = (struct clear){code.at, code.len};
}

// A member that is there must be a string: null would lose what the caller meant.
static void take_metadata(const struct json *metadata, struct token_item *item)
{
    if (json_type(metadata) == JSON_NULL)
        return;
    if (json_type(metadata) != JSON_OBJECT)
        fault(item, "has metadata that is not an object");
    for (const struct json *member = json_first(metadata); member != NULL; member = json_next(member)) {
        const struct slice name = json_name(member);
        if (slice_is(name, "expiration_date") && !json_string(member, &item->expiration_date))
            fault(item, "has an expiration_date that is not a string");
        else if (slice_is(name, "securitycode"))
            take_code(member, item);
        else if (slice_is(name, "type") && !json_string(member, &item->type))
            fault(item, "has a type that is not a string");
    }
}

// Members that are not known are the caller's own.
static void take_member(const struct json *member, struct token_item *item, struct slice *out_reference)
{
    const struct slice name = json_name(member);
    if (slice_is(name, "value"))
        take_value(member, item);
    else if (slice_is(name, "transformation"))
        take_text(member, item, "names a transformation that is not a string", &item->transformation);
    else if (slice_is(name, "tweak"))
        take_text(member, item, "has a tweak that is not a string", &item->tweak);
    else if (slice_is(name, "reference"))
        take_text(member, item, "has a reference that is not a string", out_reference);
    else if (slice_is(name, "metadata"))
        take_metadata(member, item);
    else if (slice_is(name, "ttl") && json_type(member) != JSON_NULL)
        fault(item, "comes with a ttl, which a computed token cannot carry");
}

static void take_tree_item(const struct json *node, struct token_item *item, struct slice *out_reference)
{
    *item = (struct token_item){0};
    *out_reference = (struct slice){0};
    if (json_type(node) != JSON_OBJECT) {
        fault(item, "must come in an object");
        return;
    }
    for (const struct json *member = json_first(node); member != NULL; member = json_next(member))
        take_member(member, item, out_reference);
    if (item->value.text == NULL)
        fault(item, "is required");
}

// ---- where it stands
// ----------------------------------------------------------------------------------------

// What one member says, if it is known and a plain text; false: a tree must say.
static bool take_plain_metadata(struct slice value, struct token_item *item)
{
    struct json_raw_walk walk;
    struct slice name, text;
    if (!json_raw_open(value, '{', &walk))
        return false;
    while (json_raw_next(&walk, &name, &value)) {
        if (!json_raw_text(value, &text) || memchr(name.at, '\\', name.len) != NULL)
            return false;
        if (slice_is(name, "expiration_date"))
            item->expiration_date = text;
        else if (slice_is(name, "securitycode"))
            item->code = (struct clear){text.at, text.len};
        else if (slice_is(name, "type"))
            item->type = text;
    }
    return true;
}

static bool take_plain_member(struct slice name, struct slice value, struct token_item *item,
                              struct slice *out_reference)
{
    struct slice text;
    if (slice_is(name, "metadata"))
        return take_plain_metadata(value, item);
    if (!json_raw_text(value, &text) || memchr(name.at, '\\', name.len) != NULL || slice_is(name, "ttl"))
        return false;
    if (slice_is(name, "value"))
        item->value = (struct clear){text.at, text.len};
    else if (slice_is(name, "transformation"))
        item->transformation = text;
    else if (slice_is(name, "tweak"))
        item->tweak = text;
    else if (slice_is(name, "reference"))
        *out_reference = text;
    return true;
}

static bool take_plain(struct slice text, struct token_item *out_item, struct slice *out_reference)
{
    struct json_raw_walk walk;
    struct slice name, value;
    if (!json_raw_open(text, '{', &walk))
        return false;
    while (json_raw_next(&walk, &name, &value)) {
        if (!take_plain_member(name, value, out_item, out_reference))
            return false;
    }
    if (out_item->value.text == NULL)
        fault(out_item, "is required");
    return true;
}

// ---- either way
// ---------------------------------------------------------------------------------------------

void item_trees_done(struct item_trees *trees)
{
    for (size_t i = 0; i < trees->count; i++)
        json_free(trees->at[i]);
    free(trees->at);
    *trees = (struct item_trees){0};
}

static enum err grow_tree(struct slice text, struct item_trees *trees, struct json_document **out_document)
{
    struct json_fault fault;
    if (trees->at == NULL)
        trees->at = malloc(ITEM_TREES_MAX * sizeof(struct json_document *));
    if (trees->at == NULL || trees->count == ITEM_TREES_MAX)
        return ERR_MEMORY;
    const enum err rc = json_read(text, out_document, &fault);
    if (rc == OK)
        trees->at[trees->count++] = *out_document;
    return rc;
}

enum err item_take(struct slice text, struct item_trees *trees, struct token_item *out_item,
                   struct slice *out_reference)
{
    *out_item = (struct token_item){0};
    *out_reference = (struct slice){0};
    if (take_plain(text, out_item, out_reference))
        return OK;
    struct json_document *document = NULL;
    const enum err rc = grow_tree(text, trees, &document);
    if (rc == OK)
        take_tree_item(json_root(document), out_item, out_reference);
    return rc;
}
