// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The composition of the house from a configuration. What lives as long as the process (HSMs, store, the
// system tenant's keys and the ids sealed under them) stands in struct appliance; what a reload or a change
// of a key's state replaces (clients, tenants, keyrings, formats) is built as a registry, as often as needed.
//
// Threads: built before threads start. appliance_build_registry may run beside everything else, in one thread
// at a time. One owner.
#pragma once

#include "appliance/key_set.h"
#include "appliance/tokens/member.h"
#include "appliance/tokens/registry.h"
#include "config/config.h"

struct appliance {
    struct hsm_set *hsms;   // NULL when built without keys
    struct key_set keys;    // of the system tenant
    struct keyring *system; // tenant 0: seals what is opened before a tenant is known
    struct mac system_mac;
    struct store *store; // NULL when none is configured, or built without keys
    struct sealed_ids *logins, *session_ids, *line_ids;
    struct long_ids *long_ids; // of members and token requests
    struct members members;    // over long_ids
    bool has_request_signer;   // some client had the API requests when it was built
    struct signer request_signer;
};

struct appliance_options {
    const struct config *config; // read while building only
    // Opens the HSMs and verifies every key. Without it the appliance has the configured shapes and no
    // keys: enough to check and describe a configuration, not to make a token.
    bool with_keys;
    bool with_store; // opens the store, which one process may have; needs with_keys
    bool pin_retry;
};

// Fails as hsm_set_open and hsm_set_open_* do; diag says why.
enum err appliance_build(const struct appliance_options *options, struct appliance *out_appliance,
                         struct diag *diag);
// Whether some client of the configuration has this API.
bool config_serves(const struct config *config, enum client_api api);
// Gives back everything, the HSMs last. Safe on a zeroed or half-built one.
void appliance_done(struct appliance *appliance);

// The state that a generation is to have, whatever the store knows of it; the others follow: what was current
// is retired when another one becomes it.
struct key_change {
    unsigned tenant_id, generation;
    enum store_key_state state;
};

// Clients, tenants and their keys as the configuration says and, where there is a store, in the states that
// it knows. Every key is verified. config is read while building only; change may be NULL. Fails as
// hsm_set_open_*, clients_new and tenant_new do, and then nothing has changed.
enum err appliance_build_registry(const struct appliance *appliance, const struct config *config,
                                  const struct key_change *change, struct registry **out_registry,
                                  struct diag *diag);
void registry_free(struct registry *registry);
