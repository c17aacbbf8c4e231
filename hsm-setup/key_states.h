// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What the appliance's store knows of keys: the states of generations, which only a running appliance
// changes, and the check values it saw first. Read beside it; nothing is written.
#pragma once

#include "appliance/store/store.h"
#include "hsm-setup/cli.h"

struct key_states {
    const char *file; // NULL: no store, nothing is known
    struct store_key *keys;
    size_t count;
};

// Reads the store that was named, else the configuration's. A store of the configuration may not be there
// yet: then nothing is known. ERR_NOT_FOUND, ERR_CONFIG.
enum err key_states_read(const struct cli *cli, struct key_states *out_states, struct diag *diag);
void key_states_done(struct key_states *states);

// What the store knows of a key, or NULL. It knows fpe and mac keys.
const struct store_key *key_states_find(const struct key_states *states, unsigned tenant_id, enum key_use use,
                                        unsigned generation);

// A key that is not the one which the store remembers under its label is not ok any more.
void key_states_compare(const struct key_states *states, struct hsm_key_info *keys, size_t count);
