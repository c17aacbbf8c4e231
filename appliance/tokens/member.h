// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Members of the token-request API: clients by their member id (a long id of kind m), and the detached JWS
// with which they may sign a request instead of showing a secret: <header>..<signature> (RFC 7515 appendix
// F), whose header names alg, kid, mid (member id), host, method, path, query if there is one, and exp in
// Unix milliseconds, and whose payload is the request's body.
//
// The algorithm is pinned by the key: Ed25519 EdDSA, P-256 ES256, RSA (2048 bits and more) RS256. kid is the
// first 16 characters of base64url(SHA-256(public key)): the 32 bytes of an Ed25519 key, SubjectPublicKeyInfo
// of the others.
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
