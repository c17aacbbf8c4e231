// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "config/references.h"

#include "config/schema.h"

#include <string.h>

const struct config_client *references_find_client(const struct config_tenant *tenant, const char *name)
{
    for (size_t i = 0; i < tenant->client_count; i++) {
        if (strcmp(tenant->clients[i].name, name) == 0)
            return &tenant->clients[i];
    }
    return NULL;
}

const struct config_account *references_find_account(const struct config_tenant *tenant, const char *id)
{
    for (size_t i = 0; i < tenant->account_count; i++) {
        if (id != NULL && strcmp(tenant->accounts[i].id, id) == 0)
            return &tenant->accounts[i];
    }
    return NULL;
}

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

static void check_client_accounts(const struct config_tenant *tenant, const struct config_client *client,
                                  struct report *report)
{
    bool has_api = (client->apis & schema_find(schema_apis, "customers")->value) != 0;
    if (has_api && client->account_count == 0)
        report_add(report, client->line, "client \"%s\": the API customers needs accounts", client->name);
    if (!has_api && client->account_count > 0)
        report_add(report, client->line, "client \"%s\": accounts are only for the API customers",
                   client->name);
    for (size_t i = 0; i < client->account_count; i++) {
        if (references_find_account(tenant, client->accounts[i]) == NULL)
            report_add(report, client->line, "client \"%s\": tenant \"%s\" has no account \"%s\"",
                       client->name, tenant->name, client->accounts[i]);
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
    check_client_accounts(tenant, client, report);
}

// The owner of a template's tokens calls the API of the same name.
static void check_owner_client(const struct config_tenant *tenant, const struct config_transformation *row,
                               struct report *report)
{
    const struct config_client *owner = references_find_client(tenant, row->of);
    const struct schema_word *api = row->template == NULL ? NULL : schema_find(schema_apis, row->template);
    if (owner == NULL)
        report_add(report, row->line, "transformation \"%s\": tenant \"%s\" has no client \"%s\"", row->name,
                   tenant->name, row->of);
    else if (api != NULL && (owner->apis & api->value) == 0)
        report_add(report, row->line, "transformation \"%s\": client \"%s\" does not have the API %s",
                   row->name, row->of, api->name);
}

static void check_owner(const struct config_tenant *tenant, const struct config_transformation *row,
                        struct report *report)
{
    const struct schema_template *template =
        row->template == NULL ? NULL : schema_find_template(row->template);
    if (template == NULL || !template->owner_is_account)
        check_owner_client(tenant, row, report);
    else if (references_find_account(tenant, row->of) == NULL)
        report_add(report, row->line, "transformation \"%s\": tenant \"%s\" has no account \"%s\"", row->name,
                   tenant->name, row->of);
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

void references_check(const struct config_tenant *tenant, struct report *report)
{
    for (size_t i = 0; i < tenant->client_count; i++)
        check_client(tenant, &tenant->clients[i], report);
    for (size_t i = 0; i < tenant->transformation_count; i++)
        check_transformation(tenant, &tenant->transformations[i], report);
    for (size_t i = 0; i < tenant->role_count; i++)
        check_role(tenant, &tenant->roles[i], report);
}
