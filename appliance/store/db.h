// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// One connection to the store's file with its prepared statements, and queries on it. sqlite.c implements
// this header; nobody else knows SQLite. A connection belongs to one thread at a time; a busy file is
// waited for. Errors: ERR_CONFLICT a constraint, ERR_BUSY another process, ERR_IO disk full, read-only,
// broken or damaged, ERR_MEMORY, ERR_INTERNAL.
#pragma once

#include "appliance/base/err.h"
#include "appliance/store/statements.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;

enum {
    DB_PAGE_BYTES = 4096, // a file's size is a multiple of it
};

enum db_role { DB_WRITER, DB_READER };

// The file must exist. ERR_CONFIG: damaged or no database at all. diag says why.
enum err db_open(const char *path, enum db_role role, struct db **out_db, struct diag *diag);
// Fills diag with code's reason, the last failure on this connection, and returns code, or ERR_CONFIG with
// advice when the file is damaged.
enum err db_explain(struct db *db, enum err code, const char *path, struct diag *diag);
void db_close(struct db *db); // NULL is fine

// Runs SQL texts without parameters and results.
enum err db_exec(struct db *db, const char *sql);
bool db_in_transaction(const struct db *db);

// A statement in use. Parameters and columns are taken in their order; a failure sticks and is returned
// by the next query_next, query_run or query_done_reading. Declared QUERY it is given back at the end of
// its scope.
struct query {
    struct db *db;
    enum statement which;
    int bound, column;
    enum err error;
};
struct query query_start(struct db *db, enum statement which);
void query_end(struct query *query);
#define QUERY [[gnu::cleanup(query_end)]] struct query

// Bytes and texts must live until the query ends.
void query_int(struct query *query, int64_t value);
void query_bytes(struct query *query, const void *bytes, size_t count);
void query_text(struct query *query, const char *text_or_null);

// OK: a row stands there; ERR_NOT_FOUND: no more.
enum err query_next(struct query *query);
// For statements without rows.
enum err query_run(struct query *query);
// The same; ERR_NOT_FOUND when no row was changed.
enum err query_change(struct query *query);
// One row with one integer; ERR_NOT_FOUND when there is none.
enum err query_one_int(struct query *query, int64_t *out_value);

int64_t query_read_int(struct query *query);
// Exactly count bytes; NULL reads as zeros.
void query_read_bytes(struct query *query, void *out_bytes, size_t count);
// The caller's copy and its length; NULL when there are no bytes.
uint8_t *query_read_blob(struct query *query, size_t *out_count);
// The caller's copy, or NULL.
char *query_read_text(struct query *query);
// The failure of any of the above.
enum err query_done_reading(const struct query *query);

// Collects all rows into one array. read fills an item (zeroed) from the row and leaves nothing behind on
// failure; done frees what read made. An empty result is NULL and 0.
struct rows {
    size_t item_bytes;
    enum err (*read)(struct query *query, void *item);
    void (*done)(void *item);
};
enum err query_collect(struct query *query, const struct rows *rows, void **out_items, size_t *out_count);
