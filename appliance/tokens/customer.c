// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/customer.h"

#include "appliance/base/codec.h"
#include "appliance/base/utf8.h"
#include "appliance/tokens/fields.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    RADIX = 256,
    PROOF_BYTES = 8, // zeros
    RECORD_MIN = 1 + 1 + 1 + PROOF_BYTES,
    RECORD_MAX = CUSTOMER_TYPE_MAX + 1 + CUSTOMER_VALUE_MAX + PROOF_BYTES,
    SEALED_IN_ID_MAX = CUSTOMER_TOKEN_ID_MAX * 3 / 4, // bytes whose base64url fits
};

static const char purpose[] = "customer";

// ---- FF1 over bytes --------------------------------------------------------------------------------------

struct record {
    uint16_t numerals[RECORD_MAX];
    size_t count;
};

static void record_free(struct record *record)
{
    if (record != NULL)
        wipe(record, sizeof *record);
    free(record);
}

static enum err record_new(const uint8_t *bytes, size_t count, struct record **out_record)
{
    struct record *record = malloc(sizeof *record);
    if (record == NULL)
        return ERR_MEMORY;
    record->count = count;
    for (size_t i = 0; i < count; i++)
        record->numerals[i] = bytes[i];
    *out_record = record;
    return OK;
}

static void record_write(const struct record *record, uint8_t *out_bytes)
{
    for (size_t i = 0; i < record->count; i++)
        out_bytes[i] = (uint8_t)record->numerals[i];
}

static enum err derive_tweak(const struct tenant *tenant, const char *account, uint8_t out_tweak[TWEAK_BYTES])
{
    const struct field field = {account, strlen(account)};
    return tweak_derive(purpose, tenant_id(tenant), &field, 1, out_tweak);
}

// Turns the record round under a generation of the tenant.
static enum err cross(const struct tenant *tenant, const char *account, const struct generation *generation,
                      bool encrypt, struct record *record)
{
    enum err rc = OK;
    uint8_t tweak[TWEAK_BYTES];
    struct ff1_shape *shape = NULL;
    TRY(derive_tweak(tenant, account, tweak));
    TRY(ff1_shape_new(RADIX, record->count, &shape));
    const struct ff1_run run = {shape, tweak, sizeof tweak, record->numerals, 1};
    rc = encrypt ? ff1_encrypt(generation->key, &run, 1) : ff1_decrypt(generation->key, &run, 1);
out:
    ff1_shape_free(shape);
    return rc;
}

// ---- sealing ---------------------------------------------------------------------------------------------

static size_t record_bytes(const struct customer_value *value)
{
    return value->type.len + 1 + value->value.len + PROOF_BYTES;
}

static enum err record_of(const struct customer_value *value, struct record **out_record)
{
    struct record *record = calloc(1, sizeof *record);
    if (record == NULL)
        return ERR_MEMORY;
    uint16_t *next = record->numerals;
    for (size_t i = 0; i < value->type.len; i++)
        *next++ = (uint8_t)value->type.at[i];
    *next++ = 0;
    for (size_t i = 0; i < value->value.len; i++)
        *next++ = (uint8_t)value->value.text[i];
    record->count = record_bytes(value);
    *out_record = record;
    return OK;
}

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

static enum err seal_into(const struct customer_value *value, struct store_subject *subject)
{
    enum err rc = OK;
    struct record *record = NULL;
    const struct generation *generation = keyring_at(tenant_keyring(value->tenant), 0);
    TRY(record_of(value, &record));
    TRY(cross(value->tenant, value->account, generation, true, record));
    subject->sealed = malloc(record->count);
    subject->type = strndup(value->type.at, value->type.len);
    REQUIRE(subject->sealed != NULL && subject->type != NULL, ERR_MEMORY);
    record_write(record, subject->sealed);
    subject->sealed_bytes = record->count;
    subject->generation = generation->number;
out:
    record_free(record);
    return rc;
}

enum err customer_seal(const struct customer_value *value, struct store_subject *out_subject)
{
    struct store_subject subject;
    assert(value->type.len >= 1 && value->type.len <= CUSTOMER_TYPE_MAX);
    assert(value->value.len >= 1 && value->value.len <= CUSTOMER_VALUE_MAX);
    enum err rc = customer_index(value, &subject);
    if (rc != OK)
        return rc;
    rc = seal_into(value, &subject);
    if (rc == OK)
        *out_subject = subject;
    else
        store_subject_done(&subject);
    return rc;
}

// ---- opening ---------------------------------------------------------------------------------------------

static bool is_utf8(const char *text, size_t len)
{
    uint32_t point;
    for (size_t i = 0, used; i < len; i += used) {
        used = utf8_next(text + i, len - i, &point);
        if (used == 0)
            return false;
    }
    return true;
}

// Type and value within a record's bytes; false: it is none of ours.
static bool take_apart(const uint8_t *bytes, size_t count, struct slice *out_type, struct slice *out_value)
{
    static const uint8_t zeros[PROOF_BYTES];
    if (count < RECORD_MIN || !ct_equal(bytes + count - PROOF_BYTES, zeros, PROOF_BYTES))
        return false;
    const char *text = (const char *)bytes;
    const char *end = text + count - PROOF_BYTES, *middle = memchr(bytes, 0, count - PROOF_BYTES);
    if (middle == NULL || middle == text || middle + 1 == end)
        return false;
    *out_type = (struct slice){text, (size_t)(middle - text)};
    *out_value = (struct slice){middle + 1, (size_t)(end - middle - 1)};
    return out_type->len <= CUSTOMER_TYPE_MAX && out_value->len <= CUSTOMER_VALUE_MAX &&
           is_utf8(out_type->at, out_type->len) && is_utf8(out_value->at, out_value->len);
}

struct opened {
    uint8_t bytes[RECORD_MAX];
    struct slice type, value;
};

static enum err open_under(const struct tenant *tenant, const char *account,
                           const struct generation *generation, struct slice sealed,
                           struct opened *out_opened)
{
    enum err rc = OK;
    struct record *record = NULL;
    TRY(record_new((const uint8_t *)sealed.at, sealed.len, &record));
    TRY(cross(tenant, account, generation, false, record));
    record_write(record, out_opened->bytes);
    if (!take_apart(out_opened->bytes, sealed.len, &out_opened->type, &out_opened->value))
        rc = ERR_NOT_GENUINE;
out:
    record_free(record);
    return rc;
}

enum err customer_open(const struct tenant *tenant, const struct store_subject *subject,
                       struct buf *out_value)
{
    struct opened opened;
    WIPE_AT_EXIT(opened);
    const struct generation *generation = keyring_by_number(tenant_keyring(tenant), subject->generation);
    const struct slice sealed = {(const char *)subject->sealed, subject->sealed_bytes};
    if (generation == NULL)
        return ERR_HSM_KEY;
    if (sealed.len < RECORD_MIN || sealed.len > RECORD_MAX)
        return ERR_NOT_GENUINE;
    const enum err rc = open_under(tenant, subject->account, generation, sealed, &opened);
    if (rc != OK)
        return rc;
    if (!slice_is(opened.type, subject->type))
        return ERR_NOT_GENUINE;
    buf_append(out_value, opened.value.at, opened.value.len);
    return out_value->error;
}

// ---- token ids -------------------------------------------------------------------------------------------

enum err customer_make_token_id(const struct tenant *tenant, const struct store_subject *subject,
                                char out_token_id[CUSTOMER_TOKEN_ID_BYTES])
{
    uint8_t mac[MAC_BYTES];
    const struct field fields[] = {{subject->account, strlen(subject->account)}, FIELD_ARRAY(subject->index)};
    if (subject->sealed_bytes <= SEALED_IN_ID_MAX) {
        base64url_encode(subject->sealed, subject->sealed_bytes, out_token_id);
        return OK;
    }
    const enum err rc = mac_derive(tenant_mac(tenant), "customer token", fields, 2, mac);
    if (rc == OK)
        base64url_encode(mac, sizeof mac, out_token_id);
    return rc;
}

static void append(struct buf *out, const struct opened *opened, struct customer_opening *out_opening)
{
    out_opening->type_at = out->len;
    out_opening->type_len = opened->type.len;
    buf_append(out, opened->type.at, opened->type.len);
    out_opening->value_at = out->len;
    out_opening->value_len = opened->value.len;
    buf_append(out, opened->value.at, opened->value.len);
}

enum err customer_open_token_id(const struct tenant *tenant, const char *account, struct slice token_id,
                                struct buf *out, struct customer_opening *out_opening)
{
    uint8_t sealed[SEALED_IN_ID_MAX];
    size_t count = 0;
    struct opened opened;
    WIPE_AT_EXIT(opened);
    const struct keyring *keyring = tenant_keyring(tenant);
    if (!base64url_decode(token_id, sealed, sizeof sealed, &count) || count < RECORD_MIN)
        return ERR_NOT_GENUINE;
    for (size_t i = 0; i < keyring_count(keyring); i++) {
        const struct generation *generation = keyring_at(keyring, i);
        const enum err rc =
            open_under(tenant, account, generation, (struct slice){(const char *)sealed, count}, &opened);
        if (rc == ERR_NOT_GENUINE)
            continue;
        if (rc != OK)
            return rc;
        *out_opening = (struct customer_opening){.generation = generation->number};
        append(out, &opened, out_opening);
        return out->error;
    }
    return ERR_NOT_GENUINE;
}

// ---- moving to the current key ---------------------------------------------------------------------------

static enum err rewrap_one(struct store *store, const struct tenant *tenant, struct store_subject *subject)
{
    enum err rc = OK;
    BUF value = {0};
    struct store_subject fresh = {0};
    TRY(customer_open(tenant, subject, &value));
    const struct customer_value of = {
        tenant, subject->account, {subject->type, strlen(subject->type)}, {value.at, value.len}};
    TRY(customer_seal(&of, &fresh));
    fresh.row = subject->row;
    rc = store_subject_reseal(store, &fresh, subject->generation);
    if (rc == ERR_NOT_FOUND)
        rc = OK; // somebody else was quicker
out:
    store_subject_done(&fresh);
    return rc;
}

enum err customers_rewrap(struct store *store, const struct tenant *tenant, unsigned from, uint64_t limit,
                          uint64_t *out_moved)
{
    enum err rc = OK;
    int64_t above = 0;
    uint64_t moved = 0;
    if (keyring_at(tenant_keyring(tenant), 0)->number == from)
        return ERR_CONFLICT;
    while (moved < limit && rc == OK) {
        struct store_subject subject;
        rc = store_subject_next_under(store, tenant_id(tenant), from, above, &subject);
        if (rc != OK)
            break;
        above = subject.row;
        rc = rewrap_one(store, tenant, &subject);
        store_subject_done(&subject);
        moved += rc == OK;
    }
    *out_moved = moved;
    return rc == ERR_NOT_FOUND ? OK : rc;
}
