// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The generic cell rate algorithm (ITU-T I.371): for each client the time at which all that it was given
// would be used up at its rate. Each request moves it on by one interval; it may lie a second ahead.
#include "web/rate.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { CLIENT_IDS = 65536 };
static const int64_t second_ns = 1000000000;

struct rate {
    _Atomic int64_t used_up_ns[CLIENT_IDS];
};

struct rate *rate_new(void)
{
    return calloc(1, sizeof(struct rate));
}

void rate_free(struct rate *rate)
{
    free(rate);
}

bool rate_take(struct rate *rate, unsigned client_id, unsigned per_second, int64_t now_ns)
{
    assert(client_id < CLIENT_IDS && per_second > 0);
    _Atomic int64_t *used_up = &rate->used_up_ns[client_id];
    const int64_t interval = second_ns / per_second;
    int64_t before = atomic_load(used_up), after;
    do {
        after = (before > now_ns ? before : now_ns) + interval;
        if (after - now_ns > second_ns)
            return false;
    } while (!atomic_compare_exchange_weak(used_up, &before, after));
    return true;
}
