// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What the files that build a registry share. Private to them.
#pragma once

#include "appliance/appliance.h"

// A registry with all that it owns.
struct made {
    struct registry registry; // first: destroy gets it
    struct key_set keys;
    struct clients *clients;
    struct access_tokens *access_tokens;
    char *public_url;
    struct tenant **members;
};

struct build {
    const struct appliance *appliance;
    const struct config *config;
    const struct key_change *change; // NULL: none
    struct made *made;
    struct store_key *known; // what the store knows of keys; NULL without a store
    size_t stored_count;     // of them; then one that it is to know
    size_t known_count;
};

// registry_keyrings.c: what the store knows of keys, with the change that is wanted; a tenant's keyring.
enum err build_known(struct build *build);
enum err build_keyring(struct build *build, const struct config_tenant *tenant, struct keyring **out_keyring,
                       struct diag *diag);
// registry_clients.c: the access tokens, limits and clients.
enum err build_access_tokens(struct build *build, struct diag *diag);
enum err build_request_limits(struct build *build, struct diag *diag);
enum err build_clients(struct build *build, struct diag *diag);
