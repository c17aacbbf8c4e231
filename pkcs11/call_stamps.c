// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/call_stamps.h"

#include <time.h>

enum { STAMPS_IN_LINE = 8, CACHE_LINES = CALL_STAMPS / STAMPS_IN_LINE };

static _Thread_local unsigned depth; // of this thread's calls

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000 + 1; // never 0
}

// Threads share a cache line only when there are more of them than lines.
static _Atomic int64_t *my_stamp(struct call_stamps *stamps)
{
    static atomic_uint places;
    static _Thread_local unsigned place; // its number plus 1
    if (place == 0) {
        const unsigned n = atomic_fetch_add(&places, 1) % CALL_STAMPS;
        place = n % CACHE_LINES * STAMPS_IN_LINE + n / CACHE_LINES + 1;
    }
    return &stamps->began_ms[place - 1];
}

void call_begins(struct call_stamps *stamps)
{
    if (depth++ == 0)
        atomic_store_explicit(my_stamp(stamps), now_ms(), memory_order_relaxed);
}

bool call_ends(struct call_stamps *stamps)
{
    _Atomic int64_t *stamp = my_stamp(stamps);
    if (--depth == 0)
        return atomic_exchange_explicit(stamp, 0, memory_order_relaxed) < 0;
    int64_t began_ms = atomic_load_explicit(stamp, memory_order_relaxed);
    return began_ms < 0 || !atomic_compare_exchange_strong(stamp, &began_ms, now_ms());
}

bool calls_give_up(struct call_stamps *stamps, int64_t longer_than_ms)
{
    const int64_t since_ms = now_ms() - longer_than_ms;
    bool any = false;
    for (unsigned i = 0; i < CALL_STAMPS; i++) {
        int64_t began_ms = atomic_load_explicit(&stamps->began_ms[i], memory_order_relaxed);
        if (began_ms > 0 && began_ms < since_ms)
            any |= atomic_compare_exchange_strong(&stamps->began_ms[i], &began_ms, -began_ms);
    }
    return any;
}

bool calls_inside(const struct call_stamps *stamps)
{
    for (unsigned i = 0; i < CALL_STAMPS; i++) {
        if (atomic_load_explicit(&stamps->began_ms[i], memory_order_relaxed) != 0)
            return true;
    }
    return false;
}
