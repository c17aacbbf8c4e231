// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// How values become tokens: one row per template, with what it needs to be built, to seal a batch and to
// open one. A transformation is a template with its parameters.
#pragma once

#include "appliance/tokens/tenant.h"

#include <stdint.h>

enum { TEMPLATE_TWEAK_BYTES = 7 }; // what Vault Transform's clients send (56 bits)

// One value of a batch on its way through a role. Texts are slices of buffers that outlive the call.
struct token_item {
    struct clear value;           // in: the value to encode, or the token to open
    struct slice transformation;  // in: its name; empty means the role's only one
    struct slice tweak;           // in: the caller's, in base64; empty: none
    struct clear code;            // in: the security code of a gift card; empty: none
    struct slice expiration_date; // in: "YYMM"; NULL: none
    struct slice type;            // in: of a customer's value; NULL: none
    const char *fault;            // out: NULL, or why this value alone failed: completes "value ..."
    unsigned generation;          // out: the generation of the key used
    size_t result_at, result_len; // out: where the result stands in the batch's buffer
    size_t type_at, type_len;     // out: where the type of a customer's value stands there; 0: none
    char expiration[5];           // out: "YYMM" found in a record, or ""
    int64_t expires_s;            // out: Unix second at which the token ceases to be valid; 0: never
    char opened_code[9];          // out: the security code found in a record, or ""
    char generated_tweak[13];     // out: base64, or ""
};

struct batch {
    const struct tenant *tenant;
    int64_t now_s;
    struct buf *out; // results are appended here; wiped by its owner
};

// What `symbolon formats` prints of one format of a transformation.
struct template_facts {
    char name[32];              // within the transformation; "" when it has one format
    double space_bits;          // log2 of the smallest domain
    double odds;                // that a random string opens; 1: every well-formed one does
    bool odds_per_generation;   // each live generation adds as much
    double candidates_log10;    // how many clear values a token, as it looks, may stand for, at its shortest
    unsigned shortest, longest; // length of a token, in characters
    bool slot;                  // the token names its generation in its Luhn sum
    const char *note;           // what an operator should know
};

enum {
    TEMPLATE_HAS_OWNER = 1 << 0,   // needs `of`
    TEMPLATE_TAKES_TWEAK = 1 << 1, // tweak_source may be supplied or generated
    TEMPLATE_IS_PINNED = 1 << 2,   // needs `generation`
    TEMPLATE_HAS_PATTERN = 1 << 3, // needs `pattern` and `alphabet`
    TEMPLATE_NO_REWRAP = 1 << 4,
    TEMPLATE_HAS_ACCOUNT = 1 << 5, // needs `account`
};

struct template
{
    const char *name, *type, *pattern, *alphabet; // as Vault Transform's clients read them
    unsigned properties;                          // TEMPLATE_*
    unsigned keep_first, keep_last;               // PAN templates
    enum err (*init)(struct transformation * transformation, const struct transformation_options *options,
                     const struct tenant *tenant, struct diag *diag);
    void (*done)(struct transformation * transformation);
    // Items without a fault are sealed or opened; a fault is written for each that cannot be. An error
    // of the cipher fails the whole batch.
    enum err (*seal)(const struct transformation *transformation, const struct batch *batch,
                     struct token_item **items, size_t count);
    enum err (*open)(const struct transformation *transformation, const struct batch *batch,
                     struct token_item **items, size_t count);
    // The facts of format `index`; false beyond the last.
    bool (*describe)(const struct transformation *transformation, size_t index,
                     struct template_facts *out_facts);
};

static inline bool template_is(const struct template *template, unsigned property)
{
    return (template->properties & property) != 0;
}

struct transformation {
    char *name;
    unsigned id, generation;
    const struct template *template;
    const struct client *of;
    enum tweak_source tweak_source;
    char *pattern, *alphabet;          // of template regex; else NULL
    void *format;                      // the template's own, made by init
    const struct giftcards *giftcards; // of template giftcard: the tenant's
    const struct account *account;     // of template customer: the tenant's
};

// NULL when there is no such template.
const struct template *template_find(const char *name);
size_t template_count(void);
const struct template *template_at(size_t index);

const char *tweak_source_name(enum tweak_source source);
