// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/penalty.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum {
    SETS = 256,
    WAYS = 4, // addresses remembered: SETS * WAYS
    FREE_FAILURES = 3,
    FIRST_DELAY_MS = 15,
    DOUBLINGS_MAX = 7,
};
static const int64_t forgiven_after_ns = 60 * (int64_t)1000000000;

struct record {
    struct peer_key key;
    unsigned failures; // 0: free
    int64_t last_ns;
};

struct penalty {
    pthread_mutex_t lock;
    atomic_int sleepers;
    struct record records[SETS][WAYS];
};

struct penalty *penalty_new(void)
{
    struct penalty *penalty = calloc(1, sizeof *penalty);
    if (penalty != NULL)
        pthread_mutex_init(&penalty->lock, NULL);
    return penalty;
}

void penalty_free(struct penalty *penalty)
{
    if (penalty == NULL)
        return;
    pthread_mutex_destroy(&penalty->lock);
    free(penalty);
}

// The record of this key, or the one in its set that can best be spared, emptied for it.
static struct record *record_of(struct record *set, const struct peer_key *key, int64_t now_ns)
{
    struct record *oldest = &set[0];
    for (size_t i = 0; i < WAYS; i++) {
        struct record *record = &set[i];
        if (record->failures > 0 && now_ns - record->last_ns > forgiven_after_ns)
            record->failures = 0;
        if (record->failures > 0 && peer_equal(&record->key, key))
            return record;
        bool spare = record->failures == 0 && oldest->failures > 0;
        bool older = oldest->failures > 0 && record->last_ns < oldest->last_ns;
        if (spare || older)
            oldest = record;
    }
    *oldest = (struct record){.key = *key};
    return oldest;
}

unsigned penalty_note(struct penalty *penalty, const struct peer_key *key, int64_t now_ns)
{
    pthread_mutex_lock(&penalty->lock);
    struct record *record = record_of(penalty->records[peer_hash(key) % SETS], key, now_ns);
    record->last_ns = now_ns;
    if (record->failures < FREE_FAILURES + DOUBLINGS_MAX)
        record->failures++;
    unsigned failures = record->failures;
    pthread_mutex_unlock(&penalty->lock);
    if (failures <= FREE_FAILURES)
        return 0;
    unsigned delay_ms = FIRST_DELAY_MS << (failures - FREE_FAILURES - 1);
    return delay_ms < PENALTY_DELAY_MAX_MS ? delay_ms : PENALTY_DELAY_MAX_MS;
}

bool penalty_serve(struct penalty *penalty, const struct peer_key *key, int64_t now_ns)
{
    unsigned delay_ms = penalty_note(penalty, key, now_ns);
    if (delay_ms == 0)
        return true;
    bool allowed = atomic_fetch_add(&penalty->sleepers, 1) < PENALTY_SLEEPERS_MAX;
    if (allowed) {
        struct timespec delay = {delay_ms / 1000, (long)(delay_ms % 1000) * 1000000};
        nanosleep(&delay, NULL);
    }
    atomic_fetch_sub(&penalty->sleepers, 1);
    return allowed;
}
