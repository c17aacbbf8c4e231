// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/p11_session.h"

#include <assert.h>
#include <time.h>

enum { PATIENCE_MS = 50 };

void session_pool_init(struct session_pool *pool, struct slot *slot)
{
    pthread_condattr_t monotonic;
    *pool = (struct session_pool){.slot = slot};
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->given, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void session_pool_done(struct session_pool *pool)
{
    if (pool->slot == NULL)
        return;
    assert(pool->idle_count == pool->open_count);
    while (pool->idle_count > 0)
        slot_close_session(pool->slot, pool->idle[--pool->idle_count]);
    pthread_cond_destroy(&pool->given);
    pthread_mutex_destroy(&pool->lock);
    pool->slot = NULL;
}

void session_pool_forget(struct session_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    assert(pool->idle_count == pool->open_count);
    pool->idle_count = pool->open_count = 0;
    pthread_mutex_unlock(&pool->lock);
}

// A place freed without a session in it.
static void session_forget(struct session_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->open_count--;
    pthread_cond_signal(&pool->given);
    pthread_mutex_unlock(&pool->lock);
}

// The lock is held. false: the slot is down; those who have the sessions may never come back.
static bool wait_for_one(struct session_pool *pool)
{
    while (slot_is_up(pool->slot)) {
        struct timespec until;
        if (pool->idle_count > 0 || pool->open_count < SESSION_POOL_MAX)
            return true;
        clock_gettime(CLOCK_MONOTONIC, &until);
        const long ns = until.tv_nsec + PATIENCE_MS * 1000000L;
        until = (struct timespec){.tv_sec = until.tv_sec + ns / 1000000000, .tv_nsec = ns % 1000000000};
        pthread_cond_timedwait(&pool->given, &pool->lock, &until);
    }
    return false;
}

enum err session_take(struct session_pool *pool, CK_SESSION_HANDLE *out_session)
{
    pthread_mutex_lock(&pool->lock);
    if (!wait_for_one(pool)) {
        pthread_mutex_unlock(&pool->lock);
        return ERR_HSM_DOWN;
    }
    bool idle = pool->idle_count > 0;
    if (idle)
        *out_session = pool->idle[--pool->idle_count];
    else
        pool->open_count++;
    pthread_mutex_unlock(&pool->lock);
    if (idle)
        return OK;
    enum err rc = slot_open_session(pool->slot, false, out_session, NULL);
    if (rc != OK)
        session_forget(pool);
    return slot_seam_err(rc);
}

void session_give(struct session_pool *pool, CK_SESSION_HANDLE session)
{
    pthread_mutex_lock(&pool->lock);
    pool->idle[pool->idle_count++] = session;
    pthread_cond_signal(&pool->given);
    pthread_mutex_unlock(&pool->lock);
}

void session_broken(struct session_pool *pool, CK_SESSION_HANDLE session)
{
    slot_close_session(pool->slot, session);
    session_forget(pool);
}
