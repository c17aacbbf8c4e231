// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/long_id.h"

#include "appliance/base/secret.h"
#include "appliance/tokens/base58.h"
#include "appliance/tokens/fields.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    RADIX = 256,
    SHORT_BYTES = 20,
    LONG_BYTES = 32,
    CLIENT_AT = 0,
    SECOND_AT = 2,
    RANDOM_AT = 6,
    PROOF_AT = 12, // zeros to the end
};

static const struct {
    const char *prefix;
    size_t bytes;
} kinds[LONG_ID_KINDS] = {
    [LONG_ID_MEMBER] = {"m", SHORT_BYTES},     [LONG_ID_REQUEST] = {"rq", SHORT_BYTES},
    [LONG_ID_TOKEN] = {"tt", LONG_BYTES},      [LONG_ID_TRANSFER] = {"t", LONG_BYTES},
    [LONG_ID_SUBMISSION] = {"so", LONG_BYTES},
};

struct long_ids {
    const struct keyring *system;
    struct ff1_shape *short_shape, *long_shape;
    uint8_t tweaks[LONG_ID_KINDS][TWEAK_BYTES];
    char realm[BASE58_TEXT_BYTES];
};

static void write_realm(const char *realm, char out_text[BASE58_TEXT_BYTES])
{
    enum { STRING_FIELD_1 = 0x0a };
    uint8_t message[2 + LONG_ID_REALM_MAX] = {STRING_FIELD_1, (uint8_t)strlen(realm)};
    memcpy(message + 2, realm, strlen(realm));
    base58_encode(message, 2 + strlen(realm), out_text);
}

static enum err derive_tweaks(struct long_ids *ids)
{
    enum err rc = OK;
    for (size_t kind = 0; kind < LONG_ID_KINDS; kind++) {
        const struct field name = {kinds[kind].prefix, strlen(kinds[kind].prefix)};
        TRY(tweak_derive("id", keyring_tenant_id(ids->system), &name, 1, ids->tweaks[kind]));
    }
out:
    return rc;
}

enum err long_ids_new(const struct keyring *system, const char *realm, struct long_ids **out_ids)
{
    enum err rc = OK;
    struct long_ids *ids = NULL;
    REQUIRE(realm[0] != '\0' && strlen(realm) <= LONG_ID_REALM_MAX, ERR_INPUT);
    ids = calloc(1, sizeof *ids);
    REQUIRE(ids != NULL, ERR_MEMORY);
    ids->system = system;
    write_realm(realm, ids->realm);
    TRY(ff1_shape_new(RADIX, SHORT_BYTES, &ids->short_shape));
    TRY(ff1_shape_new(RADIX, LONG_BYTES, &ids->long_shape));
    TRY(derive_tweaks(ids));
    *out_ids = ids;
    ids = NULL;
out:
    long_ids_free(ids);
    return rc;
}

void long_ids_free(struct long_ids *ids)
{
    if (ids == NULL)
        return;
    ff1_shape_free(ids->short_shape);
    ff1_shape_free(ids->long_shape);
    free(ids);
}

// ---- the record in its bytes ------------------------------------------------------------------------------

static void put(uint8_t *bytes, size_t count, uint64_t value)
{
    for (size_t i = count; i-- > 0; value >>= 8)
        bytes[i] = (uint8_t)value;
}

static uint64_t get(const uint8_t *bytes, size_t count)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++)
        value = value << 8 | bytes[i];
    return value;
}

static void pack(const struct long_id *id, uint8_t out_bytes[LONG_BYTES])
{
    assert(id->client_id <= UINT16_MAX && id->second >= 0 && id->second <= UINT32_MAX &&
           id->random < (uint64_t)1 << 48);
    memset(out_bytes, 0, LONG_BYTES);
    put(out_bytes + CLIENT_AT, SECOND_AT - CLIENT_AT, id->client_id);
    put(out_bytes + SECOND_AT, RANDOM_AT - SECOND_AT, (uint64_t)id->second);
    put(out_bytes + RANDOM_AT, PROOF_AT - RANDOM_AT, id->random);
}

// false when it is none of ours.
static bool unpack(enum long_id_kind kind, const uint8_t bytes[LONG_BYTES], struct long_id *out_id)
{
    static const uint8_t zeros[LONG_BYTES];
    const size_t proof_at = kind == LONG_ID_MEMBER ? SECOND_AT : PROOF_AT;
    if (!ct_equal(bytes + proof_at, zeros, kinds[kind].bytes - proof_at))
        return false;
    *out_id = (struct long_id){
        .client_id = (unsigned)get(bytes + CLIENT_AT, SECOND_AT - CLIENT_AT),
        .second = (int64_t)get(bytes + SECOND_AT, RANDOM_AT - SECOND_AT),
        .random = get(bytes + RANDOM_AT, PROOF_AT - RANDOM_AT),
    };
    return true;
}

// FF1 over the bytes of a kind, where they stand.
static enum err cross(const struct long_ids *ids, enum long_id_kind kind, const struct generation *generation,
                      bool encrypt, uint8_t bytes[LONG_BYTES])
{
    uint16_t numerals[LONG_BYTES];
    const size_t count = kinds[kind].bytes;
    const struct ff1_run run = {count == SHORT_BYTES ? ids->short_shape : ids->long_shape, ids->tweaks[kind],
                                TWEAK_BYTES, numerals, 1};
    for (size_t i = 0; i < count; i++)
        numerals[i] = bytes[i];
    const enum err rc =
        encrypt ? ff1_encrypt(generation->key, &run, 1) : ff1_decrypt(generation->key, &run, 1);
    for (size_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)numerals[i];
    return rc;
}

// ---- text -------------------------------------------------------------------------------------------------

static void write_text(const struct long_ids *ids, enum long_id_kind kind, const uint8_t *bytes,
                       char out_text[LONG_ID_TEXT_BYTES])
{
    char body[BASE58_TEXT_BYTES];
    base58_encode(bytes, kinds[kind].bytes, body);
    const char *const parts[] = {kinds[kind].prefix, ":", body, ":", ids->realm};
    char *next = out_text;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        next = stpcpy(next, parts[i]);
}

// Takes the prefix and what separates it from the text; false: another prefix.
static bool take_prefix(enum long_id_kind kind, struct slice *text, char *out_separator)
{
    const size_t len = strlen(kinds[kind].prefix);
    if (text->len <= len || memcmp(text->at, kinds[kind].prefix, len) != 0)
        return false;
    *out_separator = text->at[len];
    *text = (struct slice){text->at + len + 1, text->len - len - 1};
    return *out_separator == ':' || (kind == LONG_ID_MEMBER && *out_separator == '-');
}

// The sealed bytes behind a prefix; false when the text is no id of this realm.
static bool read_body(const struct long_ids *ids, enum long_id_kind kind, struct slice text, char separator,
                      uint8_t out_bytes[LONG_BYTES])
{
    const char *middle = memchr(text.at, separator, text.len);
    if (middle == NULL)
        return false;
    const struct slice body = {text.at, (size_t)(middle - text.at)};
    const struct slice realm = {middle + 1, text.len - body.len - 1};
    return slice_is(realm, ids->realm) && base58_decode(body, out_bytes, kinds[kind].bytes);
}

// ---- making and opening -----------------------------------------------------------------------------------

enum err long_id_make(const struct long_ids *ids, enum long_id_kind kind, const struct long_id *id,
                      char out_text[LONG_ID_TEXT_BYTES])
{
    uint8_t bytes[LONG_BYTES];
    const struct generation *generation =
        id->generation == 0 ? keyring_at(ids->system, 0) : keyring_by_number(ids->system, id->generation);
    if (generation == NULL)
        return ERR_NOT_GENUINE;
    pack(id, bytes);
    const enum err rc = cross(ids, kind, generation, true, bytes);
    if (rc == OK)
        write_text(ids, kind, bytes, out_text);
    return rc;
}

enum err long_id_open(const struct long_ids *ids, enum long_id_kind kind, struct slice text,
                      struct long_id *out_id)
{
    char separator;
    uint8_t sealed[LONG_BYTES], bytes[LONG_BYTES];
    struct long_id id;
    if (!take_prefix(kind, &text, &separator))
        return ERR_INPUT;
    if (!read_body(ids, kind, text, separator, sealed))
        return ERR_NOT_GENUINE;
    for (size_t i = 0; i < keyring_count(ids->system); i++) {
        const struct generation *generation = keyring_at(ids->system, i);
        memcpy(bytes, sealed, sizeof bytes);
        const enum err rc = cross(ids, kind, generation, false, bytes);
        if (rc != OK)
            return rc;
        if (!unpack(kind, bytes, &id))
            continue;
        id.generation = generation->number;
        *out_id = id;
        return OK;
    }
    return ERR_NOT_GENUINE;
}
