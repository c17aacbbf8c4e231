// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/client_internal.h"

#include "appliance/base/codec.h"
#include "appliance/store/store.h"
#include "appliance/tokens/access_token.h"
#include "appliance/tokens/login.h"
#include "appliance/tokens/serials.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum {
    WP3_WINDOW_S = 300,
    LOGIN_SKEW_S = 60, // clocks of nodes differ
    SHA512_BYTES = 64,
    UUID_BYTES = 16,
};

// Compares with every accepted spelling, in time that does not depend on which one fits.
static bool secret_matches(const struct client *client, struct slice given, bool token)
{
    bool match = false;
    for (size_t i = 0; i < client->secret_count; i++) {
        char expected[TOKEN_TEXT_MAX];
        WIPE_AT_EXIT(expected);
        if (token)
            client_spell_token(client->id, client->secrets[i], expected);
        else
            client_spell_password(client->secrets[i], expected);
        match |= strlen(expected) == given.len && ct_equal(expected, given.at, given.len);
    }
    return match;
}

const struct client *clients_find_id(const struct clients *clients, unsigned id)
{
    const struct client key = {.id = id};
    return bsearch(&key, clients->members, clients->count, sizeof key, client_compare_ids);
}

// The client id in "sym.<id>.", or 0.
static unsigned id_in_token(struct slice token)
{
    const size_t prefix = TOKEN_PREFIX_LENGTH;
    unsigned id = 0;
    size_t i = prefix;
    if (token.len < prefix || memcmp(token.at, client_token_prefix, prefix) != 0)
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
    client_spell_key(secret, key);
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
    verdict->client = clients_find_id(clients, login.client_id);
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
    verdict->client = clients_find_id(clients, opened.client_id);
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
    const struct client *client = clients_find_id(clients, claims->client_id);
    if (client == NULL)
        return;
    const unsigned age = client->generation - claims->client_generation;
    verdict->client = client;
    verdict->expires_s = claims->expires_s;
    verdict->match = age < client->secret_count && client_has_account(client, claims->account);
    claims->scopes &= access_scopes_of(client->permissions);
}

// A member id and its own text, or the text with '-' for ':'.
static bool is_member_id(const char *own, struct slice given)
{
    const char separator = given.len > 1 && given.at[1] == '-' ? '-' : ':';
    if (own[0] == '\0' || strlen(own) != given.len)
        return false;
    for (size_t i = 0; i < given.len; i++) {
        if (given.at[i] != (own[i] == ':' ? separator : own[i]))
            return false;
    }
    return true;
}

static const struct client *find_by_member_id(const struct clients *clients, struct slice id)
{
    for (size_t i = 0; i < clients->count; i++) {
        if (is_member_id(clients->members[i].member_id, id))
            return &clients->members[i];
    }
    return NULL;
}

static bool api_key_matches(const struct client *client, struct slice text)
{
    bool match = false;
    uint8_t given[UUID_BYTES] = {0};
    const bool well_formed = uuid_decode(text, given);
    for (size_t i = 0; i < client->secret_count; i++)
        match |= ct_equal(client->secrets[i], given, sizeof given);
    return match && well_formed;
}

// Member ids and key ids are public: only the answer, not the time, keeps to itself what was wrong.
static void judge_signed(const struct clients *clients, const struct presented *presented, int64_t now_s,
                         struct verdict *verdict)
{
    BUF room = {0};
    struct member_jws jws;
    if (!member_jws_read(presented, now_s, &room, &jws))
        return;
    verdict->client = find_by_member_id(clients, jws.member_id);
    verdict->match =
        verdict->client != NULL && member_jws_verify(verdict->client->member_keys, &jws, presented->body);
}

static void judge_member(const struct clients *clients, const struct presented *presented, int64_t now_s,
                         struct verdict *verdict)
{
    if (presented->id.len == 0) {
        judge_signed(clients, presented, now_s, verdict);
        return;
    }
    verdict->client = find_by_member_id(clients, presented->id);
    verdict->match =
        api_key_matches(verdict->client != NULL ? verdict->client : &clients->decoy, presented->secret);
}

static enum err judge(const struct clients *clients, const struct presented *presented, int64_t now_s,
                      struct verdict *verdict)
{
    switch (presented->kind) {
    case CREDENTIAL_NONE:
        return OK;
    case CREDENTIAL_MEMBER:
        judge_member(clients, presented, now_s, verdict);
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
        verdict->client = clients_find_id(clients, id_in_token(presented->secret));
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
