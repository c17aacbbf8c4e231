// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/store/transact.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// ---- one transaction --------------------------------------------------------------------------------

static enum err run(struct db *db, enum statement which)
{
    QUERY query = query_start(db, which);
    return query_run(&query);
}

static enum err go_back(struct db *db)
{
    return db_in_transaction(db) ? run(db, SQL_ROLLBACK) : OK;
}

// Fails only when the whole transaction is lost; the verb's own failure is kept with it.
static enum err run_verb(struct db *db, struct pending_write *write)
{
    enum err rc = OK;
    TRY(run(db, SQL_MARK));
    write->rc = write->verb(db, write->argument);
    if (!db_in_transaction(db)) // the engine itself went back to the beginning: disk full, or no memory
        return write->rc != OK ? write->rc : ERR_IO;
    if (write->rc != OK)
        TRY(run(db, SQL_BACK_TO_MARK));
    TRY(run(db, SQL_DROP_MARK));
out:
    return rc;
}

// A file that was deleted or replaced under us takes commits as if nothing had happened.
static enum err require_in_place(const struct store *store)
{
    struct stat now;
    bool same = stat(store->path, &now) == 0 && now.st_dev == store->device && now.st_ino == store->inode;
    return same ? OK : ERR_IO;
}

// What everybody is told of a transaction that was lost: never what a single verb would mean by a code.
static enum err common_failure(enum err rc)
{
    return rc == OK || rc == ERR_MEMORY || rc == ERR_BUSY ? rc : ERR_IO;
}

static enum err run_all(struct store *store, struct pending_write *first)
{
    enum err rc = OK;
    TRY(require_in_place(store));
    TRY(go_back(store->writer));
    TRY(run(store->writer, SQL_BEGIN));
    for (struct pending_write *write = first; write != NULL; write = write->next)
        TRY(run_verb(store->writer, write));
    TRY(run(store->writer, SQL_COMMIT));
    atomic_fetch_add(&store->commits, 1);
out:
    if (rc != OK)
        (void)go_back(store->writer); // if even this fails, the next transaction begins with it
    return common_failure(rc);
}

// ---- the queue --------------------------------------------------------------------------------------

// Called with the lock, which is given up while the transaction runs. Whoever arrives meanwhile waits for
// the next one. The waiting threads' structs are gone as soon as they see `done`.
static void lead(struct store *store)
{
    struct pending_write *first = store->first;
    store->first = NULL;
    store->last = &store->first;
    store->leading = true;
    pthread_mutex_unlock(&store->lock);
    enum err rc = run_all(store, first);
    pthread_mutex_lock(&store->lock);
    store->leading = false;
    for (struct pending_write *write = first; write != NULL; write = write->next) {
        if (rc != OK)
            write->rc = rc;
        write->done = true;
        pthread_cond_signal(&write->wake);
    }
    if (store->first != NULL)
        pthread_cond_signal(&store->first->wake);
}

enum err store_write(struct store *store, store_verb *verb, void *argument)
{
    struct pending_write write = {.verb = verb, .argument = argument};
    pthread_cond_init(&write.wake, NULL);
    pthread_mutex_lock(&store->lock);
    *store->last = &write;
    store->last = &write.next;
    while (!write.done && store->leading)
        pthread_cond_wait(&write.wake, &store->lock);
    if (!write.done)
        lead(store);
    pthread_mutex_unlock(&store->lock);
    pthread_cond_destroy(&write.wake);
    return write.rc;
}

// ---- readers ----------------------------------------------------------------------------------------

static struct db *reader_take(struct store *store)
{
    pthread_mutex_lock(&store->lock);
    while (store->idle_count == 0)
        pthread_cond_wait(&store->reader_idle, &store->lock);
    struct db *db = store->idle_readers[--store->idle_count];
    pthread_mutex_unlock(&store->lock);
    return db;
}

static void reader_give(struct store *store, struct db *db)
{
    pthread_mutex_lock(&store->lock);
    store->idle_readers[store->idle_count++] = db;
    pthread_cond_signal(&store->reader_idle);
    pthread_mutex_unlock(&store->lock);
}

enum err store_read(struct store *store, store_verb *verb, void *argument)
{
    struct db *db = reader_take(store);
    enum err rc = verb(db, argument);
    reader_give(store, db);
    return rc;
}

enum err store_copy_text(const char *text_or_null, char **out_copy)
{
    char *copy = text_or_null == NULL ? NULL : strdup(text_or_null);
    if (text_or_null != NULL && copy == NULL)
        return ERR_MEMORY;
    *out_copy = copy;
    return OK;
}
