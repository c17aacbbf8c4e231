// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The absolute deadline of what each worker is doing with its peer. civetweb bounds the time of a
// request's head, but waits for a body (and for a reader of the reply) as long as single bytes trickle;
// this shuts such a socket down.
//
// One thread looks at all slots a few times a second; arming and disarming is one atomic operation
// each. civetweb hands out no descriptor, so the socket is found by its addresses, and only when a
// deadline passes. While a slot is armed its worker is inside a request, and it does not
// leave before the watcher is done with the slot: the descriptor cannot be closed, let alone be reused,
// under the watcher's hands.
#pragma once

#include "appliance/base/err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum deadline_reach {
    DEADLINE_READS, // end of input; a reply can still be written
    DEADLINE_ALL,
};

// One a worker. The peer's members are set per connection, while the slot is not armed.
struct deadline_slot {
    _Atomic int64_t at_ns; // 0: not armed
    enum deadline_reach reach;
    const char *address; // of the peer, as civetweb tells it
    unsigned port, local_port;
};

struct deadlines;

// slots: how many workers there can be. tick is called by the watcher thread each time it looks; it may
// be NULL. ERR_MEMORY, ERR_IO (no thread).
enum err deadlines_new(size_t slots, void (*tick)(void *context), void *context,
                       struct deadlines **out_deadlines);
void deadlines_free(struct deadlines *deadlines);
void deadlines_join(struct deadlines *deadlines, struct deadline_slot *slot);
void deadlines_leave(struct deadlines *deadlines, struct deadline_slot *slot);

// Monotonic nanoseconds, the time that deadlines are given in.
int64_t deadline_now_ns(void);
void deadline_arm(struct deadline_slot *slot, int64_t at_ns, enum deadline_reach reach);
// Moves an armed deadline. false, without effect, when it has passed.
bool deadline_extend(struct deadline_slot *slot, int64_t at_ns);
// false when the deadline passed and the socket was shut down.
bool deadline_disarm(struct deadline_slot *slot);
