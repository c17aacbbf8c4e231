// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/appliance.h"

#include <stdlib.h>
#include <string.h>

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
    return hsm_open_cipher(appliance->hsm, &ref, &out_options->cipher, &out_options->evidence, diag);
}

static enum err build_keyring(const struct appliance *appliance, const struct config_tenant *from,
                              struct keyring **out_keyring, struct diag *diag)
{
    enum err rc = OK;
    struct generation_options *generations = calloc(from->generation_count + 1, sizeof *generations);
    if (generations == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < from->generation_count; i++)
        TRY(open_generation(appliance, from->id, &from->generations[i], &generations[i], diag));
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
    *out_mac = (struct mac){.compute = no_mac};
    return appliance->hsm == NULL ? OK : hsm_open_mac(appliance->hsm, &ref, out_mac, NULL, diag);
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
    TRY(clients_new(options, count, &appliance->clients, diag));
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

static void fill_tenant_options(const struct appliance *appliance, const struct config_tenant *from,
                                struct transformation_options *transformations, struct role_options *roles)
{
    for (size_t i = 0; i < from->transformation_count; i++) {
        const struct config_transformation *t = &from->transformations[i];
        transformations[i] = (struct transformation_options){
            .name = t->name,
            .id = t->id,
            .template = t->template,
            .of = t->of == NULL ? NULL : clients_find(appliance->clients, t->of),
            .tweak_source = source_of(t->tweak_source),
        };
    }
    for (size_t i = 0; i < from->role_count; i++) {
        const struct config_role *r = &from->roles[i];
        roles[i] =
            (struct role_options){r->name, (const char *const *)r->transformations, r->transformation_count};
    }
}

static enum err build_tenant(struct appliance *appliance, const struct config_tenant *from, struct diag *diag)
{
    enum err rc = OK;
    struct keyring *keyring = NULL;
    struct transformation_options *transformations =
        calloc(from->transformation_count + 1, sizeof *transformations);
    struct role_options *roles = calloc(from->role_count + 1, sizeof *roles);
    REQUIRE(transformations != NULL && roles != NULL, ERR_MEMORY);
    TRY(build_keyring(appliance, from, &keyring, diag));
    fill_tenant_options(appliance, from, transformations, roles);
    const struct tenant_options options = {
        .name = from->name,
        .id = from->id,
        .keyring = keyring,
        .transformations = transformations,
        .transformation_count = from->transformation_count,
        .roles = roles,
        .role_count = from->role_count,
        .rng = appliance->hsm != NULL ? hsm_rng(appliance->hsm) : (struct rng){.fill = no_rng},
    };
    TRY(tenant_new(&options, &appliance->tenants.members[appliance->tenants.count], diag));
    appliance->tenants.count++;
    keyring = NULL; // the tenant's now
out:
    keyring_free(keyring);
    free(transformations);
    free(roles);
    return rc;
}

// Says which tenant of which line the reason is about.
static enum err locate(const struct config *config, const struct config_tenant *tenant, enum err code,
                       const struct diag *reason, struct diag *diag)
{
    return diag_set(diag, code, "%s:%d: tenant \"%s\": %s", config->file, tenant->line, tenant->name,
                    reason->text[0] != '\0' ? reason->text : err_name(code));
}

enum err appliance_build(const struct appliance_options *options, struct appliance *out_appliance,
                         struct diag *diag)
{
    enum err rc = OK;
    const struct config *config = options->config;
    struct appliance appliance = {.config = config};
    appliance.tenants.members = calloc(config->tenant_count + 1, sizeof(struct tenant *));
    REQUIRE(appliance.tenants.members != NULL, ERR_MEMORY);
    if (options->with_keys)
        TRY(open_hsm(options, &appliance, diag));
    TRY(build_clients(&appliance, diag));
    for (size_t i = 0; i < config->tenant_count; i++) {
        struct diag reason = {0};
        rc = build_tenant(&appliance, &config->tenants[i], &reason);
        REQUIRE(rc == OK, locate(config, &config->tenants[i], rc, &reason, diag));
    }
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
    hsm_close(appliance->hsm);
    *appliance = (struct appliance){0};
}
