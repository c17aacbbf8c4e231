// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "hsm-setup/key_states.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum err key_states_read(const struct cli *cli, struct key_states *out_states, struct diag *diag)
{
    struct key_states states = {.file = cli->store_file};
    const bool configured = cli->config != NULL && cli->store_file == cli->config->store_file;
    if (states.file == NULL || (configured && access(states.file, F_OK) != 0 && errno == ENOENT)) {
        *out_states = (struct key_states){0};
        return OK;
    }
    const enum err rc = store_read_keys(states.file, &states.keys, &states.count, diag);
    if (rc == OK)
        *out_states = states;
    return rc;
}

void key_states_done(struct key_states *states)
{
    free(states->keys);
    *states = (struct key_states){0};
}

const struct store_key *key_states_find(const struct key_states *states, unsigned tenant_id, enum key_use use,
                                        unsigned generation)
{
    for (size_t i = 0; i < states->count; i++) {
        const struct store_key *key = &states->keys[i];
        if (key->tenant_id == tenant_id && key->generation == generation &&
            strcmp(key->use, hsm_use_names[use]) == 0)
            return key;
    }
    return NULL;
}

void key_states_compare(const struct key_states *states, struct hsm_key_info *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct hsm_key_info *key = &keys[i];
        const struct store_key *known = key_states_find(states, key->tenant_id, key->use, key->generation);
        if (known == NULL || !key->ok ||
            memcmp(known->check_value, key->evidence.check_value, sizeof known->check_value) == 0)
            continue;
        key->ok = false;
        (void)diag_set(&key->why, ERR_HSM_KEY,
                       "key %s: its check value is not the one that the store remembers: it was replaced",
                       key->evidence.label);
    }
}
