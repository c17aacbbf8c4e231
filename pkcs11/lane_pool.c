// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/lane_pool.h"
#include "pkcs11/waiter.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

enum { SHARED_BYTES = LANE_BLOCKS_MAX * CIPHER_BLOCK_BYTES }; // of each lane

// A caller in line, on its own stack. Who takes it out of the line is the only one to touch it until it is
// finished.
struct request {
    struct lane_part part; // first: requests are linked by their parts
    struct waiter waiter;
    enum err rc;
    bool in_line; // by the lock
};

struct lane_pool {
    struct slot *slot;
    struct key_query query;
    unsigned spinners; // those in line who spin before they sleep: never more than there are processors left
    uint8_t *shared;   // SHARED_BYTES for each lane
    pthread_mutex_t lock; // the rest
    struct lane_part *line, **line_end;
    size_t waiting;
    unsigned lane_count, idle_count;
    struct lane *idle[LANES_MAX];
    struct lane lanes[LANES_MAX];
};

// ---- the line: the lock is held ---------------------------------------------------------------------

static struct request *request_of(struct lane_part *part)
{
    return (struct request *)part;
}

static void line_up(struct lane_pool *pool, struct request *request)
{
    request->in_line = true;
    *pool->line_end = &request->part;
    pool->line_end = &request->part.next;
    pool->waiting++;
}

// Takes out those at the head who have at most blocks_max blocks together.
static struct lane_part *line_take(struct lane_pool *pool, size_t blocks_max)
{
    struct lane_part *taken = pool->line, **end = &taken;
    while (*end != NULL && (*end)->count <= blocks_max) {
        blocks_max -= (*end)->count;
        request_of(*end)->in_line = false;
        pool->waiting--;
        end = &(*end)->next;
    }
    pool->line = *end;
    *end = NULL;
    if (pool->line == NULL)
        pool->line_end = &pool->line;
    return taken;
}

// If there is a lane for the head of the line, it is called. Not NULL: it must be woken after unlocking.
static const struct waiter *line_call_head(struct lane_pool *pool)
{
    if (pool->idle_count == 0 || pool->line == NULL)
        return NULL;
    struct waiter *head = &request_of(pool->line)->waiter;
    return waiter_call(head) ? head : NULL;
}

// Everybody in line, if nobody is to be served any more.
static struct lane_part *line_dissolve(struct lane_pool *pool)
{
    return slot_is_up(pool->slot) ? NULL : line_take(pool, SIZE_MAX);
}

// ---- lanes ------------------------------------------------------------------------------------------

static void unlock_and_wake(struct lane_pool *pool, const struct waiter *called)
{
    pthread_mutex_unlock(&pool->lock);
    if (called != NULL)
        waiter_wake(called);
}

// No lock is held. A finished request may be gone.
static void finish_all(struct lane_part *parts, enum err rc)
{
    while (parts != NULL) {
        struct request *request = request_of(parts);
        parts = parts->next;
        request->rc = rc;
        waiter_finish(&request->waiter);
    }
}

static void lane_give(struct lane_pool *pool, struct lane *lane)
{
    pthread_mutex_lock(&pool->lock);
    pool->idle[pool->idle_count++] = lane;
    struct lane_part *refused = line_dissolve(pool);
    unlock_and_wake(pool, line_call_head(pool));
    finish_all(refused, ERR_HSM_DOWN);
}

static enum err encrypt_own(struct lane_pool *pool, struct lane *lane, uint8_t *blocks, size_t count)
{
    return slot_is_up(pool->slot) ? lane_encrypt(pool->slot, &pool->query, lane, blocks, count)
                                  : ERR_HSM_DOWN;
}

static enum err encrypt_parts(struct lane_pool *pool, struct lane *lane, const struct lane_part *parts)
{
    if (parts->next == NULL)
        return encrypt_own(pool, lane, parts->blocks, parts->count);
    return lane_encrypt_parts(pool->slot, &pool->query, lane, parts,
                              pool->shared + (size_t)(lane - pool->lanes) * SHARED_BYTES);
}

// There is a line and an idle lane; the lock is held, and given back. The lane is given back last: those who
// were woken and come again at once are in the next call, and not one call apart for ever.
static void lead(struct lane_pool *pool)
{
    struct lane *lane = pool->idle[--pool->idle_count];
    struct lane_part *parts = line_take(pool, LANE_BLOCKS_MAX);
    unlock_and_wake(pool, line_call_head(pool));
    finish_all(parts, encrypt_parts(pool, lane, parts));
    lane_give(pool, lane);
}

// Returns on a call, at the end, or when the slot is down.
static enum waiter_news wait_for_news(const struct lane_pool *pool, struct request *request, bool spins)
{
    enum waiter_news news;
    do
        news = waiter_wait(&request->waiter, spins);
    while (news == WAITER_HEARD_NOTHING && slot_is_up(pool->slot));
    return news;
}

// The lock is held, and given back when the request is finished.
static void stand_in_line(struct lane_pool *pool, struct request *request)
{
    line_up(pool, request);
    while (true) {
        const bool spins = pool->waiting <= pool->spinners;
        struct lane_part *refused = line_dissolve(pool);
        if (request->in_line && pool->idle_count > 0)
            lead(pool);
        else
            pthread_mutex_unlock(&pool->lock);
        finish_all(refused, ERR_HSM_DOWN);
        if (wait_for_news(pool, request, spins) == WAITER_DONE)
            return;
        pthread_mutex_lock(&pool->lock);
    }
}

// At most LANE_BLOCKS_MAX blocks.
static enum err encrypt_piece(struct lane_pool *pool, uint8_t *blocks, size_t count)
{
    pthread_mutex_lock(&pool->lock);
    if (pool->idle_count == 0 || pool->line != NULL) {
        struct request request = {.part = {.blocks = blocks, .count = count}};
        stand_in_line(pool, &request);
        return request.rc;
    }
    struct lane *lane = pool->idle[--pool->idle_count];
    pthread_mutex_unlock(&pool->lock);
    const enum err rc = encrypt_own(pool, lane, blocks, count);
    lane_give(pool, lane);
    return rc;
}

enum err lane_pool_encrypt(void *context, uint8_t *blocks, size_t count)
{
    struct lane_pool *pool = context;
    enum err rc = OK;
    if (count == 0)
        return OK;
    if (!slot_enter(pool->slot))
        return ERR_HSM_DOWN;
    while (rc == OK && count > 0) {
        const size_t piece = count < LANE_BLOCKS_MAX ? count : LANE_BLOCKS_MAX;
        rc = encrypt_piece(pool, blocks, piece);
        blocks += piece * CIPHER_BLOCK_BYTES;
        count -= piece;
    }
    slot_leave(pool->slot);
    return rc;
}

// ---- the pool ---------------------------------------------------------------------------------------

static struct lane_pool *pool_new(struct slot *slot, const struct key_query *query, unsigned lanes)
{
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    struct lane_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return NULL;
    pool->shared = calloc(lanes, SHARED_BYTES);
    if (pool->shared == NULL) {
        free(pool);
        return NULL;
    }
    pool->slot = slot;
    pool->query = *query;
    pool->spinners = processors > 1 ? (unsigned)processors - 1 : 0;
    pool->line_end = &pool->line;
    pthread_mutex_init(&pool->lock, NULL);
    return pool;
}

enum err lane_pool_open(struct slot *slot, const struct key_query *query, unsigned lanes,
                        struct lane_pool **out_pool, struct key_evidence *out_evidence, struct diag *diag)
{
    enum err rc = OK;
    assert(lanes >= 1 && lanes <= LANES_MAX);
    struct lane_pool *pool = pool_new(slot, query, lanes);
    struct key_evidence evidence = {0};
    if (pool == NULL)
        return ERR_MEMORY;
    for (; pool->lane_count < lanes; pool->lane_count++) {
        TRY(lane_open(slot, &pool->query, &pool->lanes[pool->lane_count], &evidence, diag));
        pool->idle[pool->idle_count++] = &pool->lanes[pool->lane_count];
        key_query_pin(&pool->query, &evidence);
    }
    *out_pool = pool;
    if (out_evidence != NULL)
        *out_evidence = evidence;
out:
    if (rc != OK)
        lane_pool_close(pool);
    return rc;
}

void lane_pool_close(struct lane_pool *pool)
{
    if (pool == NULL)
        return;
    assert(pool->idle_count == pool->lane_count && pool->line == NULL);
    for (unsigned i = 0; i < pool->lane_count; i++)
        lane_close(pool->slot, &pool->lanes[i]);
    pthread_mutex_destroy(&pool->lock);
    free(pool->shared);
    wipe(pool, sizeof *pool);
    free(pool);
}

void lane_pool_forget(struct lane_pool *pool)
{
    assert(pool->idle_count == pool->lane_count && pool->line == NULL);
    for (unsigned i = 0; i < pool->lane_count; i++)
        lane_forget(&pool->lanes[i]);
}

size_t lane_pool_waiting(struct lane_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    const size_t waiting = pool->waiting;
    pthread_mutex_unlock(&pool->lock);
    return waiting;
}

bool lane_pool_streams(const struct lane_pool *pool)
{
    for (unsigned i = 0; i < pool->lane_count; i++)
        if (!pool->lanes[i].stream)
            return false;
    return true;
}
