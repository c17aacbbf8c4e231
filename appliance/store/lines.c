// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Lines that exist: looking them up, and the steps of their life.
#include "appliance/store/transact.h"

#include <assert.h>
#include <stdlib.h>

void store_line_done(struct store_line *line)
{
    free(line->alphabet);
    free(line->characters);
    free(line->payment_id);
    free(line->payment_ident);
    free(line->seed);
    free(line->checksum);
    *line = (struct store_line){0};
}

// ---- reading ----------------------------------------------------------------------------------------

// In the order of LINE_COLUMNS.
static enum err read_line(struct query *query, void *item)
{
    struct store_line *line = item;
    query_read_bytes(query, line->id, sizeof line->id);
    line->client_id = (unsigned)query_read_int(query);
    query_read_bytes(query, line->session_id, sizeof line->session_id);
    line->space_row = query_read_int(query);
    line->tenant_id = (unsigned)query_read_int(query);
    line->generation = (unsigned)query_read_int(query);
    line->alphabet = query_read_text(query);
    line->characters = query_read_text(query);
    line->digits = (unsigned)query_read_int(query);
    line->first_serial = (uint64_t)query_read_int(query);
    line->issued_before = line->first_serial; // serials are handed out without gaps
    line->size = (uint64_t)query_read_int(query);
    line->payment_id = query_read_text(query);
    line->payment_ident = query_read_text(query);
    line->seed = query_read_text(query);
    line->status = (enum store_line_status)query_read_int(query);
    line->requested_ms = query_read_int(query);
    line->started_ms = query_read_int(query);
    line->ended_ms = query_read_int(query);
    line->finished_ms = query_read_int(query);
    line->deleted_ms = query_read_int(query);
    line->checksum = query_read_text(query);
    line->file_bytes = (uint64_t)query_read_int(query);
    query_read_bytes(query, line->file_hash, sizeof line->file_hash);
    enum err rc = query_done_reading(query);
    if (rc != OK)
        store_line_done(line);
    return rc;
}

static void free_line(void *item)
{
    store_line_done(item);
}

static enum err first_line(struct query *query, struct store_line *out_line)
{
    enum err rc = OK;
    struct store_line line = {0};
    TRY(query_next(query));
    TRY(read_line(query, &line));
    *out_line = line;
out:
    return rc;
}

struct get {
    const uint8_t *id;
    int64_t space_row, serial;
    struct store_line line;
    int64_t below; // tokens
};

// Runs a reading verb and hands its line out.
static enum err find(struct store *store, store_verb *verb, struct get *get, struct store_line *out_line)
{
    enum err rc = store_read(store, verb, get);
    if (rc == OK)
        *out_line = get->line;
    return rc;
}

static enum err by_id(struct db *db, void *argument)
{
    struct get *get = argument;
    QUERY query = query_start(db, SQL_LINE_GET);
    query_bytes(&query, get->id, STORE_ID_BYTES);
    return first_line(&query, &get->line);
}

enum err store_line_get(struct store *store, const uint8_t id[STORE_ID_BYTES], struct store_line *out_line)
{
    struct get argument = {.id = id};
    return find(store, by_id, &argument, out_line);
}

// The last line that begins at or before the serial; between lines may stand serials that were skipped.
static enum err by_serial(struct db *db, void *argument)
{
    enum err rc = OK;
    struct get *get = argument;
    QUERY query = query_start(db, SQL_LINE_OF_SERIAL);
    query_int(&query, get->space_row);
    query_int(&query, get->serial);
    TRY(first_line(&query, &get->line));
    if ((uint64_t)get->serial - get->line.first_serial >= get->line.size) {
        store_line_done(&get->line);
        rc = ERR_NOT_FOUND;
    }
out:
    return rc;
}

enum err store_line_of_serial(struct store *store, int64_t space_row, uint64_t serial,
                              struct store_line *out_line)
{
    if (serial > INT64_MAX)
        return ERR_NOT_FOUND;
    struct get argument = {.space_row = space_row, .serial = (int64_t)serial};
    return find(store, by_serial, &argument, out_line);
}

static enum err next_unfinished(struct db *db, void *argument)
{
    struct get *get = argument;
    QUERY query = query_start(db, SQL_LINE_NEXT_UNFINISHED);
    query_int(&query, get->below);
    query_int(&query, get->serial);
    return first_line(&query, &get->line);
}

enum err store_line_next_unfinished(struct store *store, uint64_t below, uint64_t passed_over,
                                    struct store_line *out_line)
{
    struct get argument = {.below = below > INT64_MAX ? INT64_MAX : (int64_t)below,
                           .serial = (int64_t)passed_over};
    return find(store, next_unfinished, &argument, out_line);
}

struct list {
    const uint8_t *session_id;
    void *lines;
    size_t count;
};

static enum err list(struct db *db, void *argument)
{
    static const struct rows rows = {sizeof(struct store_line), read_line, free_line};
    struct list *list = argument;
    QUERY query = query_start(db, SQL_LINE_LIST);
    query_bytes(&query, list->session_id, STORE_ID_BYTES);
    return query_collect(&query, &rows, &list->lines, &list->count);
}

enum err store_line_list(struct store *store, const uint8_t session_id[STORE_ID_BYTES],
                         struct store_line **out_lines, size_t *out_count)
{
    struct list argument = {.session_id = session_id};
    enum err rc = store_read(store, list, &argument);
    if (rc == OK) {
        *out_lines = argument.lines;
        *out_count = argument.count;
    }
    return rc;
}

// ---- the steps of a line's life ---------------------------------------------------------------------

struct step {
    const uint8_t *id;
    unsigned client_id;
    int64_t now_ms;
    const struct store_line_result *result;
};

static enum err delete (struct db *db, void *argument) {
    const struct step *step = argument; QUERY query = query_start(db, SQL_LINE_DELETE);
    query_int(&query, step->now_ms);
    query_bytes(&query, step->id, STORE_ID_BYTES);
    query_int(&query, step->client_id);
    return query_change(&query);
}

enum err store_line_delete(struct store *store, const uint8_t id[STORE_ID_BYTES], unsigned client_id,
                           int64_t now_ms)
{
    assert(now_ms != 0); // it would say "not deleted"
    struct step argument = {.id = id, .client_id = client_id, .now_ms = now_ms};
    return store_write(store, delete, &argument);
}

static enum err require_unfinished(struct db *db, const uint8_t *id)
{
    enum err rc = OK;
    int64_t status = 0;
    QUERY query = query_start(db, SQL_LINE_STATUS);
    query_bytes(&query, id, STORE_ID_BYTES);
    TRY(query_one_int(&query, &status));
    REQUIRE(status == STORE_LINE_REQUESTED || status == STORE_LINE_STARTED, ERR_CONFLICT);
out:
    return rc;
}

static enum err start(struct db *db, void *argument)
{
    enum err rc = OK;
    const struct step *step = argument;
    QUERY query = query_start(db, SQL_LINE_STARTED);
    TRY(require_unfinished(db, step->id));
    query_int(&query, step->now_ms);
    query_bytes(&query, step->id, STORE_ID_BYTES);
    TRY(query_change(&query));
out:
    return rc;
}

enum err store_line_started(struct store *store, const uint8_t id[STORE_ID_BYTES], int64_t now_ms)
{
    struct step argument = {.id = id, .now_ms = now_ms};
    return store_write(store, start, &argument);
}

static enum err finish(struct db *db, void *argument)
{
    enum err rc = OK;
    const struct step *step = argument;
    const struct store_line_result *result = step->result;
    QUERY query = query_start(db, SQL_LINE_FINISHED);
    TRY(require_unfinished(db, step->id));
    query_text(&query, result->checksum);
    query_int(&query, (int64_t)result->file_bytes);
    query_bytes(&query, result->file_hash, sizeof result->file_hash);
    query_int(&query, result->ended_ms);
    query_int(&query, result->finished_ms);
    query_bytes(&query, step->id, STORE_ID_BYTES);
    TRY(query_change(&query));
out:
    return rc;
}

enum err store_line_finished(struct store *store, const uint8_t id[STORE_ID_BYTES],
                             const struct store_line_result *result)
{
    if (result->file_bytes > INT64_MAX)
        return ERR_INPUT;
    struct step argument = {.id = id, .result = result};
    return store_write(store, finish, &argument);
}
