// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The producer works out what needs every token of a line: checksum, size and hash of the data file. Small
// lines come first, and interrupt a large one when they arrive, so that nobody waits for somebody else's
// hundred million. What it has begun when the process ends, it begins again.
#include "appliance/tokens/serials_internal.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    RETRY_S = 1,
    LOOK_SLICES = 256, // after so many it looks whether the line was deleted: about 10 ms
    NESTING_MAX = 8,   // interruptions of interruptions
};

// What accumulates over the tokens of one line.
struct production {
    struct store_line line;
    struct kept_space *space;
    EVP_MD_CTX *hash;
    uint32_t columns[SERIAL_DIGITS_MAX]; // XOR of the code points of each digit
    uint64_t bytes;
};

static void fold_columns(struct production *production, const struct buf *text)
{
    size_t column = 0;
    for (const char *at = text->at; at < text->at + text->len;) {
        const uint32_t point = serial_take_point(&at);
        if (point == '\n')
            column = 0;
        else
            production->columns[column++] ^= point;
    }
}

static void set_progress(struct serials *serials, const struct production *production, uint64_t done)
{
    pthread_mutex_lock(&serials->progress_lock);
    memcpy(serials->producing, production->line.id, STORE_ID_BYTES);
    serials->progress = 100.0 * (double)done / (double)production->line.size;
    pthread_mutex_unlock(&serials->progress_lock);
}

double producer_progress(struct serials *serials, const uint8_t id[STORE_ID_BYTES])
{
    pthread_mutex_lock(&serials->progress_lock);
    const double progress = memcmp(serials->producing, id, STORE_ID_BYTES) == 0 ? serials->progress : 0;
    pthread_mutex_unlock(&serials->progress_lock);
    return progress;
}

static bool is_stopping(struct serials *serials)
{
    pthread_mutex_lock(&serials->wake_lock);
    const bool stopping = serials->stopping;
    pthread_mutex_unlock(&serials->wake_lock);
    return stopping;
}

static enum err produce_slice(struct production *production, uint64_t done, size_t count)
{
    BUF text = {0};
    const enum err rc =
        serial_make(production->space->space, production->line.first_serial + done, count, &text);
    if (rc != OK)
        return rc;
    fold_columns(production, &text);
    const bool last = done + count == production->line.size;
    const size_t len = text.len - last; // no line feed at the end of the file
    production->bytes += len;
    return EVP_DigestUpdate(production->hash, text.at, len) == 1 ? OK : ERR_INTERNAL;
}

// The code points of all digits side by side, each as wide as the largest, as '0' and '1'.
static void write_checksum(const struct production *production, struct buf *out)
{
    const unsigned width = serial_code_point_bits(production->space->space);
    for (unsigned digit = 0; digit < production->line.digits; digit++) {
        for (unsigned bit = width; bit-- > 0;)
            buf_byte(out, (production->columns[digit] >> bit & 1) != 0 ? '1' : '0');
    }
    buf_byte(out, '\0');
}

static enum err finish(struct serials *serials, struct production *production)
{
    BUF checksum = {0};
    struct store_line_result result = {.file_bytes = production->bytes};
    unsigned hash_bytes;
    write_checksum(production, &checksum);
    if (checksum.error != OK)
        return checksum.error;
    if (EVP_DigestFinal_ex(production->hash, result.file_hash, &hash_bytes) != 1)
        return ERR_INTERNAL;
    result.checksum = checksum.at;
    result.ended_ms = result.finished_ms = serials_now_ms(serials);
    return store_line_finished(serials->options.store, production->line.id, &result);
}

static enum err produce_all(struct serials *serials, uint64_t below, unsigned nesting);

static bool take_wake(struct serials *serials)
{
    pthread_mutex_lock(&serials->wake_lock);
    const bool woken = serials->has_work;
    serials->has_work = false;
    pthread_mutex_unlock(&serials->wake_lock);
    return woken;
}

// Between two slices: ends at a deletion or at the end of the process, and lets smaller lines pass.
static enum err between_slices(struct serials *serials, const struct production *production, uint64_t done,
                               unsigned nesting)
{
    struct store_line now;
    if (is_stopping(serials))
        return ERR_CLOSED;
    if (nesting < NESTING_MAX && take_wake(serials)) {
        const enum err rc = produce_all(serials, production->line.size - done, nesting + 1);
        if (rc != ERR_NOT_FOUND)
            return rc;
    }
    if (done / SERIAL_SLICE % LOOK_SLICES != LOOK_SLICES - 1)
        return OK;
    const enum err rc = store_line_get(serials->options.store, production->line.id, &now);
    if (rc == OK)
        store_line_done(&now);
    return rc;
}

static enum err produce(struct serials *serials, struct production *production, unsigned nesting)
{
    enum err rc = OK;
    const struct store_line *line = &production->line;
    TRY(store_line_started(serials->options.store, line->id, serials_now_ms(serials)));
    production->hash = EVP_MD_CTX_new();
    REQUIRE(production->hash != NULL, ERR_MEMORY);
    REQUIRE(EVP_DigestInit_ex(production->hash, EVP_sha256(), NULL) == 1, ERR_INTERNAL);
    for (uint64_t done = 0; done < line->size;) {
        const uint64_t left = line->size - done;
        const size_t count = left < SERIAL_SLICE ? (size_t)left : SERIAL_SLICE;
        TRY(between_slices(serials, production, done, nesting));
        TRY(produce_slice(production, done, count));
        done += count;
        set_progress(serials, production, done);
    }
    TRY(finish(serials, production));
out:
    EVP_MD_CTX_free(production->hash);
    return rc == ERR_NOT_FOUND ? OK : rc; // deleted meanwhile: nothing is owed
}

static enum err produce_next(struct serials *serials, uint64_t below, uint64_t passed_over, unsigned nesting)
{
    enum err rc = OK;
    struct production production = {0};
    TRY(store_line_next_unfinished(serials->options.store, below, passed_over, &production.line));
    const struct space_query query = {production.line.tenant_id, production.line.generation,
                                      production.line.characters, production.line.digits};
    TRY(serials_take_space(serials, &query, &production.space));
    TRY(produce(serials, &production, nesting));
out:
    if (production.space != NULL)
        serials_give_space(serials, production.space);
    store_line_done(&production.line);
    return rc;
}

// All lines below a size that can be produced now; ends with ERR_NOT_FOUND. A line whose key was released
// never can: it is passed over.
static enum err produce_all(struct serials *serials, uint64_t below, unsigned nesting)
{
    enum err rc;
    uint64_t passed_over = 0;
    do {
        rc = produce_next(serials, below, passed_over, nesting);
        if (rc == ERR_HSM_KEY)
            passed_over++;
    } while (rc == OK || rc == ERR_HSM_KEY);
    return rc;
}

// Waits for work or the end; a while only, when the last try failed.
static bool wait_for_work(struct serials *serials, bool retry)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += RETRY_S;
    pthread_mutex_lock(&serials->wake_lock);
    bool timed_out = false;
    while (!serials->stopping && !serials->has_work && !timed_out) {
        if (retry)
            timed_out = pthread_cond_timedwait(&serials->wake, &serials->wake_lock, &until) != 0;
        else
            pthread_cond_wait(&serials->wake, &serials->wake_lock);
    }
    serials->has_work = false;
    const bool go_on = !serials->stopping;
    pthread_mutex_unlock(&serials->wake_lock);
    return go_on;
}

static void *run(void *context)
{
    struct serials *serials = context;
    enum err rc = OK;
    do {
        rc = produce_all(serials, UINT64_MAX, 0);
    } while (wait_for_work(serials, rc != ERR_NOT_FOUND));
    return NULL;
}

enum err producer_start(struct serials *serials)
{
    pthread_mutex_init(&serials->wake_lock, NULL);
    pthread_cond_init(&serials->wake, NULL);
    pthread_mutex_init(&serials->progress_lock, NULL);
    serials->has_thread = pthread_create(&serials->thread, NULL, run, serials) == 0;
    return serials->has_thread ? OK : ERR_MEMORY;
}

void producer_wake(struct serials *serials)
{
    pthread_mutex_lock(&serials->wake_lock);
    serials->has_work = true;
    pthread_cond_signal(&serials->wake);
    pthread_mutex_unlock(&serials->wake_lock);
}

void producer_stop(struct serials *serials)
{
    if (serials->has_thread) {
        pthread_mutex_lock(&serials->wake_lock);
        serials->stopping = true;
        pthread_cond_signal(&serials->wake);
        pthread_mutex_unlock(&serials->wake_lock);
        pthread_join(serials->thread, NULL);
    }
    pthread_mutex_destroy(&serials->progress_lock);
    pthread_cond_destroy(&serials->wake);
    pthread_mutex_destroy(&serials->wake_lock);
}
