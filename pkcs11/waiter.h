// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// One thread that waits for others: it is called to look around again, or told that all is done. Each waiter
// has a futex of its own, so whoever calls one wakes one. A short spin comes before the sleep, for then no
// system call is needed on either side.
//
// The struct lives on the waiting thread's stack and is gone as soon as that thread has heard of the end:
// only its address is used after waiter_finish has written there.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

struct waiter {
    _Atomic unsigned state; // zero-initialised; the rest belongs to waiter.c
};

enum waiter_news { WAITER_CALLED, WAITER_DONE, WAITER_HEARD_NOTHING };

// The owner's thread: returns at once when there is news already, else spins briefly if told to and sleeps.
// Hears nothing after WAITER_PATIENCE_MS: time to see whether anybody can still bring news.
enum { WAITER_PATIENCE_MS = 50 };
enum waiter_news waiter_wait(struct waiter *waiter, bool spin);

// Asks the waiter to look around; it must not be finished by anybody meanwhile. true: it sleeps, and
// waiter_wake must follow, which may be done after all locks are given back.
[[nodiscard]] bool waiter_call(struct waiter *waiter);
void waiter_wake(const struct waiter *waiter);
// All that was written before is seen by the waiter. Wakes it.
void waiter_finish(struct waiter *waiter);
