// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/deadline.h"

#include "web/peer.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

enum { TICK_MS = 100 };

// States of a slot besides a time: the watcher is at work on it; it has shut the socket down.
static const int64_t idle = 0, firing = -1, fired = -2;

struct deadlines {
    pthread_t thread;
    pthread_mutex_t lock; // slots, stopping; never taken by a request
    pthread_cond_t stop;
    bool stopping;
    void (*tick)(void *context);
    void *context;
    size_t capacity, count;
    struct deadline_slot **slots;
};

int64_t deadline_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * (int64_t)1000000000 + now.tv_nsec;
}

static void shut(const struct deadline_slot *slot)
{
    int socket = peer_socket(slot->address, slot->port, slot->local_port);
    if (socket >= 0)
        shutdown(socket, slot->reach == DEADLINE_READS ? SHUT_RD : SHUT_RDWR);
}

static void look_at(struct deadline_slot *slot, int64_t now_ns)
{
    int64_t at_ns = atomic_load(&slot->at_ns);
    if (at_ns <= 0 || at_ns > now_ns)
        return;
    if (!atomic_compare_exchange_strong(&slot->at_ns, &at_ns, firing))
        return;
    shut(slot);
    atomic_store(&slot->at_ns, fired);
}

static void *watch(void *context)
{
    struct deadlines *deadlines = context;
    pthread_mutex_lock(&deadlines->lock);
    while (!deadlines->stopping) {
        int64_t now_ns = deadline_now_ns();
        for (size_t i = 0; i < deadlines->count; i++)
            look_at(deadlines->slots[i], now_ns);
        if (deadlines->tick != NULL)
            deadlines->tick(deadlines->context);
        int64_t next_ns = now_ns + TICK_MS * (int64_t)1000000;
        struct timespec next = {next_ns / 1000000000, next_ns % 1000000000};
        pthread_cond_timedwait(&deadlines->stop, &deadlines->lock, &next);
    }
    pthread_mutex_unlock(&deadlines->lock);
    return NULL;
}

static void release(struct deadlines *deadlines)
{
    pthread_cond_destroy(&deadlines->stop);
    pthread_mutex_destroy(&deadlines->lock);
    free(deadlines->slots);
    free(deadlines);
}

enum err deadlines_new(size_t slots, void (*tick)(void *context), void *context,
                       struct deadlines **out_deadlines)
{
    struct deadlines *deadlines = calloc(1, sizeof *deadlines);
    if (deadlines == NULL)
        return ERR_MEMORY;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&deadlines->stop, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&deadlines->lock, NULL);
    deadlines->capacity = slots;
    deadlines->tick = tick;
    deadlines->context = context;
    deadlines->slots = calloc(slots, sizeof *deadlines->slots);
    enum err rc = deadlines->slots == NULL ? ERR_MEMORY : OK;
    if (rc == OK && pthread_create(&deadlines->thread, NULL, watch, deadlines) != 0)
        rc = ERR_IO;
    if (rc != OK)
        release(deadlines);
    else
        *out_deadlines = deadlines;
    return rc;
}

void deadlines_free(struct deadlines *deadlines)
{
    if (deadlines == NULL)
        return;
    pthread_mutex_lock(&deadlines->lock);
    deadlines->stopping = true;
    pthread_cond_signal(&deadlines->stop);
    pthread_mutex_unlock(&deadlines->lock);
    pthread_join(deadlines->thread, NULL);
    release(deadlines);
}

void deadlines_join(struct deadlines *deadlines, struct deadline_slot *slot)
{
    pthread_mutex_lock(&deadlines->lock);
    assert(deadlines->count < deadlines->capacity);
    deadlines->slots[deadlines->count++] = slot;
    pthread_mutex_unlock(&deadlines->lock);
}

void deadlines_leave(struct deadlines *deadlines, struct deadline_slot *slot)
{
    pthread_mutex_lock(&deadlines->lock);
    for (size_t i = 0; i < deadlines->count; i++) {
        if (deadlines->slots[i] == slot)
            deadlines->slots[i--] = deadlines->slots[--deadlines->count];
    }
    pthread_mutex_unlock(&deadlines->lock);
}

void deadline_arm(struct deadline_slot *slot, int64_t at_ns, enum deadline_reach reach)
{
    slot->reach = reach;
    atomic_store(&slot->at_ns, at_ns);
}

bool deadline_extend(struct deadline_slot *slot, int64_t at_ns)
{
    int64_t was = atomic_load(&slot->at_ns);
    return was > 0 && atomic_compare_exchange_strong(&slot->at_ns, &was, at_ns);
}

bool deadline_disarm(struct deadline_slot *slot)
{
    int64_t was = atomic_load(&slot->at_ns);
    if (was > 0 && atomic_compare_exchange_strong(&slot->at_ns, &was, idle))
        return true;
    while (atomic_load(&slot->at_ns) == firing)
        sched_yield();
    return atomic_exchange(&slot->at_ns, idle) != fired;
}
