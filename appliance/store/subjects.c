// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/store/subjects.h"

#include <stdlib.h>
#include <string.h>

void store_subject_done(struct store_subject *subject)
{
    free(subject->type);
    free(subject->sealed);
    *subject = (struct store_subject){0};
}

enum err subject_read(struct query *query, struct store_subject *out_subject)
{
    struct store_subject subject = {.row = query_read_int(query)};
    query_read_bytes(query, subject.id, sizeof subject.id);
    subject.tenant_id = (unsigned)query_read_int(query);
    char *account = query_read_text(query);
    query_read_bytes(query, subject.index, sizeof subject.index);
    subject.type = query_read_text(query);
    subject.generation = (unsigned)query_read_int(query);
    subject.sealed = query_read_blob(query, &subject.sealed_bytes);
    enum err rc = query_done_reading(query);
    if (rc == OK && (account == NULL || strlen(account) != STORE_ACCOUNT_BYTES - 1 || subject.type == NULL ||
                     subject.sealed == NULL))
        rc = ERR_IO;
    if (rc == OK)
        memcpy(subject.account, account, STORE_ACCOUNT_BYTES);
    free(account);
    if (rc != OK)
        store_subject_done(&subject);
    else
        *out_subject = subject;
    return rc;
}

enum err subject_find(struct db *db, const struct store_subject *like, struct store_subject *out_subject)
{
    enum err rc = OK;
    QUERY query = query_start(db, SQL_SUBJECT_FIND);
    query_int(&query, like->tenant_id);
    query_text(&query, like->account);
    query_bytes(&query, like->index, sizeof like->index);
    TRY(query_next(&query));
    TRY(subject_read(&query, out_subject));
out:
    return rc;
}

static enum err add(struct db *db, const struct store_subject *subject, int64_t *out_row)
{
    QUERY query = query_start(db, SQL_SUBJECT_ADD);
    query_bytes(&query, subject->id, sizeof subject->id);
    query_int(&query, subject->tenant_id);
    query_text(&query, subject->account);
    query_bytes(&query, subject->index, sizeof subject->index);
    query_text(&query, subject->type);
    query_int(&query, subject->generation);
    query_bytes(&query, subject->sealed, subject->sealed_bytes);
    return query_one_int(&query, out_row);
}

enum err subject_take(struct db *db, const struct store_subject *subject, int64_t *out_row)
{
    struct store_subject found;
    const enum err rc = subject_find(db, subject, &found);
    if (rc == ERR_NOT_FOUND)
        return add(db, subject, out_row);
    if (rc != OK)
        return rc;
    *out_row = found.row;
    store_subject_done(&found);
    return OK;
}

static enum err mark_deleted(struct db *db, int64_t row, const char *event, int64_t now_ms)
{
    QUERY query = query_start(db, SQL_EVENT_DELETE);
    query_int(&query, now_ms);
    query_int(&query, row);
    query_text(&query, event);
    query_text(&query, event);
    return query_change(&query);
}

static enum err forget_oldest(struct db *db, int64_t row)
{
    QUERY query = query_start(db, SQL_EVENT_FORGET);
    query_int(&query, row);
    query_int(&query, STORE_EVENTS_MAX);
    query_int(&query, STORE_EVENTS_BYTES_MAX);
    return query_run(&query);
}

enum err subject_delete_events(struct db *db, int64_t row, const char *event, int64_t now_ms)
{
    const enum err rc = mark_deleted(db, row, event, now_ms);
    return rc == OK ? forget_oldest(db, row) : rc;
}

// ---- moving to another key ----------------------------------------------------------------------------

struct list {
    const struct store_subject_query *query;
    void *subjects;
    size_t count;
};

static enum err read_subject(struct query *query, void *item)
{
    return subject_read(query, item);
}

static void free_subject(void *item)
{
    store_subject_done(item);
}

static enum err list_under(struct db *db, void *argument)
{
    static const struct rows rows = {sizeof(struct store_subject), read_subject, free_subject};
    struct list *list = argument;
    QUERY query = query_start(db, SQL_SUBJECT_LIST_UNDER);
    query_int(&query, list->query->tenant_id);
    query_int(&query, list->query->generation);
    query_int(&query, list->query->above);
    query_int(&query, list->query->limit);
    return query_collect(&query, &rows, &list->subjects, &list->count);
}

enum err store_subject_list_under(struct store *store, const struct store_subject_query *query,
                                  struct store_subject **out_subjects, size_t *out_count)
{
    struct list list = {.query = query};
    const enum err rc = store_read(store, list_under, &list);
    if (rc == OK) {
        *out_subjects = list.subjects;
        *out_count = list.count;
    }
    return rc;
}

struct resealing {
    const struct store_subject *subjects;
    size_t count;
    unsigned from;
    uint64_t moved;
};

static enum err reseal_one(struct db *db, const struct store_subject *subject, unsigned from)
{
    QUERY query = query_start(db, SQL_SUBJECT_RESEAL);
    query_int(&query, subject->generation);
    query_bytes(&query, subject->sealed, subject->sealed_bytes);
    query_int(&query, subject->row);
    query_int(&query, from);
    return query_change(&query);
}

static enum err reseal(struct db *db, void *argument)
{
    struct resealing *resealing = argument;
    resealing->moved = 0; // a verb may run again
    for (size_t i = 0; i < resealing->count; i++) {
        const enum err rc = reseal_one(db, &resealing->subjects[i], resealing->from);
        if (rc != OK && rc != ERR_NOT_FOUND)
            return rc;
        resealing->moved += rc == OK;
    }
    return OK;
}

enum err store_subject_reseal(struct store *store, const struct store_subject *resealed, size_t count,
                              unsigned from, uint64_t *out_moved)
{
    struct resealing resealing = {resealed, count, from, 0};
    const enum err rc = store_write(store, reseal, &resealing);
    if (rc == OK)
        *out_moved = resealing.moved;
    return rc;
}
