// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Spaces, and the one transaction in which a line takes its serials.
#include "appliance/store/transact.h"

#include <stdlib.h>

static int64_t at_most_int64(uint64_t value)
{
    return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

// ---- spaces -----------------------------------------------------------------------------------------

struct space {
    unsigned tenant_id;
    const uint8_t *name;
    struct store_space space;
    uint64_t size;
};

static enum err find_space(struct db *db, void *argument)
{
    enum err rc = OK;
    struct space *found = argument;
    QUERY query = query_start(db, SQL_SPACE_GET);
    query_int(&query, found->tenant_id);
    query_bytes(&query, found->name, STORE_SPACE_BYTES);
    TRY(query_next(&query));
    found->space.row = query_read_int(&query);
    found->space.generation = (unsigned)query_read_int(&query);
    found->space.issued = (uint64_t)query_read_int(&query);
    found->size = (uint64_t)query_read_int(&query);
    TRY(query_done_reading(&query));
out:
    return rc;
}

enum err store_space_get(struct store *store, unsigned tenant_id, const uint8_t space[STORE_SPACE_BYTES],
                         struct store_space *out_space)
{
    struct space argument = {.tenant_id = tenant_id, .name = space};
    enum err rc = store_read(store, find_space, &argument);
    if (rc == OK)
        *out_space = argument.space;
    return rc;
}

static enum err read_opening(struct db *db, void *argument)
{
    QUERY query = query_start(db, SQL_OPENING_GET);
    return query_one_int(&query, argument);
}

enum err store_space_opening(struct store *store, uint64_t *out_serial)
{
    int64_t skipped = 0;
    const enum err rc = store_read(store, read_opening, &skipped);
    if (rc == OK)
        *out_serial = (uint64_t)skipped;
    return rc;
}

static enum err advance_all(struct db *db, void *argument)
{
    enum err rc = OK;
    const int64_t *by = argument;
    QUERY spaces = query_start(db, SQL_SPACE_ADVANCE_ALL);
    QUERY opening = query_start(db, SQL_OPENING_ADVANCE);
    query_int(&spaces, *by);
    TRY(query_run(&spaces));
    query_int(&opening, *by);
    TRY(query_run(&opening));
out:
    return rc;
}

enum err store_advance_all_spaces(struct store *store, uint64_t by)
{
    int64_t serials = at_most_int64(by);
    return store_write(store, advance_all, &serials);
}

// ---- an order ---------------------------------------------------------------------------------------

struct order {
    const struct store_line_order *order;
    enum store_order_outcome outcome;
    struct store_line *line; // texts and identity are there already
};

static enum err exists(struct query *query, bool *out_exists)
{
    int64_t one;
    enum err rc = query_one_int(query, &one);
    if (rc != OK && rc != ERR_NOT_FOUND)
        return rc;
    *out_exists = rc == OK;
    return OK;
}

static enum err is_ident_used(struct db *db, const struct store_line *line, bool *out_used)
{
    QUERY query = query_start(db, SQL_LINE_IDENT_EXISTS);
    query_int(&query, line->client_id);
    query_text(&query, line->payment_ident);
    return exists(&query, out_used);
}

static enum err is_id_taken(struct db *db, const struct store_line *line, bool *out_taken)
{
    QUERY query = query_start(db, SQL_LINE_ID_EXISTS);
    query_bytes(&query, line->id, sizeof line->id);
    return exists(&query, out_taken);
}

// Where a space that is not open yet would begin: after the serials that a restored store leaves out.
static enum err plan_space(struct db *db, const struct store_line_order *order, struct space *space)
{
    enum err rc = OK;
    int64_t skipped = 0;
    TRY(read_opening(db, &skipped));
    space->size = (uint64_t)at_most_int64(order->space_size);
    space->space.generation = order->generation;
    space->space.issued = lesser((uint64_t)skipped, space->size);
out:
    return rc;
}

// Row 0: not open yet.
static enum err look_at_space(struct db *db, const struct store_line_order *order, struct space *out_space)
{
    struct space space = {.tenant_id = order->tenant_id, .name = order->space};
    enum err rc = find_space(db, &space);
    if (rc == ERR_NOT_FOUND)
        rc = plan_space(db, order, &space);
    if (rc != OK)
        return rc;
    if (space.size != (uint64_t)at_most_int64(order->space_size))
        return ERR_CONFLICT;
    *out_space = space;
    return OK;
}

// How many the line gets; 0: the space has nothing left.
static enum err scale_down(const struct store_line_order *order, const struct space *space,
                           uint64_t *out_size)
{
    uint64_t available = space->size - space->space.issued;
    uint64_t size = lesser(lesser(order->wanted, order->limit), available);
    if (available > 0 && (size == 0 || (size < order->minimum && size < available)))
        return ERR_INPUT;
    *out_size = size;
    return OK;
}

static enum err open_space(struct db *db, struct space *space)
{
    QUERY query = query_start(db, SQL_SPACE_CREATE);
    query_int(&query, space->tenant_id);
    query_bytes(&query, space->name, STORE_SPACE_BYTES);
    query_int(&query, space->space.generation);
    query_int(&query, (int64_t)space->size);
    query_int(&query, (int64_t)space->space.issued);
    return query_one_int(&query, &space->space.row);
}

static enum err take_block(struct db *db, const struct space *space, struct store_line *line)
{
    enum err rc = OK;
    int64_t issued = 0;
    QUERY query = query_start(db, SQL_SPACE_TAKE);
    query_int(&query, (int64_t)line->size);
    query_int(&query, space->space.row);
    TRY(query_one_int(&query, &issued));
    line->tenant_id = space->tenant_id;
    line->space_row = space->space.row;
    line->generation = space->space.generation;
    line->first_serial = line->issued_before = (uint64_t)issued - line->size;
out:
    return rc;
}

static enum err charset_number(struct db *db, const char *characters, int64_t *out_number)
{
    QUERY known = query_start(db, SQL_CHARSET_GET);
    query_text(&known, characters);
    enum err rc = query_one_int(&known, out_number);
    if (rc != ERR_NOT_FOUND)
        return rc;
    QUERY create = query_start(db, SQL_CHARSET_CREATE);
    query_text(&create, characters);
    return query_one_int(&create, out_number);
}

static enum err record_line(struct db *db, const struct store_line *line)
{
    enum err rc = OK;
    int64_t charset = 0;
    QUERY query = query_start(db, SQL_LINE_CREATE);
    TRY(charset_number(db, line->characters, &charset));
    query_bytes(&query, line->id, sizeof line->id);
    query_int(&query, line->client_id);
    query_bytes(&query, line->session_id, sizeof line->session_id);
    query_int(&query, line->space_row);
    query_text(&query, line->alphabet);
    query_int(&query, charset);
    query_int(&query, line->digits);
    query_int(&query, (int64_t)line->first_serial);
    query_int(&query, (int64_t)line->size);
    query_text(&query, line->payment_id);
    query_text(&query, line->payment_ident);
    query_text(&query, line->seed);
    query_int(&query, line->requested_ms);
    TRY(query_run(&query));
out:
    return rc;
}

static enum err take_line(struct db *db, struct order *order, struct space *space)
{
    enum err rc = OK;
    if (space->space.row == 0)
        TRY(open_space(db, space));
    TRY(take_block(db, space, order->line));
    TRY(record_line(db, order->line));
    order->outcome = STORE_ORDER_TAKEN;
out:
    return rc;
}

static enum err place_order(struct db *db, void *argument)
{
    enum err rc = OK;
    struct order *order = argument;
    struct space space = {0};
    bool used = false, taken = false;
    TRY(is_ident_used(db, order->line, &used));
    TRY(is_id_taken(db, order->line, &taken));
    TRY(look_at_space(db, order->order, &space));
    TRY(scale_down(order->order, &space, &order->line->size));
    if (used)
        order->outcome = STORE_ORDER_IDENT_USED;
    else if (taken)
        order->outcome = STORE_ORDER_ID_EXISTS;
    else if (order->line->size == 0)
        order->outcome = STORE_ORDER_EXHAUSTED;
    else
        TRY(take_line(db, order, &space));
out:
    return rc;
}

// All that the line will be made of, before anything is taken: running out of memory afterwards would lose
// it.
static enum err copy_line(const struct store_line *from, struct store_line *out_line)
{
    enum err rc = OK;
    struct store_line line = {
        .client_id = from->client_id, .digits = from->digits, .requested_ms = from->requested_ms};
    for (size_t i = 0; i < STORE_ID_BYTES; i++) {
        line.id[i] = from->id[i];
        line.session_id[i] = from->session_id[i];
    }
    TRY(store_copy_text(from->alphabet, &line.alphabet));
    TRY(store_copy_text(from->characters, &line.characters));
    TRY(store_copy_text(from->payment_id, &line.payment_id));
    TRY(store_copy_text(from->payment_ident, &line.payment_ident));
    TRY(store_copy_text(from->seed, &line.seed));
    *out_line = line;
    return OK;
out:
    store_line_done(&line);
    return rc;
}

enum err store_line_create(struct store *store, const struct store_line_order *order,
                           enum store_order_outcome *out_outcome, struct store_line *out_line)
{
    enum err rc = OK;
    struct store_line line = {0};
    struct order argument = {.order = order, .line = &line};
    TRY(copy_line(&order->line, &line));
    TRY(store_write(store, place_order, &argument));
    *out_outcome = argument.outcome;
    if (argument.outcome == STORE_ORDER_TAKEN) {
        *out_line = line;
        line = (struct store_line){0};
    }
out:
    store_line_done(&line);
    return rc;
}
