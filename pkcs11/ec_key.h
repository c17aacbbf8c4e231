// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// An EC P-256 key of the token as an OpenSSL key: the public half in memory, each signature by a signer.
//
// libp11 could give such a key too, but version 0.4.12 cannot list the private keys of a token that holds an
// Ed25519 key, which ours do, and keeps using sessions and handles that a lost login has killed.
#pragma once

#include "pkcs11/key_signer.h"

#include <openssl/types.h>

// point: CKA_EC_POINT of the public key. The signer must outlive the key.
enum err ec_key_new(struct key_signer *signer, const uint8_t *point, size_t point_bytes, EVP_PKEY **out_key);
