// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/fpe/alphabet.h"
#include "appliance/tokens/serials_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { ID_DRAWS = 8 }; // an id that exists already is one in 2^32

void line_done(struct line *line)
{
    store_line_done(&line->record);
    *line = (struct line){0};
}

static uint32_t radix_of(const char *characters)
{
    size_t count = 0;
    const enum err rc = alphabet_length(characters, strlen(characters), &count);
    assert(rc == OK);
    return (uint32_t)count;
}

// Strings of the space, INT64_MAX when there are more: the store counts no further.
static uint64_t space_size(uint32_t radix, unsigned digits)
{
    uint64_t size = 1;
    for (unsigned i = 0; i < digits; i++) {
        if (size > (uint64_t)INT64_MAX / radix)
            return INT64_MAX;
        size *= radix;
    }
    return size;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void fill_capacity(const struct serials *serials, const char *characters, unsigned digits,
                          uint64_t issued, struct capacity *out_capacity)
{
    const struct serial_limits *limits = &serials->options.limits;
    const uint32_t radix = radix_of(characters);
    const uint64_t left = space_size(radix, digits) - issued;
    serial_available(radix, digits, issued, out_capacity->available);
    out_capacity->reachable = smaller(smaller(left, limits->max_tokens), limits->max_cells / digits);
}

// The space as the store has it, or as it would begin: row 0.
static enum err look_at_space(const struct serials *serials, unsigned tenant_id,
                              const uint8_t id[SERIAL_SPACE_ID_BYTES], uint64_t size,
                              struct store_space *out_space)
{
    enum err rc = store_space_get(serials->options.store, tenant_id, id, out_space);
    if (rc != ERR_NOT_FOUND)
        return rc;
    *out_space = (struct store_space){0};
    rc = store_space_opening(serials->options.store, &out_space->issued);
    out_space->issued = smaller(out_space->issued, size);
    return rc;
}

enum err serials_capacity(struct serials *serials, unsigned tenant_id, const char *characters,
                          unsigned digits, struct capacity *out_capacity)
{
    uint8_t id[SERIAL_SPACE_ID_BYTES];
    struct store_space space = {0};
    enum err rc = serial_space_id(characters, digits, id);
    if (rc != OK)
        return rc;
    rc = look_at_space(serials, tenant_id, id, space_size(radix_of(characters), digits), &space);
    if (rc != OK)
        return rc;
    fill_capacity(serials, characters, digits, space.issued, out_capacity);
    return OK;
}

void serials_line_capacity(const struct serials *serials, const struct line *line,
                           enum store_line_status as_of, struct capacity *out_capacity)
{
    const struct store_line *record = &line->record;
    const bool made = as_of == STORE_LINE_ENDED || as_of == STORE_LINE_FINISHED;
    fill_capacity(serials, record->characters, record->digits,
                  record->issued_before + (made ? record->size : 0), out_capacity);
}

// ---- ordering ------------------------------------------------------------------------------------------

// The generation that the order will use: the space's own for life, or the current one for a new space.
// outcome is set when nothing can be ordered.
static enum err choose_from(const struct keyring *keyring, struct serials *serials,
                            const struct line_order *order, const struct alphabet_entry *alphabet,
                            struct store_line_order *to, enum line_outcome *outcome)
{
    struct store_space space = {0};
    enum err rc = serial_space_id(alphabet->characters, order->digits, to->space);
    if (rc != OK)
        return rc;
    to->space_size = space_size(radix_of(alphabet->characters), order->digits);
    rc = look_at_space(serials, order->caller->tenant_id, to->space, to->space_size, &space);
    if (rc != OK)
        return rc;
    to->generation = space.row != 0 ? space.generation : keyring_at(keyring, 0)->number;
    if (keyring_by_number(keyring, to->generation) == NULL)
        *outcome = LINE_SPACE_CLOSED;
    else if (space.issued == to->space_size)
        *outcome = LINE_SPACE_EXHAUSTED;
    else if (order->size < serials->options.limits.min_tokens && order->size != to->space_size - space.issued)
        *outcome = LINE_SIZE_TOO_SMALL;
    return OK;
}

static enum err choose_generation(struct serials *serials, const struct line_order *order,
                                  const struct alphabet_entry *alphabet, struct store_line_order *to,
                                  enum line_outcome *outcome)
{
    const struct registry *registry = registries_take(serials->options.registries);
    const struct tenant *tenant = tenants_find(&registry->tenants, order->caller->tenant_id);
    enum err rc = OK;
    if (tenant == NULL)
        *outcome = LINE_SPACE_CLOSED; // gone since the caller was let in
    else
        rc = choose_from(tenant_keyring(tenant), serials, order, alphabet, to, outcome);
    registries_give(serials->options.registries, registry);
    return rc;
}

static enum line_outcome outcome_of(enum store_order_outcome outcome)
{
    switch (outcome) {
    case STORE_ORDER_TAKEN:
        return LINE_TAKEN;
    case STORE_ORDER_IDENT_USED:
        return LINE_IDENT_USED;
    case STORE_ORDER_EXHAUSTED:
    case STORE_ORDER_ID_EXISTS:
        return LINE_SPACE_EXHAUSTED;
    }
    return LINE_SPACE_EXHAUSTED;
}

static enum err take_block(struct serials *serials, struct store_line_order *order,
                           enum line_outcome *out_outcome, struct line *out_line)
{
    enum store_order_outcome outcome = STORE_ORDER_ID_EXISTS;
    enum err rc = OK;
    for (int draw = 0; draw < ID_DRAWS && rc == OK && outcome == STORE_ORDER_ID_EXISTS; draw++) {
        struct sealed_id id;
        rc = serials_draw_id(serials, order->line.client_id, &id);
        if (rc == OK)
            rc = sealed_id_make(serials->options.line_ids, &id, order->line.id);
        if (rc == OK)
            rc = store_line_create(serials->options.store, order, &outcome, &out_line->record);
    }
    if (rc == OK)
        *out_outcome = outcome_of(outcome);
    return rc == OK && outcome == STORE_ORDER_ID_EXISTS ? ERR_INTERNAL : rc;
}

// The store copies the texts and does not change them.
static char *borrowed(const char *text)
{
    union {
        const char *in;
        char *out;
    } view = {.in = text};
    return view.out;
}

static enum err order_from(struct serials *serials, const struct line_order *order,
                           const struct alphabet_entry *alphabet, enum line_outcome *out_outcome,
                           struct line *out_line)
{
    const struct serial_limits *limits = &serials->options.limits;
    struct line line = {0};
    enum line_outcome outcome = LINE_TAKEN;
    struct store_line_order to = {
        .line =
            {
                .client_id = order->caller->client_id,
                .alphabet = alphabet->name,
                .characters = alphabet->characters,
                .digits = order->digits,
                .payment_id = borrowed(order->payment_id),
                .payment_ident = borrowed(order->payment_ident),
                .seed = borrowed(order->seed),
                .requested_ms = serials_now_ms(serials),
            },
        .tenant_id = order->caller->tenant_id,
        .wanted = order->size,
        .limit = smaller(limits->max_tokens, limits->max_cells / order->digits),
        .minimum = limits->min_tokens,
    };
    memcpy(to.line.session_id, order->caller->session_id, STORE_ID_BYTES);
    enum err rc = choose_generation(serials, order, alphabet, &to, &outcome);
    if (rc == OK && outcome == LINE_TAKEN)
        rc = take_block(serials, &to, &outcome, &line);
    if (rc != OK)
        return rc;
    if (outcome == LINE_TAKEN) {
        *out_line = line;
        producer_wake(serials);
    }
    *out_outcome = outcome;
    return OK;
}

enum err serials_order_line(struct serials *serials, const struct line_order *order,
                            enum line_outcome *out_outcome, struct line *out_line)
{
    struct alphabet_entry alphabet;
    enum err rc = serials_find_alphabet(serials, order->caller->client_id, order->alphabet, &alphabet);
    if (rc == ERR_NOT_FOUND) {
        *out_outcome = LINE_ALPHABET_UNKNOWN;
        return OK;
    }
    if (rc != OK)
        return rc;
    rc = order_from(serials, order, &alphabet, out_outcome, out_line);
    alphabet_entry_done(&alphabet);
    return rc;
}

// ---- looking up ----------------------------------------------------------------------------------------

enum err serials_get_line(struct serials *serials, const struct caller *caller,
                          const uint8_t id[STORE_ID_BYTES], struct line *out_line)
{
    struct sealed_id opened;
    struct line line = {0};
    enum err rc = sealed_id_open(serials->options.line_ids, id, &opened);
    if (rc == ERR_NOT_GENUINE || (rc == OK && opened.client_id != caller->client_id))
        return ERR_NOT_FOUND;
    if (rc != OK)
        return rc;
    rc = store_line_get(serials->options.store, id, &line.record);
    if (rc != OK)
        return rc;
    if (line.record.client_id != caller->client_id) {
        line_done(&line);
        return ERR_NOT_FOUND;
    }
    line.progress = producer_progress(serials, id);
    *out_line = line;
    return OK;
}

enum err serials_list_lines(struct serials *serials, const struct caller *caller, struct line **out_lines,
                            size_t *out_count)
{
    struct store_line *records;
    size_t count;
    const enum err rc = store_line_list(serials->options.store, caller->session_id, &records, &count);
    if (rc != OK)
        return rc;
    struct line *lines = calloc(count + 1, sizeof *lines);
    for (size_t i = 0; i < count; i++) {
        if (lines != NULL)
            lines[i] = (struct line){records[i], producer_progress(serials, records[i].id)};
        else
            store_line_done(&records[i]);
    }
    free(records);
    if (lines == NULL)
        return ERR_MEMORY;
    *out_lines = lines;
    *out_count = count;
    return OK;
}

enum err serials_delete_line(struct serials *serials, const struct caller *caller,
                             const uint8_t id[STORE_ID_BYTES], struct line *out_line)
{
    struct line line;
    enum err rc = serials_get_line(serials, caller, id, &line);
    if (rc != OK)
        return rc;
    const int64_t now_ms = serials_now_ms(serials);
    rc = store_line_delete(serials->options.store, id, caller->client_id, now_ms);
    if (rc != OK) {
        line_done(&line);
        return rc;
    }
    line.record.deleted_ms = now_ms;
    *out_line = line;
    return OK;
}

enum err serials_prove(struct serials *serials, const struct caller *caller, const struct proof_query *query,
                       struct line *out_line, uint64_t *out_serial)
{
    enum err rc = OK;
    uint8_t id[SERIAL_SPACE_ID_BYTES];
    struct store_space row;
    struct kept_space *space = NULL;
    struct line line = {0};
    uint64_t serial;
    TRY(serial_space_id(query->characters, query->digits, id));
    TRY(store_space_get(serials->options.store, caller->tenant_id, id, &row));
    const struct space_query space_query = {caller->tenant_id, row.generation, query->characters,
                                            query->digits};
    TRY(serials_take_space(serials, &space_query, &space));
    TRY(serial_open(space->space, query->token, &serial));
    REQUIRE(serial < row.issued, ERR_NOT_FOUND);
    TRY(store_line_of_serial(serials->options.store, row.row, serial, &line.record));
    REQUIRE(line.record.client_id == caller->client_id, ERR_NOT_FOUND);
    *out_line = line;
    *out_serial = serial;
    line = (struct line){0};
out:
    line_done(&line);
    if (space != NULL)
        serials_give_space(serials, space);
    return rc == ERR_NOT_GENUINE ? ERR_NOT_FOUND : rc;
}
