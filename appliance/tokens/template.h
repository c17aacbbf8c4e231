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
    struct slice expiration_date; // in: "YYMM"; empty: none
    const char *fault;            // out: NULL, or why this value alone failed: completes "value ..."
    unsigned generation;          // out: the generation of the key used
    size_t result_at, result_len; // out: where the result stands in the batch's buffer
    char expiration[5];           // out: "YYMM" found in a record, or ""
    int64_t expires_s;            // out: Unix second at which the token ceases to be valid; 0: never
    char generated_tweak[13];     // out: base64, or ""
};

struct batch {
    const struct tenant *tenant;
    int64_t now_s;
    struct buf *out; // results are appended here; wiped by its owner
};

struct template_facts {
    double space_bits, record_bits; // of a sealed format; record_bits < 0: every token opens (no slack)
    const char *note;               // what an operator should know
    const char *alphabet;           // name
    unsigned shortest, longest;     // length of a token
};

struct template
{
    const char *name, *type, *pattern, *alphabet; // as Vault Transform's clients read them
    bool has_owner;                               // needs `of`
    bool takes_tweak;                             // tweak_source may be supplied or generated
    enum err (*init)(struct transformation * transformation, struct diag * diag);
    void (*done)(struct transformation * transformation);
    // Items without a fault are sealed or opened; a fault is written for each that cannot be. An error
    // of the cipher fails the whole batch.
    enum err (*seal)(const struct transformation *transformation, const struct batch *batch,
                     struct token_item **items, size_t count);
    enum err (*open)(const struct transformation *transformation, const struct batch *batch,
                     struct token_item **items, size_t count);
    void (*describe)(const struct transformation *transformation, struct template_facts *out_facts);
};

struct transformation {
    char *name;
    unsigned id;
    const struct template *template;
    const struct client *of;
    enum tweak_source tweak_source;
    void *format; // the template's own, made by init
};

// NULL when there is no such template.
const struct template *template_find(const char *name);
size_t template_count(void);
const struct template *template_at(size_t index);

const char *tweak_source_name(enum tweak_source source);
