// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Signatures of P-256 keys as JWS has them: R and S of 32 bytes side by side (RFC 7518 3.4), verified by
// OpenSSL with the public key alone.
#pragma once

#include "appliance/base/crypto.h"

#include <openssl/types.h>

// A public key from X and Y of 32 bytes each. NULL: no point of the curve, or no memory.
EVP_PKEY *es256_public_key(const uint8_t coordinates[PUBLIC_KEY_BYTES_MAX]);
// Whether signature is one of key over SHA-256 of the message.
bool es256_verify(EVP_PKEY *key, const void *message, size_t message_bytes,
                  const uint8_t signature[SIGNATURE_BYTES]);
