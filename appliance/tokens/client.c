// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/client_internal.h"

#include "appliance/base/codec.h"
#include "appliance/tokens/fields.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char client_token_prefix[] = "sym.";

static enum err derive_secrets(const struct client_options *options, struct client *client)
{
    enum err rc = OK;
    const struct field_u16 id = field_u16(options->id);
    client->secret_count = options->accept_previous && options->generation > 1 ? 2 : 1;
    for (size_t i = 0; i < client->secret_count; i++) {
        const struct field_u16 generation = field_u16(options->generation - (unsigned)i);
        const struct field fields[] = {FIELD_ARRAY(id.bytes), FIELD_ARRAY(generation.bytes)};
        TRY(mac_derive(&options->mac, "credential", fields, 2, client->secrets[i]));
    }
out:
    return rc;
}

static enum err derive_public_id(const struct client_options *options, struct client *client)
{
    uint8_t mac[MAC_BYTES];
    const struct field_u16 id = field_u16(options->id);
    const struct field field = FIELD_ARRAY(id.bytes);
    const enum err rc = mac_derive(&options->mac, "client id", &field, 1, mac);
    if (rc == OK)
        hex_encode(mac, PUBLIC_ID_BYTES, client->public_id);
    return rc;
}

static enum err copy_list(const char *const *from, size_t count, char ***out_texts, size_t *out_count)
{
    *out_texts = calloc(count + 1, sizeof **out_texts);
    if (*out_texts == NULL)
        return ERR_MEMORY;
    for (; *out_count < count; ++*out_count) {
        (*out_texts)[*out_count] = strdup(from[*out_count]);
        if ((*out_texts)[*out_count] == NULL)
            return ERR_MEMORY;
    }
    return OK;
}

static enum err copy_texts(const struct client_options *options, struct client *client)
{
    enum err rc = OK;
    client->name = strdup(options->name);
    REQUIRE(client->name != NULL, ERR_MEMORY);
    TRY(copy_list(options->roles, options->role_count, &client->roles, &client->role_count));
    if (options->display_name != NULL) {
        client->display_name = strdup(options->display_name);
        REQUIRE(client->display_name != NULL, ERR_MEMORY);
    }
    TRY(copy_list(options->accounts, options->account_count, &client->accounts, &client->account_count));
out:
    return rc;
}

// A member is known by its id and, if it likes, by the keys with which it signs.
static enum err init_member(const struct client_options *options, const struct members *members,
                            struct client *client, struct diag *diag)
{
    enum err rc = OK;
    if ((options->apis & CLIENT_API_REQUESTS) == 0)
        return OK;
    if (members != NULL)
        TRY(member_id(members, options->id, client->member_id));
    TRY(member_keys_new(options->member_keys, options->member_key_count, &client->member_keys, diag));
out:
    return rc;
}

static enum err client_init(const struct client_options *options, const struct members *members,
                            struct client *client, struct diag *diag)
{
    enum err rc = OK;
    assert(options->generation >= 1);
    client->id = options->id;
    client->tenant_id = options->tenant_id;
    client->generation = options->generation;
    client->apis = options->apis;
    client->permissions = options->permissions | PERMISSION_PUBLIC | PERMISSION_CALLER;
    client->luhn = options->luhn;
    client->rate = options->rate;
    TRY(copy_texts(options, client));
    TRY(derive_secrets(options, client));
    TRY(derive_public_id(options, client));
    TRY(init_member(options, members, client, diag));
out:
    return rc;
}

static void free_list(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
}

static void client_done(struct client *client)
{
    free_list(client->roles, client->role_count);
    free_list(client->accounts, client->account_count);
    member_keys_free(client->member_keys);
    free(client->display_name);
    free(client->name);
    wipe(client->secrets, sizeof client->secrets);
}

int client_compare_ids(const void *a, const void *b)
{
    const struct client *left = a, *right = b;
    return (left->id > right->id) - (left->id < right->id);
}

static enum err check_unique(const struct clients *clients, struct diag *diag)
{
    for (size_t i = 0; i < clients->count; i++) {
        const struct client *client = &clients->members[i];
        if (i > 0 && clients->members[i - 1].id == client->id)
            return diag_set(diag, ERR_CONFLICT, "clients %s and %s share id %u", clients->members[i - 1].name,
                            client->name, client->id);
        if (clients_find(clients, client->name) != client)
            return diag_set(diag, ERR_CONFLICT, "two clients are named %s", client->name);
    }
    return OK;
}

enum err clients_new(const struct client_options *options, size_t count,
                     const struct clients_services *services, struct clients **out_clients, struct diag *diag)
{
    enum err rc = OK;
    struct clients *clients = calloc(1, sizeof *clients + count * sizeof clients->members[0]);
    if (clients == NULL)
        return ERR_MEMORY;
    if (services != NULL)
        clients->services = *services;
    clients->decoy.secret_count = 1;
    for (; clients->count < count; clients->count++)
        TRY(client_init(&options[clients->count], clients->services.members,
                        &clients->members[clients->count], diag));
    qsort(clients->members, count, sizeof clients->members[0], client_compare_ids);
    TRY(check_unique(clients, diag));
    *out_clients = clients;
    clients = NULL;
out:
    if (clients != NULL && clients->count < count)
        clients->count++; // the half-built one
    clients_free(clients);
    return rc;
}

void clients_free(struct clients *clients)
{
    if (clients == NULL)
        return;
    for (size_t i = 0; i < clients->count; i++)
        client_done(&clients->members[i]);
    free(clients);
}

const struct client *clients_find(const struct clients *clients, const char *name)
{
    for (size_t i = 0; i < clients->count; i++) {
        if (strcmp(clients->members[i].name, name) == 0)
            return &clients->members[i];
    }
    return NULL;
}

// ---- spelling ------------------------------------------------------------------------------------

void client_spell_key(const uint8_t secret[MAC_BYTES], char out_text[KEY_HEX_LENGTH + 1])
{
    hex_encode(secret, MAC_BYTES, out_text);
}

void client_spell_token(unsigned id, const uint8_t secret[MAC_BYTES], char out_text[TOKEN_TEXT_MAX])
{
    const int len = snprintf(out_text, TOKEN_TEXT_MAX, "%s%u.", client_token_prefix, id);
    base64url_encode(secret, MAC_BYTES, out_text + len);
}

void client_spell_password(const uint8_t secret[MAC_BYTES], char out_text[TOKEN_TEXT_MAX])
{
    base64url_encode(secret, MAC_BYTES, out_text);
}

// ---- what a client is --------------------------------------------------------------------------------

bool caller_may_use_role(const struct caller *caller, const char *role)
{
    for (size_t i = 0; i < caller->client->role_count; i++) {
        if (strcmp(caller->client->roles[i], role) == 0)
            return true;
    }
    return false;
}

bool client_wants_luhn(const struct client *client)
{
    return client->luhn;
}

const char *client_name(const struct client *client)
{
    return client->name;
}

const char *client_display_name(const struct client *client)
{
    return client->display_name != NULL ? client->display_name : client->name;
}

unsigned client_rate(const struct client *client)
{
    return client->rate;
}

const char *client_member_id(const struct client *client)
{
    return client->member_id;
}

unsigned client_generation(const struct client *client)
{
    return client->generation;
}

bool client_has_account(const struct client *client, const char *account)
{
    for (size_t i = 0; i < client->account_count; i++) {
        if (strcmp(client->accounts[i], account) == 0)
            return true;
    }
    return false;
}

unsigned client_id(const struct client *client)
{
    return client->id;
}

unsigned client_apis(const struct client *client)
{
    return client->apis;
}

// As the user of Basic, which cannot hold a colon.
static void spell_member(const struct client *client, char out_text[LONG_ID_TEXT_BYTES])
{
    size_t i = 0;
    for (; client->member_id[i] != '\0'; i++)
        out_text[i] = client->member_id[i] == ':' ? '-' : client->member_id[i];
    out_text[i] = '\0';
}

enum err client_credential(const struct client *client, enum client_api api, struct secret *out_id,
                           struct secret *out_secret)
{
    char id[LONG_ID_TEXT_BYTES] = "", text[KEY_HEX_LENGTH + 1];
    const char *public_part = id;
    WIPE_AT_EXIT(text);
    if ((client->apis & api) == 0)
        return ERR_NOT_FOUND;
    switch (api) {
    case CLIENT_API_CARD:
        public_part = client->public_id;
        client_spell_key(client->secrets[0], text);
        break;
    case CLIENT_API_TRANSFORM:
    case CLIENT_API_OPERATIONS:
        client_spell_token(client->id, client->secrets[0], text);
        break;
    case CLIENT_API_GIFTCARD:
    case CLIENT_API_CUSTOMERS:
        public_part = client->name;
        client_spell_password(client->secrets[0], text);
        break;
    case CLIENT_API_SERIAL:
        uuid_encode(client->secrets[0], text);
        break;
    case CLIENT_API_REQUESTS:
        spell_member(client, id);
        uuid_encode(client->secrets[0], text);
        break;
    }
    const enum err rc = secret_set(out_id, public_part, strlen(public_part));
    return rc != OK ? rc : secret_set(out_secret, text, strlen(text));
}
