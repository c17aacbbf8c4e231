// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// HMAC-SHA-256 with a key in the token: C_SignInit + C_Sign on a pooled session.
#pragma once

#include "pkcs11/key.h"
#include "pkcs11/p11_session.h"

struct mac_key;

enum err mac_key_open(struct session_pool *sessions, const struct key_query *query, struct mac_key **out_key,
                      struct key_evidence *out_evidence, struct diag *diag);
void mac_key_close(struct mac_key *key);

// The mac seam: context is the mac_key.
enum err mac_key_compute(void *context, const uint8_t *message, size_t message_bytes,
                         uint8_t out_mac[MAC_BYTES]);
