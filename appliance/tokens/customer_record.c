// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/customer_record.h"

#include "appliance/base/utf8.h"
#include "appliance/tokens/fields.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { RADIX = 256 };

static const char purpose[] = "customer";

// ---- what it says ----------------------------------------------------------------------------------------

size_t customer_record_bytes(const struct customer_value *value)
{
    assert(value->type.len >= 1 && value->type.len <= CUSTOMER_TYPE_MAX);
    assert(value->value.len >= 1 && value->value.len <= CUSTOMER_VALUE_MAX);
    return value->type.len + 1 + value->value.len + CUSTOMER_PROOF_BYTES;
}

void customer_record_write(const struct customer_value *value, uint8_t *out_bytes)
{
    uint8_t *next = out_bytes;
    memcpy(next, value->type.at, value->type.len);
    next += value->type.len;
    *next++ = 0;
    memcpy(next, value->value.text, value->value.len);
    memset(next + value->value.len, 0, CUSTOMER_PROOF_BYTES);
}

static bool is_utf8(struct slice text)
{
    uint32_t point;
    for (size_t i = 0, used; i < text.len; i += used) {
        used = utf8_next(text.at + i, text.len - i, &point);
        if (used == 0)
            return false;
    }
    return true;
}

bool customer_record_read(const struct customer_record *record, struct slice *out_type,
                          struct slice *out_value)
{
    static const uint8_t zeros[CUSTOMER_PROOF_BYTES];
    const size_t said = record->count - CUSTOMER_PROOF_BYTES;
    if (!ct_equal(record->bytes + said, zeros, CUSTOMER_PROOF_BYTES))
        return false;
    const char *text = (const char *)record->bytes, *end = text + said;
    const char *middle = memchr(text, 0, said);
    if (middle == NULL || middle == text || middle + 1 == end)
        return false;
    *out_type = (struct slice){text, (size_t)(middle - text)};
    *out_value = (struct slice){middle + 1, (size_t)(end - middle - 1)};
    return out_type->len <= CUSTOMER_TYPE_MAX && out_value->len <= CUSTOMER_VALUE_MAX && is_utf8(*out_type) &&
           is_utf8(*out_value);
}

// ---- FF1 over bytes --------------------------------------------------------------------------------------

struct turning {
    struct ff1_shape *shapes[CUSTOMER_RECORD_MAX + 1]; // by length; made when the first record has it
    struct ff1_run *runs;                              // one for each record
    uint16_t *numerals;                                // of all records, one after the other
    size_t numeral_count;
    uint8_t (*tweaks)[TWEAK_BYTES]; // one for each record
};

static void turning_free(struct turning *turning)
{
    if (turning == NULL)
        return;
    for (size_t i = 0; i <= CUSTOMER_RECORD_MAX; i++)
        ff1_shape_free(turning->shapes[i]);
    if (turning->numerals != NULL)
        wipe(turning->numerals, turning->numeral_count * sizeof *turning->numerals);
    free(turning->numerals);
    free(turning->tweaks);
    free(turning->runs);
    free(turning);
}

// Token ids mostly come with others of the same account.
static bool has_same_tweak(const struct customer_record *a, const struct customer_record *b)
{
    return a->index == NULL && b->index == NULL && strcmp(a->account, b->account) == 0;
}

static enum err derive_tweaks(const struct tenant *tenant, const struct customer_record *records,
                              size_t count, uint8_t (*out_tweaks)[TWEAK_BYTES])
{
    enum err rc = OK;
    for (size_t i = 0; i < count; i++) {
        const struct customer_record *record = &records[i];
        const struct field fields[] = {{record->account, strlen(record->account)},
                                       {record->index, STORE_INDEX_BYTES}};
        if (i > 0 && has_same_tweak(record, &records[i - 1]))
            memcpy(out_tweaks[i], out_tweaks[i - 1], TWEAK_BYTES);
        else
            TRY(tweak_derive(purpose, tenant_id(tenant), fields, record->index != NULL ? 2 : 1,
                             out_tweaks[i]));
    }
out:
    return rc;
}

static enum err take_records(struct turning *turning, const struct customer_record *records, size_t count)
{
    enum err rc = OK;
    uint16_t *next = turning->numerals;
    for (size_t i = 0; i < count; i++) {
        const size_t length = records[i].count;
        if (turning->shapes[length] == NULL)
            TRY(ff1_shape_new(RADIX, length, &turning->shapes[length]));
        turning->runs[i] =
            (struct ff1_run){turning->shapes[length], turning->tweaks[i], TWEAK_BYTES, next, 1};
        for (size_t k = 0; k < length; k++)
            *next++ = records[i].bytes[k];
    }
out:
    return rc;
}

static enum err turning_new(const struct tenant *tenant, const struct customer_record *records, size_t count,
                            struct turning **out_turning)
{
    enum err rc = OK;
    struct turning *turning = calloc(1, sizeof *turning);
    REQUIRE(turning != NULL, ERR_MEMORY);
    for (size_t i = 0; i < count; i++)
        turning->numeral_count += records[i].count;
    turning->numerals = calloc(turning->numeral_count + 1, sizeof *turning->numerals);
    turning->tweaks = calloc(count + 1, sizeof *turning->tweaks);
    turning->runs = calloc(count + 1, sizeof *turning->runs);
    REQUIRE(turning->numerals != NULL && turning->tweaks != NULL && turning->runs != NULL, ERR_MEMORY);
    TRY(derive_tweaks(tenant, records, count, turning->tweaks));
    TRY(take_records(turning, records, count));
    *out_turning = turning;
    turning = NULL;
out:
    turning_free(turning);
    return rc;
}

static void give_records(const struct turning *turning, const struct customer_record *records, size_t count)
{
    const uint16_t *next = turning->numerals;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < records[i].count; k++)
            records[i].bytes[k] = (uint8_t)*next++;
    }
}

enum err customer_records_turn(const struct tenant *tenant, const struct generation *generation, bool encrypt,
                               const struct customer_record *records, size_t count)
{
    struct turning *turning = NULL;
    enum err rc = turning_new(tenant, records, count, &turning);
    if (rc == OK)
        rc = encrypt ? ff1_encrypt(generation->key, turning->runs, count)
                     : ff1_decrypt(generation->key, turning->runs, count);
    if (rc == OK)
        give_records(turning, records, count);
    turning_free(turning);
    return rc;
}
