// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/appliance.h"

#include "appliance/base/log.h"
#include "appliance/tokens/login.h"
#include "appliance/tokens/serials.h"

#include <stdlib.h>
#include <unistd.h>

static struct hsm_options slot_options(const struct config_slot *slot, bool pin_retry)
{
    return (struct hsm_options){
        .name = slot->name,
        .module = slot->module,
        .token_label = slot->token,
        .serial = slot->serial,
        .arguments = slot->arguments,
        .pin_file = slot->pin_file,
        .lanes = slot->lanes,
        .pin_retry = pin_retry,
        .replica = slot->replica,
        .isolate = slot->isolate,
        .call_timeout_ms = slot->call_timeout_ms,
        .priority = slot->priority,
    };
}

static enum err open_hsms(const struct appliance_options *options, struct hsm_set **out_hsms,
                          struct diag *diag)
{
    const struct config *config = options->config;
    struct hsm_options *slots = calloc(config->slot_count, sizeof *slots);
    if (slots == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < config->slot_count; i++)
        slots[i] = slot_options(&config->slots[i], options->pin_retry);
    const enum err rc = hsm_set_open(slots, config->slot_count, out_hsms, diag);
    free(slots);
    return rc;
}

// The system tenant's keys: generation 1 of tenant 0.
static enum err build_system(struct appliance *appliance, const struct config *config, struct diag *diag)
{
    enum err rc = OK;
    enum store_key_state state;
    static const struct key_set_generation first = {.number = 1, .first_state = STORE_KEY_CURRENT};
    struct generation_options options = {.number = 1, .state = GENERATION_CURRENT};
    TRY(key_set_generation(&appliance->keys, &first, &options.cipher, &options.evidence, &state, diag));
    TRY(key_set_mac(&appliance->keys, 0, &appliance->system_mac, diag));
    TRY(keyring_new(0, &options, 1, &appliance->system, diag));
    TRY(sealed_ids_new(appliance->system, &login_kind, &appliance->logins));
    TRY(sealed_ids_new(appliance->system, &session_kind, &appliance->session_ids));
    TRY(sealed_ids_new(appliance->system, &line_kind, &appliance->line_ids));
    TRY(long_ids_new(appliance->system, config->requests.realm, &appliance->long_ids));
    appliance->members = (struct members){appliance->long_ids};
out:
    return rc;
}

// A module without Ed25519 cannot sign results: then there is nothing to start.
static enum err open_request_signer(struct appliance *appliance, struct diag *diag)
{
    const enum err rc = key_set_signer(&appliance->keys, KEY_SIGN_ED25519, &appliance->request_signer, diag);
    appliance->has_request_signer = rc == OK;
    return rc;
}

bool config_serves(const struct config *config, enum client_api api)
{
    for (size_t t = 0; t < config->tenant_count; t++) {
        for (size_t c = 0; c < config->tenants[t].client_count; c++) {
            if ((config->tenants[t].clients[c].apis & api) != 0)
                return true;
        }
    }
    return false;
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

enum err appliance_build(const struct appliance_options *options, struct appliance *out_appliance,
                         struct diag *diag)
{
    enum err rc = OK;
    struct appliance appliance = {0};
    if (options->with_store && options->config->store_file != NULL)
        TRY(open_store(options->config->store_file, &appliance.store, diag));
    if (options->with_keys)
        TRY(open_hsms(options, &appliance.hsms, diag));
    appliance.keys = (struct key_set){.hsms = appliance.hsms, .store = appliance.store};
    TRY(build_system(&appliance, options->config, diag));
    if (config_serves(options->config, CLIENT_API_REQUESTS))
        TRY(open_request_signer(&appliance, diag));
    *out_appliance = appliance;
    appliance = (struct appliance){0};
out:
    appliance_done(&appliance);
    return rc;
}

void appliance_done(struct appliance *appliance)
{
    sealed_ids_free(appliance->logins);
    sealed_ids_free(appliance->session_ids);
    sealed_ids_free(appliance->line_ids);
    long_ids_free(appliance->long_ids);
    keyring_free(appliance->system);
    key_set_done(&appliance->keys);
    hsm_set_close(appliance->hsms);
    store_close(appliance->store);
    *appliance = (struct appliance){0};
}
