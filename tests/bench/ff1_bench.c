// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The engine over a cipher in memory, numerals to numerals, against bare AES-256-ECB of ten blocks a
// value (the limit for halves that need one block a round). Formats take turns with the limit, the best
// of several rounds is printed: nanoseconds a value. Optional argument: a kernel's name.
#include "appliance/fpe/ff1.h"
#include "appliance/fpe/ff1_key.h"
#include "tests/support/soft.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS_OF_TURNS = 9, BLOCKS_A_VALUE = 10, VALUES_MAX = 10000 };

struct format {
    const char *name;
    uint32_t radix;
    size_t length;
};

static const struct format formats[] = {
    {"d16", 10, 16}, {"d28", 10, 28}, {"hex48", 16, 48}, {"bytes20", 256, 20}, {"bytes32", 256, 32},
};
static const size_t batches[] = {1, 10, 100, 1000, 10000};

static double now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return 1e9 * (double)time.tv_sec + (double)time.tv_nsec;
}

static void must(enum err rc)
{
    if (rc == OK)
        return;
    fprintf(stderr, "ff1_bench: %s\n", err_name(rc));
    exit(1);
}

static size_t repeats(size_t batch)
{
    return batch < 1000 ? 20000 / (batch + 9) : 40000 / batch;
}

static double time_engine(struct ff1_key *key, const struct ff1_run *run)
{
    double start = now_ns();
    for (size_t i = 0; i < repeats(run->count); i++)
        must(ff1_encrypt(key, run, 1));
    return (now_ns() - start) / (double)(repeats(run->count) * run->count);
}

static double time_ecb(const struct cipher *cipher, uint8_t *blocks, size_t count)
{
    double start = now_ns();
    for (size_t i = 0; i < repeats(count) * BLOCKS_A_VALUE; i++)
        must(cipher_encrypt(cipher, blocks, count));
    return (now_ns() - start) / (double)(repeats(count) * count);
}

static void bench(const struct format *format, size_t batch, struct ff1_key *key, const struct cipher *cipher,
                  uint8_t *blocks)
{
    struct ff1_shape *shape = NULL;
    static const uint8_t tweak[16] = "always one block";
    uint16_t *numerals = calloc(batch * format->length, sizeof *numerals);
    must(numerals == NULL ? ERR_MEMORY : ff1_shape_new(format->radix, format->length, &shape));
    for (size_t i = 0; i < batch * format->length; i++)
        numerals[i] = (uint16_t)(i % format->radix);
    struct ff1_run run = {shape, tweak, sizeof tweak, numerals, batch};
    double engine = 1e18, ecb = 1e18;
    for (size_t turn = 0; turn < ROUNDS_OF_TURNS; turn++) {
        double t = time_engine(key, &run);
        engine = t < engine ? t : engine;
        t = time_ecb(cipher, blocks, batch);
        ecb = t < ecb ? t : ecb;
    }
    printf("%-8s %6zu %9.1f %9.1f %6.2f\n", format->name, batch, engine, ecb, engine / ecb);
    ff1_shape_free(shape);
    free(numerals);
}

int main(int argc, char **argv)
{
    static const uint8_t bytes[32] = {1, 2, 3};
    struct soft_cipher soft;
    soft_cipher_init(&soft, bytes, sizeof bytes);
    struct cipher cipher = soft_cipher_seam(&soft);
    struct ff1_key *key = NULL;
    must(ff1_key_new(cipher, &key));
    if (argc > 1 && !ff1_key_use_kernel(key, argv[1])) {
        fprintf(stderr, "ff1_bench: no kernel %s here\n", argv[1]);
        return 2;
    }
    uint8_t *blocks = calloc(VALUES_MAX, CIPHER_BLOCK_BYTES);
    must(blocks == NULL ? ERR_MEMORY : OK);
    printf("format    batch   ns/value   10 x ECB  ratio\n");
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++)
        for (size_t b = 0; b < sizeof batches / sizeof *batches; b++)
            bench(&formats[f], batches[b], key, &cipher, blocks);
    free(blocks);
    ff1_key_free(key);
    soft_cipher_done(&soft);
    return 0;
}
