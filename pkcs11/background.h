// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Threads that do something again and again until they are told to stop. One that hangs in a module does not
// hear it: stopping waits for a while and then says so, instead of waiting for ever.
#pragma once

#include "appliance/base/err.h"

#include <pthread.h>
#include <stdbool.h>

struct background {
    pthread_mutex_t lock;
    pthread_cond_t news;
    bool stopping;
    unsigned running;
};

void background_init(struct background *background);
// Every thread must have stopped.
void background_done(struct background *background);

// Another thread, which rests for so long before it does `act` each time. ERR_MEMORY; ERR_IO: no thread.
enum err background_start(struct background *background, void (*act)(void *context), void *context,
                          unsigned rest_ms);
// Tells all threads to stop. false: some have not within so long; nothing that they use may be freed.
bool background_stop(struct background *background, unsigned patience_ms);
