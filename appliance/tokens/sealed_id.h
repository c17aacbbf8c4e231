// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Ids that prove themselves: 122 bits inside a UUID of version 8 (RFC 9562, 5.8), sealed under the system
// tenant's key, because they are opened before a tenant is known. The record is (client, what the kind adds);
// a made-up id is refused by computation, before any store is asked. A kind's records are at most 2^52, so
// the odds of a made-up one are 2^-70.
//
// The tweak: the kind as purpose, tenant 0, the kind again as owner, and the layout.
#pragma once

#include "appliance/base/buf.h"
#include "appliance/tokens/format.h"

enum { SEALED_ID_TEXT_BYTES = 37, SEALED_ID_BYTES = 16 };

// One kind of id; immutable, any thread.
struct sealed_ids;

struct sealed_id_kind {
    const char *name;   // "session", "line", "login"
    uint64_t high, low; // cardinalities of the two numbers beside the client
};

// What an id carries.
struct sealed_id {
    unsigned client_id;
    uint64_t high, low; // below the kind's cardinalities
};

// The keyring of the system tenant must outlive it.
enum err sealed_ids_new(const struct keyring *system, const struct sealed_id_kind *kind,
                        struct sealed_ids **out_ids);
void sealed_ids_free(struct sealed_ids *ids);

// Errors of the cipher.
enum err sealed_id_make(const struct sealed_ids *ids, const struct sealed_id *id,
                        uint8_t out_uuid[SEALED_ID_BYTES]);
// ERR_NOT_GENUINE for what sealed_id_make did not make; errors of the cipher.
enum err sealed_id_open(const struct sealed_ids *ids, const uint8_t uuid[SEALED_ID_BYTES],
                        struct sealed_id *out_id);
