// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What operators and their monitors ask: /livez and /readyz on every listener; /metrics and /operations/keys
// on the operations listener only. The first three need no credential; keys need a client of the API
// operations with the permission admin. No card data.
#pragma once

#include "web/apis/key_admin.h"
#include "web/router.h"

struct operations {
    // Whether the HSM answers and every key is verified.
    bool (*is_ready)(void *context);
    void *ready_context;
    struct key_admin keys;
};

// /livez and /readyz.
struct api health_api(struct operations *state);
// /metrics and /operations/keys.
struct api operations_api(struct operations *state);
