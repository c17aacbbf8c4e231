// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "config/check.h"

#include "config/schema.h"

#include <stdlib.h>
#include <string.h>

// PAN tokens name their generation by a digit 1..9: (number - 1) % 9 + 1.
enum { PAN_SLOTS = 9 };

// ---- ids and names --------------------------------------------------------------------------------

struct id_use { // who uses an id first
    const char *name;
    int line;
};

// Notes who uses an id; reports when somebody else does already. `uses` has a row for every id.
static void claim_id(struct id_use *uses, unsigned id, const char *kind, const struct id_use *claim,
                     struct report *report)
{
    struct id_use *use = &uses[id];
    if (id != 0 && use->name != NULL)
        report_add(report, claim->line, "%s \"%s\": id %u is already that of \"%s\" on line %d", kind,
                   claim->name, id, use->name, use->line);
    else
        *use = *claim;
}

static void check_tenant_ids(const struct config *config, struct id_use *uses, struct report *report)
{
    memset(uses, 0, (CONFIG_ID_MAX + 1) * sizeof *uses);
    for (size_t i = 0; i < config->tenant_count; i++) {
        const struct config_tenant *tenant = &config->tenants[i];
        claim_id(uses, tenant->id, "tenant", &(struct id_use){tenant->name, tenant->line}, report);
    }
}

static void check_client_ids(const struct config *config, struct id_use *uses, struct report *report)
{
    memset(uses, 0, (CONFIG_ID_MAX + 1) * sizeof *uses);
    for (size_t t = 0; t < config->tenant_count; t++) {
        for (size_t i = 0; i < config->tenants[t].client_count; i++) {
            const struct config_client *client = &config->tenants[t].clients[i];
            claim_id(uses, client->id, "client", &(struct id_use){client->name, client->line}, report);
        }
    }
}

static void check_transformation_ids(const struct config_tenant *tenant, struct id_use *uses,
                                     struct report *report)
{
    memset(uses, 0, (CONFIG_ID_MAX + 1) * sizeof *uses);
    for (size_t i = 0; i < tenant->transformation_count; i++) {
        const struct config_transformation *row = &tenant->transformations[i];
        claim_id(uses, row->id, "transformation", &(struct id_use){row->name, row->line}, report);
    }
}

static void check_ids(const struct config *config, struct report *report)
{
    struct id_use *uses = calloc(CONFIG_ID_MAX + 1, sizeof *uses);
    if (uses == NULL) {
        report->error = ERR_MEMORY;
        return;
    }
    check_tenant_ids(config, uses, report);
    check_client_ids(config, uses, report);
    for (size_t i = 0; i < config->tenant_count; i++)
        check_transformation_ids(&config->tenants[i], uses, report);
    free(uses);
}

static const struct config_client *find_client(const struct config_tenant *tenant, const char *name)
{
    for (size_t i = 0; i < tenant->client_count; i++) {
        if (strcmp(tenant->clients[i].name, name) == 0)
            return &tenant->clients[i];
    }
    return NULL;
}

// Names of clients stand in the audit file without their tenants.
static void check_client_names(const struct config *config, size_t tenant_index, struct report *report)
{
    const struct config_tenant *tenant = &config->tenants[tenant_index];
    for (size_t i = 0; i < tenant->client_count; i++) {
        const struct config_client *client = &tenant->clients[i];
        for (size_t t = 0; t < tenant_index; t++) {
            const struct config_client *other = find_client(&config->tenants[t], client->name);
            if (other != NULL)
                report_add(report, client->line,
                           "client \"%s\": tenant \"%s\" has one of this name on line %d", client->name,
                           config->tenants[t].name, other->line);
        }
    }
}

enum { API_SERIAL = 1 << 3 };

// Lines and sessions are the state that cannot be computed.
static void check_store(const struct config *config, const struct config_tenant *tenant,
                        struct report *report)
{
    for (size_t i = 0; i < tenant->client_count; i++) {
        const struct config_client *client = &tenant->clients[i];
        if ((client->apis & API_SERIAL) != 0 && config->store_file == NULL)
            report_add(report, client->line, "client \"%s\": api serial needs a store block with a file",
                       client->name);
    }
}

// ---- generations ----------------------------------------------------------------------------------

static void check_current(const struct config_tenant *tenant, struct report *report)
{
    const struct config_generation *current = NULL;
    for (size_t i = 0; i < tenant->generation_count; i++) {
        const struct config_generation *generation = &tenant->generations[i];
        if (generation->state != CONFIG_KEY_CURRENT)
            continue;
        if (current != NULL)
            report_add(report, generation->line, "keys \"%u\": keys \"%u\" on line %d are current already",
                       generation->number, current->number, current->line);
        current = generation;
    }
    if (current == NULL)
        report_add(report, tenant->line, "tenant \"%s\": no keys are current", tenant->name);
}

static void check_pan_slots(const struct config_tenant *tenant, struct report *report)
{
    const struct config_generation *taken[PAN_SLOTS] = {NULL};
    for (size_t i = 0; i < tenant->generation_count; i++) {
        const struct config_generation *generation = &tenant->generations[i];
        if (generation->number == 0)
            continue;
        const struct config_generation **slot = &taken[(generation->number - 1) % PAN_SLOTS];
        if (*slot != NULL)
            report_add(report, generation->line,
                       "keys \"%u\": PAN tokens could not tell them from keys \"%u\" on line %d: numbers of "
                       "live generations must differ modulo %d",
                       generation->number, (*slot)->number, (*slot)->line, PAN_SLOTS);
        *slot = generation;
    }
}

// ---- references -----------------------------------------------------------------------------------

static const struct config_role *find_role(const struct config_tenant *tenant, const char *name)
{
    for (size_t i = 0; i < tenant->role_count; i++) {
        if (strcmp(tenant->roles[i].name, name) == 0)
            return &tenant->roles[i];
    }
    return NULL;
}

static bool has_transformation(const struct config_tenant *tenant, const char *name)
{
    for (size_t i = 0; i < tenant->transformation_count; i++) {
        if (strcmp(tenant->transformations[i].name, name) == 0)
            return true;
    }
    return false;
}

static bool has_generation(const struct config_tenant *tenant, unsigned number)
{
    for (size_t i = 0; i < tenant->generation_count; i++) {
        if (tenant->generations[i].number == number)
            return true;
    }
    return false;
}

static bool has_alphabet(const struct config_tenant *tenant, const char *name)
{
    for (size_t i = 0; i < tenant->alphabet_count; i++) {
        if (strcmp(tenant->alphabets[i].name, name) == 0)
            return true;
    }
    return schema_is_builtin_alphabet(name);
}

static void check_ranges(const struct config_client *client, struct report *report)
{
    for (size_t i = 0; i < client->range_count; i++) {
        const struct config_issuer_range *range = &client->ranges[i], *other = client->ranges;
        while (other != range && (strcmp(other->prefix, range->prefix) != 0 ||
                                  other->digits != range->digits || other->code_digits != range->code_digits))
            other++;
        if (other != range && range->digits != 0)
            report_add(report, range->line,
                       "issuer_range \"%s\": the range on line %d has the same prefix, digits and code",
                       range->prefix, other->line);
    }
}

static void check_client(const struct config_tenant *tenant, const struct config_client *client,
                         struct report *report)
{
    bool transforms = (client->apis & schema_find(schema_apis, "transform")->value) != 0;
    if (client->role_count > 0 && !transforms)
        report_add(report, client->line, "client \"%s\": roles are only for the API transform", client->name);
    for (size_t i = 0; i < client->role_count; i++) {
        if (find_role(tenant, client->roles[i]) == NULL)
            report_add(report, client->line, "client \"%s\": tenant \"%s\" has no role \"%s\"", client->name,
                       tenant->name, client->roles[i]);
    }
    check_ranges(client, report);
}

// The owner of a template's tokens calls the API of the same name.
static void check_owner(const struct config_tenant *tenant, const struct config_transformation *row,
                        struct report *report)
{
    const struct config_client *owner = find_client(tenant, row->of);
    const struct schema_word *api = row->template == NULL ? NULL : schema_find(schema_apis, row->template);
    if (owner == NULL)
        report_add(report, row->line, "transformation \"%s\": tenant \"%s\" has no client \"%s\"", row->name,
                   tenant->name, row->of);
    else if (api != NULL && (owner->apis & api->value) == 0)
        report_add(report, row->line, "transformation \"%s\": client \"%s\" does not have the API %s",
                   row->name, row->of, api->name);
}

static void check_transformation(const struct config_tenant *tenant, const struct config_transformation *row,
                                 struct report *report)
{
    if (row->of != NULL)
        check_owner(tenant, row, report);
    if (row->generation != 0 && !has_generation(tenant, row->generation))
        report_add(report, row->line, "transformation \"%s\": tenant \"%s\" has no keys \"%u\"", row->name,
                   tenant->name, row->generation);
    if (row->alphabet != NULL && !has_alphabet(tenant, row->alphabet))
        report_add(report, row->line, "transformation \"%s\": tenant \"%s\" has no alphabet \"%s\"",
                   row->name, tenant->name, row->alphabet);
}

static void check_role(const struct config_tenant *tenant, const struct config_role *role,
                       struct report *report)
{
    for (size_t i = 0; i < role->transformation_count; i++) {
        if (!has_transformation(tenant, role->transformations[i]))
            report_add(report, role->line, "role \"%s\": tenant \"%s\" has no transformation \"%s\"",
                       role->name, tenant->name, role->transformations[i]);
    }
}

static void check_tenant(const struct config_tenant *tenant, struct report *report)
{
    check_current(tenant, report);
    check_pan_slots(tenant, report);
    for (size_t i = 0; i < tenant->client_count; i++)
        check_client(tenant, &tenant->clients[i], report);
    for (size_t i = 0; i < tenant->transformation_count; i++)
        check_transformation(tenant, &tenant->transformations[i], report);
    for (size_t i = 0; i < tenant->role_count; i++)
        check_role(tenant, &tenant->roles[i], report);
}

void check_config(const struct config *config, struct report *report)
{
    check_ids(config, report);
    for (size_t i = 0; i < config->tenant_count; i++) {
        check_store(config, &config->tenants[i], report);
        check_client_names(config, i, report);
        check_tenant(&config->tenants[i], report);
    }
}
