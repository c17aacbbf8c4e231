// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The HTTP listeners. The only file that knows civetweb is server.c.
#pragma once

#include "appliance/audit/audit.h"
#include "appliance/base/clock.h"
#include "web/router.h"

#include <openssl/types.h>
#include <stdbool.h>

struct server_tls {
    const char *certificate_file; // PEM chain, leaf first
    EVP_PKEY *key;                // lives in the HSM; owned by the caller
    const char *client_ca_file;   // PEM; NULL: no client certificates
    bool require_client_certificate;
};

struct server_limits {
    unsigned connections; // worker threads, one each
    unsigned connections_per_address;
    unsigned header_timeout_s, idle_timeout_s, drain_timeout_s;
    size_t memory_in_flight_bytes; // bodies, JSON trees and replies of all listeners; the last one started
                                   // sets it
};

struct server_options {
    const char *address;          // "127.0.0.1"; IPv6 only where civetweb is built with it (Debian's is not)
    unsigned port;                // 0: any free one
    const struct server_tls *tls; // NULL: plain HTTP
    struct server_limits limits;
    const struct api *const *apis;
    size_t api_count;
    struct registries *registries; // the one in force is taken for each request
    struct audit *audit;           // NULL on listeners whose routes all have AUDIT_NONE
    struct clock clock;
};

struct server;

// Checks all rows (server refuses a row without pattern, permission, handler or with both a body and
// only GET), binds and starts. Copies what it keeps: the apis by value, but not their routes, prefixes and
// states, which must outlive the server. ERR_CONFIG, ERR_IO with diag.
enum err server_start(const struct server_options *options, struct server **out_server, struct diag *diag);
// Takes over certificate, key, client authorities and whether clients must show one, for connections that
// come from now on; those that stand go on as they are, and sessions of before are not resumed. Only on a
// listener that was started with TLS. ERR_CONFIG with diag as at the start, and then nothing has changed. One
// thread at a time, not beside server_stop.
enum err server_reload_tls(struct server *server, const struct server_tls *tls, struct diag *diag);
// Takes over connections_per_address (connections that stand stay), drain_timeout_s and
// memory_in_flight_bytes; the other limits last as long as the server. Threads as above.
void server_reload_limits(struct server *server, const struct server_limits *limits);
unsigned server_port(const struct server *server);
// Answers new requests with 503 and Connection: close, waits for those in flight (at most the drain
// timeout), then closes every connection. Returns how many requests were cut off. NULL is fine.
unsigned server_stop(struct server *server);
// Requests being handled now.
unsigned server_in_flight(const struct server *server);
