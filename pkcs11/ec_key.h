// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// An EC P-256 key of the token as an OpenSSL key: the public half in memory, each signature by a signer.
//
// libp11 could give such a key too, but version 0.4.12 cannot list the private keys of a token that holds an
// Ed25519 key, which ours do, and keeps using sessions and handles that a lost login has killed.
#pragma once

#include "appliance/base/crypto.h"

#include <openssl/types.h>

// Who signs a digest of at most 32 bytes: R and S side by side.
struct digest_signer {
    enum err (*sign)(void *context, const uint8_t *digest, size_t digest_bytes,
                     uint8_t out_signature[SIGNATURE_BYTES]);
    void *context;
};

// X and Y of 32 bytes each, out of a CKA_EC_POINT. ERR_HSM_KEY: no point of P-256 in the uncompressed form.
enum err ec_point_coordinates(const uint8_t *point, size_t point_bytes,
                              uint8_t out_coordinates[PUBLIC_KEY_BYTES_MAX]);
// The signer must outlive the key. ERR_HSM_KEY: the coordinates are no point of the curve.
enum err ec_key_new(const struct digest_signer *signer, const uint8_t coordinates[PUBLIC_KEY_BYTES_MAX],
                    EVP_PKEY **out_key);
