// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Token ids that are the record itself, in base64url, where it fits. Which generation sealed one is not
// written in it: the live ones are tried, the current one first.
#include "appliance/tokens/customer_record.h"

#include "appliance/base/codec.h"
#include "appliance/tokens/fields.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { SEALED_MAX = CUSTOMER_TOKEN_ID_SEALED_MAX };

// ---- making ----------------------------------------------------------------------------------------------

enum err customer_make_long_token_id(const struct tenant *tenant, const struct store_subject *subject,
                                     char out_token_id[CUSTOMER_TOKEN_ID_BYTES])
{
    uint8_t mac[MAC_BYTES];
    const struct field fields[] = {{subject->account, strlen(subject->account)}, FIELD_ARRAY(subject->index)};
    assert(subject->sealed_bytes > SEALED_MAX);
    const enum err rc = mac_derive(tenant_mac(tenant), "customer token", fields, 2, mac);
    if (rc == OK)
        base64url_encode(mac, sizeof mac, out_token_id);
    return rc;
}

bool customer_fits_token_id(const struct customer_value *value)
{
    return customer_record_bytes(value) <= SEALED_MAX;
}

// Records of token ids, each in a cell of its own.
struct cells {
    uint8_t (*bytes)[SEALED_MAX];
    struct customer_record *records;
    size_t count;
};

static void cells_done(struct cells *cells)
{
    if (cells->bytes != NULL)
        wipe(cells->bytes, cells->count * sizeof *cells->bytes);
    free(cells->bytes);
    free(cells->records);
}

static enum err cells_init(struct cells *cells, size_t count)
{
    cells->bytes = calloc(count + 1, sizeof *cells->bytes);
    cells->records = calloc(count + 1, sizeof *cells->records);
    cells->count = count;
    return cells->bytes != NULL && cells->records != NULL ? OK : ERR_MEMORY;
}

enum err customer_make_token_ids(const struct customer_value *values, size_t count,
                                 char (*out_token_ids)[CUSTOMER_TOKEN_ID_BYTES], unsigned *out_generation)
{
    enum err rc = OK;
    struct cells cells = {0};
    if (count == 0)
        return OK;
    const struct tenant *tenant = values[0].tenant;
    const struct generation *generation = keyring_at(tenant_keyring(tenant), 0);
    TRY(cells_init(&cells, count));
    for (size_t i = 0; i < count; i++) {
        assert(customer_fits_token_id(&values[i]));
        cells.records[i] = (struct customer_record){values[i].account, NULL, cells.bytes[i],
                                                    customer_record_bytes(&values[i])};
        customer_record_write(&values[i], cells.bytes[i]);
    }
    TRY(customer_records_turn(tenant, generation, true, cells.records, count));
    for (size_t i = 0; i < count; i++)
        base64url_encode(cells.bytes[i], cells.records[i].count, out_token_ids[i]);
    *out_generation = generation->number;
out:
    cells_done(&cells);
    return rc;
}

// ---- opening ---------------------------------------------------------------------------------------------

// Token ids on their way; cells is room for as many records.
struct naming {
    const struct tenant *tenant;
    const char *account;
    const struct slice *token_ids;
    struct cells cells;
    size_t *index; // of the token id in each cell
    struct buf *out;
    struct customer_opening *openings;
};

static struct customer_place append(struct buf *out, struct slice text)
{
    const struct customer_place place = {out->len, text.len};
    buf_append(out, text.at, text.len);
    return place;
}

// Those that have not opened so far, as many cells.
static size_t fill_cells(struct naming *naming)
{
    size_t filled = 0;
    struct cells *cells = &naming->cells;
    for (size_t i = 0; i < cells->count; i++) {
        size_t bytes = 0;
        if (naming->openings[i].generation != 0 ||
            !base64url_decode(naming->token_ids[i], cells->bytes[filled], SEALED_MAX, &bytes) ||
            bytes < CUSTOMER_RECORD_MIN)
            continue;
        cells->records[filled] = (struct customer_record){naming->account, NULL, cells->bytes[filled], bytes};
        naming->index[filled++] = i;
    }
    return filled;
}

static enum err try_generation(struct naming *naming, const struct generation *generation)
{
    const struct customer_record *records = naming->cells.records;
    const size_t filled = fill_cells(naming);
    if (filled == 0)
        return OK;
    const enum err rc = customer_records_turn(naming->tenant, generation, false, records, filled);
    for (size_t k = 0; rc == OK && k < filled; k++) {
        struct slice type, value;
        struct customer_opening *opening = &naming->openings[naming->index[k]];
        if (!customer_record_read(&records[k], &type, &value))
            continue;
        opening->type = append(naming->out, type);
        opening->value = append(naming->out, value);
        opening->generation = generation->number;
    }
    return rc;
}

enum err customer_open_token_ids(const struct tenant *tenant, const char *account,
                                 const struct slice *token_ids, size_t count, struct buf *out,
                                 struct customer_opening *out_openings)
{
    enum err rc = OK;
    const struct keyring *keyring = tenant_keyring(tenant);
    struct naming naming = {tenant, account, token_ids, .out = out, .openings = out_openings};
    memset(out_openings, 0, count * sizeof *out_openings);
    naming.index = calloc(count + 1, sizeof *naming.index);
    REQUIRE(naming.index != NULL, ERR_MEMORY);
    TRY(cells_init(&naming.cells, count));
    for (size_t g = 0; g < keyring_count(keyring); g++)
        TRY(try_generation(&naming, keyring_at(keyring, g)));
    rc = out->error;
out:
    cells_done(&naming.cells);
    free(naming.index);
    return rc;
}
