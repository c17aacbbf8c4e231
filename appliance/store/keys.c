// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/store/transact.h"

static enum err is_known(struct db *db, void *argument)
{
    enum err rc = OK;
    int64_t same = 0;
    const struct store_key *key = argument;
    QUERY query = query_start(db, SQL_KEY_KNOWN);
    query_bytes(&query, key->check_value, sizeof key->check_value);
    query_text(&query, key->state);
    query_int(&query, key->tenant_id);
    query_text(&query, key->use);
    query_int(&query, key->generation);
    TRY(query_one_int(&query, &same));
    REQUIRE(same != 0, ERR_NOT_FOUND);
out:
    return rc;
}

static enum err pin(struct db *db, void *argument)
{
    const struct store_key *key = argument;
    QUERY query = query_start(db, SQL_KEY_PIN);
    query_int(&query, key->tenant_id);
    query_text(&query, key->use);
    query_int(&query, key->generation);
    query_text(&query, key->state);
    query_bytes(&query, key->check_value, sizeof key->check_value);
    enum err rc = query_change(&query);
    return rc == ERR_NOT_FOUND ? ERR_CONFLICT : rc; // the row stands there with another check value
}

enum err store_key_pin(struct store *store, const struct store_key *key)
{
    struct store_key copy = *key;
    enum err rc = store_read(store, is_known, &copy);
    return rc == ERR_NOT_FOUND ? store_write(store, pin, &copy) : rc;
}
