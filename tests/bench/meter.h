// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// How long work takes, in CPU time of the calling thread: what is measured here waits for nobody, so that
// this is the time on the clock when the machine is quiet, and is not that of others when it is busy.
// Functions end the program when the work fails.
#pragma once

#include "appliance/base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline void meter_must(enum err rc, const char *what)
{
    if (rc == OK)
        return;
    fprintf(stderr, "%s: %s\n", what, err_name(rc));
    exit(1);
}

static inline double meter_cpu_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return 1e9 * (double)time.tv_sec + (double)time.tv_nsec;
}

// Nanoseconds that one piece of work takes, over at least `ms` milliseconds of it; the first is not counted.
static inline double meter_ns(enum err (*work)(void *context), void *context, double ms)
{
    double elapsed = 0;
    size_t repeats = 1;
    meter_must(work(context), "work");
    for (;; repeats *= 2) {
        const double begin = meter_cpu_ns();
        for (size_t i = 0; i < repeats; i++)
            meter_must(work(context), "work");
        elapsed = meter_cpu_ns() - begin;
        if (elapsed >= ms * 1e6)
            return elapsed / (double)repeats;
    }
}
