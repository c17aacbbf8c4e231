// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/customer_record.h"

#include "appliance/base/codec.h"
#include "appliance/tokens/fields.h"

#include <stdlib.h>
#include <string.h>

enum { REWRAP_PART = 256 }; // values that share calls of the HSM and a transaction

// ---- sealing ---------------------------------------------------------------------------------------------

enum err customer_index(const struct customer_value *value, struct store_subject *out_subject)
{
    uint8_t mac[MAC_BYTES];
    const struct field fields[] = {{value->account, strlen(value->account)},
                                   {value->type.at, value->type.len},
                                   {value->value.text, value->value.len}};
    const enum err rc = mac_derive(tenant_mac(value->tenant), "index", fields, 3, mac);
    if (rc != OK)
        return rc;
    *out_subject = (struct store_subject){.tenant_id = tenant_id(value->tenant)};
    memcpy(out_subject->account, value->account, sizeof out_subject->account);
    memcpy(out_subject->index, mac, sizeof out_subject->index);
    return OK;
}

// What is sealed of a value together: for the store and, where it fits, as its token id.
struct sealing {
    struct customer_record records[2];
    uint8_t token_id[CUSTOMER_TOKEN_ID_SEALED_MAX];
};

// Wiped before it is freed, should sealing fail.
static void sealing_done(struct sealing *sealing)
{
    const struct customer_record *stored = &sealing->records[0];
    if (stored->bytes != NULL)
        wipe(stored->bytes, stored->count);
    free(stored->bytes);
    wipe(sealing->token_id, sizeof sealing->token_id);
}

static enum err sealing_init(struct sealing *sealing, const struct customer_value *value,
                             const struct store_subject *subject, bool named)
{
    const size_t count = customer_record_bytes(value);
    sealing->records[0] = (struct customer_record){value->account, subject->index, malloc(count), count};
    sealing->records[1] = (struct customer_record){value->account, NULL, sealing->token_id, count};
    if (sealing->records[0].bytes == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < (named ? 2 : 1); i++)
        customer_record_write(value, sealing->records[i].bytes);
    return OK;
}

// A token id that does not fit is made of the index.
static enum err name_subject(const struct customer_value *value, const struct sealing *sealing,
                             const struct store_subject *subject, char *out_token_id)
{
    if (!customer_fits_token_id(value))
        return customer_make_long_token_id(value->tenant, subject, out_token_id);
    base64url_encode(sealing->token_id, sealing->records[1].count, out_token_id);
    return OK;
}

// out_token_id may be NULL.
static enum err seal_into(const struct customer_value *value, struct store_subject *subject,
                          char *out_token_id)
{
    enum err rc = OK;
    struct sealing sealing = {0};
    struct customer_record *stored = &sealing.records[0];
    const struct generation *generation = keyring_at(tenant_keyring(value->tenant), 0);
    const bool both = out_token_id != NULL && customer_fits_token_id(value);
    TRY(sealing_init(&sealing, value, subject, both));
    TRY(customer_records_turn(value->tenant, generation, true, sealing.records, both ? 2 : 1));
    subject->sealed_bytes = stored->count;
    if (out_token_id != NULL)
        TRY(name_subject(value, &sealing, subject, out_token_id));
    subject->type = strndup(value->type.at, value->type.len);
    REQUIRE(subject->type != NULL, ERR_MEMORY);
    subject->sealed = stored->bytes;
    subject->generation = generation->number;
    stored->bytes = NULL;
out:
    sealing_done(&sealing);
    return rc;
}

static enum err seal(const struct customer_value *value, struct store_subject *out_subject,
                     char *out_token_id)
{
    struct store_subject subject;
    enum err rc = customer_index(value, &subject);
    if (rc == OK)
        rc = seal_into(value, &subject, out_token_id);
    if (rc == OK)
        *out_subject = subject;
    return rc;
}

enum err customer_seal(const struct customer_value *value, struct store_subject *out_subject)
{
    return seal(value, out_subject, NULL);
}

enum err customer_seal_named(const struct customer_value *value, struct store_subject *out_subject,
                             char out_token_id[CUSTOMER_TOKEN_ID_BYTES])
{
    return seal(value, out_subject, out_token_id);
}

// ---- opening ---------------------------------------------------------------------------------------------

// Records of several subjects, on their way.
struct opening {
    uint8_t *bytes; // of all, one after the other
    size_t byte_count;
    struct customer_record *records; // one for each subject
    struct customer_record *some;    // room for those of one generation
};

static void opening_done(struct opening *opening)
{
    if (opening->bytes != NULL)
        wipe(opening->bytes, opening->byte_count);
    free(opening->bytes);
    free(opening->records);
    free(opening->some);
}

static enum err opening_init(struct opening *opening, const struct store_subject *const *subjects,
                             size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const size_t bytes = subjects[i]->sealed_bytes;
        if (bytes < CUSTOMER_RECORD_MIN || bytes > CUSTOMER_RECORD_MAX)
            return ERR_NOT_GENUINE;
        opening->byte_count += bytes;
    }
    opening->bytes = malloc(opening->byte_count + 1);
    opening->records = calloc(count + 1, sizeof *opening->records);
    opening->some = calloc(count + 1, sizeof *opening->some);
    if (opening->bytes == NULL || opening->records == NULL || opening->some == NULL)
        return ERR_MEMORY;
    uint8_t *next = opening->bytes;
    for (size_t i = 0; i < count; i++) {
        opening->records[i] = (struct customer_record){subjects[i]->account, subjects[i]->index, next,
                                                       subjects[i]->sealed_bytes};
        memcpy(next, subjects[i]->sealed, subjects[i]->sealed_bytes);
        next += subjects[i]->sealed_bytes;
    }
    return OK;
}

// Those of each generation together.
static enum err turn_back(const struct tenant *tenant, const struct store_subject *const *subjects,
                          size_t count, struct opening *opening)
{
    size_t turned = 0;
    const struct keyring *keyring = tenant_keyring(tenant);
    for (size_t g = 0; g < keyring_count(keyring) && turned < count; g++) {
        const struct generation *generation = keyring_at(keyring, g);
        size_t found = 0;
        for (size_t i = 0; i < count; i++) {
            if (subjects[i]->generation == generation->number)
                opening->some[found++] = opening->records[i];
        }
        if (found == 0)
            continue;
        const enum err rc = customer_records_turn(tenant, generation, false, opening->some, found);
        if (rc != OK)
            return rc;
        turned += found;
    }
    return turned == count ? OK : ERR_HSM_KEY;
}

static enum err append_value(const struct store_subject *subject, const struct customer_record *record,
                             struct buf *out, struct customer_place *out_place)
{
    struct slice type, value;
    if (!customer_record_read(record, &type, &value) || !slice_is(type, subject->type))
        return ERR_NOT_GENUINE;
    *out_place = (struct customer_place){out->len, value.len};
    buf_append(out, value.at, value.len);
    return out->error;
}

enum err customer_open_all(const struct tenant *tenant, const struct store_subject *const *subjects,
                           size_t count, struct buf *out_values, struct customer_place *out_places)
{
    enum err rc = OK;
    struct opening opening = {0};
    TRY(opening_init(&opening, subjects, count));
    TRY(turn_back(tenant, subjects, count, &opening));
    for (size_t i = 0; i < count; i++)
        TRY(append_value(subjects[i], &opening.records[i], out_values, &out_places[i]));
out:
    opening_done(&opening);
    return rc;
}

enum err customer_open(const struct tenant *tenant, const struct store_subject *subject,
                       struct buf *out_value)
{
    struct customer_place place;
    return customer_open_all(tenant, &subject, 1, out_value, &place);
}

// ---- moving to the current key ---------------------------------------------------------------------------

// Seals opened records again. subjects then hold what is new; their old bytes are gone.
static enum err reseal(const struct tenant *tenant, struct store_subject *subjects, size_t count,
                       const struct opening *opening)
{
    const struct generation *current = keyring_at(tenant_keyring(tenant), 0);
    for (size_t i = 0; i < count; i++) {
        struct slice type, value;
        if (!customer_record_read(&opening->records[i], &type, &value) || !slice_is(type, subjects[i].type))
            return ERR_NOT_GENUINE;
    }
    const enum err rc = customer_records_turn(tenant, current, true, opening->records, count);
    for (size_t i = 0; rc == OK && i < count; i++) {
        memcpy(subjects[i].sealed, opening->records[i].bytes, subjects[i].sealed_bytes);
        subjects[i].generation = current->number;
    }
    return rc;
}

// Somebody else may have been quicker with some of them.
static enum err rewrap_part(struct store *store, const struct tenant *tenant, struct store_subject *subjects,
                            size_t count, uint64_t *out_moved)
{
    enum err rc = OK;
    const unsigned from = subjects[0].generation;
    struct opening opening = {0};
    const struct store_subject **each = calloc(count, sizeof *each);
    REQUIRE(each != NULL, ERR_MEMORY);
    for (size_t i = 0; i < count; i++)
        each[i] = &subjects[i];
    TRY(opening_init(&opening, each, count));
    TRY(turn_back(tenant, each, count, &opening));
    TRY(reseal(tenant, subjects, count, &opening));
    TRY(store_subject_reseal(store, subjects, count, from, out_moved));
out:
    opening_done(&opening);
    free(each);
    return rc;
}

enum err customers_rewrap(struct store *store, const struct tenant *tenant, unsigned from, uint64_t limit,
                          uint64_t *out_moved)
{
    enum err rc = OK;
    uint64_t moved = 0;
    struct store_subject_query query = {.tenant_id = tenant_id(tenant), .generation = from};
    if (keyring_at(tenant_keyring(tenant), 0)->number == from)
        return ERR_CONFLICT;
    while (moved < limit && rc == OK) {
        size_t count = 0;
        uint64_t part = 0;
        struct store_subject *subjects = NULL;
        query.limit = limit - moved < REWRAP_PART ? (unsigned)(limit - moved) : REWRAP_PART;
        rc = store_subject_list_under(store, &query, &subjects, &count);
        if (rc != OK || count == 0)
            break;
        query.above = subjects[count - 1].row;
        rc = rewrap_part(store, tenant, subjects, count, &part);
        moved += part;
        for (size_t i = 0; i < count; i++)
            store_subject_done(&subjects[i]);
        free(subjects);
    }
    *out_moved = moved;
    return rc;
}
