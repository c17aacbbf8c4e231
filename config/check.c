// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "config/check.h"

#include "config/references.h"
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

// Names of clients stand in the audit file without their tenants.
static void check_client_names(const struct config *config, size_t tenant_index, struct report *report)
{
    const struct config_tenant *tenant = &config->tenants[tenant_index];
    for (size_t i = 0; i < tenant->client_count; i++) {
        const struct config_client *client = &tenant->clients[i];
        for (size_t t = 0; t < tenant_index; t++) {
            const struct config_client *other = references_find_client(&config->tenants[t], client->name);
            if (other != NULL)
                report_add(report, client->line,
                           "client \"%s\": tenant \"%s\" has one of this name on line %d", client->name,
                           config->tenants[t].name, other->line);
        }
    }
}

// Paths of the customer-token API name an account and no tenant.
static void check_accounts(const struct config *config, size_t tenant_index, struct report *report)
{
    const struct config_tenant *tenant = &config->tenants[tenant_index];
    for (size_t i = 0; i < tenant->account_count; i++) {
        const struct config_account *account = &tenant->accounts[i];
        for (size_t t = 0; t < tenant_index; t++) {
            const struct config_account *other = references_find_account(&config->tenants[t], account->id);
            if (other != NULL)
                report_add(report, account->line, "account \"%s\": tenant \"%s\" has it on line %d",
                           account->id, config->tenants[t].name, other->line);
        }
    }
}

// ---- what APIs need -------------------------------------------------------------------------------

// Lines, sessions, customers' tokens and decisions are state that cannot be computed.
static void check_store(const struct config *config, const struct config_tenant *tenant,
                        struct report *report)
{
    static const char *const apis[] = {"serial", "customers", "requests"};
    for (size_t i = 0; i < tenant->client_count && config->store_file == NULL; i++) {
        const struct config_client *client = &tenant->clients[i];
        for (size_t a = 0; a < sizeof apis / sizeof *apis; a++) {
            if ((client->apis & schema_find(schema_apis, apis[a])->value) != 0)
                report_add(report, client->line, "client \"%s\": api %s needs a store block with a file",
                           client->name, apis[a]);
        }
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

// ---- slots ----------------------------------------------------------------------------------------

static bool are_equal(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

// Without a serial number, any token of the label is meant.
static bool are_one_token(const struct config_slot *a, const struct config_slot *b)
{
    return are_equal(a->module, b->module) && are_equal(a->token, b->token) &&
           (a->serial == NULL || b->serial == NULL || are_equal(a->serial, b->serial));
}

static void check_slots(const struct config *config, struct report *report)
{
    for (size_t i = 0; i < config->slot_count; i++) {
        const struct config_slot *slot = &config->slots[i], *other = config->slots;
        while (other != slot && !are_one_token(other, slot))
            other++;
        if (other != slot)
            report_add(report, slot->line,
                       "slot \"%s\": slot \"%s\" on line %d is the same token of the same module; serial "
                       "tells tokens of one label apart",
                       slot->name, other->name, other->line);
    }
}

// ---- everything -----------------------------------------------------------------------------------

static void check_tenant(const struct config_tenant *tenant, struct report *report)
{
    check_current(tenant, report);
    check_pan_slots(tenant, report);
    references_check(tenant, report);
}

void check_config(const struct config *config, struct report *report)
{
    check_ids(config, report);
    check_slots(config, report);
    for (size_t i = 0; i < config->tenant_count; i++) {
        check_store(config, &config->tenants[i], report);
        check_client_names(config, i, report);
        check_accounts(config, i, report);
        check_tenant(&config->tenants[i], report);
    }
}
