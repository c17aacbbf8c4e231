// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Who may call and with which keys and formats: everything that a reload or a change of a key's state
// replaces, as one immutable object. A request takes the registry in force when it begins and gives it back
// when its reply is done, so that it sees one and the same from beginning to end, and nobody is disturbed by
// a change.
//
// Threads: take and give from any thread, without a lock (one atomic addition each). replace: one thread at a
// time. The registry that was replaced is destroyed by whoever gives it back last.
#pragma once

#include "appliance/tokens/client.h"
#include "appliance/tokens/tenant.h"

struct registry {
    const struct clients *clients;
    struct tenants tenants;
    const struct access_tokens *access_tokens;  // access_token.h; NULL: no client has the API customers
    const char *public_url;                     // as clients and people know it; NULL: not configured
    struct slice public_host;                   // its host, with the port if it has one; or empty
    int64_t request_life_s;                     // of a token request that nobody decides
    void (*destroy)(struct registry *registry); // frees it and what it holds; NULL: nothing to be done
    // the rest belongs to registry.c
    size_t cell;
};

struct registries; // the place where the one in force stands

// Takes first over. ERR_MEMORY.
enum err registries_new(struct registry *first, struct registries **out_registries);
// Nobody may hold one any more. Destroys the one in force. NULL is fine.
void registries_free(struct registries *registries);

const struct registry *registries_take(struct registries *registries);
void registries_give(struct registries *registries, const struct registry *registry);
// Takes next over; it is in force at once. ERR_BUSY, and next is still the caller's, while REGISTRY_CELLS - 1
// older ones are still held by long requests.
enum { REGISTRY_CELLS = 16 };
enum err registries_replace(struct registries *registries, struct registry *next);
