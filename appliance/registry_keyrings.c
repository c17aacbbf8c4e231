// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Keyrings in the states that the store knows.
#include "appliance/registry_build.h"

#include "appliance/base/log.h"

#include <stdlib.h>
#include <string.h>

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

enum err build_keyring(struct build *build, const struct config_tenant *tenant, struct keyring **out_keyring,
                       struct diag *diag)
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

enum err build_known(struct build *build)
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
