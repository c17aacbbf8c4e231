// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/member.h"

#include "appliance/base/codec.h"
#include "appliance/base/es256.h"
#include "appliance/tokens/flat_json.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    JWS_BYTES_MAX = 4096,
    RSA_BITS_MIN = 2048,
    RSA_BITS_MAX = 8192,
    SIGNATURE_BYTES_MAX = RSA_BITS_MAX / 8,
    ED25519_BYTES = 32,
    MS = 1000,
    LIFE_MAX_MS = 24 * 3600 * MS,
    EXPIRY_DIGITS_MAX = 15,
};

// What a key signs with; the key decides, never the signature's header.
enum algorithm { EDDSA, ES256, RS256, ALGORITHMS };
static const struct {
    const char *name;  // in JWS (RFC 7518, RFC 8037)
    const char *known; // to OpenSSL
} algorithms[ALGORITHMS] = {
    [EDDSA] = {"EdDSA", "ED25519"},
    [ES256] = {"ES256", "EC"},
    [RS256] = {"RS256", "RSA"},
};

struct key {
    EVP_PKEY *public_key;
    enum algorithm algorithm;
    char id[MEMBER_KEY_ID_BYTES];
};

struct member_keys {
    size_t count;
    struct key keys[];
};

// ---- ids -----------------------------------------------------------------------------------------------

enum err member_id(const struct members *members, unsigned client_id, char out_text[LONG_ID_TEXT_BYTES])
{
    const struct long_id id = {.client_id = client_id};
    return long_id_make(members->ids, LONG_ID_MEMBER, &id, out_text);
}

void member_key_id(const uint8_t *public_key, size_t public_key_bytes, char out_id[MEMBER_KEY_ID_BYTES])
{
    enum { ID_DIGEST_BYTES = (MEMBER_KEY_ID_BYTES - 1) / 4 * 3 };
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256(public_key, public_key_bytes, digest);
    base64url_encode(digest, ID_DIGEST_BYTES, out_id);
}

// ---- keys ----------------------------------------------------------------------------------------------

// The next block of a PEM file. out_key is NULL for one that is no public key.
static bool read_block(BIO *bio, EVP_PKEY **out_key)
{
    char *name = NULL, *header = NULL;
    unsigned char *der = NULL;
    long der_bytes = 0;
    *out_key = NULL;
    if (PEM_read_bio(bio, &name, &header, &der, &der_bytes) != 1)
        return false;
    const unsigned char *at = der;
    if (strcmp(name, PEM_STRING_PUBLIC) == 0)
        *out_key = d2i_PUBKEY(NULL, &at, der_bytes);
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_clear_free(der, (size_t)der_bytes); // somebody's private key, perhaps
    return true;
}

static EVP_PKEY *read_pem(const struct member_key *from)
{
    if (from->pem_bytes > INT_MAX)
        return NULL;
    BIO *bio = BIO_new_mem_buf(from->pem, (int)from->pem_bytes);
    if (bio == NULL)
        return NULL;
    EVP_PKEY *key = NULL, *another = NULL;
    if (read_block(bio, &key) && read_block(bio, &another)) {
        EVP_PKEY_free(key);
        EVP_PKEY_free(another);
        key = NULL;
    }
    BIO_free(bio);
    return key;
}

static bool is_sound(const EVP_PKEY *key, enum algorithm algorithm)
{
    char group[32];
    const int bits = EVP_PKEY_get_bits(key);
    if (algorithm == ES256)
        return EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 &&
               strcmp(group, "prime256v1") == 0;
    return algorithm == EDDSA || (bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX);
}

// Also that the number is one that a key can have: a point of the curve, an exponent that does something.
static bool is_valid(EVP_PKEY *key)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    const bool valid = context != NULL && EVP_PKEY_public_check(context) == 1;
    EVP_PKEY_CTX_free(context);
    return valid;
}

static bool find_algorithm(EVP_PKEY *key, enum algorithm *out_algorithm)
{
    for (size_t i = 0; i < ALGORITHMS; i++) {
        if (EVP_PKEY_is_a(key, algorithms[i].known) != 1)
            continue;
        *out_algorithm = (enum algorithm)i;
        return is_sound(key, (enum algorithm)i) && is_valid(key);
    }
    return false;
}

static enum err name_key(struct key *key)
{
    uint8_t raw[ED25519_BYTES];
    size_t raw_bytes = sizeof raw;
    uint8_t *der = NULL;
    if (key->algorithm == EDDSA) {
        if (EVP_PKEY_get_raw_public_key(key->public_key, raw, &raw_bytes) != 1)
            return ERR_INTERNAL;
        member_key_id(raw, raw_bytes, key->id);
        return OK;
    }
    const int der_bytes = i2d_PUBKEY(key->public_key, &der);
    if (der_bytes <= 0)
        return ERR_MEMORY;
    member_key_id(der, (size_t)der_bytes, key->id);
    OPENSSL_free(der);
    return OK;
}

static const struct key *find_key(const struct member_keys *keys, struct slice id)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (slice_is(id, keys->keys[i].id))
            return &keys->keys[i];
    }
    return NULL;
}

// The next place of keys is filled; it counts only when all is well.
static enum err add_key(struct member_keys *keys, const struct member_key *from, struct diag *diag)
{
    struct key *key = &keys->keys[keys->count];
    key->public_key = read_pem(from);
    ERR_clear_error();
    if (key->public_key == NULL)
        return diag_set(diag, ERR_CONFIG, "%s: must be one public key in PEM (BEGIN PUBLIC KEY)",
                        from->where);
    if (!find_algorithm(key->public_key, &key->algorithm))
        return diag_set(diag, ERR_CONFIG,
                        "%s: the public key must be Ed25519, P-256, or RSA of %d to %d bits", from->where,
                        RSA_BITS_MIN, RSA_BITS_MAX);
    const enum err rc = name_key(key);
    if (rc != OK)
        return rc;
    if (find_key(keys, (struct slice){key->id, strlen(key->id)}) != NULL)
        return diag_set(diag, ERR_CONFIG, "%s: this public key is registered already", from->where);
    keys->count++;
    return OK;
}

enum err member_keys_new(const struct member_key *keys, size_t count, struct member_keys **out_keys,
                         struct diag *diag)
{
    enum err rc = OK;
    struct member_keys *made = calloc(1, sizeof *made + count * sizeof made->keys[0]);
    if (made == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        rc = add_key(made, &keys[i], diag);
        if (rc == OK)
            continue;
        EVP_PKEY_free(made->keys[made->count].public_key); // the half-read one
        member_keys_free(made);
        ERR_clear_error();
        return rc;
    }
    *out_keys = made;
    return OK;
}

void member_keys_free(struct member_keys *keys)
{
    if (keys == NULL)
        return;
    for (size_t i = 0; i < keys->count; i++)
        EVP_PKEY_free(keys->keys[i].public_key);
    free(keys);
}

// ---- reading -------------------------------------------------------------------------------------------

// <header>..<signature>
static bool take_apart(struct slice text, struct member_jws *jws)
{
    const char *dot = text.len <= JWS_BYTES_MAX ? memchr(text.at, '.', text.len) : NULL;
    if (dot == NULL)
        return false;
    const size_t header = (size_t)(dot - text.at);
    if (header == 0 || header + 2 >= text.len || dot[1] != '.')
        return false;
    jws->header = (struct slice){text.at, header};
    jws->signature = (struct slice){dot + 2, text.len - header - 2};
    return true;
}

// Room is made at once for the decoded header and for what is unescaped of it, so that neither moves.
static bool read_header(struct slice header, struct buf *room, struct flat_json *out_object)
{
    size_t count = 0;
    char *decoded = buf_reserve(room, 2 * header.len);
    if (decoded == NULL || !base64url_decode(header, (uint8_t *)decoded, header.len, &count))
        return false;
    room->len += count;
    return flat_json_read((struct slice){decoded, count}, room, out_object) &&
           !flat_json_has(out_object, "crit");
}

static bool read_digits(struct slice text, int64_t *out_number)
{
    int64_t number = 0;
    if (text.len == 0 || text.len > EXPIRY_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        number = number * 10 + (text.at[i] - '0');
    }
    *out_number = number;
    return true;
}

static bool is_alive(const struct flat_json *object, int64_t now_s)
{
    struct slice text;
    int64_t expires_ms = 0;
    const bool read = flat_json_text(object, "exp", &text) ? read_digits(text, &expires_ms)
                                                           : flat_json_number(object, "exp", &expires_ms);
    const int64_t now_ms = now_s * MS;
    return read && expires_ms > now_ms && expires_ms <= now_ms + LIFE_MAX_MS;
}

static bool is_member(const struct flat_json *object, const char *name, struct slice expected)
{
    struct slice text;
    return flat_json_text(object, name, &text) && slice_equal(text, expected);
}

// Where there is none, it need not be named.
static bool is_query(const struct flat_json *object, struct slice query)
{
    return is_member(object, "query", query) || (query.len == 0 && !flat_json_has(object, "query"));
}

static struct slice without_port(struct slice host)
{
    size_t len = host.len;
    while (len > 0 && host.at[len - 1] >= '0' && host.at[len - 1] <= '9')
        len--;
    return len > 1 && len < host.len && host.at[len - 1] == ':' ? (struct slice){host.at, len - 1} : host;
}

static bool same_host(struct slice a, struct slice b)
{
    return a.len == b.len && strncasecmp(a.at, b.at, a.len) == 0;
}

static bool is_host(const struct flat_json *object, struct slice host)
{
    struct slice text;
    return host.len > 0 && flat_json_text(object, "host", &text) &&
           (same_host(text, host) || same_host(text, without_port(host)));
}

bool member_jws_read(const struct presented *presented, int64_t now_s, struct buf *room,
                     struct member_jws *out_jws)
{
    struct flat_json object;
    struct member_jws jws = {0};
    if (!take_apart(presented->secret, &jws) || !read_header(jws.header, room, &object) ||
        !flat_json_text(&object, "mid", &jws.member_id) || !flat_json_text(&object, "kid", &jws.key_id) ||
        !flat_json_text(&object, "alg", &jws.algorithm) || !is_alive(&object, now_s) ||
        !is_member(&object, "method", presented->method) || !is_member(&object, "path", presented->path) ||
        !is_query(&object, presented->query) || !is_host(&object, presented->host))
        return false;
    *out_jws = jws;
    return true;
}

// ---- verifying -----------------------------------------------------------------------------------------

static bool verify(const struct key *key, const struct buf *message, const uint8_t *signature, size_t count)
{
    const uint8_t *bytes = (const uint8_t *)message->at;
    if (key->algorithm == ES256)
        return count == SIGNATURE_BYTES && es256_verify(key->public_key, bytes, message->len, signature);
    const EVP_MD *hash = key->algorithm == EDDSA ? NULL : EVP_sha256();
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const bool right = context != NULL &&
                       EVP_DigestVerifyInit(context, NULL, hash, NULL, key->public_key) == 1 &&
                       EVP_DigestVerify(context, signature, count, bytes, message->len) == 1;
    EVP_MD_CTX_free(context);
    return right;
}

bool member_jws_verify(const struct member_keys *keys, const struct member_jws *jws, struct slice body)
{
    BUF message = {0};
    uint8_t signature[SIGNATURE_BYTES_MAX];
    size_t count = 0;
    const struct key *key = keys != NULL ? find_key(keys, jws->key_id) : NULL;
    if (key == NULL || !slice_is(jws->algorithm, algorithms[key->algorithm].name) ||
        !base64url_decode(jws->signature, signature, sizeof signature, &count))
        return false;
    buf_append(&message, jws->header.at, jws->header.len);
    buf_byte(&message, '.');
    char *payload = buf_reserve(&message, (body.len + 2) / 3 * 4 + 1);
    if (payload == NULL)
        return false;
    base64url_encode((const uint8_t *)body.at, body.len, payload);
    message.len += strlen(payload);
    const bool right = verify(key, &message, signature, count);
    ERR_clear_error(); // what it left behind would be taken for an error of the connection's TLS
    return right;
}
