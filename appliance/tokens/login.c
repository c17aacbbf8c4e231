// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/login.h"

#include "appliance/base/codec.h"

enum { GENERATIONS = 16 };

const struct sealed_id_kind login_kind = {.name = "login", .high = GENERATIONS, .low = 1ull << 32};

enum err login_seal(const struct sealed_ids *logins, const struct login *login, char *out_text)
{
    uint8_t uuid[SEALED_ID_BYTES];
    const struct sealed_id id = {login->client_id, login->generation % GENERATIONS,
                                 (uint32_t)login->issued_s};
    const enum err rc = sealed_id_make(logins, &id, uuid);
    if (rc == OK)
        uuid_encode(uuid, out_text);
    return rc;
}

enum err login_open(const struct sealed_ids *logins, struct slice text, struct login *out_login)
{
    uint8_t uuid[SEALED_ID_BYTES];
    struct sealed_id id;
    if (!uuid_decode(text, uuid))
        return ERR_NOT_GENUINE;
    const enum err rc = sealed_id_open(logins, uuid, &id);
    if (rc == OK)
        *out_login = (struct login){id.client_id, (unsigned)id.high, (int64_t)id.low};
    return rc;
}
