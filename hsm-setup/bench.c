// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// symbolon-hsm bench: AES-ECB calls of several sizes on several sessions, and FF1 on top. Makes no object in
// the token: it borrows the first fpe key of the appliance.
#include "appliance/fpe/ff1.h"
#include "hsm-setup/cli.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const size_t call_sizes[] = {1, 8, 64, 512, 2048};
static const unsigned session_counts[] = {1, 2, 4};
static const size_t batch_sizes[] = {1, 100, 1000};
enum {
    CALL_SIZES = sizeof call_sizes / sizeof call_sizes[0],
    SESSION_COUNTS = sizeof session_counts / sizeof session_counts[0],
    BATCH_SIZES = sizeof batch_sizes / sizeof batch_sizes[0],
    BLOCKS_MAX = 2048,
    SESSIONS_MAX = 4,
    DIGITS = 16,
    ADVICE_SIZE = 3, // the call of 512 blocks decides which number of lanes to advise
};

static const double GLANCE_S = 0.01;

struct results {
    double calls_per_s[SESSION_COUNTS][CALL_SIZES];
    double tokens_per_s[BATCH_SIZES];
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void sleep_s(double seconds)
{
    const time_t whole = (time_t)seconds;
    nanosleep(&(struct timespec){.tv_sec = whole, .tv_nsec = (long)((seconds - (double)whole) * 1e9)}, NULL);
}

// ---- AES --------------------------------------------------------------------------------------------

struct run {
    pthread_t thread;
    const struct cipher *cipher;
    size_t blocks;
    atomic_bool *stop;
    size_t calls;
    enum err rc;
};

static void *run_calls(void *context)
{
    struct run *run = context;
    uint8_t *blocks = calloc(BLOCKS_MAX, CIPHER_BLOCK_BYTES);
    run->rc = blocks != NULL ? OK : ERR_MEMORY;
    if (blocks == NULL)
        return NULL;
    do { // once at least, however late this thread came to run
        run->rc = cipher_encrypt(run->cipher, blocks, run->blocks);
        run->calls++;
    } while (run->rc == OK && !atomic_load_explicit(run->stop, memory_order_relaxed));
    free(blocks);
    return NULL;
}

static enum err measure_calls(const struct cipher *cipher, unsigned sessions, size_t blocks, double seconds,
                              double *out_calls_per_s)
{
    enum err rc = OK;
    atomic_bool stop = false;
    struct run runs[SESSIONS_MAX] = {0};
    size_t calls = 0;
    unsigned started = 0;
    double begin = now_s();
    for (; started < sessions; started++) {
        runs[started] = (struct run){.cipher = cipher, .blocks = blocks, .stop = &stop};
        if (pthread_create(&runs[started].thread, NULL, run_calls, &runs[started]) != 0) {
            rc = ERR_MEMORY;
            break;
        }
    }
    if (rc == OK)
        sleep_s(seconds);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < started; i++) {
        pthread_join(runs[i].thread, NULL);
        calls += runs[i].calls;
        rc = rc != OK ? rc : runs[i].rc;
    }
    if (rc == OK)
        *out_calls_per_s = (double)calls / (now_s() - begin);
    return rc;
}

// ---- FF1 --------------------------------------------------------------------------------------------

static enum err measure_batch(struct ff1_key *key, const struct ff1_shape *shape, size_t count,
                              double seconds, double *out_tokens_per_s)
{
    enum err rc = OK;
    uint16_t *numerals = calloc(count * DIGITS, sizeof *numerals);
    const struct ff1_run run = {.shape = shape, .numerals = numerals, .count = count};
    size_t tokens = 0;
    double begin = now_s(), elapsed = 0;
    REQUIRE(numerals != NULL, ERR_MEMORY);
    for (; elapsed < seconds; elapsed = now_s() - begin) {
        TRY(ff1_encrypt(key, &run, 1));
        tokens += count;
    }
    *out_tokens_per_s = (double)tokens / elapsed;
out:
    free(numerals);
    return rc;
}

static enum err measure_ff1(const struct cipher *cipher, double seconds, struct results *results)
{
    enum err rc = OK;
    struct ff1_key *key = NULL;
    struct ff1_shape *shape = NULL;
    TRY(ff1_shape_new(10, DIGITS, &shape));
    TRY(ff1_key_new(*cipher, &key));
    for (size_t i = 0; i < BATCH_SIZES; i++)
        TRY(measure_batch(key, shape, batch_sizes[i], seconds, &results->tokens_per_s[i]));
out:
    ff1_key_free(key);
    ff1_shape_free(shape);
    return rc;
}

// ---- the run ----------------------------------------------------------------------------------------

static enum err borrow_key(struct hsm *hsm, struct cipher *out_cipher, struct diag *diag)
{
    enum err rc = OK;
    struct hsm_key_info *keys = NULL;
    size_t count = 0, i = 0;
    TRY(hsm_list_keys(hsm, &keys, &count, diag));
    while (i < count && !(keys[i].use == KEY_FPE && keys[i].ok))
        i++;
    REQUIRE(i < count, diag_set(diag, ERR_HSM_KEY,
                                "there is no fpe key to measure with; symbolon-hsm keys "
                                "generate makes one"));
    const struct hsm_key_ref ref = {.use = KEY_FPE, .name = keys[i].evidence.label};
    rc = hsm_open_cipher(hsm, &ref, out_cipher, NULL, diag);
out:
    free(keys);
    return rc;
}

static enum err measure_sessions(const struct cli *cli, size_t row, struct results *results,
                                 struct diag *diag)
{
    enum err rc = OK;
    struct hsm *hsm = NULL;
    struct cipher cipher;
    const double seconds = cli->seconds > 0 ? cli->seconds : GLANCE_S;
    TRY(cli_open(cli, session_counts[row], &hsm, diag));
    TRY(borrow_key(hsm, &cipher, diag));
    for (size_t i = 0; i < CALL_SIZES; i++)
        TRY(measure_calls(&cipher, session_counts[row], call_sizes[i], seconds,
                          &results->calls_per_s[row][i]));
    if (session_counts[row] == 1)
        rc = measure_ff1(&cipher, seconds, results);
out:
    hsm_close(hsm);
    return rc;
}

static unsigned advised_lanes(const struct results *results)
{
    size_t best = 0;
    for (size_t row = 1; row < SESSION_COUNTS; row++)
        if (results->calls_per_s[row][ADVICE_SIZE] > results->calls_per_s[best][ADVICE_SIZE])
            best = row;
    return session_counts[best];
}

static void write_text(const struct results *results, struct buf *out)
{
    buf_printf(out, "%8s %8s %14s %14s %12s\n", "sessions", "blocks", "calls/s", "blocks/s", "ns/block");
    for (size_t row = 0; row < SESSION_COUNTS; row++) {
        for (size_t i = 0; i < CALL_SIZES; i++) {
            double calls = results->calls_per_s[row][i], blocks = calls * (double)call_sizes[i];
            buf_printf(out, "%8u %8zu %14.0f %14.0f %12.1f\n", session_counts[row], call_sizes[i], calls,
                       blocks, 1e9 / blocks);
        }
    }
    for (size_t i = 0; i < BATCH_SIZES; i++)
        buf_printf(out, "FF1, 16 digits, %4zu at a time: %12.0f tokens/s %10.1f ns/token\n", batch_sizes[i],
                   results->tokens_per_s[i], 1e9 / results->tokens_per_s[i]);
    buf_printf(out, "best: lanes = %u\n", advised_lanes(results));
}

static void write_json(const struct results *results, struct buf *out)
{
    buf_text(out, "{\"aes\":[");
    for (size_t row = 0; row < SESSION_COUNTS; row++)
        for (size_t i = 0; i < CALL_SIZES; i++)
            buf_printf(out, "%s{\"sessions\":%u,\"blocks\":%zu,\"calls_per_s\":%.0f,\"blocks_per_s\":%.0f}",
                       row + i > 0 ? "," : "", session_counts[row], call_sizes[i],
                       results->calls_per_s[row][i], results->calls_per_s[row][i] * (double)call_sizes[i]);
    buf_text(out, "],\"ff1\":[");
    for (size_t i = 0; i < BATCH_SIZES; i++)
        buf_printf(out, "%s{\"digits\":16,\"batch\":%zu,\"tokens_per_s\":%.0f}", i > 0 ? "," : "",
                   batch_sizes[i], results->tokens_per_s[i]);
    buf_printf(out, "],\"lanes\":%u}\n", advised_lanes(results));
}

enum err cli_bench(const struct cli *cli, struct diag *diag)
{
    struct results results = {0};
    BUF out = {0};
    for (size_t row = 0; row < SESSION_COUNTS; row++) {
        enum err rc = measure_sessions(cli, row, &results, diag);
        if (rc != OK)
            return rc;
    }
    if (cli->json)
        write_json(&results, &out);
    else
        write_text(&results, &out);
    return cli_print(&out);
}
