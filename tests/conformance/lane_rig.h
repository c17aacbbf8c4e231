// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// One key of known bytes on SoftHSM behind the fault module, the same key in memory to compare with, and
// callers of it in threads. Functions abort when they fail.
#pragma once

#include "pkcs11/lane_pool.h"
#include "tests/support/fault_module.h"
#include "tests/support/soft.h"
#include "tests/support/softhsm.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

struct lane_rig {
    struct softhsm softhsm;
    struct fault_control *control;
    char module[PATH_MAX];
    struct hsm *hsm;
    struct cipher cipher, reference;
    struct mac mac;
    struct soft_cipher soft;
};

static inline void rig_must(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "lane_rig: %s\n", what);
        abort();
    }
}

// The module is loaded once for the life of the program.
static inline struct fault_control *rig_load_module(const char *module, char *out_path)
{
    typedef struct fault_control *(*getter)(void);
    rig_must(realpath(module, out_path) != NULL, module);
    void *code = dlopen(out_path, RTLD_NOW | RTLD_LOCAL);
    rig_must(code != NULL, out_path);
    getter get = (getter)dlsym(code, "fault_control");
    rig_must(get != NULL, "fault_control");
    return get();
}

static inline void rig_open(struct lane_rig *rig, const char *module, unsigned lanes)
{
    static const uint8_t key[32] = {7, 7, 7};
    rig->control = rig_load_module(module, rig->module);
    *rig->control = (struct fault_control){0};
    softhsm_init(&rig->softhsm);
    softhsm_init_token(SOFTHSM_LABEL);
    struct hsm_options options = softhsm_options(&rig->softhsm);
    options.module = rig->module;
    options.lanes = lanes;
    rig->hsm = softhsm_open(&options);
    rig_must(hsm_generate_key(rig->hsm, 1, KEY_MAC, 1, NULL, NULL) == OK &&
                 hsm_open_mac(rig->hsm, &(struct hsm_key_ref){KEY_MAC, "symbolon:1:mac:1", NULL}, &rig->mac,
                              NULL, NULL) == OK &&
                 hsm_import_test_cipher(rig->hsm, key, sizeof key, &rig->cipher, NULL) == OK,
             "keys");
    soft_cipher_init(&rig->soft, key, sizeof key);
    rig->reference = soft_cipher_seam(&rig->soft);
}

static inline void rig_close(struct lane_rig *rig)
{
    hsm_close(rig->hsm);
    soft_cipher_done(&rig->soft);
    softhsm_done(&rig->softhsm);
}

static inline size_t rig_calls(const struct lane_rig *rig)
{
    return rig->control->fault[FAULT_UPDATE].calls;
}

static inline void rig_rest(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
}

// ---- callers ----------------------------------------------------------------------------------------

// Makes `calls` calls of `blocks` blocks, each with the result of the one before.
struct caller {
    struct lane_rig *rig;
    size_t calls, blocks;
    uint8_t seed;
    pthread_t thread;
    enum err last;                     // of the last call
    size_t ok, failed, wrong, strange; // calls; strange: a code that the seam may not return
};

static inline void caller_count(struct caller *caller, const uint8_t *blocks, const uint8_t *expected)
{
    if (caller->last == OK && memcmp(blocks, expected, caller->blocks * CIPHER_BLOCK_BYTES) == 0)
        caller->ok++;
    else if (caller->last == OK)
        caller->wrong++;
    else if (caller->last == ERR_BUSY || caller->last == ERR_HSM_DOWN)
        caller->failed++;
    else
        caller->strange++;
}

static inline void *caller_run(void *context)
{
    struct caller *caller = context;
    const size_t bytes = caller->blocks * CIPHER_BLOCK_BYTES;
    uint8_t *blocks = calloc(2, bytes), *expected = blocks + bytes;
    rig_must(blocks != NULL, "memory");
    memset(expected, caller->seed, bytes);
    for (size_t i = 0; i < caller->calls; i++) {
        memcpy(blocks, expected, bytes);
        rig_must(cipher_encrypt(&caller->rig->reference, expected, caller->blocks) == OK, "reference");
        caller->last = cipher_encrypt(&caller->rig->cipher, blocks, caller->blocks);
        caller_count(caller, blocks, expected);
    }
    free(blocks);
    return NULL;
}

// Each has a seed of its own; the caller's numbers are zeroed.
static inline void callers_start(struct lane_rig *rig, struct caller *callers, size_t count, size_t calls,
                                 size_t blocks)
{
    static uint8_t seed;
    for (size_t i = 0; i < count; i++) {
        callers[i] = (struct caller){.rig = rig, .calls = calls, .blocks = blocks, .seed = ++seed};
        rig_must(pthread_create(&callers[i].thread, NULL, caller_run, &callers[i]) == 0, "thread");
    }
}

// All numbers together.
static inline struct caller callers_join(struct caller *callers, size_t count)
{
    struct caller sum = {0};
    for (size_t i = 0; i < count; i++) {
        pthread_join(callers[i].thread, NULL);
        sum.ok += callers[i].ok;
        sum.failed += callers[i].failed;
        sum.wrong += callers[i].wrong;
        sum.strange += callers[i].strange;
    }
    return sum;
}

// ---- one call stopped in the module, others in line -------------------------------------------------

// Stops in the module with one block. Its number and those after it are logged.
static inline void rig_hold(struct lane_rig *rig, struct caller *first, size_t blocks)
{
    rig->control->log_from = rig_calls(rig) + 1;
    atomic_store(&rig->control->hold_updates, true);
    callers_start(rig, first, 1, 1, blocks);
    while (atomic_load(&rig->control->updating) == 0)
        rig_rest();
}

static inline void rig_wait_for_line(struct lane_rig *rig, size_t waiting)
{
    while (lane_pool_waiting(rig->cipher.context) != waiting)
        rig_rest();
}

static inline void rig_release(struct lane_rig *rig)
{
    atomic_store(&rig->control->hold_updates, false);
}
