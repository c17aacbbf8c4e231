// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The state of one request while serve.c, body.c and send.c work on it. Private to them.
#pragma once

#include "web/serve.h"

struct call {
    struct service *service;
    struct worker *worker;
    const struct wire *wire;
    struct shape shape;
    struct match match;
    bool close;                   // no further request on this connection
    bool body_started, body_over; // bytes were asked for; all of them are here or cannot come any more
    size_t charged_bytes;         // the body's share of memory_in_flight
    enum err cut_off;             // why a streamed body ended early
};

// Renders a failure in the API's own shape. Returns false, so that a step reads `return call_fail(...)`.
bool call_fail(struct call *call, enum failure failure);
// The same with Retry-After.
bool call_fail_later(struct call *call, enum failure failure);

// Before anything is read: does the announced body fit the row?
bool body_check(struct call *call);
// Reads the body whole into request.body, within the row's limit, the deadline and the memory budget.
bool body_read(struct call *call);
// Closes the connection after the reply when the rest of the body is not worth reading.
void body_decide_close(struct call *call);
// After the reply: takes unread bytes off the wire, so that the next request is found, or so that
// closing does not reset the connection before the client has read the reply.
void body_discard(struct call *call);
void body_release(struct call *call);
// The time in which `bytes` must have moved: a fixed part, and one second for each 64 KiB.
int64_t body_time_ns(const struct call *call, size_t bytes);

// Head and body, of one piece or streamed. false: the connection is of no more use.
bool send_reply(struct call *call);
// Bytes that must be taken within allowed_ns.
bool send_bytes(struct call *call, struct slice bytes, int64_t allowed_ns);
