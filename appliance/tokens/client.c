// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A credential's spelling: all hang on one 32-byte secret per client generation.
//   WP3 (card API)   id: 40 hex of HMAC("client id", client id), which survives rotation; key: 64 hex
//   token (transform, operations)   "sym." client id "." 43 base64url; names its client, so that one
//                                   compare decides
//   Basic (gift cards, customers)   user: the client's name; password: 43 base64url
//   API key (serials)   the first 16 bytes as 8-4-4-4-12 hex
#include "appliance/tokens/client.h"

#include "appliance/base/codec.h"
#include "appliance/store/store.h"
#include "appliance/tokens/access_token.h"
#include "appliance/tokens/fields.h"
#include "appliance/tokens/login.h"
#include "appliance/tokens/serials.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PUBLIC_ID_BYTES = 20,
    PUBLIC_ID_LENGTH = 2 * PUBLIC_ID_BYTES,
    KEY_HEX_LENGTH = 2 * MAC_BYTES,
    TOKEN_TEXT_MAX = 64,
    SECRETS = 2, // current and, while it is accepted, the previous
    WP3_WINDOW_S = 300,
    LOGIN_SKEW_S = 60, // clocks of nodes differ
    SHA512_BYTES = 64,
    UUID_BYTES = 16,
};

static const char token_prefix[] = "sym.";

struct client {
    char *name;
    unsigned id, tenant_id, generation;
    unsigned apis, permissions;
    bool luhn;
    char **roles, **accounts;
    size_t role_count, account_count;
    char public_id[PUBLIC_ID_LENGTH + 1];
    uint8_t secrets[SECRETS][MAC_BYTES];
    size_t secret_count;
};

struct clients {
    struct clients_services services;
    size_t count;
    struct client decoy;     // compared with when nobody matches, so that the time does not tell
    struct client members[]; // ascending ids
};

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
    TRY(copy_list(options->accounts, options->account_count, &client->accounts, &client->account_count));
out:
    return rc;
}

static enum err client_init(const struct client_options *options, struct client *client)
{
    enum err rc = OK;
    assert(options->generation >= 1);
    client->id = options->id;
    client->tenant_id = options->tenant_id;
    client->generation = options->generation;
    client->apis = options->apis;
    client->permissions = options->permissions | PERMISSION_PUBLIC | PERMISSION_CALLER;
    client->luhn = options->luhn;
    TRY(copy_texts(options, client));
    TRY(derive_secrets(options, client));
    TRY(derive_public_id(options, client));
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
    free(client->name);
    wipe(client->secrets, sizeof client->secrets);
}

static int by_id(const void *a, const void *b)
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
        TRY(client_init(&options[clients->count], &clients->members[clients->count]));
    qsort(clients->members, count, sizeof clients->members[0], by_id);
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

static void spell_key(const uint8_t secret[MAC_BYTES], char out_text[KEY_HEX_LENGTH + 1])
{
    hex_encode(secret, MAC_BYTES, out_text);
}

static void spell_token(unsigned id, const uint8_t secret[MAC_BYTES], char out_text[TOKEN_TEXT_MAX])
{
    const int len = snprintf(out_text, TOKEN_TEXT_MAX, "%s%u.", token_prefix, id);
    base64url_encode(secret, MAC_BYTES, out_text + len);
}

static void spell_password(const uint8_t secret[MAC_BYTES], char out_text[TOKEN_TEXT_MAX])
{
    base64url_encode(secret, MAC_BYTES, out_text);
}

// ---- checking ------------------------------------------------------------------------------------

// Compares with every accepted spelling, in time that does not depend on which one fits.
static bool secret_matches(const struct client *client, struct slice given, bool token)
{
    bool match = false;
    for (size_t i = 0; i < client->secret_count; i++) {
        char expected[TOKEN_TEXT_MAX];
        WIPE_AT_EXIT(expected);
        if (token)
            spell_token(client->id, client->secrets[i], expected);
        else
            spell_password(client->secrets[i], expected);
        match |= strlen(expected) == given.len && ct_equal(expected, given.at, given.len);
    }
    return match;
}

static const struct client *find_by_id(const struct clients *clients, unsigned id)
{
    const struct client key = {.id = id};
    return bsearch(&key, clients->members, clients->count, sizeof key, by_id);
}

// The client id in "sym.<id>.", or 0.
static unsigned id_in_token(struct slice token)
{
    const size_t prefix = sizeof token_prefix - 1;
    unsigned id = 0;
    size_t i = prefix;
    if (token.len < prefix || memcmp(token.at, token_prefix, prefix) != 0)
        return 0;
    for (; i < token.len && i < prefix + 5 && token.at[i] >= '0' && token.at[i] <= '9'; i++)
        id = id * 10 + (unsigned)(token.at[i] - '0');
    return i < token.len && token.at[i] == '.' ? id : 0;
}

static bool timestamp_is_fresh(struct slice timestamp, int64_t now_s)
{
    int64_t then_s = 0;
    if (timestamp.len != 10)
        return false;
    for (size_t i = 0; i < timestamp.len; i++) {
        if (timestamp.at[i] < '0' || timestamp.at[i] > '9')
            return false;
        then_s = then_s * 10 + (timestamp.at[i] - '0');
    }
    return then_s >= now_s - WP3_WINDOW_S && then_s <= now_s + WP3_WINDOW_S;
}

// SHA-512 over merchant key, timestamp, authenticity token, path and body.
static bool wp3_digest(const uint8_t secret[MAC_BYTES], const struct presented *presented,
                       uint8_t out_digest[SHA512_BYTES])
{
    char key[KEY_HEX_LENGTH + 1];
    WIPE_AT_EXIT(key);
    spell_key(secret, key);
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    const bool done = hash != NULL && EVP_DigestInit_ex(hash, EVP_sha512(), NULL) == 1 &&
                      EVP_DigestUpdate(hash, key, KEY_HEX_LENGTH) == 1 &&
                      EVP_DigestUpdate(hash, presented->timestamp.at, presented->timestamp.len) == 1 &&
                      EVP_DigestUpdate(hash, presented->id.at, presented->id.len) == 1 &&
                      EVP_DigestUpdate(hash, presented->path.at, presented->path.len) == 1 &&
                      EVP_DigestUpdate(hash, presented->body.at, presented->body.len) == 1 &&
                      EVP_DigestFinal_ex(hash, out_digest, NULL) == 1;
    EVP_MD_CTX_free(hash);
    return done;
}

static bool wp3_matches(const struct client *client, const struct presented *presented)
{
    bool match = false;
    uint8_t given[SHA512_BYTES];
    const bool well_formed = hex_decode(presented->secret, given, sizeof given);
    for (size_t i = 0; i < client->secret_count; i++) {
        uint8_t expected[SHA512_BYTES];
        WIPE_AT_EXIT(expected);
        match |= wp3_digest(client->secrets[i], presented, expected) && well_formed &&
                 ct_equal(expected, given, sizeof given);
    }
    return match;
}

static const struct client *find_by_public_id(const struct clients *clients, struct slice id)
{
    for (size_t i = 0; i < clients->count; i++) {
        if (slice_is(id, clients->members[i].public_id))
            return &clients->members[i];
    }
    return NULL;
}

static const struct client *find_by_name(const struct clients *clients, struct slice name)
{
    for (size_t i = 0; i < clients->count; i++) {
        if (slice_is(name, clients->members[i].name))
            return &clients->members[i];
    }
    return NULL;
}

// What one presented credential came to. Client and match are looked at together, and only at the end.
struct verdict {
    const struct client *client;
    bool match;
    int64_t expires_s;
    uint8_t session_id[UUID_BYTES];
    struct access_claims claims;
};

// Whether a client still accepts secrets of a generation, of which the lowest four bits are known.
static bool accepts_generation(const struct client *client, unsigned low_bits)
{
    for (unsigned i = 0; i < client->secret_count; i++) {
        if ((client->generation - i) % 16 == low_bits)
            return true;
    }
    return false;
}

static enum err judge_login(const struct clients *clients, struct slice text, int64_t now_s,
                            struct verdict *verdict)
{
    struct login login;
    const enum err rc = login_open(clients->services.logins, text, &login);
    if (rc == ERR_NOT_GENUINE)
        return OK; // no match
    if (rc != OK)
        return rc;
    verdict->client = find_by_id(clients, login.client_id);
    verdict->expires_s = login.issued_s + LOGIN_LIFE_S;
    verdict->match = verdict->client != NULL && accepts_generation(verdict->client, login.generation) &&
                     now_s >= login.issued_s - LOGIN_SKEW_S && now_s < verdict->expires_s;
    return OK;
}

// Every client's key is compared, so that the time does not tell which one fits.
static void judge_api_key(const struct clients *clients, struct slice text, struct verdict *verdict)
{
    uint8_t given[UUID_BYTES];
    if (!uuid_decode(text, given))
        return;
    for (size_t i = 0; i < clients->count; i++) {
        const struct client *client = &clients->members[i];
        for (size_t s = 0; s < client->secret_count; s++) {
            if ((client->apis & CLIENT_API_SERIAL) != 0 &&
                ct_equal(client->secrets[s], given, sizeof given)) {
                verdict->client = client;
                verdict->match = true;
            }
        }
    }
}

// A session lives until it is revoked, or nobody used it for a while. Its use is noted to the minute, and
// counts from that minute's end.
static enum err check_session(const struct clients *clients, const uint8_t row[UUID_BYTES], int64_t now_s,
                              struct verdict *verdict)
{
    struct store_session session;
    struct store *store = clients->services.store;
    enum err rc = store_session_get(store, row, &session);
    if (rc != OK)
        return rc == ERR_NOT_FOUND ? OK : rc;
    const bool alive = session.revoked_ms == 0 && session.client_id == verdict->client->id &&
                       now_s - session.used_minute * 60 < clients->services.session_idle_s + 60;
    const bool noted = session.used_minute >= now_s / 60;
    store_session_done(&session);
    if (!alive)
        return OK;
    verdict->match = true;
    memcpy(verdict->session_id, row, UUID_BYTES);
    return noted ? OK : store_session_touch(store, row, now_s / 60);
}

static enum err judge_session(const struct clients *clients, struct slice text, int64_t now_s,
                              struct verdict *verdict)
{
    uint8_t key[UUID_BYTES], row[UUID_BYTES];
    struct sealed_id opened;
    if (clients->services.sessions == NULL || !uuid_decode(text, key))
        return OK;
    const enum err rc = sealed_id_open(clients->services.sessions, key, &opened);
    if (rc != OK)
        return rc == ERR_NOT_GENUINE ? OK : rc;
    session_row(&opened, row);
    verdict->client = find_by_id(clients, opened.client_id);
    return verdict->client == NULL ? OK : check_session(clients, row, now_s, verdict);
}

// A token is good for what its client may do now, and dies with the secret that it was asked for with.
static void judge_access_token(const struct clients *clients, struct slice text, int64_t now_s,
                               struct verdict *verdict)
{
    struct access_claims *claims = &verdict->claims;
    if (clients->services.access_tokens == NULL ||
        access_token_open(clients->services.access_tokens, text, now_s, claims) != OK)
        return;
    const struct client *client = find_by_id(clients, claims->client_id);
    if (client == NULL)
        return;
    const unsigned age = client->generation - claims->client_generation;
    verdict->client = client;
    verdict->expires_s = claims->expires_s;
    verdict->match = age < client->secret_count && client_has_account(client, claims->account);
    claims->scopes &= access_scopes_of(client->permissions);
}

static enum err judge(const struct clients *clients, const struct presented *presented, int64_t now_s,
                      struct verdict *verdict)
{
    switch (presented->kind) {
    case CREDENTIAL_NONE:
    case CREDENTIAL_MEMBER:
        return OK;
    case CREDENTIAL_ACCESS_TOKEN:
        judge_access_token(clients, presented->secret, now_s, verdict);
        return OK;
    case CREDENTIAL_WP3:
        verdict->client = find_by_public_id(clients, presented->id);
        verdict->match =
            wp3_matches(verdict->client != NULL ? verdict->client : &clients->decoy, presented) &&
            timestamp_is_fresh(presented->timestamp, now_s);
        return OK;
    case CREDENTIAL_TOKEN:
        if (clients->services.logins != NULL && presented->secret.len == LOGIN_TEXT_BYTES - 1)
            return judge_login(clients, presented->secret, now_s, verdict);
        verdict->client = find_by_id(clients, id_in_token(presented->secret));
        verdict->match = secret_matches(verdict->client != NULL ? verdict->client : &clients->decoy,
                                        presented->secret, true);
        return OK;
    case CREDENTIAL_BASIC:
        verdict->client = find_by_name(clients, presented->id);
        verdict->match = secret_matches(verdict->client != NULL ? verdict->client : &clients->decoy,
                                        presented->secret, false);
        return OK;
    case CREDENTIAL_API_KEY:
        judge_api_key(clients, presented->secret, verdict);
        return OK;
    case CREDENTIAL_SESSION_KEY:
        return judge_session(clients, presented->secret, now_s, verdict);
    }
    return OK;
}

enum err clients_authenticate(const struct clients *clients, enum client_api api,
                              const struct presented *presented, int64_t now_s, struct caller *out_caller)
{
    struct verdict verdict = {0};
    const enum err rc = judge(clients, presented, now_s, &verdict);
    const struct client *client = verdict.client;
    if (rc != OK)
        return rc;
    if (client == NULL || !verdict.match || (client->apis & api) == 0)
        return ERR_CREDENTIAL;
    *out_caller = (struct caller){
        .client = client,
        .name = client->name,
        .client_id = client->id,
        .tenant_id = client->tenant_id,
        .apis = client->apis,
        .permissions = client->permissions,
        .expires_s = verdict.expires_s,
        .scopes = verdict.claims.scopes,
    };
    memcpy(out_caller->account, verdict.claims.account, sizeof verdict.claims.account);
    memcpy(out_caller->session_id, verdict.session_id, sizeof verdict.session_id);
    return OK;
}

enum err clients_login(const struct clients *clients, struct slice name, struct slice token, int64_t now_s,
                       struct caller *out_caller, char *out_text)
{
    struct caller caller;
    const struct presented presented = {.kind = CREDENTIAL_TOKEN, .secret = token};
    enum err rc = clients_authenticate(clients, CLIENT_API_TRANSFORM, &presented, now_s, &caller);
    if (rc != OK)
        return rc;
    // A login token cannot be traded for a longer life.
    if (caller.expires_s != 0 || !slice_is(name, caller.name) || clients->services.logins == NULL)
        return ERR_CREDENTIAL;
    const struct login login = {caller.client_id, caller.client->generation, now_s};
    rc = login_seal(clients->services.logins, &login, out_text);
    if (rc == OK)
        *out_caller = caller;
    return rc;
}

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

enum err client_credential(const struct client *client, enum client_api api, struct secret *out_id,
                           struct secret *out_secret)
{
    char id[PUBLIC_ID_LENGTH + 1] = "", text[KEY_HEX_LENGTH + 1];
    const char *public_part = id;
    WIPE_AT_EXIT(text);
    if ((client->apis & api) == 0)
        return ERR_NOT_FOUND;
    switch (api) {
    case CLIENT_API_CARD:
        public_part = client->public_id;
        spell_key(client->secrets[0], text);
        break;
    case CLIENT_API_TRANSFORM:
    case CLIENT_API_OPERATIONS:
        spell_token(client->id, client->secrets[0], text);
        break;
    case CLIENT_API_GIFTCARD:
    case CLIENT_API_CUSTOMERS:
        public_part = client->name;
        spell_password(client->secrets[0], text);
        break;
    case CLIENT_API_SERIAL:
        uuid_encode(client->secrets[0], text);
        break;
    case CLIENT_API_REQUESTS:
        return ERR_NOT_FOUND; // not served yet
    }
    const enum err rc = secret_set(out_id, public_part, strlen(public_part));
    return rc != OK ? rc : secret_set(out_secret, text, strlen(text));
}
