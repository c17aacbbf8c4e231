// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// How verbs run. One that writes joins a queue: the first in it runs all that wait, each behind a mark of
// its own, in one transaction, and commits once for everybody. One that reads borrows a connection that
// writers do not block. The struct is open to the room and its tests only.
#pragma once

#include "appliance/store/db.h"
#include "appliance/store/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

enum {
    STORE_READERS = 4, // reads are lookups of some microseconds; lists of thousands of lines are rare
};

// A verb of the domain. It may be rolled back after it returned OK: its results become the caller's only
// when store_write has returned OK.
typedef enum err store_verb(struct db *db, void *argument);

// Lives on the stack of the thread that waits for it.
struct pending_write {
    store_verb *verb;
    void *argument;
    enum err rc;
    bool done;
    pthread_cond_t wake;
    struct pending_write *next;
};

struct store {
    char *path; // absolute
    int lock_fd;
    dev_t device; // of the file that was opened
    ino_t inode;

    pthread_mutex_t lock; // the next four
    pthread_cond_t reader_idle;
    struct pending_write *first, **last; // writers that wait
    bool leading;                        // a thread is using the writer
    struct db *idle_readers[STORE_READERS];
    size_t idle_count;

    struct db *writer; // the leader's
    struct db *readers[STORE_READERS];
    atomic_size_t commits; // transactions so far, for tests and measurements
};

// OK: durable. Otherwise nothing of the verb remains: its own failure, or that of the whole transaction.
enum err store_write(struct store *store, store_verb *verb, void *argument);
enum err store_read(struct store *store, store_verb *verb, void *argument);

// ERR_NOT_FOUND, ERR_IO.
enum err store_file_exists(const char *path, struct diag *diag);
// Whether the file is ours and not newer than this program; an empty one has version 0. ERR_CONFIG.
enum err store_check_origin(struct db *db, const char *path, int64_t *out_version, struct diag *diag);

// NULL stays NULL. ERR_MEMORY.
enum err store_copy_text(const char *text_or_null, char **out_copy);
