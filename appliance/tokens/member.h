// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Members of the token-request API: clients by their member id (a long id of kind m), and the detached JWS
// with which they may sign a request instead of showing a secret: <header>..<signature> (RFC 7515 appendix
// F), whose payload is the request's body, as sent. Its header names alg, kid, mid (member id), method, path
// and query (as sent; query "" or absent where there is none), host (of the configured public URL, else as in
// Host; with or without its port) and exp in Unix milliseconds, at most a day ahead, as a number or in a
// string. A header that is not a flat object, or has crit, is refused; jwk, jku and their like are not looked
// at.
//
// The algorithm is pinned by the key: Ed25519 EdDSA, P-256 ES256, RSA (2048..8192 bits) RS256. kid is the
// first 16 characters of base64url(SHA-256(public key)): the 32 bytes of an Ed25519 key, SubjectPublicKeyInfo
// of the others.
//
// A signature is good for as many equal requests as arrive before exp: nothing is remembered.
#pragma once

#include "appliance/base/buf.h"
#include "appliance/tokens/client.h"
#include "appliance/tokens/long_id.h"

enum { MEMBER_KEY_ID_BYTES = 17 };

// A registered public key.
struct member_key {
    const char *where; // names it in messages: a file
    const char *pem;   // SubjectPublicKeyInfo
    size_t pem_bytes;
};

// What knows members: the ids; outlived by nothing that it needs.
struct members {
    const struct long_ids *ids;
};

// The member id of a client. Errors of the cipher.
enum err member_id(const struct members *members, unsigned client_id, char out_text[LONG_ID_TEXT_BYTES]);

// The key id of an Ed25519 public key of 32 bytes, as `signature.keyId` in results.
void member_key_id(const uint8_t *public_key, size_t public_key_bytes, char out_id[MEMBER_KEY_ID_BYTES]);

// The registered keys of one client, parsed; immutable. NULL is a client without.
struct member_keys;
// ERR_CONFIG, and diag names `where`: not exactly one public key in PEM, of another kind than the three, or
// the same key twice.
enum err member_keys_new(const struct member_key *keys, size_t count, struct member_keys **out_keys,
                         struct diag *diag);
void member_keys_free(struct member_keys *keys);

// A signed request that was not verified yet. Slices point into what was presented, and into room.
struct member_jws {
    struct slice member_id, key_id, algorithm; // as it says of itself
    struct slice header, signature;            // in base64url
};

// Takes presented->secret apart. false: it is malformed, has expired at now_s, or is for another request.
bool member_jws_read(const struct presented *presented, int64_t now_s, struct buf *room,
                     struct member_jws *out_jws);
// Whether one of keys signed it together with this body.
bool member_jws_verify(const struct member_keys *keys, const struct member_jws *jws, struct slice body);
