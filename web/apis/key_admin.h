// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What the operations API asks of the appliance about keys. The appliance implements it; this folder knows
// neither the HSMs nor the store.
#pragma once

#include "appliance/base/buf.h"
#include "appliance/base/err.h"

enum key_action { KEY_LOAD, KEY_ACTIVATE, KEY_RETIRE, KEY_RELEASE, KEY_REWRAP };

struct key_order {
    enum key_action action;
    unsigned tenant_id, generation;
};

struct key_result {
    const char *state; // of the generation now
    bool changed;      // false: it was so before
    uint64_t spaces_closed, values_left, values_moved;
};

struct key_admin {
    // Appends a JSON object that says what each slot is and holds, and the state of each generation.
    enum err (*describe)(void *context, struct buf *out);
    // One change at a time. ERR_NOT_FOUND: no such tenant or generation; ERR_CONFLICT: not from the state
    // that it is in, and diag says why; ERR_HSM_KEY: the key is not as it must be; HSM errors, ERR_IO.
    enum err (*change)(void *context, const struct key_order *order, struct key_result *out_result,
                       struct diag *diag);
    void *context;
};
