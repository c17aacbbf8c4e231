// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A tenant: its id, its keys, its transformations and the roles that group them. Built once from the
// configuration, immutable and read by any thread.
//
// A *template* says how values become tokens (PANs with a key slot, card tokens, ...); a *transformation*
// is a template with its parameters and an id that goes into the tweak; a *role* is the set of
// transformations that a request may name.
#pragma once

#include "appliance/tokens/client.h"
#include "appliance/tokens/keyring.h"

#include <stdbool.h>
#include <stddef.h>

enum tweak_source {
    TWEAK_INTERNAL,  // none from the caller
    TWEAK_SUPPLIED,  // the caller gives one with each value
    TWEAK_GENERATED, // made at encode, given back, and supplied at decode
};

struct transformation_options {
    const char *where; // "FILE:LINE" of its definition, for messages
    const char *name;
    unsigned id;             // 1..65535, unique in the tenant
    const char *template;    // a name of template_find
    const struct client *of; // whose record tokens; NULL for templates without an owner
    enum tweak_source tweak_source;
    unsigned generation;  // pinned, for templates whose tokens cannot name theirs; else 0
    const char *pattern;  // POSIX extended regular expression, for template regex; else NULL
    const char *alphabet; // the name of its alphabet
    const char *account;  // whose customers, for template customer; else NULL
};

struct alphabet_options {
    const char *name, *characters;
};

struct giftcards; // giftcard.h

// The gift-card formats of one client.
struct tenant_giftcards {
    unsigned client_id;
    struct giftcards *giftcards; // taken over
};

struct role_options {
    const char *name;
    const char *const *transformations;
    size_t transformation_count;
};

// How long an event of a status holds, for events that come without an end.
struct account_expiry {
    const char *status;
    int64_t seconds;
};

// An account of the customer-token API.
struct account_options {
    const char *id;     // P or T and 8 digits
    bool auto_customer; // every customer id exists; else only those listed
    const char *const *customers;
    size_t customer_count;
    const struct account_expiry *expiries;
    size_t expiry_count;
};

struct tenant_options {
    const char *name;
    unsigned id;
    struct mac mac;                         // for blind indexes and what else is derived for the tenant
    struct store *store;                    // for token ids that open through their records; NULL: none
    const struct account_options *accounts; // copied
    size_t account_count;
    struct keyring *keyring; // taken over
    const struct transformation_options *transformations;
    size_t transformation_count;
    const struct role_options *roles;
    size_t role_count;
    const struct alphabet_options *alphabets;
    size_t alphabet_count;
    const struct tenant_giftcards *giftcards;
    size_t giftcards_count;
    struct rng rng; // for generated tweaks
};

struct tenant;
struct transformation;

struct role {
    char *name;
    const struct transformation **transformations;
    size_t transformation_count;
};

// ERR_NOT_FOUND for a template or transformation name nobody knows, ERR_DOMAIN for a format that is too
// small; diag names it. On failure the keyring and the gift-card formats are still the caller's.
enum err tenant_new(const struct tenant_options *options, struct tenant **out_tenant, struct diag *diag);
void tenant_free(struct tenant *tenant);

unsigned tenant_id(const struct tenant *tenant);
const char *tenant_name(const struct tenant *tenant);
const struct keyring *tenant_keyring(const struct tenant *tenant);
const struct rng *tenant_rng(const struct tenant *tenant);
const struct mac *tenant_mac(const struct tenant *tenant);
struct store *tenant_store(const struct tenant *tenant);

struct account; // account.h
// NULL: the tenant has none of this id.
const struct account *tenant_account(const struct tenant *tenant, struct slice id);

// The gift-card formats of a client, or NULL.
const struct giftcards *tenant_giftcards(const struct tenant *tenant, unsigned client_id);
// The characters of an alphabet, the tenant's own or built in; NULL when there is none of this name.
const char *tenant_alphabet(const struct tenant *tenant, const char *name);
size_t tenant_alphabet_count(const struct tenant *tenant);
const char *tenant_alphabet_name_at(const struct tenant *tenant, size_t index);

// Names come from requests; NULL when there is none.
const struct role *tenant_role(const struct tenant *tenant, struct slice name);
const struct transformation *tenant_transformation(const struct tenant *tenant, struct slice name);
size_t tenant_role_count(const struct tenant *tenant);
const struct role *tenant_role_at(const struct tenant *tenant, size_t index);
size_t tenant_transformation_count(const struct tenant *tenant);
const struct transformation *tenant_transformation_at(const struct tenant *tenant, size_t index);

// All tenants of the process.
struct tenants {
    struct tenant **members;
    size_t count;
};
const struct tenant *tenants_find(const struct tenants *tenants, unsigned id);
