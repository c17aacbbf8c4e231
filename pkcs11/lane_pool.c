// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/lane_pool.h"
#include "pkcs11/waiter.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    SHARED_BYTES = LANE_BLOCKS_MAX * CIPHER_BLOCK_BYTES, // of each lane
    LOOKS = 1000,                                        // for an idle lane: a few microseconds
    SWIFT_NS = 20000,                                    // what it costs to sleep and be woken, about
    CALLS_TO_A_MEASURE = 16,
    PASSES_MAX = 256, // swift calls before the head of the line has its turn
};

// Callers whose blocks are in one call, which works on a copy of them: while it is in the module nothing of
// theirs is touched, so that they may leave when it does not come back. The leader alone changes the list,
// except while FLYING, when those who leave do, one at a time (by the lock) and as LEAVING.
enum flight_state { LOADING, FLYING, LEAVING, LANDED };
struct flight {
    _Atomic enum flight_state state;
    struct request *riders;
    uint8_t *shared; // SHARED_BYTES
    size_t loaded;   // blocks in it at most
};

// A caller, on its own stack: in line, then in a flight, then finished. Who takes it out of the line is the
// only one to finish it.
struct request {
    uint8_t *blocks;
    size_t count;
    size_t at; // of its blocks in the copy
    struct request *next;
    struct flight *flight; // NULL: in line yet; by the lock
    struct waiter waiter;
    enum err rc;
    bool in_line; // by the lock
};

struct lane_pool {
    struct slot *slot;
    struct key_query query;
    unsigned spinners;    // how many may spin: never more than there are processors left
    atomic_uint spinning; // before they stand in line
    atomic_bool swift;    // a call takes less than SWIFT_NS
    uint8_t *shared;      // SHARED_BYTES for each lane
    pthread_mutex_t lock; // the rest
    struct request *line, **line_end;
    size_t waiting;
    unsigned passes; // calls that went by the line since it was last taken along
    unsigned calls;  // while swift
    int64_t call_ns; // of a call, about
    unsigned lane_count;
    atomic_uint idle_count; // written by the lock
    struct lane *idle[LANES_MAX];
    struct lane lanes[LANES_MAX];
    struct flight flights[LANES_MAX]; // of each lane
};

// ---- the line: the lock is held ---------------------------------------------------------------------

static void line_up(struct lane_pool *pool, struct request *request)
{
    request->in_line = true;
    *pool->line_end = request;
    pool->line_end = &request->next;
    pool->waiting++;
}

// Takes out those at the head who have at most blocks_max blocks together.
static struct request *line_take(struct lane_pool *pool, size_t blocks_max)
{
    struct request *taken = pool->line, **end = &taken;
    while (*end != NULL && (*end)->count <= blocks_max) {
        blocks_max -= (*end)->count;
        (*end)->in_line = false;
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
    struct waiter *head = &pool->line->waiter;
    return waiter_call(head) ? head : NULL;
}

// Everybody in line, if nobody is to be served any more.
static struct request *line_dissolve(struct lane_pool *pool)
{
    return slot_is_up(pool->slot) ? NULL : line_take(pool, SIZE_MAX);
}

// ---- flights ----------------------------------------------------------------------------------------

static void flight_change(struct flight *flight, enum flight_state from, enum flight_state to)
{
    enum flight_state now = from;
    while (!atomic_compare_exchange_weak(&flight->state, &now, to))
        now = from; // somebody is leaving, which takes a moment
}

// The lock is held.
static void flight_board(struct flight *flight, struct request *riders)
{
    atomic_store(&flight->state, LOADING);
    flight->riders = riders;
    flight->loaded = 0;
    for (struct request *rider = riders; rider != NULL; rider = rider->next)
        rider->flight = flight;
}

// The leader's; of those who have not left.
static size_t flight_load(void *context, uint8_t *shared)
{
    struct flight *flight = context;
    size_t count = 0;
    if (atomic_load(&flight->state) != LOADING)
        flight_change(flight, FLYING, LOADING);
    for (struct request *rider = flight->riders; rider != NULL; rider = rider->next) {
        rider->at = count;
        memcpy(shared + count * CIPHER_BLOCK_BYTES, rider->blocks, rider->count * CIPHER_BLOCK_BYTES);
        count += rider->count;
    }
    flight->loaded = count > flight->loaded ? count : flight->loaded;
    atomic_store(&flight->state, FLYING);
    return count;
}

// The leader's. Those who are still there.
static struct request *flight_land(struct flight *flight, enum err rc)
{
    flight_change(flight, FLYING, LANDED);
    for (const struct request *rider = flight->riders; rc == OK && rider != NULL; rider = rider->next)
        memcpy(rider->blocks, flight->shared + rider->at * CIPHER_BLOCK_BYTES,
               rider->count * CIPHER_BLOCK_BYTES);
    return flight->riders;
}

// The lock is held. false: not in a call, or it has landed and the leader is about to tell.
static bool flight_leave(const struct request *request)
{
    struct flight *flight = request->flight;
    enum flight_state flying = FLYING;
    if (flight == NULL || !atomic_compare_exchange_strong(&flight->state, &flying, LEAVING))
        return false;
    struct request **link = &flight->riders;
    while (*link != NULL && *link != request)
        link = &(*link)->next;
    const bool found = *link != NULL; // else it is another flight of that lane
    if (found)
        *link = request->next;
    atomic_store(&flight->state, FLYING);
    return found;
}

// ---- lanes ------------------------------------------------------------------------------------------

static void unlock_and_wake(struct lane_pool *pool, const struct waiter *called)
{
    pthread_mutex_unlock(&pool->lock);
    if (called != NULL)
        waiter_wake(called);
}

// No lock is held. A finished request may be gone.
static void finish_all(struct request *requests, enum err rc)
{
    while (requests != NULL) {
        struct request *request = requests;
        requests = request->next;
        request->rc = rc;
        waiter_finish(&request->waiter);
    }
}

// A lane on loan. began_ns: 0 unless this call is measured.
struct loan {
    struct lane *lane;
    int64_t began_ns;
};

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * (int64_t)1000000000 + now.tv_nsec;
}

// The lock is held, and a lane is idle.
static struct loan lane_take(struct lane_pool *pool)
{
    const bool measured = !atomic_load(&pool->swift) || pool->calls++ % CALLS_TO_A_MEASURE == 0;
    return (struct loan){pool->idle[--pool->idle_count], measured ? now_ns() : 0};
}

// The lock is held. Falls at once and rises slowly: a thread that was put aside in a call says nothing about
// the module.
static void note_call(struct lane_pool *pool, int64_t took_ns)
{
    const int64_t most_ns = 2 * pool->call_ns;
    pool->call_ns = took_ns < most_ns ? took_ns : most_ns;
    atomic_store(&pool->swift, pool->call_ns < SWIFT_NS);
}

static void lane_give(struct lane_pool *pool, const struct loan *loan)
{
    const int64_t ended_ns = loan->began_ns != 0 ? now_ns() : 0;
    pthread_mutex_lock(&pool->lock);
    if (ended_ns != 0)
        note_call(pool, ended_ns - loan->began_ns);
    pool->idle[pool->idle_count++] = loan->lane;
    struct request *refused = line_dissolve(pool);
    unlock_and_wake(pool, line_call_head(pool));
    finish_all(refused, ERR_HSM_DOWN);
}

static enum err encrypt_own(struct lane_pool *pool, struct lane *lane, uint8_t *blocks, size_t count)
{
    return slot_is_up(pool->slot) ? lane_encrypt(pool->slot, &pool->query, lane, blocks, count)
                                  : ERR_HSM_DOWN;
}

static enum err fly(struct lane_pool *pool, struct lane *lane, struct flight *flight,
                    struct request **out_riders)
{
    const struct lane_load load = {flight_load, flight};
    const enum err rc = lane_encrypt_load(pool->slot, &pool->query, lane, &load, flight->shared);
    *out_riders = flight_land(flight, rc);
    wipe(flight->shared, flight->loaded * CIPHER_BLOCK_BYTES);
    return rc;
}

// There is a line and an idle lane; the lock is held, and given back. The lane of a slow module is given back
// last: those who were woken and come again at once are in the next call, and not one call apart for ever.
static void lead(struct lane_pool *pool, struct request *leader)
{
    const struct loan loan = lane_take(pool);
    struct flight *flight = &pool->flights[loan.lane - pool->lanes];
    struct request *taken = line_take(pool, LANE_BLOCKS_MAX);
    const bool alone = taken == leader && taken->next == NULL;
    const bool swift = atomic_load(&pool->swift);
    enum err rc;
    pool->passes = 0;
    if (!alone)
        flight_board(flight, taken);
    unlock_and_wake(pool, line_call_head(pool));
    if (alone)
        rc = encrypt_own(pool, loan.lane, leader->blocks, leader->count);
    else
        rc = fly(pool, loan.lane, flight, &taken);
    if (swift)
        lane_give(pool, &loan);
    finish_all(taken, rc);
    if (!swift)
        lane_give(pool, &loan);
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
        struct request *refused = line_dissolve(pool);
        const bool left = !slot_is_up(pool->slot) && flight_leave(request);
        if (request->in_line && pool->idle_count > 0)
            lead(pool, request);
        else
            pthread_mutex_unlock(&pool->lock);
        finish_all(refused, ERR_HSM_DOWN);
        if (left || wait_for_news(pool, request, spins) == WAITER_DONE)
            return;
        pthread_mutex_lock(&pool->lock);
    }
}

// A call to a module in the same process is over before a thread could sleep and be woken. So those for whom
// there is a processor look for an idle lane for so long, whoever sleeps in line: once a crowd has formed
// there, it would otherwise come back for every call, and pay for each with a sleep.
static void look_for_lane(struct lane_pool *pool)
{
    if (!atomic_load(&pool->swift) || atomic_load(&pool->idle_count) > 0)
        return;
    if (atomic_fetch_add(&pool->spinning, 1) < pool->spinners) {
        for (int i = 0; i < LOOKS && atomic_load(&pool->idle_count) == 0; i++)
            ;
    }
    atomic_fetch_sub(&pool->spinning, 1);
}

// The lock is held. To go by those who sleep in line and are not awake yet costs them one short call.
static bool may_pass(struct lane_pool *pool)
{
    return atomic_load(&pool->swift) && pool->passes++ < PASSES_MAX;
}

// At most LANE_BLOCKS_MAX blocks.
static enum err encrypt_piece(struct lane_pool *pool, uint8_t *blocks, size_t count)
{
    look_for_lane(pool);
    pthread_mutex_lock(&pool->lock);
    if (pool->idle_count == 0 || (pool->line != NULL && !may_pass(pool))) {
        struct request request = {.blocks = blocks, .count = count, .rc = ERR_HSM_DOWN};
        stand_in_line(pool, &request);
        return request.rc;
    }
    const struct loan loan = lane_take(pool);
    pthread_mutex_unlock(&pool->lock);
    const enum err rc = encrypt_own(pool, loan.lane, blocks, count);
    lane_give(pool, &loan);
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
    pool->call_ns = INT64_MAX / 2; // not known yet: slow
    pool->spinners = processors > 1 ? (unsigned)processors - 1 : 0;
    pool->line_end = &pool->line;
    for (unsigned i = 0; i < lanes; i++)
        pool->flights[i].shared = pool->shared + (size_t)i * SHARED_BYTES;
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
    pthread_mutex_lock(&pool->lock);
    assert(pool->idle_count == pool->lane_count && pool->line == NULL);
    for (unsigned i = 0; i < pool->lane_count; i++)
        lane_forget(&pool->lanes[i]);
    pthread_mutex_unlock(&pool->lock);
}

// ---- proving ----------------------------------------------------------------------------------------

static bool take_if_idle(struct lane_pool *pool, const struct lane *lane)
{
    bool found = false;
    pthread_mutex_lock(&pool->lock);
    for (unsigned i = 0; i < pool->idle_count && !found; i++) {
        found = pool->idle[i] == lane;
        if (found)
            pool->idle[i] = pool->idle[--pool->idle_count];
    }
    pthread_mutex_unlock(&pool->lock);
    return found;
}

enum err lane_pool_prove(struct lane_pool *pool, const struct lane_proof *proof, unsigned most,
                         bool *out_wrong)
{
    enum err rc = OK;
    bool wrong = false;
    for (unsigned i = 0; i < pool->lane_count && most > 0 && rc == OK && !wrong; i++) {
        struct lane *lane = &pool->lanes[i];
        uint8_t blocks[LANE_PROOF_BYTES];
        if (!take_if_idle(pool, lane))
            continue;
        most--;
        memcpy(blocks, proof->clear, sizeof blocks);
        rc = lane_encrypt(pool->slot, &pool->query, lane, blocks, sizeof blocks / CIPHER_BLOCK_BYTES);
        wrong = rc == OK && !ct_equal(blocks, proof->encrypted, sizeof blocks);
        lane_give(pool, &(struct loan){.lane = lane});
    }
    *out_wrong = wrong;
    return rc;
}

// ---- what is known ----------------------------------------------------------------------------------

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
