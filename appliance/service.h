// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A running service: what serve.c starts, reload.c exchanges and key_admin.c moves. Private to them.
#pragma once

#include "appliance/appliance.h"
#include "appliance/audit/audit.h"
#include "appliance/tokens/serials.h"
#include "web/apis/card_tokens.h"
#include "web/apis/customer_tokens/customer_tokens.h"
#include "web/apis/operations.h"
#include "web/apis/serial_tokens/serial_tokens.h"
#include "web/apis/token_requests/token_requests.h"
#include "web/apis/transform/transform.h"
#include "web/server.h"

#include <pthread.h>
#include <stdatomic.h>

struct service {
    struct appliance *appliance;
    struct registries *registries;
    pthread_mutex_t change; // one reload or change of a key at a time; guards config
    struct config *config;  // the one in force
    struct audit *audit;
    struct format *card_format;
    EVP_PKEY *tls_key;
    struct card_tokens card_tokens;
    struct serials *serials; // NULL without a store
    struct serial_tokens serial_tokens;
    struct customer_tokens customer_tokens;
    struct requests requests;
    struct transform transform;
    struct operations operations;
    struct server *main, *operations_server;
    atomic_bool stopping;
};

// Puts a registry in force and lets go of what was kept of the one before. ERR_BUSY as registries_replace.
enum err service_replace_registry(struct service *service, struct registry *next);

struct server_limits service_limits(const struct config *config);

// key_admin.c: struct key_admin over the service.
struct key_admin service_key_admin(struct service *service);

// reload.c: the configuration again, all or nothing; logs and audits the outcome.
void service_reload(struct service *service);
