// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/login.h"

#include "appliance/base/codec.h"

#include <stdlib.h>
#include <string.h>

enum { FIELD_CLIENT, FIELD_GENERATION, FIELD_SECOND, FIELD_COUNT };

enum { UUID_BITS = 122, UUID_BYTES = 16, GENERATIONS = 16, VERSION = 8, VARIANT = 2 };

struct logins {
    const struct keyring *system;
    struct format *format;
    uint8_t tweak[TWEAK_BYTES];
};

enum err logins_new(const struct keyring *system, struct logins **out_logins)
{
    static const struct format_options options = {
        .name = "login",
        .alphabet = "01",
        .length = UUID_BITS,
        .cardinality =
            {[FIELD_CLIENT] = 65536, [FIELD_GENERATION] = GENERATIONS, [FIELD_SECOND] = 1ull << 32},
        .field_count = FIELD_COUNT,
    };
    enum err rc = OK;
    struct logins *logins = calloc(1, sizeof *logins);
    if (logins == NULL)
        return ERR_MEMORY;
    logins->system = system;
    TRY(format_new(&options, &logins->format));
    TRY(format_tweak(logins->format, keyring_tenant_id(system), FIELD_TEXT("login"), NULL, logins->tweak));
    *out_logins = logins;
    logins = NULL;
out:
    logins_free(logins);
    return rc;
}

void logins_free(struct logins *logins)
{
    if (logins == NULL)
        return;
    format_free(logins->format);
    free(logins);
}

// The bits of a UUID that are free: all but the version's four and the variant's two.
static bool bit_is_free(size_t bit)
{
    return !(bit >= 48 && bit < 52) && !(bit >= 64 && bit < 66);
}

static void bits_to_uuid(const char bits[UUID_BITS], uint8_t out_bytes[UUID_BYTES])
{
    size_t next = 0;
    memset(out_bytes, 0, UUID_BYTES);
    out_bytes[6] = VERSION << 4;
    out_bytes[8] = VARIANT << 6;
    for (size_t bit = 0; bit < 8 * UUID_BYTES; bit++) {
        if (bit_is_free(bit) && bits[next++] == '1')
            out_bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    }
}

static bool uuid_to_bits(const uint8_t bytes[UUID_BYTES], char out_bits[UUID_BITS])
{
    size_t next = 0;
    for (size_t bit = 0; bit < 8 * UUID_BYTES; bit++) {
        if (bit_is_free(bit))
            out_bits[next++] = (bytes[bit / 8] & 0x80 >> bit % 8) != 0 ? '1' : '0';
    }
    return bytes[6] >> 4 == VERSION && bytes[8] >> 6 == VARIANT;
}

enum err login_seal(const struct logins *logins, const struct login *login, char *out_text)
{
    char bits[UUID_BITS];
    uint8_t bytes[UUID_BYTES];
    const struct record record = {{
        [FIELD_CLIENT] = login->client_id,
        [FIELD_GENERATION] = login->generation % GENERATIONS,
        [FIELD_SECOND] = (uint32_t)login->issued_s,
    }};
    const enum err rc =
        format_seal(logins->format, keyring_at(logins->system, 0), logins->tweak, &record, 1, bits);
    if (rc != OK)
        return rc;
    bits_to_uuid(bits, bytes);
    uuid_encode(bytes, out_text);
    return OK;
}

enum err login_open(const struct logins *logins, struct slice text, struct login *out_login)
{
    char bits[UUID_BITS];
    uint8_t bytes[UUID_BYTES];
    struct opening opening = {.token = bits};
    if (!uuid_decode(text, bytes) || !uuid_to_bits(bytes, bits))
        return ERR_NOT_GENUINE;
    const struct format_job job = {logins->format, logins->tweak, &opening, 1};
    const enum err rc = format_open(logins->system, &job);
    if (rc != OK)
        return rc;
    if (opening.generation == NULL)
        return ERR_NOT_GENUINE;
    *out_login = (struct login){
        .client_id = (unsigned)opening.record.field[FIELD_CLIENT],
        .generation = (unsigned)opening.record.field[FIELD_GENERATION],
        .issued_s = (int64_t)opening.record.field[FIELD_SECOND],
    };
    return OK;
}
