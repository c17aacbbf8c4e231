// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/tenant.h"

#include "appliance/fpe/alphabet.h"
#include "appliance/tokens/account.h"
#include "appliance/tokens/giftcard.h"
#include "appliance/tokens/template.h"

#include <stdlib.h>
#include <string.h>

struct tenant {
    char *name;
    unsigned id;
    struct keyring *keyring;
    struct rng rng;
    struct mac mac;
    struct store *store;
    struct account **accounts;
    size_t account_count;
    struct transformation *transformations;
    size_t transformation_count;
    struct role *roles;
    size_t role_count;
    struct named_alphabet *alphabets;
    size_t alphabet_count;
    struct tenant_giftcards *giftcards;
    size_t giftcards_count;
};

struct named_alphabet {
    char *name, *characters;
};

// By the names that Vault Transform's clients know, and one for card tokens.
static const struct alphabet_options builtin_alphabets[] = {
    {"builtin/numeric", ALPHABET_DECIMAL},
    {"builtin/alphalower", ALPHABET_LOWER},
    {"builtin/alphaupper", ALPHABET_UPPER},
    {"builtin/alphanumericlower", ALPHABET_DECIMAL ALPHABET_LOWER},
    {"builtin/alphanumericupper", ALPHABET_DECIMAL ALPHABET_UPPER},
    {"builtin/alphanumeric", ALPHABET_ALNUM},
    {"builtin/hexlower", ALPHABET_LOWER_HEX},
};

static const size_t builtin_alphabet_count = sizeof builtin_alphabets / sizeof builtin_alphabets[0];

// What a template needs and the options lack, or the reverse; NULL when they agree.
static const char *disagreement(const struct template *template, const struct transformation_options *options)
{
    if (template_is(template, TEMPLATE_HAS_ACCOUNT) != (options->account != NULL))
        return options->account == NULL ? "needs an account as \"of\"" : "has no account";
    if (template_is(template, TEMPLATE_HAS_OWNER) != (options->of != NULL))
        return options->of == NULL ? "needs \"of\"" : "has no \"of\"";
    if (template_is(template, TEMPLATE_IS_PINNED) != (options->generation != 0))
        return options->generation == 0 ? "needs \"generation\"" : "has no \"generation\"";
    const bool patterned = template_is(template, TEMPLATE_HAS_PATTERN);
    if (patterned != (options->pattern != NULL) || patterned != (options->alphabet != NULL))
        return patterned ? "needs \"pattern\" and \"alphabet\"" : "has no \"pattern\"";
    if (options->tweak_source != TWEAK_INTERNAL && !template_is(template, TEMPLATE_TAKES_TWEAK))
        return "takes no tweak";
    return NULL;
}

static enum err copy_texts(struct transformation *transformation,
                           const struct transformation_options *options)
{
    transformation->name = strdup(options->name);
    transformation->pattern = options->pattern == NULL ? NULL : strdup(options->pattern);
    transformation->alphabet = options->alphabet == NULL ? NULL : strdup(options->alphabet);
    return transformation->name == NULL || (options->pattern != NULL && transformation->pattern == NULL) ||
                   (options->alphabet != NULL && transformation->alphabet == NULL)
               ? ERR_MEMORY
               : OK;
}

static enum err build_transformation(const struct tenant *tenant, struct transformation *transformation,
                                     const struct transformation_options *options, struct diag *diag)
{
    const struct template *template = template_find(options->template);
    if (template == NULL)
        return diag_set(diag, ERR_NOT_FOUND, "transformation \"%s\": no template is named \"%s\"",
                        options->name, options->template);
    const char *wrong = disagreement(template, options);
    if (wrong != NULL)
        return diag_set(diag, ERR_CONFLICT, "transformation \"%s\": template \"%s\" %s", options->name,
                        template->name, wrong);
    if (options->generation != 0 && keyring_by_number(tenant->keyring, options->generation) == NULL)
        return diag_set(diag, ERR_NOT_FOUND, "transformation \"%s\": there is no generation %u",
                        options->name, options->generation);
    *transformation = (struct transformation){
        .id = options->id,
        .generation = options->generation,
        .template = template,
        .of = options->of,
        .tweak_source = options->tweak_source,
    };
    const enum err rc = copy_texts(transformation, options);
    return rc != OK ? rc : template->init(transformation, options, tenant, diag);
}

static enum err add_transformation(struct tenant *tenant, const struct transformation_options *options,
                                   struct diag *diag)
{
    struct diag reason = {0};
    const enum err rc = build_transformation(tenant, &tenant->transformations[tenant->transformation_count],
                                             options, &reason);
    tenant->transformation_count++;
    if (rc == OK)
        return OK;
    return diag_add(diag, rc, "%s: %s", options->where, reason.text[0] != '\0' ? reason.text : err_name(rc));
}

// All of them are tried, so that all faults are told at once.
static enum err add_transformations(struct tenant *tenant, const struct tenant_options *options,
                                    struct diag *diag)
{
    enum err first = OK;
    for (size_t i = 0; i < options->transformation_count; i++) {
        const enum err rc = add_transformation(tenant, &options->transformations[i], diag);
        if (first == OK)
            first = rc;
    }
    return first;
}

static enum err add_alphabet(struct tenant *tenant, const struct alphabet_options *options)
{
    struct named_alphabet *alphabet = &tenant->alphabets[tenant->alphabet_count++];
    alphabet->name = strdup(options->name);
    alphabet->characters = strdup(options->characters);
    return alphabet->name == NULL || alphabet->characters == NULL ? ERR_MEMORY : OK;
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
        for (size_t j = 0; j < role->transformation_count; j++) {
            if (role->transformations[j] == found)
                return diag_set(diag, ERR_CONFLICT, "role \"%s\": names transformation \"%s\" twice",
                                options->name, name);
        }
        role->transformations[role->transformation_count++] = found;
    }
    return OK;
}

static enum err allocate(struct tenant *tenant, const struct tenant_options *options)
{
    tenant->name = strdup(options->name);
    tenant->transformations = calloc(options->transformation_count + 1, sizeof *tenant->transformations);
    tenant->roles = calloc(options->role_count + 1, sizeof *tenant->roles);
    tenant->alphabets = calloc(options->alphabet_count + 1, sizeof *tenant->alphabets);
    tenant->giftcards = calloc(options->giftcards_count + 1, sizeof *tenant->giftcards);
    tenant->accounts = calloc(options->account_count + 1, sizeof(struct account *));
    return tenant->name && tenant->transformations && tenant->roles && tenant->alphabets &&
                   tenant->giftcards && tenant->accounts
               ? OK
               : ERR_MEMORY;
}

enum err tenant_new(const struct tenant_options *options, struct tenant **out_tenant, struct diag *diag)
{
    enum err rc = OK;
    struct tenant *tenant = calloc(1, sizeof *tenant);
    if (tenant == NULL)
        return ERR_MEMORY;
    TRY(allocate(tenant, options));
    tenant->id = options->id;
    tenant->rng = options->rng;
    tenant->mac = options->mac;
    tenant->store = options->store;
    tenant->keyring = options->keyring;
    for (; tenant->giftcards_count < options->giftcards_count; tenant->giftcards_count++)
        tenant->giftcards[tenant->giftcards_count] = options->giftcards[tenant->giftcards_count];
    for (size_t i = 0; i < options->alphabet_count; i++)
        TRY(add_alphabet(tenant, &options->alphabets[i]));
    for (; tenant->account_count < options->account_count; tenant->account_count++)
        TRY(account_new(&options->accounts[tenant->account_count], &tenant->accounts[tenant->account_count]));
    TRY(add_transformations(tenant, options, diag));
    for (size_t i = 0; i < options->role_count; i++)
        TRY(add_role(tenant, &options->roles[i], diag));
    *out_tenant = tenant;
    tenant = NULL;
out:
    if (tenant != NULL) { // still the caller's
        tenant->keyring = NULL;
        tenant->giftcards_count = 0;
    }
    tenant_free(tenant);
    return rc;
}

static void transformation_done(struct transformation *transformation)
{
    if (transformation->template != NULL)
        transformation->template->done(transformation);
    free(transformation->name);
    free(transformation->pattern);
    free(transformation->alphabet);
}

void tenant_free(struct tenant *tenant)
{
    if (tenant == NULL)
        return;
    for (size_t i = 0; i < tenant->transformation_count; i++)
        transformation_done(&tenant->transformations[i]);
    for (size_t i = 0; i < tenant->role_count; i++) {
        free(tenant->roles[i].transformations);
        free(tenant->roles[i].name);
    }
    for (size_t i = 0; i < tenant->alphabet_count; i++) {
        free(tenant->alphabets[i].name);
        free(tenant->alphabets[i].characters);
    }
    for (size_t i = 0; i < tenant->giftcards_count; i++)
        giftcards_free(tenant->giftcards[i].giftcards);
    free(tenant->transformations);
    free(tenant->roles);
    free(tenant->alphabets);
    free(tenant->giftcards);
    for (size_t i = 0; i < tenant->account_count; i++)
        account_free(tenant->accounts[i]);
    free(tenant->accounts);
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

const struct mac *tenant_mac(const struct tenant *tenant)
{
    return &tenant->mac;
}

struct store *tenant_store(const struct tenant *tenant)
{
    return tenant->store;
}

const struct account *tenant_account(const struct tenant *tenant, struct slice id)
{
    for (size_t i = 0; i < tenant->account_count; i++) {
        if (slice_is(id, account_id(tenant->accounts[i])))
            return tenant->accounts[i];
    }
    return NULL;
}

const struct giftcards *tenant_giftcards(const struct tenant *tenant, unsigned client_id)
{
    for (size_t i = 0; i < tenant->giftcards_count; i++) {
        if (tenant->giftcards[i].client_id == client_id)
            return tenant->giftcards[i].giftcards;
    }
    return NULL;
}

size_t tenant_alphabet_count(const struct tenant *tenant)
{
    return builtin_alphabet_count + tenant->alphabet_count;
}

const char *tenant_alphabet_name_at(const struct tenant *tenant, size_t index)
{
    return index < builtin_alphabet_count ? builtin_alphabets[index].name
                                          : tenant->alphabets[index - builtin_alphabet_count].name;
}

const char *tenant_alphabet(const struct tenant *tenant, const char *name)
{
    for (size_t i = 0; i < builtin_alphabet_count; i++) {
        if (strcmp(builtin_alphabets[i].name, name) == 0)
            return builtin_alphabets[i].characters;
    }
    for (size_t i = 0; i < tenant->alphabet_count; i++) {
        if (strcmp(tenant->alphabets[i].name, name) == 0)
            return tenant->alphabets[i].characters;
    }
    return NULL;
}

const struct role *tenant_role(const struct tenant *tenant, struct slice name)
{
    for (size_t i = 0; i < tenant->role_count; i++) {
        if (slice_is(name, tenant->roles[i].name))
            return &tenant->roles[i];
    }
    return NULL;
}

const struct transformation *tenant_transformation(const struct tenant *tenant, struct slice name)
{
    for (size_t i = 0; i < tenant->transformation_count; i++) {
        if (slice_is(name, tenant->transformations[i].name))
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
