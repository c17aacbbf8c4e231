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

enum err subject_delete_events(struct db *db, int64_t row, const char *event, int64_t now_ms)
{
    QUERY query = query_start(db, SQL_EVENT_DELETE);
    query_int(&query, now_ms);
    query_int(&query, row);
    query_text(&query, event);
    query_text(&query, event);
    return query_change(&query);
}

// ---- moving to another key ----------------------------------------------------------------------------

struct next {
    unsigned tenant_id, generation;
    int64_t above;
    struct store_subject subject;
};

static enum err next_under(struct db *db, void *argument)
{
    enum err rc = OK;
    struct next *next = argument;
    QUERY query = query_start(db, SQL_SUBJECT_NEXT_UNDER);
    query_int(&query, next->tenant_id);
    query_int(&query, next->generation);
    query_int(&query, next->above);
    TRY(query_next(&query));
    TRY(subject_read(&query, &next->subject));
out:
    return rc;
}

enum err store_subject_next_under(struct store *store, unsigned tenant_id, unsigned generation, int64_t above,
                                  struct store_subject *out_subject)
{
    struct next next = {.tenant_id = tenant_id, .generation = generation, .above = above};
    const enum err rc = store_read(store, next_under, &next);
    if (rc == OK)
        *out_subject = next.subject;
    return rc;
}

struct resealing {
    const struct store_subject *subject;
    unsigned from;
};

static enum err reseal(struct db *db, void *argument)
{
    const struct resealing *resealing = argument;
    const struct store_subject *subject = resealing->subject;
    QUERY query = query_start(db, SQL_SUBJECT_RESEAL);
    query_int(&query, subject->generation);
    query_bytes(&query, subject->sealed, subject->sealed_bytes);
    query_int(&query, subject->row);
    query_int(&query, resealing->from);
    return query_change(&query);
}

enum err store_subject_reseal(struct store *store, const struct store_subject *resealed, unsigned from)
{
    struct resealing resealing = {resealed, from};
    return store_write(store, reseal, &resealing);
}
