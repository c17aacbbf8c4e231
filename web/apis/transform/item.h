// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// One item of a request as a role takes it. Nearly all are objects of plain texts, which are read where they
// stand; an item with anything else (escapes, numbers, null) gets a tree of its own, from which its texts
// come.
#pragma once

#include "appliance/tokens/role.h"
#include "web/json_raw.h"

enum { ITEM_TREES_MAX = FF1_SLICE };

// Of the items that needed one. Zero-initialised, used again after item_trees_done.
struct item_trees {
    size_t count;
    struct json_document **at;
};
void item_trees_done(struct item_trees *trees);

// text: a value that json_raw_accept has seen; it and the trees must outlive what is taken. A fault of the
// item is in the item; ERR_MEMORY.
enum err item_take(struct slice text, struct item_trees *trees, struct token_item *out_item,
                   struct slice *out_reference);
