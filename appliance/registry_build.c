// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A registry from a configuration: keyrings in the states that the store knows, clients, tenants with their
// formats. What it opens in the HSMs is given back when it goes.
#include "appliance/registry_build.h"

#include "appliance/tokens/access_token.h"
#include "appliance/tokens/giftcard.h"
#include "appliance/tokens/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct rng no_rng(void);

// ---- tenants -----------------------------------------------------------------------------------------

static enum tweak_source source_of(enum config_tweak_source source)
{
    switch (source) {
    case CONFIG_TWEAK_INTERNAL:
        return TWEAK_INTERNAL;
    case CONFIG_TWEAK_SUPPLIED:
        return TWEAK_SUPPLIED;
    case CONFIG_TWEAK_GENERATED:
        return TWEAK_GENERATED;
    }
    return TWEAK_INTERNAL;
}

enum { WHERE_BYTES = 512 };

// "FILE:LINE" for messages.
static void write_where(const struct config *config, int line, char out_where[WHERE_BYTES])
{
    snprintf(out_where, WHERE_BYTES, "%s:%d", config->file, line);
}

// The options of one tenant while it is built; the arrays are as long as the configuration says.
struct tenant_parts {
    struct transformation_options *transformations;
    char (*where)[WHERE_BYTES]; // of each transformation
    struct role_options *roles;
    struct alphabet_options *alphabets;
    struct tenant_giftcards *giftcards;
    size_t giftcards_count;
    struct account_options *accounts;
    struct account_expiry **expiries; // of each account
};

static enum err parts_init(struct tenant_parts *parts, const struct config_tenant *from)
{
    *parts = (struct tenant_parts){
        .transformations = calloc(from->transformation_count + 1, sizeof *parts->transformations),
        .where = calloc(from->transformation_count + 1, sizeof *parts->where),
        .roles = calloc(from->role_count + 1, sizeof *parts->roles),
        .alphabets = calloc(from->alphabet_count + 1, sizeof *parts->alphabets),
        .giftcards = calloc(from->client_count + 1, sizeof *parts->giftcards),
        .accounts = calloc(from->account_count + 1, sizeof *parts->accounts),
        .expiries = calloc(from->account_count + 1, sizeof(struct account_expiry *)),
    };
    return parts->transformations && parts->where && parts->roles && parts->alphabets && parts->giftcards &&
                   parts->accounts && parts->expiries
               ? OK
               : ERR_MEMORY;
}

static void parts_done(struct tenant_parts *parts)
{
    for (size_t i = 0; i < parts->giftcards_count; i++)
        giftcards_free(parts->giftcards[i].giftcards);
    free(parts->transformations);
    free(parts->where);
    free(parts->roles);
    free(parts->alphabets);
    free(parts->giftcards);
    for (size_t i = 0; parts->expiries != NULL && parts->expiries[i] != NULL; i++)
        free(parts->expiries[i]);
    free(parts->expiries);
    free(parts->accounts);
}

static enum err fill_accounts(const struct config_tenant *from, struct tenant_parts *parts)
{
    for (size_t i = 0; i < from->account_count; i++) {
        const struct config_account *account = &from->accounts[i];
        struct account_expiry *expiries = calloc(account->expiry_count + 1, sizeof *expiries);
        if (expiries == NULL)
            return ERR_MEMORY;
        parts->expiries[i] = expiries;
        for (size_t e = 0; e < account->expiry_count; e++)
            expiries[e] = (struct account_expiry){account->expiries[e].status, account->expiries[e].seconds};
        parts->accounts[i] = (struct account_options){
            .id = account->id,
            .auto_customer = account->auto_customer,
            .customers = (const char *const *)account->customers,
            .customer_count = account->customer_count,
            .expiries = expiries,
            .expiry_count = account->expiry_count,
        };
    }
    return OK;
}

static void fill_transformations(const struct build *build, const struct config_tenant *from,
                                 struct tenant_parts *parts)
{
    for (size_t i = 0; i < from->transformation_count; i++) {
        const struct config_transformation *t = &from->transformations[i];
        const struct template *template = template_find(t->template);
        const bool is_account = template != NULL && template_is(template, TEMPLATE_HAS_ACCOUNT);
        write_where(build->config, t->line, parts->where[i]);
        parts->transformations[i] = (struct transformation_options){
            .where = parts->where[i],
            .name = t->name,
            .id = t->id,
            .template = t->template,
            .of = t->of == NULL || is_account ? NULL : clients_find(build->made->clients, t->of),
            .account = is_account ? t->of : NULL,
            .tweak_source = source_of(t->tweak_source),
            .generation = t->generation,
            .pattern = t->pattern,
            .alphabet = t->alphabet,
        };
    }
}

static void fill_roles_and_alphabets(const struct config_tenant *from, struct tenant_parts *parts)
{
    for (size_t i = 0; i < from->role_count; i++) {
        const struct config_role *r = &from->roles[i];
        parts->roles[i] =
            (struct role_options){r->name, (const char *const *)r->transformations, r->transformation_count};
    }
    for (size_t i = 0; i < from->alphabet_count; i++)
        parts->alphabets[i] =
            (struct alphabet_options){from->alphabets[i].name, from->alphabets[i].characters};
}

static enum err build_giftcards(const struct config *config, const struct config_client *from,
                                struct giftcards **out_giftcards, struct diag *diag)
{
    enum err rc = OK;
    char client_where[WHERE_BYTES];
    struct giftcard_range *ranges = calloc(from->range_count + 1, sizeof *ranges);
    char(*where)[WHERE_BYTES] = calloc(from->range_count + 1, sizeof *where);
    REQUIRE(ranges != NULL && where != NULL, ERR_MEMORY);
    write_where(config, from->line, client_where);
    for (size_t i = 0; i < from->range_count; i++) {
        const struct config_issuer_range *r = &from->ranges[i];
        write_where(config, r->line, where[i]);
        ranges[i] =
            (struct giftcard_range){where[i], r->prefix, r->digits, r->luhn, r->code_digits, r->token_digits};
    }
    const struct giftcards_options options = {
        .client_id = from->id,
        .where = client_where,
        .forgery_odds = from->forgery_odds,
        .ranges = ranges,
        .range_count = from->range_count,
        .other_cards = from->other_cards,
    };
    TRY(giftcards_new(&options, out_giftcards, diag));
out:
    free(ranges);
    free(where);
    return rc;
}

static enum err fill_giftcards(const struct config *config, const struct config_tenant *from,
                               struct tenant_parts *parts, struct diag *diag)
{
    enum err rc = OK;
    for (size_t i = 0; i < from->client_count; i++) {
        const struct config_client *client = &from->clients[i];
        if ((client->apis & CLIENT_API_GIFTCARD) == 0)
            continue;
        struct tenant_giftcards *to = &parts->giftcards[parts->giftcards_count];
        const enum err built = build_giftcards(config, client, &to->giftcards, diag);
        if (built != OK) {
            rc = built; // go on: all faults are told at once
            continue;
        }
        to->client_id = client->id;
        parts->giftcards_count++;
    }
    return rc;
}

static enum err build_tenant(struct build *build, const struct config_tenant *from, struct keyring *keyring,
                             struct diag *diag)
{
    enum err rc = OK;
    struct mac mac;
    struct tenant_parts parts;
    struct tenants *tenants = &build->made->registry.tenants;
    struct hsm_set *hsms = build->appliance->hsms;
    TRY(parts_init(&parts, from));
    fill_transformations(build, from, &parts);
    fill_roles_and_alphabets(from, &parts);
    TRY(fill_accounts(from, &parts));
    TRY(fill_giftcards(build->config, from, &parts, diag));
    TRY(key_set_mac(&build->made->keys, from->id, &mac, diag));
    const struct tenant_options options = {
        .name = from->name,
        .id = from->id,
        .mac = mac,
        .store = build->appliance->store,
        .accounts = parts.accounts,
        .account_count = from->account_count,
        .keyring = keyring,
        .transformations = parts.transformations,
        .transformation_count = from->transformation_count,
        .roles = parts.roles,
        .role_count = from->role_count,
        .alphabets = parts.alphabets,
        .alphabet_count = from->alphabet_count,
        .giftcards = parts.giftcards,
        .giftcards_count = parts.giftcards_count,
        .rng = hsms != NULL ? hsm_set_rng(hsms) : no_rng(),
    };
    TRY(tenant_new(&options, &tenants->members[tenants->count], diag));
    tenants->count++;
    parts.giftcards_count = 0; // the tenant's now
out:
    parts_done(&parts);
    return rc;
}

static enum err fill_nothing([[maybe_unused]] void *context, [[maybe_unused]] uint8_t *out,
                             [[maybe_unused]] size_t out_bytes)
{
    return ERR_HSM_DOWN;
}

static struct rng no_rng(void)
{
    return (struct rng){.fill = fill_nothing};
}

static enum err add_tenant(struct build *build, const struct config_tenant *from, struct diag *diag)
{
    struct keyring *keyring = NULL;
    enum err rc = build_keyring(build, from, &keyring, diag);
    if (rc != OK)
        return rc;
    rc = build_tenant(build, from, keyring, diag);
    if (rc != OK)
        keyring_free(keyring);
    return rc;
}

// ---- the whole ---------------------------------------------------------------------------------------

static void destroy(struct registry *registry)
{
    struct made *made = (struct made *)registry;
    for (size_t i = 0; i < registry->tenants.count; i++)
        tenant_free(registry->tenants.members[i]);
    free(made->members);
    clients_free(made->clients);
    access_tokens_free(made->access_tokens);
    free(made->public_url);
    key_set_done(&made->keys);
    free(made);
}

void registry_free(struct registry *registry)
{
    if (registry != NULL)
        registry->destroy(registry);
}

static enum err made_new(const struct appliance *appliance, const struct config *config,
                         struct made **out_made)
{
    struct made *made = calloc(1, sizeof *made);
    if (made == NULL)
        return ERR_MEMORY;
    made->registry.destroy = destroy;
    made->keys = (struct key_set){.hsms = appliance->hsms, .store = appliance->store};
    made->members = calloc(config->tenant_count + 1, sizeof(struct tenant *));
    made->registry.tenants.members = made->members;
    *out_made = made;
    return made->members != NULL ? OK : ERR_MEMORY;
}

enum err appliance_build_registry(const struct appliance *appliance, const struct config *config,
                                  const struct key_change *change, struct registry **out_registry,
                                  struct diag *diag)
{
    enum err rc = OK;
    struct build build = {.appliance = appliance, .config = config, .change = change};
    TRY(made_new(appliance, config, &build.made));
    TRY(build_known(&build));
    TRY(build_request_limits(&build, diag));
    TRY(build_access_tokens(&build, diag));
    TRY(build_clients(&build, diag));
    for (size_t i = 0; i < config->tenant_count; i++)
        TRY(add_tenant(&build, &config->tenants[i], diag));
    *out_registry = &build.made->registry;
    build.made = NULL;
out:
    free(build.known);
    if (build.made != NULL)
        destroy(&build.made->registry);
    return rc;
}
