// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// C_SignInit + C_Sign on a pooled session, by the mechanism of the key's use: HMAC-SHA-256, ECDSA over a
// digest, EdDSA over a message. A lost session or login is replaced and the call made once more.
#pragma once

#include "pkcs11/key.h"
#include "pkcs11/p11_session.h"

struct key_signer;

enum err key_signer_open(struct session_pool *sessions, const struct key_query *query,
                         struct key_signer **out_signer, struct key_evidence *out_evidence,
                         struct diag *diag);
void key_signer_close(struct key_signer *signer);

// After slot_reopen: the key is found again before it is used.
void key_signer_forget(struct key_signer *signer);

// Writes exactly out_bytes (at most SIGNATURE_BYTES): 32 for HMAC, 64 (r and s side by side, or RFC 8032)
// for the others. Errors are those of the seams.
enum err key_signer_sign(struct key_signer *signer, const uint8_t *message, size_t message_bytes,
                         uint8_t *out, size_t out_bytes);

// The same on a session of its own, with the key found and verified anew. Also of a slot that is down, while
// nobody else can be in it.
enum err key_signer_prove(struct key_signer *signer, const uint8_t *message, size_t message_bytes,
                          uint8_t *out, size_t out_bytes);

// CKA_EC_POINT of the public key beside an EC key.
enum err key_signer_public_point(struct key_signer *signer, struct ec_point *out_point, struct diag *diag);

// The mac seam: context is a signer of a mac key.
enum err key_signer_mac(void *context, const uint8_t *message, size_t message_bytes,
                        uint8_t out_mac[MAC_BYTES]);
