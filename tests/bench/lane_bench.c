// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What sharing a lane brings: callers that encrypt one value at a time on SoftHSM, with a delay in every
// C_EncryptUpdate as a real HSM's way there and back has it. Measures on demand, a line of stdin for a line
// of JSON:
//
//   rate SHARING DELAY_US CALLERS MS   tokens a second, calls to the module a second, over MS milliseconds;
//                                      SHARING shared: the lanes as they are served from; locked: the same
//                                      lane behind a plain lock, where each caller makes calls of its own
//   calls BATCH RADIX LENGTH...        calls to the module that a batch takes, its prefixes known; of several
//                                      shapes as many values each
//
// The delay is a sleep outside SoftHSM's own locks: lanes sleep side by side. Argument: how many lanes.
#include "appliance/fpe/ff1.h"
#include "tests/conformance/lane_rig.h"

enum { CALLERS_MAX = 1024, LANES_OF_RIG_MAX = 64, LINE_BYTES = 128, WORD_BYTES = 24, SETTLE_MS = 30 };
enum { DIGITS = 16, SHAPES_MAX = 8 };

// One way to the lanes: counts what it lets through, and lets nothing through when told so.
struct way {
    struct cipher cipher;
    bool locked;
    pthread_mutex_t lock;
    atomic_size_t blocks;
    atomic_bool closed;
    struct ff1_key *key;
};

struct bench {
    struct lane_rig rig;
    struct way shared, locked;
    struct ff1_shape *shape;
    size_t blocks_a_token;
};

static void must(enum err rc)
{
    if (rc == OK)
        return;
    fprintf(stderr, "lane_bench: %s\n", err_name(rc));
    exit(1);
}

static enum err way_encrypt(void *context, uint8_t *blocks, size_t count)
{
    struct way *way = context;
    enum err rc = ERR_BUSY;
    if (way->locked)
        pthread_mutex_lock(&way->lock);
    if (!atomic_load_explicit(&way->closed, memory_order_relaxed))
        rc = cipher_encrypt(&way->cipher, blocks, count);
    if (way->locked)
        pthread_mutex_unlock(&way->lock);
    if (rc == OK)
        atomic_fetch_add_explicit(&way->blocks, count, memory_order_relaxed);
    return rc;
}

static void way_open(struct way *way, struct cipher cipher, bool locked)
{
    way->cipher = cipher;
    way->locked = locked;
    pthread_mutex_init(&way->lock, NULL);
    must(ff1_key_new((struct cipher){.encrypt = way_encrypt, .context = way}, &way->key));
}

static void way_close(struct way *way)
{
    ff1_key_free(way->key);
    pthread_mutex_destroy(&way->lock);
}

static enum err encrypt_one(struct bench *bench, struct way *way)
{
    uint16_t numerals[DIGITS] = {4, 1, 1, 1};
    const struct ff1_run run = {.shape = bench->shape, .numerals = numerals, .count = 1};
    return ff1_encrypt(way->key, &run, 1);
}

// The second token's, since the first one of a key also makes its prefix.
static void count_blocks(struct bench *bench, struct way *way)
{
    must(encrypt_one(bench, way));
    const size_t before = way->blocks;
    must(encrypt_one(bench, way));
    bench->blocks_a_token = way->blocks - before;
}

// ---- callers ----------------------------------------------------------------------------------------

struct client {
    struct bench *bench;
    struct way *way;
    pthread_t thread;
};

static void *call(void *context)
{
    struct client *client = context;
    enum err rc = OK;
    while (rc == OK)
        rc = encrypt_one(client->bench, client->way);
    must(atomic_load(&client->way->closed) ? OK : rc);
    return NULL;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void sleep_ms(unsigned ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

struct rate {
    double tokens, calls; // a second
};

static struct rate watch(const struct bench *bench, const struct way *way, unsigned ms)
{
    const double begin = seconds();
    const size_t blocks = way->blocks, calls = rig_calls(&bench->rig);
    sleep_ms(ms);
    const double took = seconds() - begin;
    const double tokens = (double)(way->blocks - blocks) / (double)bench->blocks_a_token;
    return (struct rate){tokens / took, (double)(rig_calls(&bench->rig) - calls) / took};
}

static struct rate measure(struct bench *bench, struct way *way, size_t count, unsigned ms)
{
    static struct client clients[CALLERS_MAX];
    for (size_t i = 0; i < count; i++) {
        clients[i] = (struct client){.bench = bench, .way = way};
        rig_must(pthread_create(&clients[i].thread, NULL, call, &clients[i]) == 0, "thread");
    }
    sleep_ms(SETTLE_MS);
    const struct rate rate = watch(bench, way, ms);
    atomic_store(&way->closed, true);
    for (size_t i = 0; i < count; i++)
        pthread_join(clients[i].thread, NULL);
    atomic_store(&way->closed, false);
    return rate;
}

// ---- requests ---------------------------------------------------------------------------------------

static bool answer_rate(struct bench *bench, const char *line)
{
    char sharing[WORD_BYTES];
    unsigned delay_us, ms;
    size_t callers;
    if (sscanf(line, "rate %23[a-z] %u %zu %u", sharing, &delay_us, &callers, &ms) != 4)
        return false;
    const bool locked = strcmp(sharing, "locked") == 0;
    if ((!locked && strcmp(sharing, "shared") != 0) || callers == 0 || callers > CALLERS_MAX)
        return false;
    bench->rig.control->update_us = delay_us;
    const struct rate rate = measure(bench, locked ? &bench->locked : &bench->shared, callers, ms);
    bench->rig.control->update_us = 0;
    printf("{\"tokens_per_s\": %.1f, \"calls_per_s\": %.1f}\n", rate.tokens, rate.calls);
    return true;
}

static size_t all_calls(const struct bench *bench)
{
    size_t calls = 0;
    for (size_t i = 0; i < FAULT_CALLS; i++)
        calls += bench->rig.control->fault[i].calls;
    return calls;
}

static size_t read_shapes(const char *text, struct ff1_shape **out_shapes)
{
    size_t count = 0;
    uint32_t radix;
    size_t length;
    for (int used = 0; count < SHAPES_MAX && sscanf(text, "%u %zu%n", &radix, &length, &used) == 2;
         text += used)
        must(ff1_shape_new(radix, length, &out_shapes[count++]));
    return count;
}

// The second time, so that prefixes are known.
static size_t count_calls(struct bench *bench, const struct ff1_run *runs, size_t run_count)
{
    size_t before = 0;
    for (int known = 0; known < 2; known++) {
        before = all_calls(bench);
        must(ff1_encrypt(bench->shared.key, runs, run_count));
    }
    return all_calls(bench) - before;
}

static bool answer_calls(struct bench *bench, const char *line)
{
    size_t batch;
    int used = 0;
    struct ff1_shape *shapes[SHAPES_MAX] = {0};
    struct ff1_run runs[SHAPES_MAX];
    if (sscanf(line, "calls %zu%n", &batch, &used) != 1)
        return false;
    const size_t count = read_shapes(line + used, shapes);
    for (size_t i = 0; i < count; i++) {
        runs[i] = (struct ff1_run){.shape = shapes[i], .count = batch / count};
        runs[i].numerals = calloc(runs[i].count * ff1_shape_length(shapes[i]), sizeof *runs[i].numerals);
        must(runs[i].numerals == NULL ? ERR_MEMORY : OK);
    }
    printf("{\"calls\": %zu}\n", count_calls(bench, runs, count));
    for (size_t i = 0; i < count; i++) {
        free(runs[i].numerals);
        ff1_shape_free(shapes[i]);
    }
    return count > 0;
}

static unsigned lanes_of(int argc, char **argv)
{
    const long lanes = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
    rig_must(lanes >= 1 && lanes <= LANES_OF_RIG_MAX, "lanes");
    return (unsigned)lanes;
}

int main(int argc, char **argv)
{
    static struct bench bench;
    char line[LINE_BYTES];
    rig_open(&bench.rig, FAULT_MODULE, lanes_of(argc, argv));
    must(ff1_shape_new(10, DIGITS, &bench.shape));
    way_open(&bench.shared, bench.rig.cipher, false);
    way_open(&bench.locked, bench.rig.cipher, true);
    count_blocks(&bench, &bench.shared);
    count_blocks(&bench, &bench.locked);
    while (fgets(line, sizeof line, stdin) != NULL) {
        rig_must(answer_rate(&bench, line) || answer_calls(&bench, line), "no such request");
        fflush(stdout);
    }
    way_close(&bench.shared);
    way_close(&bench.locked);
    ff1_shape_free(bench.shape);
    rig_close(&bench.rig);
    return 0;
}
