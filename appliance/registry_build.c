// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A registry from a configuration: keyrings in the states that the store knows, clients, tenants with their
// formats. What it opens in the HSMs is given back when it goes.
#include "appliance/appliance.h"

#include "appliance/base/log.h"
#include "appliance/key_set.h"
#include "appliance/tokens/access_token.h"
#include "appliance/tokens/giftcard.h"
#include "appliance/tokens/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A registry with all that it owns.
struct made {
    struct registry registry; // first: destroy gets it
    struct key_set keys;
    struct clients *clients;
    struct access_tokens *access_tokens;
    struct tenant **members;
};

struct build {
    const struct appliance *appliance;
    const struct config *config;
    const struct key_change *change; // NULL: none
    struct made *made;
    struct store_key *known; // what the store knows of keys; NULL without a store
    size_t stored_count;     // of them; then one that it is to know
    size_t known_count;
};

static struct rng no_rng(void);

// ---- keyrings ----------------------------------------------------------------------------------------

static enum store_key_state first_state(enum config_generation_state state)
{
    switch (state) {
    case CONFIG_KEY_NEW:
        return STORE_KEY_NEW;
    case CONFIG_KEY_CURRENT:
        return STORE_KEY_CURRENT;
    case CONFIG_KEY_RETIRED:
        return STORE_KEY_RETIRED;
    }
    return STORE_KEY_RETIRED;
}

static enum generation_state live_state(enum store_key_state state)
{
    switch (state) {
    case STORE_KEY_NEW:
        return GENERATION_NEW;
    case STORE_KEY_CURRENT:
        return GENERATION_CURRENT;
    case STORE_KEY_NO_STATE:
    case STORE_KEY_RETIRED:
    case STORE_KEY_RELEASED:
        return GENERATION_RETIRED;
    }
    return GENERATION_RETIRED;
}

static const struct store_key *find_known(const struct build *build, unsigned tenant_id, unsigned number)
{
    for (size_t i = 0; i < build->known_count; i++) {
        const struct store_key *key = &build->known[i];
        if (key->tenant_id == tenant_id && key->generation == number && strcmp(key->use, "fpe") == 0)
            return key;
    }
    return NULL;
}

// A tenant's generations while they are opened.
struct ring {
    unsigned tenant_id;
    struct generation_options *generations;
    size_t count;
};

static enum err open_generation(struct build *build, struct ring *ring, const struct key_set_generation *from,
                                struct diag *diag)
{
    enum store_key_state state;
    struct generation_options *to = &ring->generations[ring->count];
    *to = (struct generation_options){.number = from->number};
    const enum err rc =
        key_set_generation(&build->made->keys, from, &to->cipher, &to->evidence, &state, diag);
    if (rc != OK)
        return rc;
    const struct store_key *known = find_known(build, from->tenant_id, from->number);
    to->state = live_state(known != NULL ? known->state : state);
    ring->count++;
    return OK;
}

static void tell_other_state(const struct config_generation *from, const struct config_tenant *tenant,
                             const struct store_key *known)
{
    if (first_state(from->state) == known->state)
        return;
    log_info("generation_state_from_store", LOG_TEXT("tenant", tenant->name),
             LOG_NUMBER("generation", from->number),
             LOG_TEXT("configured", store_key_state_name(first_state(from->state))),
             LOG_TEXT("state", store_key_state_name(known->state)));
}

// As the configuration names them. One that the store knows as released stays closed.
static enum err open_configured(struct build *build, const struct config_tenant *tenant, struct ring *ring,
                                struct diag *diag)
{
    for (size_t i = 0; i < tenant->generation_count; i++) {
        const struct config_generation *from = &tenant->generations[i];
        const struct store_key *known = find_known(build, tenant->id, from->number);
        struct diag reason = {0};
        if (known != NULL)
            tell_other_state(from, tenant, known);
        if (known != NULL && known->state == STORE_KEY_RELEASED)
            continue;
        const struct key_set_generation generation = {
            .tenant_id = tenant->id,
            .number = from->number,
            .check_value = from->has_check_value ? from->check_value : NULL,
            .first_state = first_state(from->state),
        };
        const enum err rc = open_generation(build, ring, &generation, &reason);
        if (rc != OK)
            return diag_set(diag, rc, "%s:%d: %s", build->config->file, from->line,
                            reason.text[0] != '\0' ? reason.text : err_name(rc));
    }
    return OK;
}

static bool is_changed(const struct build *build, const struct store_key *key)
{
    const struct key_change *change = build->change;
    return change != NULL && change->tenant_id == key->tenant_id && change->generation == key->generation;
}

static bool is_configured(const struct config_tenant *tenant, unsigned number)
{
    for (size_t i = 0; i < tenant->generation_count; i++) {
        if (tenant->generations[i].number == number)
            return true;
    }
    return false;
}

// Loaded since, through the running appliance. One whose key does not work any more is left out, unless it is
// the current one: its tokens do not open, all others do.
static enum err open_loaded(struct build *build, const struct config_tenant *tenant, struct ring *ring,
                            struct diag *diag)
{
    for (size_t i = 0; i < build->known_count; i++) {
        const struct store_key *known = &build->known[i];
        struct diag reason = {0};
        if (known->tenant_id != tenant->id || strcmp(known->use, "fpe") != 0 ||
            known->state == STORE_KEY_RELEASED || is_configured(tenant, known->generation))
            continue;
        const struct key_set_generation generation = {
            .tenant_id = tenant->id,
            .number = known->generation,
            .check_value = i < build->stored_count ? known->check_value : NULL,
            .first_state = known->state,
        };
        const enum err rc = open_generation(build, ring, &generation, &reason);
        if (rc == ERR_HSM_KEY && known->state != STORE_KEY_CURRENT && !is_changed(build, known))
            log_error("generation_left_out", LOG_TEXT("tenant", tenant->name),
                      LOG_NUMBER("generation", known->generation), LOG_TEXT("why", reason.text));
        else if (rc != OK)
            return diag_set(diag, rc, "tenant %s, generation %u: %s", tenant->name, known->generation,
                            reason.text[0] != '\0' ? reason.text : err_name(rc));
    }
    return OK;
}

// Looked at before anything is opened, because the store remembers what was opened once.
static enum err check_slots(const struct build *build, const struct config_tenant *tenant, struct diag *diag)
{
    unsigned taken[KEYRING_SLOTS + 1] = {0};
    for (size_t i = 0; i < tenant->generation_count + build->known_count; i++) {
        const bool configured = i < tenant->generation_count;
        const struct store_key *known = configured
                                            ? find_known(build, tenant->id, tenant->generations[i].number)
                                            : &build->known[i - tenant->generation_count];
        if (!configured && (known->tenant_id != tenant->id || strcmp(known->use, "fpe") != 0))
            continue;
        if (known != NULL && known->state == STORE_KEY_RELEASED)
            continue;
        const unsigned number = configured ? tenant->generations[i].number : known->generation;
        unsigned *slot = &taken[generation_slot(number)];
        if (*slot != 0 && *slot != number)
            return diag_set(diag, ERR_CONFLICT,
                            "tenant %s: generations %u and %u share PAN slot %u: release one first",
                            tenant->name, *slot, number, generation_slot(number));
        *slot = number;
    }
    return OK;
}

static enum err build_keyring(struct build *build, const struct config_tenant *tenant,
                              struct keyring **out_keyring, struct diag *diag)
{
    enum err rc = OK;
    struct ring ring = {.tenant_id = tenant->id};
    ring.generations = calloc(tenant->generation_count + build->known_count + 1, sizeof *ring.generations);
    if (ring.generations == NULL)
        return ERR_MEMORY;
    TRY(check_slots(build, tenant, diag));
    TRY(open_configured(build, tenant, &ring, diag));
    TRY(open_loaded(build, tenant, &ring, diag));
    TRY(keyring_new(tenant->id, ring.generations, ring.count, out_keyring, diag));
out:
    free(ring.generations);
    return rc;
}

// ---- clients -----------------------------------------------------------------------------------------

static struct client_options client_of(const struct config_tenant *tenant, const struct config_client *from,
                                       struct mac mac)
{
    return (struct client_options){
        .name = from->name,
        .id = from->id,
        .tenant_id = tenant->id,
        .generation = from->generation,
        .accept_previous = from->accept_previous,
        .apis = from->apis,
        .permissions = from->permissions,
        .luhn = from->luhn,
        .roles = (const char *const *)from->roles,
        .role_count = from->role_count,
        .accounts = (const char *const *)from->accounts,
        .account_count = from->account_count,
        .display_name = from->display_name,
        .rate = from->rate,
        .mac = mac,
    };
}

static bool is_served(const struct config *config, enum client_api api)
{
    for (size_t t = 0; t < config->tenant_count; t++) {
        for (size_t c = 0; c < config->tenants[t].client_count; c++) {
            if ((config->tenants[t].clients[c].apis & api) != 0)
                return true;
        }
    }
    return false;
}

static enum err build_access_tokens(struct build *build, struct diag *diag)
{
    enum err rc = OK;
    struct signer signer;
    BUF issuer = {0};
    const struct config *config = build->config;
    if (!is_served(config, CLIENT_API_CUSTOMERS))
        return OK;
    TRY(key_set_signer(&build->made->keys, KEY_SIGN_P256, &signer, diag));
    if (config->customers.issuer != NULL)
        buf_text(&issuer, config->customers.issuer);
    else
        buf_printf(&issuer, "%s://%s:%u", config->plain_http ? "http" : "https", config->listen.host,
                   config->listen.port);
    buf_byte(&issuer, '\0');
    TRY(issuer.error);
    const struct access_tokens_options options = {signer, issuer.at, config->customers.token_life_s};
    TRY(access_tokens_new(&options, &build->made->access_tokens));
    build->made->registry.access_tokens = build->made->access_tokens;
out:
    return rc;
}

static enum err build_clients(struct build *build, struct diag *diag)
{
    enum err rc = OK;
    const struct config *config = build->config;
    size_t count = 0, capacity = 0;
    for (size_t t = 0; t < config->tenant_count; t++)
        capacity += config->tenants[t].client_count;
    struct client_options *options = calloc(capacity + 1, sizeof *options);
    if (options == NULL)
        return ERR_MEMORY;
    for (size_t t = 0; t < config->tenant_count; t++) {
        const struct config_tenant *tenant = &config->tenants[t];
        struct mac mac;
        TRY(key_set_mac(&build->made->keys, tenant->id, &mac, diag));
        for (size_t c = 0; c < tenant->client_count; c++)
            options[count++] = client_of(tenant, &tenant->clients[c], mac);
    }
    const struct appliance *appliance = build->appliance;
    const struct clients_services services = {
        .access_tokens = build->made->access_tokens,
        .logins = appliance->logins,
        .sessions = appliance->store != NULL ? appliance->session_ids : NULL,
        .store = appliance->store,
        .session_idle_s = config->serial.session_idle_s,
    };
    TRY(clients_new(options, count, &services, &build->made->clients, diag));
    build->made->registry.clients = build->made->clients;
out:
    free(options);
    return rc;
}

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

// ---- what the store knows ------------------------------------------------------------------------------

static void retire_current(struct build *build, unsigned tenant_id)
{
    for (size_t i = 0; i < build->known_count; i++) {
        struct store_key *key = &build->known[i];
        if (key->tenant_id == tenant_id && key->state == STORE_KEY_CURRENT)
            key->state = STORE_KEY_RETIRED;
    }
}

// The list has room for one more.
static void apply(struct build *build, const struct key_change *change)
{
    size_t i = 0;
    if (change->state == STORE_KEY_CURRENT)
        retire_current(build, change->tenant_id);
    while (i < build->known_count &&
           !(build->known[i].tenant_id == change->tenant_id &&
             build->known[i].generation == change->generation && strcmp(build->known[i].use, "fpe") == 0))
        i++;
    if (i == build->known_count)
        build->known[build->known_count++] = (struct store_key){
            .tenant_id = change->tenant_id, .generation = change->generation, .use = "fpe"};
    build->known[i].state = change->state;
}

static enum err read_known(struct build *build)
{
    struct store_key *keys = NULL;
    if (build->appliance->store == NULL)
        return OK;
    const enum err rc = store_key_list(build->appliance->store, &keys, &build->stored_count);
    if (rc != OK)
        return rc;
    build->known_count = build->stored_count;
    build->known = reallocarray(keys, build->known_count + 1, sizeof *keys);
    if (build->known == NULL) {
        free(keys);
        return ERR_MEMORY;
    }
    if (build->change != NULL)
        apply(build, build->change);
    return OK;
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
    TRY(read_known(&build));
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
