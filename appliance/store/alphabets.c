// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/store/transact.h"

#include <stdlib.h>

// Also the argument of every verb here.
struct alphabet {
    unsigned client_id;
    const char *name, *characters;
    struct store_alphabet found;
    void *all;
    size_t count;
};

void store_alphabet_done(struct store_alphabet *alphabet)
{
    free(alphabet->name);
    free(alphabet->characters);
    *alphabet = (struct store_alphabet){0};
}

static enum err read_alphabet(struct query *query, void *item)
{
    struct store_alphabet *alphabet = item;
    alphabet->name = query_read_text(query);
    alphabet->characters = query_read_text(query);
    enum err rc = query_done_reading(query);
    if (rc != OK)
        store_alphabet_done(alphabet);
    return rc;
}

static void free_alphabet(void *item)
{
    store_alphabet_done(item);
}

// ---- verbs ------------------------------------------------------------------------------------------

static enum err create(struct db *db, void *argument)
{
    const struct alphabet *alphabet = argument;
    QUERY query = query_start(db, SQL_ALPHABET_CREATE);
    query_int(&query, alphabet->client_id);
    query_text(&query, alphabet->name);
    query_text(&query, alphabet->characters);
    return query_run(&query);
}

enum err store_alphabet_create(struct store *store, unsigned client_id, const char *name,
                               const char *characters)
{
    struct alphabet argument = {.client_id = client_id, .name = name, .characters = characters};
    return store_write(store, create, &argument);
}

static enum err get(struct db *db, void *argument)
{
    enum err rc = OK;
    struct alphabet *alphabet = argument;
    QUERY query = query_start(db, SQL_ALPHABET_GET);
    query_int(&query, alphabet->client_id);
    query_text(&query, alphabet->name);
    TRY(query_next(&query));
    TRY(read_alphabet(&query, &alphabet->found));
out:
    return rc;
}

enum err store_alphabet_get(struct store *store, unsigned client_id, const char *name,
                            struct store_alphabet *out_alphabet)
{
    struct alphabet argument = {.client_id = client_id, .name = name};
    enum err rc = store_read(store, get, &argument);
    if (rc == OK)
        *out_alphabet = argument.found;
    return rc;
}

static enum err delete (struct db *db, void *argument) {
    const struct alphabet *alphabet = argument; QUERY query = query_start(db, SQL_ALPHABET_DELETE);
    query_int(&query, alphabet->client_id);
    query_text(&query, alphabet->name);
    return query_change(&query);
}

enum err store_alphabet_delete(struct store *store, unsigned client_id, const char *name)
{
    struct alphabet argument = {.client_id = client_id, .name = name};
    return store_write(store, delete, &argument);
}

static enum err list(struct db *db, void *argument)
{
    static const struct rows rows = {sizeof(struct store_alphabet), read_alphabet, free_alphabet};
    struct alphabet *alphabet = argument;
    QUERY query = query_start(db, SQL_ALPHABET_LIST);
    query_int(&query, alphabet->client_id);
    return query_collect(&query, &rows, &alphabet->all, &alphabet->count);
}

enum err store_alphabet_list(struct store *store, unsigned client_id, struct store_alphabet **out_alphabets,
                             size_t *out_count)
{
    struct alphabet argument = {.client_id = client_id};
    enum err rc = store_read(store, list, &argument);
    if (rc == OK) {
        *out_alphabets = argument.all;
        *out_count = argument.count;
    }
    return rc;
}
