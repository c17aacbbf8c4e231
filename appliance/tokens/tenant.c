// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/tenant.h"

#include "appliance/tokens/template.h"

#include <stdlib.h>
#include <string.h>

struct tenant {
    char *name;
    unsigned id;
    struct keyring *keyring;
    struct rng rng;
    struct transformation *transformations;
    size_t transformation_count;
    struct role *roles;
    size_t role_count;
};

static enum err add_transformation(struct tenant *tenant, const struct transformation_options *options,
                                   struct diag *diag)
{
    struct transformation *transformation = &tenant->transformations[tenant->transformation_count];
    const struct template *template = template_find(options->template);
    if (template == NULL)
        return diag_set(diag, ERR_NOT_FOUND, "transformation \"%s\": no template is named \"%s\"",
                        options->name, options->template);
    if (template->has_owner != (options->of != NULL))
        return diag_set(diag, ERR_CONFLICT, "transformation \"%s\": template \"%s\" %s", options->name,
                        template->name, template->has_owner ? "needs \"of\"" : "has no \"of\"");
    if (options->tweak_source != TWEAK_INTERNAL && !template->takes_tweak)
        return diag_set(diag, ERR_CONFLICT, "transformation \"%s\": template \"%s\" takes no tweak",
                        options->name, template->name);
    *transformation = (struct transformation){
        .name = strdup(options->name),
        .id = options->id,
        .template = template,
        .of = options->of,
        .tweak_source = options->tweak_source,
    };
    if (transformation->name == NULL)
        return ERR_MEMORY;
    tenant->transformation_count++;
    return template->init(transformation, diag);
}

static enum err add_role(struct tenant *tenant, const struct role_options *options, struct diag *diag)
{
    struct role *role = &tenant->roles[tenant->role_count++];
    role->name = strdup(options->name);
    role->transformations = calloc(options->transformation_count + 1, sizeof *role->transformations);
    if (role->name == NULL || role->transformations == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < options->transformation_count; i++) {
        const char *name = options->transformations[i];
        const struct transformation *found =
            tenant_transformation(tenant, (struct slice){name, strlen(name)});
        if (found == NULL)
            return diag_set(diag, ERR_NOT_FOUND, "role \"%s\": no transformation is named \"%s\"",
                            options->name, name);
        role->transformations[role->transformation_count++] = found;
    }
    return OK;
}

enum err tenant_new(const struct tenant_options *options, struct tenant **out_tenant, struct diag *diag)
{
    enum err rc = OK;
    struct tenant *tenant = calloc(1, sizeof *tenant);
    if (tenant == NULL)
        return ERR_MEMORY;
    tenant->id = options->id;
    tenant->rng = options->rng;
    tenant->name = strdup(options->name);
    tenant->transformations = calloc(options->transformation_count + 1, sizeof *tenant->transformations);
    tenant->roles = calloc(options->role_count + 1, sizeof *tenant->roles);
    REQUIRE(tenant->name && tenant->transformations && tenant->roles, ERR_MEMORY);
    for (size_t i = 0; i < options->transformation_count; i++)
        TRY(add_transformation(tenant, &options->transformations[i], diag));
    for (size_t i = 0; i < options->role_count; i++)
        TRY(add_role(tenant, &options->roles[i], diag));
    tenant->keyring = options->keyring;
    *out_tenant = tenant;
    tenant = NULL;
out:
    tenant_free(tenant);
    return rc;
}

void tenant_free(struct tenant *tenant)
{
    if (tenant == NULL)
        return;
    for (size_t i = 0; i < tenant->transformation_count; i++) {
        tenant->transformations[i].template->done(&tenant->transformations[i]);
        free(tenant->transformations[i].name);
    }
    for (size_t i = 0; i < tenant->role_count; i++) {
        free(tenant->roles[i].transformations);
        free(tenant->roles[i].name);
    }
    free(tenant->transformations);
    free(tenant->roles);
    keyring_free(tenant->keyring);
    free(tenant->name);
    free(tenant);
}

unsigned tenant_id(const struct tenant *tenant)
{
    return tenant->id;
}

const char *tenant_name(const struct tenant *tenant)
{
    return tenant->name;
}

const struct keyring *tenant_keyring(const struct tenant *tenant)
{
    return tenant->keyring;
}

const struct rng *tenant_rng(const struct tenant *tenant)
{
    return &tenant->rng;
}

static bool is_named(const char *name, struct slice wanted)
{
    return strlen(name) == wanted.len && memcmp(name, wanted.at, wanted.len) == 0;
}

const struct role *tenant_role(const struct tenant *tenant, struct slice name)
{
    for (size_t i = 0; i < tenant->role_count; i++) {
        if (is_named(tenant->roles[i].name, name))
            return &tenant->roles[i];
    }
    return NULL;
}

const struct transformation *tenant_transformation(const struct tenant *tenant, struct slice name)
{
    for (size_t i = 0; i < tenant->transformation_count; i++) {
        if (is_named(tenant->transformations[i].name, name))
            return &tenant->transformations[i];
    }
    return NULL;
}

size_t tenant_role_count(const struct tenant *tenant)
{
    return tenant->role_count;
}

const struct role *tenant_role_at(const struct tenant *tenant, size_t index)
{
    return &tenant->roles[index];
}

size_t tenant_transformation_count(const struct tenant *tenant)
{
    return tenant->transformation_count;
}

const struct transformation *tenant_transformation_at(const struct tenant *tenant, size_t index)
{
    return &tenant->transformations[index];
}

const struct tenant *tenants_find(const struct tenants *tenants, unsigned id)
{
    for (size_t i = 0; i < tenants->count; i++) {
        if (tenants->members[i]->id == id)
            return tenants->members[i];
    }
    return NULL;
}
