// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// One request from its parsed head to the last byte of its reply, in the order of checks that
// web/router.h states. Knows neither civetweb nor sockets: the bytes come and go through a struct wire.
#pragma once

#include "web/deadline.h"
#include "web/guard.h"
#include "web/peer.h"
#include "web/penalty.h"
#include "web/rate.h"
#include "web/route_table.h"
#include "web/server.h"

struct wire {
    // Bytes of the body, at least one; 0 when it is complete, negative when it is broken off or is not
    // well-formed. Chunks are already taken apart.
    int (*read)(void *context, void *out, size_t capacity);
    // All bytes. false: the peer has gone, or has not taken them at until_ns (deadline_now_ns).
    bool (*write)(void *context, const void *bytes, size_t count, int64_t until_ns);
    void *context;
};

// What all workers of a listener share.
struct service {
    const struct server_options *options;
    struct router *router;
    struct penalty *penalty;
    struct rate *rate;
    bool tls;
    atomic_uint in_flight;
    atomic_bool stopping;
    atomic_bool audit_fails; // was logged
};

// What one worker keeps from request to request.
struct worker {
    struct head head; // filled by the server for each request
    struct exchange exchange;
    struct buf body, decoded, out; // reset, and so wiped, after each request
    struct deadline_slot deadline;
    char source[48]; // address of the connection's peer
    bool closing;    // no further request will be read from the connection
};

void worker_done(struct worker *worker);

// Answers the request in worker->head. false: the connection must be closed.
bool serve_request(struct service *service, struct worker *worker, const struct wire *wire);

// The answer to what the server itself could not even parse; the connection is closed after it.
void serve_unparsed(struct service *service, struct worker *worker, const struct wire *wire, unsigned status);
