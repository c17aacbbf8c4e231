// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/appliance.h"

#include "appliance/base/log.h"
#include "appliance/tokens/giftcard.h"
#include "appliance/tokens/login.h"
#include "appliance/tokens/serials.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// The seams of an appliance without keys: shapes can be built and described, nothing can be enciphered.
static enum err no_cipher(void *context, uint8_t *blocks, size_t count)
{
    (void)context;
    (void)blocks;
    return count == 0 ? OK : ERR_HSM_DOWN;
}

static enum err no_mac(void *context, const uint8_t *message, size_t message_bytes,
                       uint8_t out_mac[MAC_BYTES])
{
    (void)context;
    (void)message;
    (void)message_bytes;
    memset(out_mac, 0, MAC_BYTES); // nobody can present the credentials that hang on it
    return OK;
}

static enum err no_rng(void *context, uint8_t *out, size_t out_bytes)
{
    (void)context;
    (void)out;
    (void)out_bytes;
    return ERR_HSM_DOWN;
}

static enum err open_hsm(const struct appliance_options *options, struct appliance *appliance,
                         struct diag *diag)
{
    const struct config_slot *slot = &options->config->slots[0];
    const struct hsm_options hsm_options = {
        .name = slot->name,
        .module = slot->module,
        .token_label = slot->token,
        .serial = slot->serial,
        .pin_file = slot->pin_file,
        .lanes = slot->lanes,
        .pin_retry = options->pin_retry,
        .replica = slot->replica,
    };
    return hsm_open(&hsm_options, &appliance->hsm, diag);
}

static enum generation_state state_of(enum config_generation_state state)
{
    switch (state) {
    case CONFIG_KEY_NEW:
        return GENERATION_NEW;
    case CONFIG_KEY_CURRENT:
        return GENERATION_CURRENT;
    case CONFIG_KEY_RETIRED:
        return GENERATION_RETIRED;
    }
    return GENERATION_RETIRED;
}

static const char *state_name(enum config_generation_state state)
{
    switch (state) {
    case CONFIG_KEY_NEW:
        return "new";
    case CONFIG_KEY_CURRENT:
        return "current";
    case CONFIG_KEY_RETIRED:
        return "retired";
    }
    return "retired";
}

// A key that was replaced under its label has another check value than the store remembers.
static enum err pin_key(const struct appliance *appliance, const struct store_key *key,
                        const struct key_evidence *evidence, struct diag *diag)
{
    struct store_key pinned = *key;
    if (appliance->store == NULL || !evidence->has_check_value)
        return OK;
    memcpy(pinned.check_value, evidence->check_value, sizeof pinned.check_value);
    const enum err rc = store_key_pin(appliance->store, &pinned);
    if (rc == ERR_CONFLICT)
        return diag_set(diag, ERR_HSM_KEY,
                        "key %s: its check value is not the one that the store remembers: it was replaced",
                        evidence->label);
    return rc == OK ? OK : diag_set(diag, rc, "the store cannot be written");
}

static enum err open_generation(const struct appliance *appliance, unsigned tenant_id,
                                const struct config_generation *from, struct generation_options *out_options,
                                struct diag *diag)
{
    char label[KEY_LABEL_BYTES];
    hsm_key_label(tenant_id, KEY_FPE, from->number, label);
    const struct hsm_key_ref ref = {KEY_FPE, label, from->has_check_value ? from->check_value : NULL};
    *out_options = (struct generation_options){.number = from->number, .state = state_of(from->state)};
    out_options->cipher = (struct cipher){.encrypt = no_cipher};
    if (appliance->hsm == NULL)
        return OK;
    const struct store_key key = {
        .tenant_id = tenant_id, .generation = from->number, .use = "fpe", .state = state_name(from->state)};
    const enum err rc =
        hsm_open_cipher(appliance->hsm, &ref, &out_options->cipher, &out_options->evidence, diag);
    return rc != OK ? rc : pin_key(appliance, &key, &out_options->evidence, diag);
}

static enum err build_keyring(const struct appliance *appliance, const struct config_tenant *from,
                              struct keyring **out_keyring, struct diag *diag)
{
    enum err rc = OK;
    struct generation_options *generations = calloc(from->generation_count + 1, sizeof *generations);
    if (generations == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < from->generation_count; i++) {
        struct diag reason = {0};
        rc = open_generation(appliance, from->id, &from->generations[i], &generations[i], &reason);
        REQUIRE(rc == OK, diag_set(diag, rc, "%s:%d: %s", appliance->config->file, from->generations[i].line,
                                   reason.text[0] != '\0' ? reason.text : err_name(rc)));
    }
    TRY(keyring_new(from->id, generations, from->generation_count, out_keyring, diag));
out:
    free(generations);
    return rc;
}

static enum err open_mac(const struct appliance *appliance, unsigned tenant_id, struct mac *out_mac,
                         struct diag *diag)
{
    char label[KEY_LABEL_BYTES];
    hsm_key_label(tenant_id, KEY_MAC, 1, label);
    const struct hsm_key_ref ref = {KEY_MAC, label, NULL};
    struct key_evidence evidence;
    const struct store_key key = {.tenant_id = tenant_id, .generation = 1, .use = "mac", .state = ""};
    *out_mac = (struct mac){.compute = no_mac};
    if (appliance->hsm == NULL)
        return OK;
    const enum err rc = hsm_open_mac(appliance->hsm, &ref, out_mac, &evidence, diag);
    return rc != OK ? rc : pin_key(appliance, &key, &evidence, diag);
}

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
        .mac = mac,
    };
}

static enum err build_clients(struct appliance *appliance, struct diag *diag)
{
    enum err rc = OK;
    const struct config *config = appliance->config;
    size_t count = 0, capacity = 0;
    for (size_t t = 0; t < config->tenant_count; t++)
        capacity += config->tenants[t].client_count;
    struct client_options *options = calloc(capacity + 1, sizeof *options);
    if (options == NULL)
        return ERR_MEMORY;
    for (size_t t = 0; t < config->tenant_count; t++) {
        const struct config_tenant *tenant = &config->tenants[t];
        struct mac mac;
        TRY(open_mac(appliance, tenant->id, &mac, diag));
        for (size_t c = 0; c < tenant->client_count; c++)
            options[count++] = client_of(tenant, &tenant->clients[c], mac);
    }
    const struct clients_services services = {
        .logins = appliance->logins,
        .sessions = appliance->store != NULL ? appliance->session_ids : NULL,
        .store = appliance->store,
        .session_idle_s = config->serial.session_idle_s,
    };
    TRY(clients_new(options, count, &services, &appliance->clients, diag));
out:
    free(options);
    return rc;
}

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
};

static enum err parts_init(struct tenant_parts *parts, const struct config_tenant *from)
{
    *parts = (struct tenant_parts){
        .transformations = calloc(from->transformation_count + 1, sizeof *parts->transformations),
        .where = calloc(from->transformation_count + 1, sizeof *parts->where),
        .roles = calloc(from->role_count + 1, sizeof *parts->roles),
        .alphabets = calloc(from->alphabet_count + 1, sizeof *parts->alphabets),
        .giftcards = calloc(from->client_count + 1, sizeof *parts->giftcards),
    };
    return parts->transformations && parts->where && parts->roles && parts->alphabets && parts->giftcards
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
}

static void fill_transformations(const struct appliance *appliance, const struct config_tenant *from,
                                 struct tenant_parts *parts)
{
    for (size_t i = 0; i < from->transformation_count; i++) {
        const struct config_transformation *t = &from->transformations[i];
        write_where(appliance->config, t->line, parts->where[i]);
        parts->transformations[i] = (struct transformation_options){
            .where = parts->where[i],
            .name = t->name,
            .id = t->id,
            .template = t->template,
            .of = t->of == NULL ? NULL : clients_find(appliance->clients, t->of),
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

static enum err build_tenant(struct appliance *appliance, const struct config_tenant *from,
                             struct keyring *keyring, struct diag *diag)
{
    enum err rc = OK;
    struct tenant_parts parts;
    TRY(parts_init(&parts, from));
    fill_transformations(appliance, from, &parts);
    fill_roles_and_alphabets(from, &parts);
    TRY(fill_giftcards(appliance->config, from, &parts, diag));
    const struct tenant_options options = {
        .name = from->name,
        .id = from->id,
        .keyring = keyring,
        .transformations = parts.transformations,
        .transformation_count = from->transformation_count,
        .roles = parts.roles,
        .role_count = from->role_count,
        .alphabets = parts.alphabets,
        .alphabet_count = from->alphabet_count,
        .giftcards = parts.giftcards,
        .giftcards_count = parts.giftcards_count,
        .rng = appliance->hsm != NULL ? hsm_rng(appliance->hsm) : (struct rng){.fill = no_rng},
    };
    TRY(tenant_new(&options, &appliance->tenants.members[appliance->tenants.count], diag));
    appliance->tenants.count++;
    parts.giftcards_count = 0; // the tenant's now
out:
    parts_done(&parts);
    return rc;
}

// The system tenant's FF1 key: generation 1 of tenant 0.
static enum err build_system(struct appliance *appliance, struct diag *diag)
{
    enum err rc = OK;
    const struct config_generation first = {.number = 1, .state = CONFIG_KEY_CURRENT};
    struct generation_options options;
    TRY(open_generation(appliance, 0, &first, &options, diag));
    TRY(keyring_new(0, &options, 1, &appliance->system, diag));
    TRY(sealed_ids_new(appliance->system, &login_kind, &appliance->logins));
    TRY(sealed_ids_new(appliance->system, &session_kind, &appliance->session_ids));
    TRY(sealed_ids_new(appliance->system, &line_kind, &appliance->line_ids));
out:
    return rc;
}

// A store that is not there is made, and begins at serial 0: an operator whose disk was not mounted must
// hear of it.
static enum err open_store(const char *path, struct store **out_store, struct diag *diag)
{
    const bool is_new = access(path, F_OK) != 0;
    const enum err rc = store_open(path, out_store, diag);
    if (rc == OK && is_new)
        log_warning("store_created", LOG_TEXT("file", path), LOG_TEXT("note", "serials begin at 0"));
    return rc;
}

static enum err add_tenant(struct appliance *appliance, const struct config_tenant *from, struct diag *diag)
{
    struct keyring *keyring = NULL;
    enum err rc = build_keyring(appliance, from, &keyring, diag);
    if (rc != OK)
        return rc;
    rc = build_tenant(appliance, from, keyring, diag);
    if (rc != OK)
        keyring_free(keyring);
    return rc;
}

enum err appliance_build(const struct appliance_options *options, struct appliance *out_appliance,
                         struct diag *diag)
{
    enum err rc = OK;
    const struct config *config = options->config;
    struct appliance appliance = {.config = config};
    appliance.tenants.members = calloc(config->tenant_count + 1, sizeof(struct tenant *));
    REQUIRE(appliance.tenants.members != NULL, ERR_MEMORY);
    REQUIRE(config->slot_count == 1,
            diag_set(diag, ERR_CONFLICT, "%s:%d: slot \"%s\": only one slot is served in this version",
                     config->file, config->slots[1].line, config->slots[1].name));
    if (options->with_store && config->store_file != NULL)
        TRY(open_store(config->store_file, &appliance.store, diag));
    if (options->with_keys)
        TRY(open_hsm(options, &appliance, diag));
    TRY(build_system(&appliance, diag));
    TRY(build_clients(&appliance, diag));
    for (size_t i = 0; i < config->tenant_count; i++)
        TRY(add_tenant(&appliance, &config->tenants[i], diag));
    *out_appliance = appliance;
    appliance = (struct appliance){0};
out:
    appliance_done(&appliance);
    return rc;
}

void appliance_done(struct appliance *appliance)
{
    for (size_t i = 0; i < appliance->tenants.count; i++)
        tenant_free(appliance->tenants.members[i]);
    free(appliance->tenants.members);
    clients_free(appliance->clients);
    sealed_ids_free(appliance->logins);
    sealed_ids_free(appliance->session_ids);
    sealed_ids_free(appliance->line_ids);
    keyring_free(appliance->system);
    hsm_close(appliance->hsm);
    store_close(appliance->store);
    *appliance = (struct appliance){0};
}
