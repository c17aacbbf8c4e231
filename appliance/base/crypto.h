// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The crypto seams: all that the house knows of a key. pkcs11/ implements them on a PKCS#11 token,
// tests/support/soft.* in memory; appliance/main.c hands them over. Each is a function and its context,
// passed by value; the context belongs to the implementation and must outlive every copy. All functions
// may be called from any thread. They return OK, ERR_HSM_DOWN, ERR_BUSY, ERR_TIMEOUT, ERR_MEMORY or
// ERR_HSM_KEY, and nothing else.
#pragma once

#include "appliance/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CIPHER_BLOCK_BYTES = 16,
    MAC_BYTES = 32,
    KEY_CHECK_VALUE_BYTES = 3,
    KEY_LABEL_BYTES = 64,
};

// AES in ECB (FIPS 197; PKCS#11 CKM_AES_ECB) as the round function of FF1.
struct cipher {
    // Encrypts `count` blocks of 16 bytes where they stand. All or nothing: on failure the caller must
    // treat the blocks as lost. count may be 0 and has no upper limit.
    enum err (*encrypt)(void *context, uint8_t *blocks, size_t count);
    void *context;
};

// HMAC-SHA-256 (RFC 2104; PKCS#11 CKM_SHA256_HMAC).
struct mac {
    enum err (*compute)(void *context, const uint8_t *message, size_t message_bytes,
                        uint8_t out_mac[MAC_BYTES]);
    void *context;
};

// A source of random bytes.
struct rng {
    enum err (*fill)(void *context, uint8_t *out, size_t out_bytes);
    void *context;
};

// A private key that signs. The public half may be shown to anybody.
enum signer_kind {
    SIGNER_ED25519, // RFC 8032 Ed25519 over the message; PKCS#11 CKM_EDDSA
    SIGNER_ES256,   // ECDSA over P-256 and SHA-256 of the message (FIPS 186-4, RFC 7518 3.4); CKM_ECDSA
};
enum { SIGNATURE_BYTES = 64, PUBLIC_KEY_BYTES_MAX = 64 };
struct signer {
    // Signs the message itself, which is not a digest. out_signature: R and S side by side, of either kind.
    enum err (*sign)(void *context, const uint8_t *message, size_t message_bytes,
                     uint8_t out_signature[SIGNATURE_BYTES]);
    void *context;
    enum signer_kind kind;
    uint8_t public_key[PUBLIC_KEY_BYTES_MAX]; // Ed25519: 32 bytes; P-256: X and Y of 32 bytes each
};

// What can be proved about a key without seeing it.
struct key_evidence {
    char label[KEY_LABEL_BYTES];                // symbolon:<tenant id>:<use>:<generation>
    uint8_t check_value[KEY_CHECK_VALUE_BYTES]; // AES: first bytes of the encrypted zero block
    bool has_check_value;
    bool sensitive, never_extractable, always_sensitive, local; // PKCS#11 attributes as read at load
};

static inline enum err cipher_encrypt(const struct cipher *cipher, uint8_t *blocks, size_t count)
{
    return cipher->encrypt(cipher->context, blocks, count);
}

static inline enum err mac_compute(const struct mac *mac, const uint8_t *message, size_t message_bytes,
                                   uint8_t out_mac[MAC_BYTES])
{
    return mac->compute(mac->context, message, message_bytes, out_mac);
}

static inline enum err signer_sign(const struct signer *signer, const uint8_t *message, size_t message_bytes,
                                   uint8_t out_signature[SIGNATURE_BYTES])
{
    return signer->sign(signer->context, message, message_bytes, out_signature);
}

static inline enum err rng_fill(const struct rng *rng, uint8_t *out, size_t out_bytes)
{
    return rng->fill(rng->context, out, out_bytes);
}
