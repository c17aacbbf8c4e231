// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The native API, in the wire shapes of HashiCorp Vault's Transform engine, so that clients made for it
// work unchanged: the way applications tokenize in bulk, and the only way to detokenize.
// Credential: X-Vault-Token or Authorization: Bearer.
#pragma once

#include "web/router.h"

enum { TRANSFORM_ROUTES_MAX = 24 };

struct transform {
    // Whether tokens can be made and opened now, for sys/health.
    bool (*is_ready)(void *context);
    void *ready_context;
    size_t body_limit;                         // bytes, for the routes that take values
    struct route routes[TRANSFORM_ROUTES_MAX]; // filled by transform_api
};

// The API over a state that must outlive it and not move.
struct api transform_api(struct transform *state);
