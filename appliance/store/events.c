// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/store/subjects.h"

#include <stdlib.h>
#include <string.h>

static void event_done(void *item)
{
    struct store_token_event *event = item;
    free(event->event);
    free(event->status);
    free(event->metadata);
    free(event->created_by);
}

void store_token_detail_done(struct store_token_detail *detail)
{
    for (size_t i = 0; i < detail->event_count; i++)
        event_done(&detail->events[i]);
    free(detail->events);
    free(detail->customer_id);
    free(detail->token_id);
    store_subject_done(&detail->subject);
    *detail = (struct store_token_detail){0};
}

// ---- reading --------------------------------------------------------------------------------------------

static enum err read_event(struct query *query, void *item)
{
    struct store_token_event *event = item;
    event->event = query_read_text(query);
    event->status = query_read_text(query);
    event->metadata = query_read_text(query);
    event->created_by = query_read_text(query);
    event->created_ms = query_read_int(query);
    event->expires_ms = query_read_int(query);
    event->deleted_ms = query_read_int(query);
    const enum err rc = query_done_reading(query);
    if (rc != OK)
        event_done(event);
    return rc;
}

static enum err read_events(struct db *db, int64_t deleted_since_ms, struct store_token_detail *detail)
{
    static const struct rows rows = {sizeof(struct store_token_event), read_event, event_done};
    void *events = NULL;
    QUERY query = query_start(db, SQL_EVENT_LIST);
    query_int(&query, detail->subject.row);
    query_int(&query, deleted_since_ms);
    query_int(&query, deleted_since_ms);
    const enum err rc = query_collect(&query, &rows, &events, &detail->event_count);
    detail->events = events;
    return rc;
}

static enum err read_customer(struct db *db, struct store_token_detail *detail)
{
    QUERY query = query_start(db, SQL_CUSTOMER_OF_SUBJECT);
    query_int(&query, detail->subject.row);
    const enum err rc = query_next(&query);
    if (rc != OK)
        return rc == ERR_NOT_FOUND ? OK : rc;
    detail->customer_id = query_read_text(&query);
    detail->token_id = query_read_text(&query);
    return query_done_reading(&query);
}

// What hangs on detail->subject.
static enum err complete(struct db *db, int64_t deleted_since_ms, struct store_token_detail *detail)
{
    const enum err rc = read_customer(db, detail);
    return rc == OK ? read_events(db, deleted_since_ms, detail) : rc;
}

// ---- adding ---------------------------------------------------------------------------------------------

struct addition {
    const struct store_subject *subject;
    const struct store_token_event *event;
    struct store_token_detail detail;
};

static enum err add_event(struct db *db, int64_t subject, const struct store_token_event *event)
{
    QUERY query = query_start(db, SQL_EVENT_ADD);
    query_int(&query, subject);
    query_text(&query, event->event);
    query_text(&query, event->status);
    query_text(&query, event->metadata);
    query_text(&query, event->created_by);
    query_int(&query, event->created_ms);
    query_int(&query, event->expires_ms);
    return query_run(&query);
}

static enum err has_room(struct db *db, int64_t subject, const struct store_token_event *event)
{
    enum err rc = OK;
    QUERY query = query_start(db, SQL_EVENT_SIZE);
    query_int(&query, subject);
    TRY(query_next(&query));
    const int64_t count = query_read_int(&query), bytes = query_read_int(&query);
    const int64_t more = event->metadata != NULL ? (int64_t)strlen(event->metadata) : 0;
    TRY(query_done_reading(&query));
    REQUIRE(count < STORE_EVENTS_MAX && bytes + more <= STORE_EVENTS_BYTES_MAX, ERR_TOO_LARGE);
out:
    return rc;
}

static enum err add(struct db *db, void *argument)
{
    enum err rc = OK;
    int64_t row = 0;
    struct addition *addition = argument;
    store_token_detail_done(&addition->detail); // a verb may run again
    TRY(subject_take(db, addition->subject, &row));
    if (addition->event != NULL)
        TRY(has_room(db, row, addition->event));
    if (addition->event != NULL)
        TRY(add_event(db, row, addition->event));
    TRY(subject_find(db, addition->subject, &addition->detail.subject));
    rc = complete(db, 0, &addition->detail);
out:
    return rc;
}

enum err store_token_event_add(struct store *store, const struct store_subject *subject,
                               const struct store_token_event *event, struct store_token_detail *out_detail)
{
    struct addition addition = {.subject = subject, .event = event};
    const enum err rc = store_write(store, add, &addition);
    if (rc == OK)
        *out_detail = addition.detail;
    else
        store_token_detail_done(&addition.detail);
    return rc;
}

// ---- deleting -------------------------------------------------------------------------------------------

struct removal {
    const struct store_subject *subject;
    const char *event;
    int64_t now_ms;
    uint64_t count;
};

static uint64_t count_named(const struct store_token_detail *detail, const char *name)
{
    uint64_t count = 0;
    for (size_t i = 0; i < detail->event_count; i++)
        count += name == NULL || strcmp(detail->events[i].event, name) == 0;
    return count;
}

static enum err delete_events(struct db *db, void *argument)
{
    enum err rc = OK;
    struct removal *removal = argument;
    struct store_token_detail before = {0};
    TRY(subject_find(db, removal->subject, &before.subject));
    TRY(read_events(db, 0, &before));
    removal->count = count_named(&before, removal->event);
    if (removal->count > 0)
        rc = subject_delete_events(db, before.subject.row, removal->event, removal->now_ms);
out:
    store_token_detail_done(&before);
    return rc;
}

enum err store_token_event_delete(struct store *store, const struct store_subject *subject, const char *event,
                                  int64_t now_ms, uint64_t *out_count)
{
    struct removal removal = {.subject = subject, .event = event, .now_ms = now_ms};
    const enum err rc = store_write(store, delete_events, &removal);
    if (rc == OK)
        *out_count = removal.count;
    return rc;
}

// ---- listing --------------------------------------------------------------------------------------------

struct list {
    const struct store_event_query *query;
    void *details;
    size_t count;
};

static enum err find_number(struct db *db, const struct store_event_query *of, int64_t *out_number)
{
    QUERY query = query_start(db, SQL_SUBJECT_NUMBER);
    query_bytes(&query, of->after, STORE_ID_BYTES);
    query_int(&query, of->tenant_id);
    query_text(&query, of->account);
    return query_one_int(&query, out_number);
}

static enum err read_subject(struct query *query, void *item)
{
    struct store_token_detail *detail = item;
    return subject_read(query, &detail->subject);
}

static void free_detail(void *item)
{
    store_token_detail_done(item);
}

static enum err list_subjects(struct db *db, struct list *list, int64_t below)
{
    static const struct rows rows = {sizeof(struct store_token_detail), read_subject, free_detail};
    const struct store_event_query *of = list->query;
    QUERY query = query_start(db, SQL_SUBJECT_WITH_EVENTS);
    query_int(&query, of->tenant_id);
    query_text(&query, of->account);
    query_int(&query, below);
    query_int(&query, of->deleted_since_ms);
    query_int(&query, of->deleted_since_ms);
    query_int(&query, of->since_ms);
    query_int(&query, of->limit);
    return query_collect(&query, &rows, &list->details, &list->count);
}

static void free_details(struct list *list)
{
    struct store_token_detail *details = list->details;
    for (size_t i = 0; i < list->count; i++)
        store_token_detail_done(&details[i]);
    free(details);
}

static enum err list_events(struct db *db, void *argument)
{
    enum err rc = OK;
    int64_t below = INT64_MAX;
    struct list *list = argument;
    if (list->query->after != NULL)
        TRY(find_number(db, list->query, &below));
    TRY(list_subjects(db, list, below));
    struct store_token_detail *details = list->details;
    for (size_t i = 0; i < list->count && rc == OK; i++)
        rc = complete(db, list->query->deleted_since_ms, &details[i]);
    if (rc != OK)
        free_details(list);
out:
    return rc;
}

enum err store_token_event_list(struct store *store, const struct store_event_query *query,
                                struct store_token_detail **out_details, size_t *out_count)
{
    struct list list = {.query = query};
    const enum err rc = store_read(store, list_events, &list);
    if (rc == OK) {
        *out_details = list.details;
        *out_count = list.count;
    }
    return rc;
}
