// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/store/db.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum {
    BUSY_WAIT_MS = 2000, // for another process, such as a backup; then ERR_BUSY
};

struct db {
    sqlite3 *handle;
    sqlite3_stmt *prepared[SQL_STATEMENTS]; // NULL until first used
};

// Both roles. Temporary data stays in memory: a full /tmp must not fail a write.
static const char settings[] =
    "PRAGMA page_size = 4096; PRAGMA foreign_keys = ON; PRAGMA cell_size_check = ON;"
    "PRAGMA temp_store = MEMORY; PRAGMA synchronous = FULL;";

static enum err translate(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return OK;
    case SQLITE_NOMEM:
        return ERR_MEMORY;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_BUSY;
    case SQLITE_CONSTRAINT:
        return ERR_CONFLICT;
    case SQLITE_FULL:
    case SQLITE_READONLY:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_PERM:
    case SQLITE_PROTOCOL:
        return ERR_IO;
    case SQLITE_TOOBIG:
        return ERR_TOO_LARGE;
    default:
        return ERR_INTERNAL;
    }
}

// ---- the connection ---------------------------------------------------------------------------------

// The schema of a file that somebody else may have written gets no say in what our statements do.
static enum err restrict_schema(sqlite3 *handle)
{
    int code = sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    return translate(code);
}

enum err db_open(const char *path, enum db_role role, struct db **out_db, struct diag *diag)
{
    enum err rc = OK;
    struct db *db = calloc(1, sizeof *db);
    REQUIRE(db != NULL, ERR_MEMORY);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    TRY(translate(sqlite3_open_v2(path, &db->handle, flags, NULL)));
    TRY(translate(sqlite3_busy_timeout(db->handle, BUSY_WAIT_MS)));
    TRY(restrict_schema(db->handle));
    TRY(db_exec(db, settings));
    if (role == DB_READER)
        TRY(db_exec(db, "PRAGMA query_only = ON"));
    *out_db = db;
    db = NULL;
out:
    if (rc != OK && db != NULL)
        rc = db_explain(db, rc, path, diag);
    db_close(db);
    return rc;
}

void db_close(struct db *db)
{
    if (db == NULL)
        return;
    for (size_t i = 0; i < SQL_STATEMENTS; i++)
        sqlite3_finalize(db->prepared[i]);
    int code = sqlite3_close(db->handle);
    assert(code == SQLITE_OK); // else a statement was forgotten
    free(db);
}

enum err db_exec(struct db *db, const char *sql)
{
    return translate(sqlite3_exec(db->handle, sql, NULL, NULL, NULL));
}

bool db_in_transaction(const struct db *db)
{
    return sqlite3_get_autocommit(db->handle) == 0;
}

enum err db_explain(struct db *db, enum err code, const char *path, struct diag *diag)
{
    const char *message = sqlite3_errmsg(db->handle);
    int reason = sqlite3_errcode(db->handle) & 0xff;
    if (reason == SQLITE_CORRUPT || reason == SQLITE_NOTADB)
        return diag_set(diag, ERR_CONFIG, "store %s: damaged or not a store (%s): restore a backup", path,
                        message);
    return diag_set(diag, code, "store %s: %s", path, message);
}

// ---- queries ----------------------------------------------------------------------------------------

static sqlite3_stmt *statement(const struct query *query)
{
    return query->db->prepared[query->which];
}

static void keep_error(struct query *query, enum err code)
{
    if (query->error == OK)
        query->error = code;
}

struct query query_start(struct db *db, enum statement which)
{
    struct query query = {.db = db, .which = which};
    if (db->prepared[which] == NULL)
        query.error = translate(sqlite3_prepare_v3(db->handle, store_sql[which], -1,
                                                   SQLITE_PREPARE_PERSISTENT, &db->prepared[which], NULL));
    return query;
}

void query_end(struct query *query)
{
    if (statement(query) == NULL)
        return;
    sqlite3_reset(statement(query)); // repeats the step's failure
    sqlite3_clear_bindings(statement(query));
}

void query_int(struct query *query, int64_t value)
{
    if (query->error == OK)
        query->error = translate(sqlite3_bind_int64(statement(query), ++query->bound, value));
}

void query_bytes(struct query *query, const void *bytes, size_t count)
{
    if (query->error == OK)
        query->error =
            translate(sqlite3_bind_blob64(statement(query), ++query->bound, bytes, count, SQLITE_STATIC));
}

void query_text(struct query *query, const char *text_or_null)
{
    if (query->error == OK)
        query->error =
            translate(sqlite3_bind_text(statement(query), ++query->bound, text_or_null, -1, SQLITE_STATIC));
}

enum err query_next(struct query *query)
{
    if (query->error != OK)
        return query->error;
    assert(query->bound == sqlite3_bind_parameter_count(statement(query)));
    query->column = 0;
    int code = sqlite3_step(statement(query));
    if (code == SQLITE_DONE)
        return ERR_NOT_FOUND;
    query->error = translate(code);
    return query->error;
}

enum err query_run(struct query *query)
{
    enum err rc = query_next(query);
    return rc == ERR_NOT_FOUND ? OK : rc;
}

enum err query_change(struct query *query)
{
    enum err rc = query_run(query);
    if (rc == OK && sqlite3_changes64(query->db->handle) == 0)
        rc = ERR_NOT_FOUND;
    return rc;
}

enum err query_one_int(struct query *query, int64_t *out_value)
{
    enum err rc = OK;
    TRY(query_next(query));
    int64_t value = query_read_int(query);
    TRY(query_run(query)); // a statement with RETURNING is complete only then
    *out_value = value;
out:
    return rc;
}

int64_t query_read_int(struct query *query)
{
    return sqlite3_column_int64(statement(query), query->column++);
}

void query_read_bytes(struct query *query, void *out_bytes, size_t count)
{
    const void *bytes = sqlite3_column_blob(statement(query), query->column);
    size_t have = (size_t)sqlite3_column_bytes(statement(query), query->column++);
    memset(out_bytes, 0, count);
    if (bytes == NULL)
        return;
    if (have == count)
        memcpy(out_bytes, bytes, count);
    else
        keep_error(query, ERR_IO);
}

uint8_t *query_read_blob(struct query *query, size_t *out_count)
{
    const void *bytes = sqlite3_column_blob(statement(query), query->column);
    const size_t count = (size_t)sqlite3_column_bytes(statement(query), query->column++);
    *out_count = 0;
    if (bytes == NULL || count == 0)
        return NULL;
    uint8_t *copy = malloc(count);
    if (copy == NULL) {
        keep_error(query, ERR_MEMORY);
        return NULL;
    }
    memcpy(copy, bytes, count);
    *out_count = count;
    return copy;
}

char *query_read_text(struct query *query)
{
    int column = query->column++;
    if (sqlite3_column_type(statement(query), column) == SQLITE_NULL)
        return NULL;
    const unsigned char *text = sqlite3_column_text(statement(query), column);
    char *copy = text == NULL ? NULL : strdup((const char *)text);
    if (copy == NULL)
        keep_error(query, ERR_MEMORY);
    return copy;
}

enum err query_done_reading(const struct query *query)
{
    return query->error;
}

// ---- many rows --------------------------------------------------------------------------------------

// An array that doubles, as a power of two is reached.
static enum err make_room(char **items, size_t count, size_t item_bytes)
{
    if ((count & (count - 1)) != 0)
        return OK;
    char *grown = reallocarray(*items, count == 0 ? 1 : 2 * count, item_bytes);
    if (grown == NULL)
        return ERR_MEMORY;
    *items = grown;
    return OK;
}

enum err query_collect(struct query *query, const struct rows *rows, void **out_items, size_t *out_count)
{
    enum err rc;
    char *items = NULL;
    size_t count = 0;
    while ((rc = query_next(query)) == OK) {
        TRY(make_room(&items, count, rows->item_bytes));
        char *item = items + count * rows->item_bytes;
        memset(item, 0, rows->item_bytes);
        TRY(rows->read(query, item));
        count++;
    }
    if (rc == ERR_NOT_FOUND) {
        *out_items = items;
        *out_count = count;
        return OK;
    }
out:
    for (size_t i = 0; i < count; i++)
        rows->done(items + i * rows->item_bytes);
    free(items);
    return rc;
}
