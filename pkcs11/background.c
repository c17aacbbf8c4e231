// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/background.h"

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

struct task {
    struct background *background;
    void (*act)(void *context);
    void *context;
    unsigned rest_ms;
};

void background_init(struct background *background)
{
    pthread_condattr_t monotonic;
    *background = (struct background){0};
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&background->lock, NULL);
    pthread_cond_init(&background->news, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void background_done(struct background *background)
{
    pthread_cond_destroy(&background->news);
    pthread_mutex_destroy(&background->lock);
}

static struct timespec in_ms(unsigned ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    const int64_t ns = at.tv_nsec + (int64_t)ms * 1000000;
    return (struct timespec){.tv_sec = at.tv_sec + ns / 1000000000, .tv_nsec = ns % 1000000000};
}

// false: time to end.
static bool rest(struct background *background, unsigned ms)
{
    const struct timespec until = in_ms(ms);
    int waited = 0;
    pthread_mutex_lock(&background->lock);
    while (!background->stopping && waited == 0)
        waited = pthread_cond_timedwait(&background->news, &background->lock, &until);
    const bool stopping = background->stopping;
    pthread_mutex_unlock(&background->lock);
    return !stopping;
}

static void *run(void *context)
{
    const struct task task = *(struct task *)context;
    free(context);
    while (rest(task.background, task.rest_ms))
        task.act(task.context);
    pthread_mutex_lock(&task.background->lock);
    task.background->running--;
    pthread_cond_broadcast(&task.background->news);
    pthread_mutex_unlock(&task.background->lock);
    return NULL;
}

static void count(struct background *background, int change)
{
    pthread_mutex_lock(&background->lock);
    background->running += (unsigned)change;
    pthread_mutex_unlock(&background->lock);
}

enum err background_start(struct background *background, void (*act)(void *context), void *context,
                          unsigned rest_ms)
{
    pthread_t thread;
    struct task *task = malloc(sizeof *task);
    if (task == NULL)
        return ERR_MEMORY;
    *task = (struct task){background, act, context, rest_ms};
    count(background, 1);
    if (pthread_create(&thread, NULL, run, task) != 0) {
        count(background, -1);
        free(task);
        return ERR_IO;
    }
    pthread_detach(thread);
    return OK;
}

bool background_stop(struct background *background, unsigned patience_ms)
{
    const struct timespec until = in_ms(patience_ms);
    int waited = 0;
    pthread_mutex_lock(&background->lock);
    background->stopping = true;
    pthread_cond_broadcast(&background->news);
    while (background->running > 0 && waited == 0)
        waited = pthread_cond_timedwait(&background->news, &background->lock, &until);
    const bool stopped = background->running == 0;
    pthread_mutex_unlock(&background->lock);
    return stopped;
}
