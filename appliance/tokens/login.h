// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Login tokens: what POST /v1/auth/approle/login hands out. Sealed ids that carry the client, its secret's
// generation modulo 16 and the issue second: a token dies after LOGIN_LIFE_S, and when its client's
// generation is no longer accepted. Nothing is stored.
#pragma once

#include "appliance/tokens/sealed_id.h"

enum { LOGIN_LIFE_S = 3600, LOGIN_TEXT_BYTES = SEALED_ID_TEXT_BYTES };

// The kind of sealed id that login tokens are, for sealed_ids_new.
extern const struct sealed_id_kind login_kind;

struct login {
    unsigned client_id, generation; // of the client's secret; only the lowest four bits travel
    int64_t issued_s;               // Unix second, before the year 2106
};

// out_text holds LOGIN_TEXT_BYTES. Errors of the cipher.
enum err login_seal(const struct sealed_ids *logins, const struct login *login, char *out_text);
// ERR_NOT_GENUINE for anything that login_seal did not make. out_login has generation modulo 16.
enum err login_open(const struct sealed_ids *logins, struct slice text, struct login *out_login);
