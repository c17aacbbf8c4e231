// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The composition of the house from a configuration: HSM, keyrings, clients, tenants. One owner; built
// before threads start and immutable afterwards, apart from what its parts lock themselves.
#pragma once

#include "appliance/tokens/tenant.h"
#include "appliance/store/store.h"
#include "config/config.h"
#include "pkcs11/hsm.h"

struct appliance {
    const struct config *config;
    struct hsm *hsm;        // NULL when built without keys
    struct keyring *system; // tenant 0: seals what is opened before a tenant is known
    struct store *store;    // NULL when none is configured, or built without keys
    struct sealed_ids *logins, *session_ids, *line_ids;
    struct clients *clients;
    struct tenants tenants;
};

struct appliance_options {
    const struct config *config; // outlives the appliance
    // Opens the HSM and verifies every key. Without it the appliance has the configured shapes and no
    // keys: enough to check and describe a configuration, not to make a token.
    bool with_keys;
    bool with_store; // opens the store, which one process may have; needs with_keys
    bool pin_retry;
};

// Fails as hsm_open, hsm_open_*, clients_new and tenant_new do; diag says why.
enum err appliance_build(const struct appliance_options *options, struct appliance *out_appliance,
                         struct diag *diag);
// Gives back everything, the HSM last. Safe on a zeroed or half-built one.
void appliance_done(struct appliance *appliance);
