// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Holds each client to its rate of requests: so many a second, in bursts of at most a second's worth, and
// never more than that in the long run. A request that is refused costs the client nothing. One number for
// each possible client id, so that memory is bounded and nobody waits for a lock. Any thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct rate;

// NULL: out of memory.
struct rate *rate_new(void);
void rate_free(struct rate *rate);

// Whether client_id (1..65535), who may make per_second requests a second (at least 1), may make one at a
// monotonic time. When it may not, it may a second later.
bool rate_take(struct rate *rate, unsigned client_id, unsigned per_second, int64_t now_ns);
