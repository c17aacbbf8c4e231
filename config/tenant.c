// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "config/tenant.h"

#include "config/account.h"
#include "config/characters.h"
#include "config/client.h"

#include <stdlib.h>
#include <string.h>

enum {
    PATTERN_BYTES_MAX = 4096,
};

// ---- keys and alphabets ---------------------------------------------------------------------------

static bool parse_hex_digit(char digit, uint8_t *out_value)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = digit == '\0' ? NULL : strchr(digits, digit | 0x20);
    if (at == NULL)
        return false;
    *out_value = (uint8_t)(at - digits);
    return true;
}

static bool parse_check_value(const char *text, uint8_t *out_bytes)
{
    if (strlen(text) != 6)
        return false;
    for (int i = 0; i < 3; i++) {
        uint8_t high, low;
        if (!parse_hex_digit(text[2 * i], &high) || !parse_hex_digit(text[2 * i + 1], &low))
            return false;
        out_bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static void read_generation(const struct block *block, struct config_generation *generation)
{
    generation->line = block->line;
    generation->number = block_16_bits(cfg_title(block->cfg));
    if (generation->number == 0)
        block_complain(block, "", "the title must be the number of the generation, 1..65535");
    generation->state = (enum config_generation_state)block_word(block, "state", schema_key_states);
    char *text = block_text(block, "check_value", BLOCK_OPTIONAL);
    generation->has_check_value = text != NULL;
    if (text != NULL && !parse_check_value(text, generation->check_value))
        block_complain(block, "check_value", "check_value must be 6 hexadecimal digits");
    free(text);
}

static void read_alphabet(const struct block *block, struct config_alphabet *alphabet)
{
    *alphabet = (struct config_alphabet){
        .name = block_title(block),
        .characters = block_text(block, "characters", BLOCK_REQUIRED),
        .line = block->line,
    };
    if (alphabet->characters != NULL)
        characters_check(block, "characters", alphabet->characters);
}

// ---- transformations ------------------------------------------------------------------------------

// An option that some templates need and no other takes.
static void check_option(const struct block *block, const char *option, bool given, const char *template,
                         const char *need) // NULL: the template does not take it
{
    if (need != NULL && !given)
        block_complain(block, option, "%s is missing: template \"%s\" needs %s", option, template, need);
    if (need == NULL && given)
        block_complain(block, option, "%s is not for template \"%s\"", option, template);
}

static const char *need_of_owner(const struct schema_template *template)
{
    if (!template->has_owner)
        return NULL;
    return template->owner_is_account ? "an account" : "a client";
}

static void check_template(const struct block *block, const struct config_transformation *row)
{
    const char *name = row->template;
    const struct schema_template *template = schema_find_template(name);
    if (template == NULL) {
        block_complain(block, "template", "there is no template \"%s\"", name);
        return;
    }
    check_option(block, "of", row->of != NULL, name, need_of_owner(template));
    check_option(block, "generation", block_has(block, "generation"), name,
                 template->is_pinned ? "the number of keys" : NULL);
    check_option(block, "pattern", row->pattern != NULL, name, template->has_pattern ? "one" : NULL);
    check_option(block, "alphabet", row->alphabet != NULL, name, template->has_pattern ? "one" : NULL);
    if (!template->takes_tweak && row->tweak_source != CONFIG_TWEAK_INTERNAL)
        block_complain(block, "tweak_source", "template \"%s\" takes no tweak: tweak_source must be internal",
                       name);
}

static void read_transformation(const struct block *block, struct config_transformation *row)
{
    *row = (struct config_transformation){
        .name = block_title(block),
        .id = (unsigned)block_number(block, "id", 1, CONFIG_ID_MAX),
        .template = block_text(block, "template", BLOCK_REQUIRED),
        .of = block_text(block, "of", BLOCK_OPTIONAL),
        .tweak_source = (enum config_tweak_source)block_word(block, "tweak_source", schema_tweak_sources),
        .pattern = block_text(block, "pattern", BLOCK_OPTIONAL),
        .alphabet = block_text(block, "alphabet", BLOCK_OPTIONAL),
        .line = block->line,
    };
    if (block_has(block, "generation"))
        row->generation = (unsigned)block_number(block, "generation", 1, CONFIG_ID_MAX);
    if (row->pattern != NULL && strlen(row->pattern) > PATTERN_BYTES_MAX)
        block_complain(block, "pattern", "pattern must be 1..%d bytes", PATTERN_BYTES_MAX);
    if (row->template != NULL)
        check_template(block, row);
}

// ---- roles ----------------------------------------------------------------------------------------

static void read_role(const struct block *block, struct config_role *role)
{
    *role = (struct config_role){.name = block_title(block), .line = block->line};
    role->transformations = block_names(block, "transformations", &role->transformation_count);
    if (cfg_size(block->cfg, "transformations") == 0)
        block_complain(block, "transformations", "transformations must name at least one");
}

// ---- the tenant -----------------------------------------------------------------------------------

static void read_keys(const struct block *block, struct config_tenant *tenant)
{
    tenant->generations = block_rows(block, "keys", sizeof *tenant->generations, &tenant->generation_count);
    for (unsigned i = 0; i < tenant->generation_count; i++) {
        struct block keys = block_child(block, "keys", i);
        read_generation(&keys, &tenant->generations[i]);
    }
}

static void read_alphabets(const struct block *block, struct config_tenant *tenant)
{
    tenant->alphabets = block_rows(block, "alphabet", sizeof *tenant->alphabets, &tenant->alphabet_count);
    for (unsigned i = 0; i < tenant->alphabet_count; i++) {
        struct block alphabet = block_child(block, "alphabet", i);
        read_alphabet(&alphabet, &tenant->alphabets[i]);
    }
}

static void read_clients(const struct block *block, struct config_tenant *tenant)
{
    tenant->clients = block_rows(block, "client", sizeof *tenant->clients, &tenant->client_count);
    for (unsigned i = 0; i < tenant->client_count; i++) {
        struct block client = block_child(block, "client", i);
        client_read(&client, &tenant->clients[i]);
    }
}

static void read_accounts(const struct block *block, struct config_tenant *tenant)
{
    tenant->accounts = block_rows(block, "account", sizeof *tenant->accounts, &tenant->account_count);
    for (unsigned i = 0; i < tenant->account_count; i++) {
        struct block account = block_repeated(block, "account", i);
        account_read(&account, &tenant->accounts[i]);
    }
}

static void read_transformations(const struct block *block, struct config_tenant *tenant)
{
    tenant->transformations =
        block_rows(block, "transformation", sizeof *tenant->transformations, &tenant->transformation_count);
    for (unsigned i = 0; i < tenant->transformation_count; i++) {
        struct block transformation = block_child(block, "transformation", i);
        read_transformation(&transformation, &tenant->transformations[i]);
    }
}

static void read_roles(const struct block *block, struct config_tenant *tenant)
{
    tenant->roles = block_rows(block, "role", sizeof *tenant->roles, &tenant->role_count);
    for (unsigned i = 0; i < tenant->role_count; i++) {
        struct block role = block_child(block, "role", i);
        read_role(&role, &tenant->roles[i]);
    }
}

void tenant_read(const struct block *block, struct config_tenant *out_tenant)
{
    out_tenant->name = block_title(block);
    out_tenant->id = (unsigned)block_number(block, "id", 1, CONFIG_ID_MAX);
    out_tenant->line = block->line;
    read_keys(block, out_tenant);
    read_alphabets(block, out_tenant);
    read_clients(block, out_tenant);
    read_accounts(block, out_tenant);
    read_transformations(block, out_tenant);
    read_roles(block, out_tenant);
}
