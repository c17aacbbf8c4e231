// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Shared by the files of the serial-token service: its state, and spaces taken from a small cache.
#pragma once

#include "appliance/tokens/serials.h"

#include <pthread.h>
#include <stdatomic.h>

enum { SPACES_KEPT = 16 };

// A space, and the registry whose key it uses.
struct kept_space {
    uint8_t id[SERIAL_SPACE_ID_BYTES];
    unsigned tenant_id, generation;
    struct serial_space *space;
    const struct registry *registry; // taken
    unsigned users;
    bool kept;     // in the cache; else it goes when it is given back
    uint64_t used; // when it was last taken, as a count of takings
};

struct serials {
    struct serials_options options;
    pthread_mutex_t lock;                   // guards spaces
    struct kept_space *spaces[SPACES_KEPT]; // NULL: free
    uint64_t takings;
    // The producer's.
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t wake_lock;
    pthread_cond_t wake;
    bool stopping, has_work;
    pthread_mutex_t progress_lock;
    uint8_t producing[STORE_ID_BYTES]; // the line at work
    double progress;
};

// A space of a tenant under a generation, made or found in the cache. ERR_HSM_KEY when the generation is not
// live. Given back by serials_give_space.
struct space_query {
    unsigned tenant_id, generation;
    const char *characters;
    unsigned digits;
};
enum err serials_take_space(struct serials *serials, const struct space_query *query,
                            struct kept_space **out_kept);
void serials_give_space(struct serials *serials, struct kept_space *kept);

// producer.c
enum err producer_start(struct serials *serials);
void producer_stop(struct serials *serials);
void producer_wake(struct serials *serials);
// 0..100 when the producer is at this line now, else 0.
double producer_progress(struct serials *serials, const uint8_t id[STORE_ID_BYTES]);

// Draws what a fresh id of a client carries.
enum err serials_draw_id(const struct serials *serials, unsigned client_id, struct sealed_id *out_id);
int64_t serials_now_ms(const struct serials *serials);
