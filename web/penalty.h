// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Slows those who fail to authenticate, and nobody else: credentials are judged first, and only a
// failure waits. Memory is bounded; the address that failed longest ago is forgotten first.
// Any thread may call; one lock, taken only after a failure.
#pragma once

#include "web/peer.h"

enum {
    PENALTY_DELAY_MAX_MS = 1000,
    PENALTY_SLEEPERS_MAX = 32, // workers that may wait at once; further failures are turned away
};

struct penalty;

// NULL: out of memory.
struct penalty *penalty_new(void);
void penalty_free(struct penalty *penalty);

// Notes a failure of this address at a monotonic time and returns how long its answer must wait: nothing
// for the first few, then doubling up to PENALTY_DELAY_MAX_MS. A minute without failures forgives all.
unsigned penalty_note(struct penalty *penalty, const struct peer_key *key, int64_t now_ns);
// Notes a failure and waits. false: too many are waiting already; answer 429 at once.
bool penalty_serve(struct penalty *penalty, const struct peer_key *key, int64_t now_ns);
