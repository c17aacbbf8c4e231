// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/sealed_id.h"

#include <stdlib.h>
#include <string.h>

enum { FIELD_CLIENT, FIELD_HIGH, FIELD_LOW, FIELD_COUNT };

enum { UUID_BITS = 122, VERSION = 8, VARIANT = 2 };

struct sealed_ids {
    const struct keyring *system;
    struct format *format;
    uint8_t tweak[TWEAK_BYTES];
};

enum err sealed_ids_new(const struct keyring *system, const struct sealed_id_kind *kind,
                        struct sealed_ids **out_ids)
{
    const struct format_options options = {
        .name = kind->name,
        .alphabet = "01",
        .length = UUID_BITS,
        .cardinality = {[FIELD_CLIENT] = 65536, [FIELD_HIGH] = kind->high, [FIELD_LOW] = kind->low},
        .field_count = FIELD_COUNT,
    };
    enum err rc = OK;
    const struct field name = {kind->name, strlen(kind->name)};
    struct sealed_ids *ids = calloc(1, sizeof *ids);
    if (ids == NULL)
        return ERR_MEMORY;
    ids->system = system;
    TRY(format_new(&options, &ids->format));
    TRY(format_tweak(ids->format, keyring_tenant_id(system), name, NULL, ids->tweak));
    *out_ids = ids;
    ids = NULL;
out:
    sealed_ids_free(ids);
    return rc;
}

void sealed_ids_free(struct sealed_ids *ids)
{
    if (ids == NULL)
        return;
    format_free(ids->format);
    free(ids);
}

// The bits of a UUID that are free: all but the version's four and the variant's two.
static bool bit_is_free(size_t bit)
{
    return !(bit >= 48 && bit < 52) && !(bit >= 64 && bit < 66);
}

static void bits_to_uuid(const char bits[UUID_BITS], uint8_t out_uuid[SEALED_ID_BYTES])
{
    size_t next = 0;
    memset(out_uuid, 0, SEALED_ID_BYTES);
    out_uuid[6] = VERSION << 4;
    out_uuid[8] = VARIANT << 6;
    for (size_t bit = 0; bit < 8 * SEALED_ID_BYTES; bit++) {
        if (bit_is_free(bit) && bits[next++] == '1')
            out_uuid[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    }
}

static bool uuid_to_bits(const uint8_t uuid[SEALED_ID_BYTES], char out_bits[UUID_BITS])
{
    size_t next = 0;
    for (size_t bit = 0; bit < 8 * SEALED_ID_BYTES; bit++) {
        if (bit_is_free(bit))
            out_bits[next++] = (uuid[bit / 8] & 0x80 >> bit % 8) != 0 ? '1' : '0';
    }
    return uuid[6] >> 4 == VERSION && uuid[8] >> 6 == VARIANT;
}

enum err sealed_id_make(const struct sealed_ids *ids, const struct sealed_id *id,
                        uint8_t out_uuid[SEALED_ID_BYTES])
{
    char bits[UUID_BITS];
    const struct record record = {{
        [FIELD_CLIENT] = id->client_id,
        [FIELD_HIGH] = id->high,
        [FIELD_LOW] = id->low,
    }};
    const enum err rc = format_seal(ids->format, keyring_at(ids->system, 0), ids->tweak, &record, 1, bits);
    if (rc == OK)
        bits_to_uuid(bits, out_uuid);
    return rc;
}

enum err sealed_id_open(const struct sealed_ids *ids, const uint8_t uuid[SEALED_ID_BYTES],
                        struct sealed_id *out_id)
{
    char bits[UUID_BITS];
    struct opening opening = {.token = bits};
    const struct format_job job = {ids->format, ids->tweak, &opening, 1};
    if (!uuid_to_bits(uuid, bits))
        return ERR_NOT_GENUINE;
    const enum err rc = format_open(ids->system, &job);
    if (rc != OK)
        return rc;
    if (opening.generation == NULL)
        return ERR_NOT_GENUINE;
    *out_id = (struct sealed_id){
        .client_id = (unsigned)opening.record.field[FIELD_CLIENT],
        .high = opening.record.field[FIELD_HIGH],
        .low = opening.record.field[FIELD_LOW],
    };
    return OK;
}
