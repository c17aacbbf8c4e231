// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What operators and their monitors ask: /livez and /readyz on every listener, /metrics on the
// operations listener only. No credentials, no card data.
#pragma once

#include "web/router.h"

struct operations {
    // Whether the HSM answers and every key is verified.
    bool (*is_ready)(void *context);
    void *ready_context;
};

// /livez and /readyz.
struct api health_api(struct operations *state);
// /metrics.
struct api operations_api(struct operations *state);
