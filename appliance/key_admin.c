// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The life of FF1 keys in the running appliance: new, current, retired, released. The registry that is to be
// is built first, with every key opened and verified; then the store commits, then it is put in force. A
// request in flight ends with the registry that it began with.
#include "appliance/service.h"

#include "appliance/base/json_write.h"
#include "appliance/base/log.h"
#include "appliance/tokens/customer.h"

#include <stdlib.h>
#include <string.h>

enum { REWRAP_MAX = 10000 }; // values in one call

// ---- what stands in the way --------------------------------------------------------------------------

static const struct config_tenant *configured(const struct service *service, unsigned tenant_id)
{
    for (size_t i = 0; i < service->config->tenant_count; i++) {
        if (service->config->tenants[i].id == tenant_id)
            return &service->config->tenants[i];
    }
    return NULL;
}

static enum err find_state(const struct service *service, const struct key_order *order,
                           enum store_key_state *out_state)
{
    struct store_key *keys = NULL;
    size_t count = 0;
    enum err rc = store_key_list(service->appliance->store, &keys, &count);
    if (rc != OK)
        return rc;
    rc = ERR_NOT_FOUND;
    for (size_t i = 0; i < count; i++) {
        if (keys[i].tenant_id == order->tenant_id && keys[i].generation == order->generation &&
            strcmp(keys[i].use, "fpe") == 0) {
            *out_state = keys[i].state;
            rc = OK;
        }
    }
    free(keys);
    return rc;
}

// A transformation whose tokens cannot name their key.
static const char *pinned_by(const struct service *service, const struct key_order *order)
{
    const struct config_tenant *tenant = configured(service, order->tenant_id);
    for (size_t i = 0; tenant != NULL && i < tenant->transformation_count; i++) {
        if (tenant->transformations[i].generation == order->generation)
            return tenant->transformations[i].name;
    }
    return NULL;
}

static enum err check_release(struct service *service, const struct key_order *order,
                              enum store_key_state state, struct key_result *result, struct diag *diag)
{
    struct store_generation_use use;
    const char *pinned = pinned_by(service, order);
    const bool has_tenant = configured(service, order->tenant_id) != NULL;
    const enum err rc =
        store_generation_use(service->appliance->store, order->tenant_id, order->generation, &use);
    if (rc != OK)
        return rc;
    result->spaces_closed = use.spaces;
    result->values_left = use.values;
    if (pinned != NULL)
        return diag_set(
            diag, ERR_CONFLICT,
            "transformation %s is pinned to generation %u: take it out of the configuration first", pinned,
            order->generation);
    if (has_tenant && state == STORE_KEY_CURRENT)
        return diag_set(diag, ERR_CONFLICT,
                        "generation %u is current: activate another one, or take the tenant out of the "
                        "configuration first",
                        order->generation);
    if (has_tenant && use.values > 0)
        return diag_set(diag, ERR_CONFLICT, "%llu stored values are sealed under generation %u: rewrap first",
                        (unsigned long long)use.values, order->generation);
    return OK;
}

// The state that an action leads to, and from which ones it may.
static const struct {
    enum store_key_state to;
    unsigned from; // set of 1 << state
} moves[] = {
    [KEY_LOAD] = {STORE_KEY_NEW, 1u << STORE_KEY_RELEASED},
    [KEY_ACTIVATE] = {STORE_KEY_CURRENT, 1u << STORE_KEY_NEW | 1u << STORE_KEY_RETIRED},
    [KEY_RETIRE] = {STORE_KEY_RETIRED, 1u << STORE_KEY_NEW},
    [KEY_RELEASE] = {STORE_KEY_RELEASED,
                     1u << STORE_KEY_NEW | 1u << STORE_KEY_RETIRED | 1u << STORE_KEY_CURRENT},
};

static enum err check_move(const struct key_order *order, enum store_key_state state, struct diag *diag)
{
    if ((moves[order->action].from & 1u << state) != 0)
        return OK;
    if (order->action == KEY_LOAD)
        return diag_set(diag, ERR_CONFLICT, "generation %u is loaded already, it is %s", order->generation,
                        store_key_state_name(state));
    return diag_set(diag, ERR_CONFLICT, "generation %u is %s and cannot become %s", order->generation,
                    store_key_state_name(state), store_key_state_name(moves[order->action].to));
}

// A new token must never be made under a key that this node cannot open.
static enum err check_live(struct service *service, const struct key_order *order, struct diag *diag)
{
    const struct registry *registry = registries_take(service->registries);
    const struct tenant *tenant = tenants_find(&registry->tenants, order->tenant_id);
    const bool live = tenant != NULL && keyring_by_number(tenant_keyring(tenant), order->generation) != NULL;
    registries_give(service->registries, registry);
    return live ? OK
                : diag_set(diag, ERR_CONFLICT, "generation %u is not open: load it first", order->generation);
}

// ---- moving ------------------------------------------------------------------------------------------

static enum err put_in_force(struct service *service, const struct key_order *order,
                             enum store_key_state from, bool known, struct diag *diag)
{
    enum err rc = OK;
    struct registry *next = NULL;
    const struct key_change change = {order->tenant_id, order->generation, moves[order->action].to};
    TRY(appliance_build_registry(service->appliance, service->config, &change, &next, diag));
    if (known)
        TRY(store_key_move(service->appliance->store, order->tenant_id, order->generation, from,
                           change.state));
    TRY(service_replace_registry(service, next));
    next = NULL;
out:
    registry_free(next);
    return rc;
}

static enum err move(struct service *service, const struct key_order *order, struct key_result *result,
                     struct diag *diag)
{
    enum err rc = OK;
    enum store_key_state state = STORE_KEY_NO_STATE;
    const enum store_key_state to = moves[order->action].to;
    rc = find_state(service, order, &state);
    const bool known = rc == OK;
    const bool loads_unknown = order->action == KEY_LOAD && rc == ERR_NOT_FOUND;
    REQUIRE(known || loads_unknown, rc == ERR_NOT_FOUND
                                        ? diag_set(diag, rc, "tenant %u has no generation %u that was loaded",
                                                   order->tenant_id, order->generation)
                                        : rc);
    REQUIRE(order->action != KEY_LOAD || configured(service, order->tenant_id) != NULL,
            diag_set(diag, ERR_NOT_FOUND, "no tenant has id %u", order->tenant_id));
    result->state = store_key_state_name(to);
    if (known && state == to)
        return OK;
    if (known)
        TRY(check_move(order, state, diag));
    if (order->action == KEY_ACTIVATE)
        TRY(check_live(service, order, diag));
    if (order->action == KEY_RELEASE)
        TRY(check_release(service, order, state, result, diag));
    TRY(put_in_force(service, order, state, known, diag));
    result->changed = true;
out:
    return rc;
}

// Stored values go to the current generation, a bounded number in one call.
static enum err rewrap(struct service *service, const struct key_order *order, struct key_result *result,
                       struct diag *diag)
{
    enum err rc = OK;
    enum store_key_state state;
    struct store_generation_use use;
    const struct registry *registry = registries_take(service->registries);
    const struct tenant *tenant = tenants_find(&registry->tenants, order->tenant_id);
    REQUIRE(tenant != NULL, diag_set(diag, ERR_NOT_FOUND, "no tenant has id %u", order->tenant_id));
    rc = find_state(service, order, &state);
    REQUIRE(rc == OK, rc == ERR_NOT_FOUND
                          ? diag_set(diag, rc, "tenant %u has no generation %u that was loaded",
                                     order->tenant_id, order->generation)
                          : rc);
    rc = customers_rewrap(service->appliance->store, tenant, order->generation, REWRAP_MAX,
                          &result->values_moved);
    REQUIRE(rc != ERR_CONFLICT,
            diag_set(diag, rc, "generation %u is current: activate another one first", order->generation));
    TRY(rc);
    TRY(store_generation_use(service->appliance->store, order->tenant_id, order->generation, &use));
    result->values_left = use.values;
    result->state = store_key_state_name(state);
    result->changed = result->values_moved > 0;
out:
    registries_give(service->registries, registry);
    return rc;
}

// A registry is built on a stack of common size; a worker's is small.
struct errand {
    struct service *service;
    const struct key_order *order;
    struct key_result *result;
    struct diag *diag;
    enum err rc;
};

static void *run(void *context)
{
    struct errand *errand = context;
    struct service *service = errand->service;
    pthread_mutex_lock(&service->change);
    errand->rc = errand->order->action == KEY_REWRAP
                     ? rewrap(service, errand->order, errand->result, errand->diag)
                     : move(service, errand->order, errand->result, errand->diag);
    pthread_mutex_unlock(&service->change);
    return NULL;
}

static enum err change_key(void *context, const struct key_order *order, struct key_result *out_result,
                           struct diag *diag)
{
    pthread_t thread;
    struct service *service = context;
    struct errand errand = {service, order, out_result, diag, OK};
    if (service->appliance->store == NULL)
        return diag_set(diag, ERR_CONFLICT,
                        "there is no store to keep the states of keys: they stand in the configuration");
    if (pthread_create(&thread, NULL, run, &errand) != 0)
        return ERR_MEMORY;
    pthread_join(thread, NULL);
    if (errand.rc == OK && out_result->changed)
        log_info("key_state", LOG_NUMBER("tenant_id", order->tenant_id),
                 LOG_NUMBER("generation", order->generation), LOG_TEXT("state", out_result->state));
    return errand.rc;
}

// ---- evidence ----------------------------------------------------------------------------------------

static void write_check_value(struct buf *out, const struct key_evidence *evidence)
{
    if (!evidence->has_check_value)
        return;
    buf_text(out, ",\"check_value\":\"");
    for (size_t i = 0; i < KEY_CHECK_VALUE_BYTES; i++)
        buf_printf(out, "%02X", evidence->check_value[i]);
    buf_byte(out, '"');
}

static void write_flag(struct buf *out, const char *name, bool value)
{
    buf_printf(out, ",\"%s\":%s", name, value ? "true" : "false");
}

static void write_text_member(struct buf *out, const char *name, const char *text)
{
    buf_byte(out, ',');
    json_write_member(out, name, text);
}

static void write_slot(struct buf *out, const struct hsm_set_slot *slot)
{
    buf_byte(out, '{');
    json_write_member(out, "name", slot->name);
    buf_printf(out, ",\"priority\":%u", slot->priority);
    write_flag(out, "replica", slot->replica);
    write_flag(out, "isolated", slot->isolated);
    write_flag(out, "up", slot->up);
    write_flag(out, "in_use", slot->in_use);
    if (slot->why.text[0] != '\0')
        write_text_member(out, "why", slot->why.text);
    write_text_member(out, "manufacturer", slot->facts.manufacturer);
    write_text_member(out, "model", slot->facts.model);
    write_text_member(out, "serial", slot->facts.serial);
    write_text_member(out, "firmware", slot->facts.firmware);
    write_text_member(out, "library", slot->facts.library);
    buf_text(out, ",\"keys\":[");
    for (size_t i = 0; i < slot->key_count; i++) {
        if (i > 0)
            buf_byte(out, ',');
        buf_byte(out, '{');
        hsm_key_write(&slot->keys[i], out);
        buf_byte(out, '}');
    }
    buf_text(out, "]}");
}

static enum err write_slots(struct hsm_set *hsms, struct buf *out)
{
    enum err rc = OK;
    buf_text(out, "\"slots\":[");
    for (size_t i = 0; i < hsm_set_count(hsms) && rc == OK; i++) {
        struct hsm_set_slot slot;
        rc = hsm_set_describe(hsms, i, &slot);
        if (rc != OK)
            break;
        if (i > 0)
            buf_byte(out, ',');
        write_slot(out, &slot);
        hsm_set_slot_done(&slot);
    }
    buf_byte(out, ']');
    return rc;
}

static const char *live_state_name(enum generation_state state)
{
    switch (state) {
    case GENERATION_NEW:
        return "new";
    case GENERATION_CURRENT:
        return "current";
    case GENERATION_RETIRED:
        return "retired";
    }
    return "retired";
}

static void write_tenant(struct buf *out, const struct tenant *tenant)
{
    const struct keyring *keyring = tenant_keyring(tenant);
    for (size_t i = 0; i < keyring_count(keyring); i++) {
        const struct generation *generation = keyring_at(keyring, i);
        if (i > 0)
            buf_byte(out, ',');
        buf_printf(out, "{\"tenant\":%u,", tenant_id(tenant));
        json_write_member(out, "tenant_name", tenant_name(tenant));
        buf_printf(out, ",\"generation\":%u", generation->number);
        write_text_member(out, "state", live_state_name(generation->state));
        buf_printf(out, ",\"pan_slot\":%u", generation_slot(generation->number));
        write_check_value(out, &generation->evidence);
        buf_byte(out, '}');
    }
}

// What is in force, not what a store says.
static void write_generations(struct service *service, struct buf *out)
{
    const struct registry *registry = registries_take(service->registries);
    buf_text(out, "\"generations\":[");
    for (size_t i = 0; i < registry->tenants.count; i++) {
        if (i > 0)
            buf_byte(out, ',');
        write_tenant(out, registry->tenants.members[i]);
    }
    buf_byte(out, ']');
    registries_give(service->registries, registry);
}

static enum err describe(void *context, struct buf *out)
{
    struct service *service = context;
    buf_byte(out, '{');
    write_generations(service, out);
    buf_byte(out, ',');
    const enum err rc = write_slots(service->appliance->hsms, out);
    buf_byte(out, '}');
    return rc;
}

struct key_admin service_key_admin(struct service *service)
{
    return (struct key_admin){.describe = describe, .change = change_key, .context = service};
}
