// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Login tokens: what POST /v1/auth/approle/login hands out. 122 bits inside a UUID of version 8 (RFC 9562,
// 5.8), sealed under the system tenant's key, because they are opened before a tenant is known. The record
// is (client, its secret's generation modulo 16, issue second): a token dies after LOGIN_LIFE_S and when its
// client's generation is no longer accepted. Nothing is stored; odds of a made-up one are 2^-70.
#pragma once

#include "appliance/base/buf.h"
#include "appliance/tokens/format.h"

enum { LOGIN_LIFE_S = 3600, LOGIN_TEXT_BYTES = 37 };

struct logins;

// The keyring of the system tenant must outlive it.
enum err logins_new(const struct keyring *system, struct logins **out_logins);
void logins_free(struct logins *logins);

struct login {
    unsigned client_id, generation; // of the client's secret; only the lowest four bits travel
    int64_t issued_s;               // Unix second, before the year 2106
};

// out_text holds LOGIN_TEXT_BYTES. Errors of the cipher.
enum err login_seal(const struct logins *logins, const struct login *login, char *out_text);
// ERR_NOT_GENUINE for anything that login_seal did not make. out_login has generation modulo 16.
enum err login_open(const struct logins *logins, struct slice text, struct login *out_login);
