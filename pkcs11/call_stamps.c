// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/call_stamps.h"

#include <time.h>

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000 + 1; // never 0
}

static unsigned my_place(void)
{
    static atomic_uint places;
    static _Thread_local unsigned place; // its number plus 1
    if (place == 0)
        place = atomic_fetch_add(&places, 1) % CALL_STAMPS + 1;
    return place - 1;
}

void call_begins(struct call_stamps *stamps)
{
    atomic_store_explicit(&stamps->began_ms[my_place()], now_ms(), memory_order_relaxed);
}

void call_ends(struct call_stamps *stamps)
{
    atomic_store_explicit(&stamps->began_ms[my_place()], 0, memory_order_relaxed);
}

bool call_hangs(const struct call_stamps *stamps, int64_t longer_than_ms)
{
    const int64_t since_ms = now_ms() - longer_than_ms;
    for (unsigned i = 0; i < CALL_STAMPS; i++) {
        const int64_t began_ms = atomic_load_explicit(&stamps->began_ms[i], memory_order_relaxed);
        if (began_ms != 0 && began_ms < since_ms)
            return true;
    }
    return false;
}
