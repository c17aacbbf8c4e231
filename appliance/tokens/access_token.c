// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/access_token.h"

#include "appliance/base/codec.h"
#include "appliance/base/es256.h"
#include "appliance/base/json_write.h"
#include "appliance/tokens/flat_json.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

enum {
    LEEWAY_S = 60, // clocks of nodes differ
    TOKEN_BYTES_MAX = 4096,
    KEY_ID_BYTES = 44, // base64url of a SHA-256
    COORDINATE_TEXT = 44,
    JTI_BYTES = 16,
    AUDIENCE_MAX = 512,
};

static const char accounts_path[] = "/v1/accounts/";

struct access_tokens {
    struct signer signer;
    EVP_PKEY *public_key;
    char *issuer;
    int64_t life_s;
    char x[COORDINATE_TEXT], y[COORDINATE_TEXT], key_id[KEY_ID_BYTES];
    struct buf header; // in base64url, as it stands in front of every token: nothing else is looked at
};

// ---- scopes --------------------------------------------------------------------------------------------

static const struct {
    enum access_scope scope;
    enum permission permission;
    const char *name;
} scopes[] = {
    {SCOPE_ADMIN_CUSTOMERS, PERMISSION_ADMIN, "admin:customers"},
    {SCOPE_READ_CUSTOMERS, PERMISSION_READ, "read:customers"},
    {SCOPE_WRITE_CUSTOMERS, PERMISSION_TOKENIZE, "write:customers"},
};
enum { SCOPES = sizeof scopes / sizeof scopes[0] };

unsigned access_scopes_of(unsigned permissions)
{
    unsigned set = 0;
    for (size_t i = 0; i < SCOPES; i++) {
        if ((permissions & scopes[i].permission) != 0)
            set |= scopes[i].scope;
    }
    return set;
}

void access_scopes_write(unsigned set, struct buf *out)
{
    bool first = true;
    for (size_t i = 0; i < SCOPES; i++) {
        if ((set & scopes[i].scope) == 0)
            continue;
        if (!first)
            buf_byte(out, ' ');
        buf_text(out, scopes[i].name);
        first = false;
    }
}

static unsigned read_scopes(struct slice text)
{
    unsigned set = 0;
    while (text.len > 0) {
        const char *space = memchr(text.at, ' ', text.len);
        const struct slice word = {text.at, space != NULL ? (size_t)(space - text.at) : text.len};
        for (size_t i = 0; i < SCOPES; i++)
            set |= slice_is(word, scopes[i].name) ? (unsigned)scopes[i].scope : 0;
        const size_t used = word.len + (space != NULL);
        text = (struct slice){text.at + used, text.len - used};
    }
    return set;
}

// ---- the key -------------------------------------------------------------------------------------------

static void append_base64url(struct buf *out, const void *bytes, size_t count)
{
    char *room = buf_reserve(out, (count + 2) / 3 * 4 + 1);
    if (room == NULL)
        return;
    base64url_encode(bytes, count, room);
    out->len += strlen(room);
}

// RFC 7638: the SHA-256 of the key's required members, in order, without white space.
static enum err name_key(struct access_tokens *tokens)
{
    BUF text = {0};
    uint8_t digest[SHA256_DIGEST_LENGTH];
    base64url_encode(tokens->signer.public_key, PUBLIC_KEY_BYTES_MAX / 2, tokens->x);
    base64url_encode(tokens->signer.public_key + PUBLIC_KEY_BYTES_MAX / 2, PUBLIC_KEY_BYTES_MAX / 2,
                     tokens->y);
    buf_printf(&text, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", tokens->x, tokens->y);
    if (text.error != OK)
        return text.error;
    SHA256((const uint8_t *)text.at, text.len, digest);
    base64url_encode(digest, sizeof digest, tokens->key_id);
    return OK;
}

static enum err write_header(struct access_tokens *tokens)
{
    BUF text = {0};
    buf_printf(&text, "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\"}", tokens->key_id);
    if (text.error != OK)
        return text.error;
    append_base64url(&tokens->header, text.at, text.len);
    return tokens->header.error;
}

enum err access_tokens_new(const struct access_tokens_options *options, struct access_tokens **out_tokens)
{
    enum err rc = OK;
    struct access_tokens *tokens = calloc(1, sizeof *tokens);
    if (tokens == NULL)
        return ERR_MEMORY;
    tokens->signer = options->signer;
    tokens->life_s = options->life_s;
    tokens->issuer = strdup(options->issuer);
    tokens->public_key = es256_public_key(options->signer.public_key);
    REQUIRE(tokens->issuer != NULL, ERR_MEMORY);
    TRY(name_key(tokens));
    TRY(write_header(tokens));
    *out_tokens = tokens;
    tokens = NULL;
out:
    access_tokens_free(tokens);
    return rc;
}

void access_tokens_free(struct access_tokens *tokens)
{
    if (tokens == NULL)
        return;
    EVP_PKEY_free(tokens->public_key);
    buf_done(&tokens->header);
    free(tokens->issuer);
    free(tokens);
}

int64_t access_tokens_life_s(const struct access_tokens *tokens)
{
    return tokens->life_s;
}

void access_tokens_write_jwks(const struct access_tokens *tokens, struct buf *out)
{
    buf_printf(
        out,
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES256\",\"use\":\"sig\",\"kid\":\"%s\","
        "\"x\":\"%s\",\"y\":\"%s\"}]}",
        tokens->key_id, tokens->x, tokens->y);
}

// ---- accounts ------------------------------------------------------------------------------------------

bool account_is_well_formed(struct slice text)
{
    if (text.len != ACCOUNT_BYTES - 1 || (text.at[0] != 'P' && text.at[0] != 'T'))
        return false;
    for (size_t i = 1; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
    }
    return true;
}

// The account in a URL whose path is /v1/accounts/{aid}. Its host is the client's business: it may reach us
// under several names.
static bool account_of(struct slice audience, char out_account[ACCOUNT_BYTES])
{
    static const char *const schemes[] = {"https://", "http://"};
    const size_t path = sizeof accounts_path - 1;
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        const size_t scheme = strlen(schemes[i]);
        if (audience.len <= scheme || memcmp(audience.at, schemes[i], scheme) != 0)
            continue;
        const char *slash = memchr(audience.at + scheme, '/', audience.len - scheme);
        if (slash == NULL || slash == audience.at + scheme)
            return false;
        const struct slice rest = {slash, audience.len - (size_t)(slash - audience.at)};
        if (rest.len != path + ACCOUNT_BYTES - 1 || memcmp(rest.at, accounts_path, path) != 0)
            return false;
        const struct slice account = {rest.at + path, ACCOUNT_BYTES - 1};
        if (!account_is_well_formed(account))
            return false;
        memcpy(out_account, account.at, account.len);
        out_account[account.len] = '\0';
        return true;
    }
    return false;
}

// ---- making --------------------------------------------------------------------------------------------

static void write_claims(const struct access_tokens *tokens, const struct caller *caller,
                         struct slice audience, int64_t now_s, const uint8_t jti[JTI_BYTES], struct buf *out)
{
    char id[UUID_TEXT_BYTES];
    uuid_encode(jti, id);
    buf_byte(out, '{');
    json_write_member(out, "iss", tokens->issuer);
    buf_byte(out, ',');
    json_write_member(out, "sub", caller->name);
    buf_text(out, ",\"aud\":");
    json_write_string(out, audience);
    buf_printf(out, ",\"iat\":%lld,\"nbf\":%lld,\"exp\":%lld,\"jti\":\"%s\",\"scope\":\"", (long long)now_s,
               (long long)now_s, (long long)(now_s + tokens->life_s), id);
    access_scopes_write(access_scopes_of(caller->permissions), out);
    buf_printf(out, "\",\"client\":%u,\"generation\":%u}", caller->client_id,
               client_generation(caller->client));
}

static enum err sign(const struct access_tokens *tokens, const struct buf *signed_text,
                     uint8_t out_signature[SIGNATURE_BYTES])
{
    if (signed_text->error != OK)
        return signed_text->error;
    return signer_sign(&tokens->signer, (const uint8_t *)signed_text->at, signed_text->len, out_signature);
}

enum err access_token_make(const struct access_tokens *tokens, const struct caller *caller,
                           struct slice audience, struct rng rng, int64_t now_s, struct buf *out)
{
    enum err rc = OK;
    BUF claims = {0}, text = {0};
    uint8_t jti[JTI_BYTES], signature[SIGNATURE_BYTES];
    char account[ACCOUNT_BYTES];
    REQUIRE(audience.len <= AUDIENCE_MAX && account_of(audience, account), ERR_INPUT);
    REQUIRE(client_has_account(caller->client, account), ERR_FORBIDDEN);
    TRY(rng_fill(&rng, jti, sizeof jti));
    write_claims(tokens, caller, audience, now_s, jti, &claims);
    TRY(claims.error);
    buf_append(&text, tokens->header.at, tokens->header.len);
    buf_byte(&text, '.');
    append_base64url(&text, claims.at, claims.len);
    TRY(sign(tokens, &text, signature));
    buf_append(out, text.at, text.len);
    buf_byte(out, '.');
    append_base64url(out, signature, sizeof signature);
    rc = out->error;
out:
    return rc;
}

// ---- opening -------------------------------------------------------------------------------------------

// Whether header and signature are ours; the claims, decoded into room.
static bool verify(const struct access_tokens *tokens, struct slice text, struct buf *room,
                   struct slice *out_claims)
{
    uint8_t signature[SIGNATURE_BYTES];
    size_t count = 0;
    const size_t header = tokens->header.len;
    if (tokens->public_key == NULL || text.len > TOKEN_BYTES_MAX || text.len <= header + 1 ||
        memcmp(text.at, tokens->header.at, header) != 0 || text.at[header] != '.')
        return false;
    const char *claims = text.at + header + 1, *end = text.at + text.len;
    const char *dot = memchr(claims, '.', (size_t)(end - claims));
    if (dot == NULL)
        return false;
    const struct slice body = {claims, (size_t)(dot - claims)}, last = {dot + 1, (size_t)(end - dot - 1)};
    if (!base64url_decode(last, signature, sizeof signature, &count) || count != sizeof signature ||
        !es256_verify(tokens->public_key, text.at, (size_t)(dot - text.at), signature))
        return false;
    char *decoded = buf_reserve(room, body.len);
    if (decoded == NULL || !base64url_decode(body, (uint8_t *)decoded, body.len, &count))
        return false;
    room->len += count;
    *out_claims = (struct slice){decoded, count};
    return true;
}

static bool read_small(const struct flat_json *claims, const char *name, unsigned *out_number)
{
    enum { SMALL_MAX = 65535 };
    int64_t number;
    if (!flat_json_number(claims, name, &number) || number < 1 || number > SMALL_MAX)
        return false;
    *out_number = (unsigned)number;
    return true;
}

// All that we write must be there.
static bool read_claims(const struct access_tokens *tokens, const struct flat_json *claims,
                        struct access_claims *out)
{
    int64_t not_before;
    struct slice issuer, audience, scope, subject;
    if (!flat_json_text(claims, "iss", &issuer) || !flat_json_text(claims, "aud", &audience) ||
        !flat_json_text(claims, "scope", &scope) || !flat_json_text(claims, "sub", &subject) ||
        !flat_json_number(claims, "iat", &out->issued_s) || !flat_json_number(claims, "nbf", &not_before) ||
        !flat_json_number(claims, "exp", &out->expires_s) || !read_small(claims, "client", &out->client_id) ||
        !read_small(claims, "generation", &out->client_generation))
        return false;
    out->scopes = read_scopes(scope);
    return slice_is(issuer, tokens->issuer) && account_of(audience, out->account) &&
           not_before == out->issued_s;
}

enum err access_token_open(const struct access_tokens *tokens, struct slice text, int64_t now_s,
                           struct access_claims *out_claims)
{
    BUF decoded = {0}, unescaped = {0};
    struct slice body;
    struct flat_json object;
    struct access_claims claims = {0};
    if (!verify(tokens, text, &decoded, &body) || !flat_json_read(body, &unescaped, &object) ||
        !read_claims(tokens, &object, &claims))
        return ERR_CREDENTIAL;
    if (now_s >= claims.expires_s + LEEWAY_S || now_s < claims.issued_s - LEEWAY_S)
        return ERR_CREDENTIAL;
    *out_claims = claims;
    return OK;
}
