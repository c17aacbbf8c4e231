// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Measures on demand, one sample for each line on stdin, so that whoever asks lets candidates take turns:
//
//   time CANDIDATE RADIX LENGTH BATCH MS   nanoseconds a value, over at least MS milliseconds
//   tokens SOURCE KIND BATCH MS            the same for tokens, text to text; SOURCE hsm or memory
//   calls RADIX LENGTH BATCH               what a batch costs, its prefix known: calls of the cipher, blocks
//   check RADIX LENGTH                     key, tweak, a value and its ciphertext
//
// A candidate is WHAT-SOURCE. engine: numerals to numerals. ecb: the very calls that the engine makes for
// this batch, without the engine. From hsm: one lane of SoftHSM, the same session and open operation for
// both; from memory: OpenSSL; ecb-raw: C_EncryptUpdate on a session without our code between; ecb-large: the
// same blocks in as few calls as fit. Each reply is a line of JSON. Argument: the name of a kernel of the
// engine.
#include "appliance/base/codec.h"
#include "appliance/fpe/ff1.h"
#include "appliance/fpe/ff1_key.h"
#include "tests/bench/call_log.h"
#include "tests/bench/meter.h"
#include "tests/bench/raw_session.h"
#include "tests/bench/token_house.h"
#include "tests/support/soft.h"
#include "tests/support/softhsm.h"

enum { KEY_BYTES = 32, LARGE_BLOCKS = 2048, LINE_BYTES = 256, WORD_BYTES = 24, BATCH_MAX = 100000 };

static const uint8_t tweak[16] = "always one block";

enum source { HSM, MEMORY, RAW, LARGE, SOURCES };
static const char *const source_names[SOURCES] = {"hsm", "memory", "raw", "large"};

// What is measured now.
struct task {
    struct ff1_shape *shape;
    struct ff1_run run;
    size_t radix, length;
    enum source source;
    uint8_t *blocks;
};

struct bench {
    uint8_t key_bytes[KEY_BYTES];
    struct softhsm softhsm;
    struct hsm *hsm;
    struct soft_cipher soft;
    struct cipher ciphers[SOURCES];
    struct ff1_key *keys[2], *logged_key; // by HSM and MEMORY
    struct call_log log;                  // of the batch at hand
    struct token_house *houses[2];
    struct task task;
};

static void die(const char *what)
{
    fprintf(stderr, "engine_bench: %s\n", what);
    exit(2);
}

// ---- set up -----------------------------------------------------------------------------------------

static void open_ciphers(struct bench *bench)
{
    for (size_t i = 0; i < KEY_BYTES; i++)
        bench->key_bytes[i] = (uint8_t)i;
    softhsm_init(&bench->softhsm);
    softhsm_init_token(SOFTHSM_LABEL);
    const struct hsm_options options = softhsm_options(&bench->softhsm);
    bench->hsm = softhsm_open(&options);
    meter_must(hsm_import_test_cipher(bench->hsm, bench->key_bytes, KEY_BYTES, &bench->ciphers[HSM], NULL),
               "key");
    soft_cipher_init(&bench->soft, bench->key_bytes, KEY_BYTES);
    bench->ciphers[MEMORY] = soft_cipher_seam(&bench->soft);
    bench->ciphers[RAW] = bench->ciphers[LARGE] = raw_session_open(bench->hsm);
    bench->log.inner = bench->ciphers[MEMORY];
}

static struct ff1_key *new_key(struct cipher cipher, const char *kernel)
{
    struct ff1_key *key = NULL;
    meter_must(ff1_key_new(cipher, &key), "ff1_key_new");
    if (kernel != NULL && !ff1_key_use_kernel(key, kernel))
        die("no such kernel here");
    return key;
}

static void bench_open(struct bench *bench, const char *kernel)
{
    open_ciphers(bench);
    for (size_t i = HSM; i <= MEMORY; i++) {
        bench->keys[i] = new_key(bench->ciphers[i], kernel);
        bench->houses[i] = token_house_new(bench->ciphers[i]);
    }
    bench->logged_key = new_key(call_log_seam(&bench->log), kernel);
}

static void task_done(struct task *task)
{
    ff1_shape_free(task->shape);
    free(task->run.numerals);
    free(task->blocks);
    *task = (struct task){0};
}

static void bench_close(struct bench *bench)
{
    task_done(&bench->task);
    for (size_t i = HSM; i <= MEMORY; i++) {
        ff1_key_free(bench->keys[i]);
        token_house_free(bench->houses[i]);
    }
    ff1_key_free(bench->logged_key);
    call_log_done(&bench->log);
    hsm_close(bench->hsm);
    soft_cipher_done(&bench->soft);
    softhsm_done(&bench->softhsm);
}

// ---- a batch ----------------------------------------------------------------------------------------

static void fill(struct task *task)
{
    struct soft_rng seed = {1};
    const struct rng rng = soft_rng_seam(&seed);
    const size_t count = task->run.count * task->length;
    task->run.numerals = calloc(count, sizeof *task->run.numerals);
    meter_must(task->run.numerals == NULL ? ERR_MEMORY : OK, "numerals");
    meter_must(rng_fill(&rng, (uint8_t *)task->run.numerals, 2 * count), "numerals");
    for (size_t i = 0; i < count; i++)
        task->run.numerals[i] = (uint16_t)(task->run.numerals[i] % task->radix);
}

// Encrypts the batch twice: the second time its prefix is known, and the calls are logged.
static void log_calls(struct bench *bench)
{
    call_log_reset(&bench->log);
    for (int known = 0; known < 2; known++) {
        bench->log.on = known == 1;
        meter_must(ff1_encrypt(bench->logged_key, &bench->task.run, 1), "ff1_encrypt");
    }
}

static void prepare(struct bench *bench, size_t radix, size_t length, size_t batch)
{
    struct task *task = &bench->task;
    if (task->shape != NULL && task->radix == radix && task->length == length && task->run.count == batch)
        return;
    if (batch == 0 || batch > BATCH_MAX)
        die("no such batch");
    task_done(task);
    meter_must(ff1_shape_new((uint32_t)radix, length, &task->shape), "shape");
    task->radix = radix;
    task->length = length;
    task->run =
        (struct ff1_run){.shape = task->shape, .tweak = tweak, .tweak_bytes = sizeof tweak, .count = batch};
    fill(task);
    log_calls(bench);
    task->blocks = calloc(bench->log.largest + LARGE_BLOCKS, CIPHER_BLOCK_BYTES);
    meter_must(task->blocks == NULL ? ERR_MEMORY : OK, "blocks");
}

static enum err work_engine(void *context)
{
    const struct bench *bench = context;
    return ff1_encrypt(bench->keys[bench->task.source], &bench->task.run, 1);
}

static enum err work_ecb(void *context)
{
    const struct bench *bench = context;
    const struct cipher *cipher = &bench->ciphers[bench->task.source];
    enum err rc = OK;
    for (size_t i = 0; i < bench->log.calls && rc == OK; i++)
        rc = cipher_encrypt(cipher, bench->task.blocks, bench->log.sizes[i]);
    return rc;
}

static enum err work_large(void *context)
{
    const struct bench *bench = context;
    enum err rc = OK;
    for (size_t left = bench->log.blocks; left > 0 && rc == OK;) {
        const size_t now = left < LARGE_BLOCKS ? left : LARGE_BLOCKS;
        rc = cipher_encrypt(&bench->ciphers[LARGE], bench->task.blocks, now);
        left -= now;
    }
    return rc;
}

// ---- requests ---------------------------------------------------------------------------------------

static enum source source_of(const char *name, size_t known)
{
    for (size_t i = 0; i < known; i++)
        if (strcmp(name, source_names[i]) == 0)
            return (enum source)i;
    die("no such source");
    return SOURCES;
}

static bool answer_time(struct bench *bench, const char *line)
{
    char what[WORD_BYTES], source[WORD_BYTES];
    size_t radix, length, batch;
    double ms;
    if (sscanf(line, "time %23[a-z]-%23[a-z] %zu %zu %zu %lf", what, source, &radix, &length, &batch, &ms) !=
        6)
        return false;
    const bool engine = strcmp(what, "engine") == 0;
    if (!engine && strcmp(what, "ecb") != 0)
        return false;
    prepare(bench, radix, length, batch);
    bench->task.source = source_of(source, engine ? RAW : SOURCES);
    enum err (*work)(void *) = engine ? work_engine : bench->task.source == LARGE ? work_large : work_ecb;
    printf("{\"ns\": %.3f}\n", meter_ns(work, bench, ms) / (double)batch);
    return true;
}

static bool answer_tokens(struct bench *bench, const char *line)
{
    char source[WORD_BYTES], kind[WORD_BYTES];
    size_t batch;
    double ms;
    if (sscanf(line, "tokens %23[a-z] %23[a-z] %zu %lf", source, kind, &batch, &ms) != 4)
        return false;
    struct token_house *house = bench->houses[source_of(source, RAW)];
    if (batch == 0 || batch > BATCH_MAX || !token_house_fill(house, kind, batch))
        die("no such tokens");
    printf("{\"ns\": %.3f}\n", meter_ns(token_house_encode, house, ms) / (double)batch);
    return true;
}

static bool answer_calls(struct bench *bench, const char *line)
{
    size_t radix, length, batch;
    if (sscanf(line, "calls %zu %zu %zu", &radix, &length, &batch) != 3)
        return false;
    prepare(bench, radix, length, batch);
    printf("{\"calls\": %zu, \"blocks\": %zu}\n", bench->log.calls, bench->log.blocks);
    return true;
}

static void print_numerals(const char *name, const struct task *task)
{
    printf(", \"%s\": [", name);
    for (size_t i = 0; i < task->length; i++)
        printf("%s%u", i > 0 ? ", " : "", task->run.numerals[i]);
    printf("]");
}

static bool answer_check(struct bench *bench, const char *line)
{
    char key[2 * KEY_BYTES + 1], tweak_text[2 * sizeof tweak + 1];
    size_t radix, length;
    if (sscanf(line, "check %zu %zu", &radix, &length) != 2)
        return false;
    prepare(bench, radix, length, 1);
    hex_encode(bench->key_bytes, KEY_BYTES, key);
    hex_encode(tweak, sizeof tweak, tweak_text);
    printf("{\"key\": \"%s\", \"tweak\": \"%s\"", key, tweak_text);
    print_numerals("plain", &bench->task);
    meter_must(ff1_encrypt(bench->keys[HSM], &bench->task.run, 1), "ff1_encrypt");
    print_numerals("cipher", &bench->task);
    printf("}\n");
    return true;
}

int main(int argc, char **argv)
{
    static struct bench bench;
    char line[LINE_BYTES];
    bench_open(&bench, argc > 1 ? argv[1] : NULL);
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (!answer_time(&bench, line) && !answer_tokens(&bench, line) && !answer_calls(&bench, line) &&
            !answer_check(&bench, line))
            die("no such request");
        fflush(stdout);
    }
    bench_close(&bench);
    return 0;
}
