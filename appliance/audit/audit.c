// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/audit/audit.h"

#include "appliance/audit/audit_file.h"
#include "appliance/base/buf.h"
#include "appliance/base/clock.h"
#include "appliance/base/json_plain.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TEXT_BYTES_MAX = 255, // of one text member: bounds a line to about 8 KB
    USUAL_BYTES = 512,    // of a line
    SYNC_INTERVAL_MS = 1000,
};

static const char *const event_names[] = {
    [AUDIT_START] = "start",
    [AUDIT_STOP] = "stop",
    [AUDIT_REOPENED] = "audit_reopened",
    [AUDIT_CARD_TOKENIZE] = "card_tokenize",
    [AUDIT_TRANSFORM_ENCODE] = "transform_encode",
    [AUDIT_TRANSFORM_DECODE] = "transform_decode",
    [AUDIT_TRANSFORM_VALIDATE] = "transform_validate",
    [AUDIT_TRANSFORM_REWRAP] = "transform_rewrap",
    [AUDIT_TRANSFORM_METADATA] = "transform_metadata",
    [AUDIT_GIFTCARD_TOKENIZE] = "giftcard_tokenize",
    [AUDIT_LOGIN] = "login",
    [AUDIT_SERIAL_SESSION] = "serial_session",
    [AUDIT_SERIAL_ALPHABET] = "serial_alphabet",
    [AUDIT_SERIAL_ORDER] = "serial_order",
    [AUDIT_SERIAL_DELETE] = "serial_delete",
    [AUDIT_SERIAL_DATA] = "serial_data",
    [AUDIT_SERIAL_PROVE] = "serial_prove",
    [AUDIT_ACCESS_TOKEN] = "access_token",
    [AUDIT_CUSTOMER_TOKEN_CREATE] = "customer_token_create",
    [AUDIT_CUSTOMER_TOKEN_LIST] = "customer_token_list",
    [AUDIT_CUSTOMER_TOKEN_DELETE] = "customer_token_delete",
    [AUDIT_TOKEN_EVENT_CREATE] = "token_event_create",
    [AUDIT_TOKEN_EVENT_LIST] = "token_event_list",
    [AUDIT_TOKEN_EVENT_DELETE] = "token_event_delete",
    [AUDIT_TOKEN_REQUEST_CREATE] = "token_request_create",
    [AUDIT_TOKEN_REQUEST_READ] = "token_request_read",
    [AUDIT_TOKEN_REQUEST_PAGE] = "token_request_page",
    [AUDIT_TOKEN_REQUEST_APPROVE] = "token_request_approve",
    [AUDIT_TOKEN_REQUEST_REJECT] = "token_request_reject",
    [AUDIT_KEYS_READ] = "keys_read",
    [AUDIT_KEY_LOAD] = "key_load",
    [AUDIT_KEY_ACTIVATE] = "key_activate",
    [AUDIT_KEY_RETIRE] = "key_retire",
    [AUDIT_KEY_RELEASE] = "key_release",
    [AUDIT_KEY_REWRAP] = "key_rewrap",
    [AUDIT_RELOAD] = "reload",
    [AUDIT_AUTHENTICATION_FAILED] = "authentication_failed",
};

// Lines are counted by their numbers: `written` is the last one in the file, `synced` the last one known
// to be on disk, `failed` the last one whose fdatasync failed. Writers wait for their own number.
struct audit {
    char *path;
    int fd;
    enum audit_sync sync;
    pthread_mutex_t lock; // everything below
    pthread_cond_t sync_done;
    uint64_t written, synced, failed;
    struct buf line;   // what is being written
    bool syncing;      // some thread is inside fdatasync
    bool sync_broken;  // the last fdatasync failed
    bool torn;         // a part of a line stands at the end and could not be cut off
    int64_t room;      // what is known of audit_file_has_room
    bool reopened;     // the next line is the first since the file was removed or moved
    pthread_t flusher; // AUDIT_SYNC_INTERVAL only
    bool has_flusher;
    int stop_fd; // eventfd that wakes the flusher for the last time
};

// ---- one line -------------------------------------------------------------------------------------

static void put_name(struct buf *line, const char *name)
{
    buf_text(line, ",\"");
    buf_text(line, name);
    buf_text(line, "\":");
}

// ASCII only: any other byte becomes \u00xx, so that no name can break a line or its encoding.
static void put_text(struct buf *line, const char *name, const char *text)
{
    if (text == NULL)
        return;
    const size_t len = strnlen(text, TEXT_BYTES_MAX);
    put_name(line, name);
    buf_byte(line, '"');
    for (size_t at = 0; at < len; at++) {
        const size_t plain = json_plain_length(text + at, len - at);
        buf_append(line, text + at, plain);
        at += plain;
        if (at < len)
            buf_printf(line, "\\u%04x", (unsigned char)text[at]);
    }
    buf_byte(line, '"');
}

static void put_number(struct buf *line, const char *name, uint64_t value)
{
    put_name(line, name);
    buf_u64(line, value);
}

static void put_id(struct buf *line, const char *name, unsigned value)
{
    if (value != 0)
        put_number(line, name, value);
}

// What stands behind number and time.
static void put_record(struct buf *rest, const struct audit_record *record)
{
    put_text(rest, "event", event_names[record->event]);
    put_text(rest, "request_id", record->request_id);
    put_text(rest, "source", record->source);
    put_text(rest, "client", record->client);
    put_id(rest, "client_id", record->client_id);
    put_id(rest, "tenant_id", record->tenant_id);
    put_text(rest, "role", record->role);
    put_number(rest, "items", record->items);
    put_number(rest, "failed_items", record->failed_items);
    put_id(rest, "generation", record->generation);
    put_id(rest, "key_tenant_id", record->key_tenant_id);
    if (record->request_number != 0)
        put_number(rest, "request_number", record->request_number);
    put_id(rest, "status", record->status);
    put_text(rest, "outcome", err_name(record->outcome));
    buf_text(rest, "}\n");
}

static void put_line(struct buf *line, uint64_t number, struct slice rest)
{
    char time[CLOCK_RFC3339_BYTES];
    struct clock clock = clock_system();
    clock_rfc3339_ms(clock.now_ns(clock.context), time);
    buf_text(line, audit_number_member);
    buf_u64(line, number);
    put_text(line, "time", time);
    buf_append(line, rest.at, rest.len);
}

static void put_reopened(struct buf *line, uint64_t number)
{
    static const struct audit_record reopened = {.event = AUDIT_REOPENED, .outcome = OK};
    BUF rest = {0};
    put_record(&rest, &reopened);
    put_line(line, number, buf_slice(&rest));
}

// ---- writing --------------------------------------------------------------------------------------

// Whole or not at all. The size is asked for only now, because the file may have been truncated by others.
static enum err append_whole(struct audit *audit, const struct buf *line)
{
    ssize_t done = audit_file_write(audit->fd, line->at, line->len);
    if (done == (ssize_t)line->len) {
        audit->torn = false;
        return OK;
    }
    struct stat now;
    audit->room = 0;
    if (done > 0 && (fstat(audit->fd, &now) != 0 || ftruncate(audit->fd, now.st_size - done) != 0))
        audit->torn = true;
    return ERR_IO;
}

// Called with the lock, which is given up meanwhile. All lines written before are covered by one
// fdatasync, so that writers which arrive while it runs share the next.
static void sync_round(struct audit *audit)
{
    uint64_t target = audit->written;
    audit->syncing = true;
    pthread_mutex_unlock(&audit->lock);
    bool good = fdatasync(audit->fd) == 0;
    pthread_mutex_lock(&audit->lock);
    audit->syncing = false;
    audit->sync_broken = !good;
    if (good)
        audit->synced = target;
    else
        audit->failed = target;
    pthread_cond_broadcast(&audit->sync_done);
}

static enum err wait_until_synced(struct audit *audit, uint64_t number)
{
    while (audit->synced < number && audit->failed < number) {
        if (audit->syncing)
            pthread_cond_wait(&audit->sync_done, &audit->lock);
        else
            sync_round(audit);
    }
    // A success after a failure says nothing of the lines before: the kernel may have dropped them.
    return audit->failed >= number ? ERR_IO : OK;
}

// After a failed fdatasync nothing is promised until one succeeds again.
static enum err require_disk(struct audit *audit)
{
    if (audit->sync_broken && !audit->syncing)
        sync_round(audit);
    return audit->sync_broken ? ERR_IO : OK;
}

// What was written is settled with the old file, whose sync waits for nobody: writers are kept out. Nobody
// but this thread may be inside fdatasync.
static enum err reopen(struct audit *audit)
{
    struct diag diag = {0};
    int fd = -1;
    uint64_t last = 0;
    if (audit_file_open(audit->path, &fd, &last, &diag) != OK)
        return ERR_IO;
    audit->sync_broken = fdatasync(audit->fd) != 0;
    if (audit->sync_broken)
        audit->failed = audit->written;
    else
        audit->synced = audit->written;
    pthread_cond_broadcast(&audit->sync_done);
    close(audit->fd);
    audit->fd = fd;
    audit->torn = false;
    audit->room = 0;
    audit->reopened = true;
    if (audit->written < last) // a file from elsewhere was put in place: no number is given twice
        audit->written = audit->synced = last;
    return OK;
}

// Whoever removes or moves the file, to rotate it, tells nobody. Asking costs a microsecond.
static enum err follow_path(struct audit *audit)
{
    while (!audit_file_is_at(audit->fd, audit->path)) {
        if (!audit->syncing)
            return reopen(audit);
        pthread_cond_wait(&audit->sync_done, &audit->lock);
    }
    return OK;
}

static enum err append_record(struct audit *audit, struct slice rest)
{
    enum err rc = OK;
    struct buf *line = &audit->line;
    TRY(follow_path(audit));
    TRY(require_disk(audit));
    uint64_t number = audit->written;
    buf_reset(line); // others may have had it while the lock was given up
    if (audit->torn)
        buf_byte(line, '\n');
    if (audit->reopened)
        put_reopened(line, ++number);
    put_line(line, ++number, rest);
    TRY(line->error);
    TRY(append_whole(audit, line));
    audit->written = number;
    audit->reopened = false;
    if (audit->sync == AUDIT_SYNC_ALWAYS)
        TRY(wait_until_synced(audit, number));
out:
    return rc;
}

enum err audit_write(struct audit *audit, const struct audit_record *record)
{
    assert(record->event > AUDIT_NONE && (size_t)record->event < sizeof event_names / sizeof event_names[0]);
    BUF rest = {0};
    buf_reserve(&rest, USUAL_BYTES);
    put_record(&rest, record);
    if (rest.error != OK)
        return rest.error;
    pthread_mutex_lock(&audit->lock);
    enum err rc = append_record(audit, buf_slice(&rest));
    pthread_mutex_unlock(&audit->lock);
    return rc;
}

static enum err get_ready(struct audit *audit)
{
    enum err rc = OK;
    TRY(follow_path(audit));
    TRY(require_disk(audit));
    REQUIRE(audit_file_has_room(audit->fd, &audit->room), ERR_IO);
out:
    return rc;
}

enum err audit_ready(struct audit *audit)
{
    pthread_mutex_lock(&audit->lock);
    enum err rc = get_ready(audit);
    pthread_mutex_unlock(&audit->lock);
    return rc;
}

static void *flush_every_second(void *context)
{
    struct audit *audit = context;
    struct pollfd stop = {.fd = audit->stop_fd, .events = POLLIN};
    while (poll(&stop, 1, SYNC_INTERVAL_MS) <= 0) {
        pthread_mutex_lock(&audit->lock);
        bool dirty = audit->synced < audit->written;
        if (dirty && !audit->syncing)
            sync_round(audit);
        pthread_mutex_unlock(&audit->lock);
    }
    return NULL;
}

// ---- opening and closing ------------------------------------------------------------------------

static enum err start_flusher(struct audit *audit, struct diag *diag)
{
    audit->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (audit->stop_fd < 0)
        return diag_set(diag, ERR_MEMORY, "audit: no event descriptor: %s", strerror(errno));
    int failure = pthread_create(&audit->flusher, NULL, flush_every_second, audit);
    if (failure != 0)
        return diag_set(diag, ERR_MEMORY, "audit: no thread: %s", strerror(failure));
    audit->has_flusher = true;
    return OK;
}

// Held for the time of one write(2): a moment of spinning is less than to sleep and be woken.
static void init_lock(pthread_mutex_t *lock)
{
    pthread_mutexattr_t adaptive;
    pthread_mutexattr_init(&adaptive);
    pthread_mutexattr_settype(&adaptive, PTHREAD_MUTEX_ADAPTIVE_NP);
    pthread_mutex_init(lock, &adaptive);
    pthread_mutexattr_destroy(&adaptive);
}

enum err audit_open(const char *path, enum audit_sync sync, struct audit **out_audit, struct diag *diag)
{
    enum err rc = OK;
    struct audit *audit = calloc(1, sizeof *audit);
    REQUIRE(audit != NULL, ERR_MEMORY);
    audit->fd = audit->stop_fd = -1;
    audit->sync = sync;
    init_lock(&audit->lock);
    pthread_cond_init(&audit->sync_done, NULL);
    REQUIRE((audit->path = strdup(path)) != NULL, ERR_MEMORY);
    TRY(audit_file_open(path, &audit->fd, &audit->written, diag));
    audit->synced = audit->written;
    if (sync == AUDIT_SYNC_INTERVAL)
        TRY(start_flusher(audit, diag));
    *out_audit = audit;
    audit = NULL;
out:
    audit_close(audit);
    return rc;
}

static void stop_flusher(struct audit *audit)
{
    uint64_t one = 1;
    // An eventfd takes a one at any time; it fails only when it holds 2^64 - 2.
    ssize_t done = audit_file_write(audit->stop_fd, (const char *)&one, sizeof one);
    assert(done == sizeof one);
    pthread_join(audit->flusher, NULL);
}

void audit_close(struct audit *audit)
{
    if (audit == NULL)
        return;
    if (audit->has_flusher)
        stop_flusher(audit);
    if (audit->stop_fd >= 0)
        close(audit->stop_fd);
    if (audit->fd >= 0) {
        (void)fdatasync(audit->fd); // nobody is left to be told
        close(audit->fd);
    }
    pthread_cond_destroy(&audit->sync_done);
    pthread_mutex_destroy(&audit->lock);
    free(audit->path);
    buf_done(&audit->line);
    free(audit);
}
