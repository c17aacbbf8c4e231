// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The FF1 keys of one tenant: numbered generations. *new* can be opened everywhere, *current* makes new
// tokens, *retired* only opens; a released one is not in the ring. Immutable once built, so any thread
// may read it; a change of state builds a new ring.
#pragma once

#include "appliance/base/crypto.h"
#include "appliance/fpe/ff1.h"

#include <stddef.h>

enum generation_state { GENERATION_NEW, GENERATION_CURRENT, GENERATION_RETIRED };

struct generation_options {
    unsigned number; // 1..65535
    enum generation_state state;
    struct cipher cipher;
    struct key_evidence evidence;
};

struct generation {
    unsigned number;
    enum generation_state state;
    struct ff1_key *key;
    struct key_evidence evidence;
};

enum { KEYRING_SLOTS = 9 };

struct keyring;

// Exactly one generation must be current and no two may share a number or a PAN slot: ERR_CONFLICT,
// which diag explains.
enum err keyring_new(unsigned tenant_id, const struct generation_options *options, size_t count,
                     struct keyring **out_keyring, struct diag *diag);
void keyring_free(struct keyring *keyring);

unsigned keyring_tenant_id(const struct keyring *keyring);
// Live generations, the current one first, then newest to oldest.
size_t keyring_count(const struct keyring *keyring);
const struct generation *keyring_at(const struct keyring *keyring, size_t index);

// The slot of a generation in a PAN token's Luhn sum: 1..9, repeating every nine generations.
static inline unsigned generation_slot(unsigned number)
{
    return (number - 1) % KEYRING_SLOTS + 1;
}
// The live generation of this number, or NULL.
const struct generation *keyring_by_number(const struct keyring *keyring, unsigned number);
// The live generation in a slot, or NULL (slot 0 is what a real PAN shows).
const struct generation *keyring_by_slot(const struct keyring *keyring, unsigned slot);
