// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The keys that one registry, or the appliance itself, has open in the HSMs; all are given back together. A
// key that was replaced under its label is found: its check value must be the one that the store remembers.
//
// Without HSMs (to check and describe a configuration) every key is a seam that refuses: shapes can be built,
// nothing can be enciphered. Threads: one owner.
#pragma once

#include "appliance/store/store.h"
#include "pkcs11/hsm_set.h"

struct key_set {
    struct hsm_set *hsms; // NULL: no keys
    struct store *store;  // NULL: nothing is remembered
    struct key_set_entry *entries;
    size_t count;
};

// One FF1 key to open.
struct key_set_generation {
    unsigned tenant_id, number;
    const uint8_t *check_value;       // pinned by the configuration, or NULL
    enum store_key_state first_state; // when the store has not seen it
};

// Opens and remembers it; out_state is what the store knows, or first_state where there is none.
enum err key_set_generation(struct key_set *set, const struct key_set_generation *generation,
                            struct cipher *out_cipher, struct key_evidence *out_evidence,
                            enum store_key_state *out_state, struct diag *diag);
// Generation 1 of a tenant's mac key.
enum err key_set_mac(struct key_set *set, unsigned tenant_id, struct mac *out_mac, struct diag *diag);
// Generation 1 of the system tenant's signing key of this use.
enum err key_set_signer(struct key_set *set, enum key_use use, struct signer *out_signer, struct diag *diag);
// Gives all of them back; nobody may use them any more.
void key_set_done(struct key_set *set);
