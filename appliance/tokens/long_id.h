// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The ids of the token-request API: kind ":" base58(20 or 32 bytes) ":" base58(realm), in Bitcoin's alphabet.
// The bytes are FF1 (radix 256) under the system tenant's key over client (2 bytes), second (4) and 48 random
// bits (6), big-endian, and 8 or 20 zero bytes, which prove an id genuine: a made-up one is refused by
// computation, before the store is asked. The realm is one string field of a protocol buffer: 0x0a, its
// length, its text.
//
// The tweak: "id" as purpose, tenant 0, the kind as it is written. Immutable; any thread.
#pragma once

#include "appliance/base/buf.h"
#include "appliance/tokens/keyring.h"

enum long_id_kind {
    LONG_ID_MEMBER,     // m: 20 bytes; second and random are 0
    LONG_ID_REQUEST,    // rq: 20 bytes
    LONG_ID_TOKEN,      // tt: 32 bytes
    LONG_ID_TRANSFER,   // t: 32 bytes
    LONG_ID_SUBMISSION, // so: 32 bytes, of a standing order
    LONG_ID_KINDS,
};

enum { LONG_ID_TEXT_BYTES = 96, LONG_ID_REALM_MAX = 16 };

struct long_id {
    unsigned client_id;
    int64_t second;      // Unix, below 2^32
    uint64_t random;     // below 2^48
    unsigned generation; // the system tenant's that sealed it; to make one: 0 for the current one
};

struct long_ids;
// The keyring of the system tenant must outlive it; realm is copied. ERR_INPUT: no realm, or a longer one.
enum err long_ids_new(const struct keyring *system, const char *realm, struct long_ids **out_ids);
void long_ids_free(struct long_ids *ids);

// Errors of the cipher; ERR_NOT_GENUINE: its generation is not live. out_text is NUL-terminated.
enum err long_id_make(const struct long_ids *ids, enum long_id_kind kind, const struct long_id *id,
                      char out_text[LONG_ID_TEXT_BYTES]);
// ERR_INPUT: another prefix than the kind's; ERR_NOT_GENUINE: anything that long_id_make did not make. A
// member may be spelled with '-' in place of ':' (what Basic carries). Errors of the cipher.
enum err long_id_open(const struct long_ids *ids, enum long_id_kind kind, struct slice text,
                      struct long_id *out_id);
