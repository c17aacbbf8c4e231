// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Opening and closing: the lock that keeps a second appliance out, the check of the file, its migrations.
#include "appliance/store/transact.h"

#include "appliance/store/migrations.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

// ---- the file ---------------------------------------------------------------------------------------

// The lock is on the file itself and dies with the process. SQLite's own locks are of another kind and do
// not meet it, so that other programs may read and back up. The descriptor must be closed after SQLite's:
// closing any descriptor of a file drops the process's locks of that other kind.
static enum err lock_file(struct store *store, const char *path, struct diag *diag)
{
    store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    if (store->lock_fd < 0)
        return diag_set(diag, ERR_IO, "store %s: cannot be opened for writing: %s", path, strerror(errno));
    struct stat status;
    if (fstat(store->lock_fd, &status) != 0 || !S_ISREG(status.st_mode))
        return diag_set(diag, ERR_CONFIG, "store %s: not a regular file", path);
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return diag_set(diag, ERR_BUSY, "store %s: another appliance is using it", path);
    // A restored copy comes with the mode of whoever copied it.
    if ((status.st_mode & 077) != 0 && fchmod(store->lock_fd, 0600) != 0)
        return diag_set(diag, ERR_CONFIG,
                        "store %s: others may read it, and its mode cannot be set to 0600: %s", path,
                        strerror(errno));
    store->device = status.st_dev;
    store->inode = status.st_ino;
    store->path = realpath(path, NULL);
    return store->path != NULL ? OK : diag_set(diag, ERR_IO, "store %s: %s", path, strerror(errno));
}

enum err store_file_exists(const char *path, struct diag *diag)
{
    if (access(path, R_OK) == 0)
        return OK;
    return diag_set(diag, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "store %s: %s", path, strerror(errno));
}

// SQLite reads what is missing of the last page as zeros and may find nothing wrong with it. While there is
// a log, a process has died, and the log may hold the rest.
static enum err check_size(const struct store *store, struct diag *diag)
{
    enum err rc = OK;
    struct stat status;
    char *log = NULL;
    REQUIRE(asprintf(&log, "%s-wal", store->path) >= 0, ERR_MEMORY);
    if (fstat(store->lock_fd, &status) != 0)
        rc = diag_set(diag, ERR_IO, "store %s: %s", store->path, strerror(errno));
    else if (status.st_size % DB_PAGE_BYTES != 0 && access(log, F_OK) != 0)
        rc = diag_set(diag, ERR_CONFIG, "store %s: cut short or not a store: restore a backup", store->path);
    free(log);
out:
    return rc;
}

// ---- its content ------------------------------------------------------------------------------------

static enum err ask_int(struct db *db, enum statement which, int64_t *out_value)
{
    QUERY query = query_start(db, which);
    return query_one_int(&query, out_value);
}

static enum err ask_text(struct db *db, enum statement which, char **out_text)
{
    enum err rc = OK;
    QUERY query = query_start(db, which);
    TRY(query_next(&query));
    char *text = query_read_text(&query);
    TRY(query_done_reading(&query));
    *out_text = text;
out:
    return rc;
}

// A file is ours when it says so or holds nothing at all.
enum err store_check_origin(struct db *db, const char *path, int64_t *out_version, struct diag *diag)
{
    enum err rc = OK;
    int64_t application = 0, version = 0, objects = 0;
    TRY(ask_int(db, SQL_APPLICATION_ID, &application));
    TRY(ask_int(db, SQL_USER_VERSION, &version));
    TRY(ask_int(db, SQL_OBJECT_COUNT, &objects));
    bool empty = application == 0 && version == 0 && objects == 0;
    if (application != STORE_APPLICATION_ID && !empty)
        return diag_set(diag, ERR_CONFIG,
                        "store %s: this database belongs to another program: name another file", path);
    if (version > STORE_VERSION)
        return diag_set(
            diag, ERR_CONFIG,
            "store %s: made by a newer program (version %lld, this one knows %d): upgrade the program", path,
            (long long)version, STORE_VERSION);
    if (version < 0 || (version == 0 && !empty))
        return diag_set(diag, ERR_CONFIG, "store %s: its version is %lld: restore a backup", path,
                        (long long)version);
    *out_version = version;
out:
    return rc == OK ? OK : db_explain(db, rc, path, diag);
}

// Reads every page once, about a second for a million lines.
static enum err check_integrity(struct store *store, struct diag *diag)
{
    enum err rc = OK;
    char *verdict = NULL;
    TRY(ask_text(store->writer, SQL_QUICK_CHECK, &verdict));
    if (strcmp(verdict, "ok") != 0)
        rc = diag_set(diag, ERR_CONFIG, "store %s: damaged (%s): restore a backup", store->path, verdict);
    free(verdict);
    return rc;
out:
    return db_explain(store->writer, rc, store->path, diag);
}

static enum err use_wal(struct store *store, struct diag *diag)
{
    enum err rc = OK;
    char *mode = NULL;
    TRY(ask_text(store->writer, SQL_JOURNAL_WAL, &mode));
    if (strcmp(mode, "wal") != 0)
        rc =
            diag_set(diag, ERR_CONFIG,
                     "store %s: its file system cannot hold a write-ahead log: use a local one", store->path);
    free(mode);
    return rc;
out:
    return db_explain(store->writer, rc, store->path, diag);
}

// Each step and its number in one transaction.
static enum err migrate(struct store *store, int64_t version, struct diag *diag)
{
    enum err rc = OK;
    struct db *db = store->writer;
    for (; version < STORE_VERSION; version++) {
        char marks[128];
        snprintf(marks, sizeof marks, "PRAGMA application_id = %d; PRAGMA user_version = %d",
                 STORE_APPLICATION_ID, (int)version + 1);
        TRY(db_exec(db, "BEGIN IMMEDIATE"));
        TRY(db_exec(db, store_migrations[version]));
        TRY(db_exec(db, marks));
        TRY(db_exec(db, "COMMIT"));
    }
    return OK;
out:
    return db_explain(db, rc, store->path, diag); // closing rolls back
}

// ---- the whole --------------------------------------------------------------------------------------

static enum err open_readers(struct store *store, struct diag *diag)
{
    enum err rc = OK;
    for (size_t i = 0; i < STORE_READERS; i++) {
        TRY(db_open(store->path, DB_READER, &store->readers[i], diag));
        store->idle_readers[store->idle_count++] = store->readers[i];
    }
out:
    return rc;
}

enum err store_open(const char *path, struct store **out_store, struct diag *diag)
{
    enum err rc = OK;
    int64_t version = 0;
    struct store *store = calloc(1, sizeof *store);
    REQUIRE(store != NULL, ERR_MEMORY);
    store->lock_fd = -1;
    store->last = &store->first;
    pthread_mutex_init(&store->lock, NULL);
    pthread_cond_init(&store->reader_idle, NULL);
    TRY(lock_file(store, path, diag));
    TRY(check_size(store, diag));
    TRY(db_open(store->path, DB_WRITER, &store->writer, diag));
    TRY(store_check_origin(store->writer, store->path, &version, diag));
    TRY(check_integrity(store, diag));
    TRY(use_wal(store, diag));
    TRY(migrate(store, version, diag));
    TRY(open_readers(store, diag));
    *out_store = store;
    store = NULL;
out:
    store_close(store);
    return rc;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    for (size_t i = 0; i < STORE_READERS; i++)
        db_close(store->readers[i]);
    db_close(store->writer); // last: it tidies the log away
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    pthread_cond_destroy(&store->reader_idle);
    pthread_mutex_destroy(&store->lock);
    free(store->path);
    free(store);
}
