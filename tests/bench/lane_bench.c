// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What sharing a lane brings: callers with single blocks on one lane of SoftHSM, bare and with a delay in
// each call to the module, against the same lane behind a plain lock, where each caller makes a call of its
// own. Both take turns; the median of several turns is printed: encryptions a second, and their ratio.
#include "tests/conformance/lane_rig.h"

enum { TURNS = 5, TURN_MS = 120, CALLERS_MAX = 64 };

// The peer: whoever holds the lock finds the lane idle.
struct locked {
    struct cipher cipher;
    pthread_mutex_t lock;
};

static enum err locked_encrypt(void *context, uint8_t *blocks, size_t count)
{
    struct locked *locked = context;
    pthread_mutex_lock(&locked->lock);
    const enum err rc = cipher_encrypt(&locked->cipher, blocks, count);
    pthread_mutex_unlock(&locked->lock);
    return rc;
}

struct worker {
    const struct cipher *cipher;
    const atomic_bool *enough;
    pthread_t thread;
    size_t calls;
};

static void *work(void *context)
{
    struct worker *worker = context;
    uint8_t block[CIPHER_BLOCK_BYTES] = {0};
    while (!atomic_load_explicit(worker->enough, memory_order_relaxed)) {
        rig_must(cipher_encrypt(worker->cipher, block, 1) == OK, "encrypt");
        worker->calls++;
    }
    return NULL;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double rate(const struct cipher *cipher, size_t callers)
{
    struct worker workers[CALLERS_MAX];
    atomic_bool enough = false;
    size_t calls = 0;
    const double start = seconds();
    for (size_t i = 0; i < callers; i++) {
        workers[i] = (struct worker){.cipher = cipher, .enough = &enough};
        rig_must(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0, "thread");
    }
    nanosleep(&(struct timespec){.tv_nsec = TURN_MS * 1000000L}, NULL);
    atomic_store(&enough, true);
    for (size_t i = 0; i < callers; i++) {
        pthread_join(workers[i].thread, NULL);
        calls += workers[i].calls;
    }
    return (double)calls / (seconds() - start);
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void bench(const struct cipher *shared, const struct cipher *locked, unsigned delay_us, size_t callers)
{
    double with[TURNS], without[TURNS];
    for (size_t turn = 0; turn < TURNS; turn++) {
        with[turn] = rate(shared, callers);
        without[turn] = rate(locked, callers);
    }
    qsort(with, TURNS, sizeof *with, compare);
    qsort(without, TURNS, sizeof *without, compare);
    printf("%8u %8zu %10.0f %10.0f %7.2f\n", delay_us, callers, with[TURNS / 2], without[TURNS / 2],
           with[TURNS / 2] / without[TURNS / 2]);
}

int main(void)
{
    static const unsigned delays_us[] = {0, 100, 1000};
    struct lane_rig rig;
    rig_open(&rig, FAULT_MODULE, 1);
    struct locked peer = {.cipher = rig.cipher, .lock = PTHREAD_MUTEX_INITIALIZER};
    const struct cipher locked = {.encrypt = locked_encrypt, .context = &peer};
    printf("delay us  callers   shared/s   locked/s   ratio\n");
    for (size_t d = 0; d < 3; d++) {
        rig.control->update_us = delays_us[d];
        for (size_t callers = 1; callers <= CALLERS_MAX; callers *= 2)
            bench(&rig.cipher, &locked, delays_us[d], callers);
    }
    rig_close(&rig);
    return 0;
}
