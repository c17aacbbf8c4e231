// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/waiter.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { WAITING = 0, SLEEPING, CALLED, DONE };
enum { SPINS = 1000 }; // a few microseconds: the time of a call to a module in the same process

// false: time ran out. A sleeper may wake for no reason, as every user of a futex may.
static bool sleep_on(struct waiter *waiter)
{
    const struct timespec patience = {.tv_nsec = WAITER_PATIENCE_MS * 1000000L};
    return syscall(SYS_futex, &waiter->state, FUTEX_WAIT_PRIVATE, SLEEPING, &patience, NULL, 0) == 0 ||
           errno != ETIMEDOUT;
}

// Whether there is news; a call is heard only once.
static bool hear(struct waiter *waiter, enum waiter_news *out_news)
{
    unsigned state = atomic_load(&waiter->state);
    if (state == CALLED && atomic_compare_exchange_strong(&waiter->state, &state, WAITING)) {
        *out_news = WAITER_CALLED;
        return true;
    }
    if (state != DONE)
        return false;
    *out_news = WAITER_DONE;
    return true;
}

enum waiter_news waiter_wait(struct waiter *waiter, bool spin)
{
    enum waiter_news news = WAITER_HEARD_NOTHING;
    bool patient = true;
    for (int i = 0; spin && i < SPINS; i++)
        if (hear(waiter, &news))
            return news;
    while (!hear(waiter, &news) && patient) {
        unsigned state = WAITING;
        if (atomic_compare_exchange_strong(&waiter->state, &state, SLEEPING) || state == SLEEPING)
            patient = sleep_on(waiter);
    }
    return news;
}

bool waiter_call(struct waiter *waiter)
{
    return atomic_exchange(&waiter->state, CALLED) == SLEEPING;
}

void waiter_wake(const struct waiter *waiter)
{
    syscall(SYS_futex, &waiter->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void waiter_finish(struct waiter *waiter)
{
    if (atomic_exchange(&waiter->state, DONE) == SLEEPING)
        waiter_wake(waiter);
}
