// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Shared by client.c, which builds the table, and client_judge.c, which looks people up in it.
//
// A credential's spelling: all hang on one 32-byte secret per client generation.
//   WP3 (card API)   id: 40 hex of HMAC("client id", client id), which survives rotation; key: 64 hex
//   token (transform, operations)   "sym." client id "." 43 base64url; names its client, so that one
//                                   compare decides
//   Basic (gift cards, customers)   user: the client's name; password: 43 base64url
//   API key (serials)   the first 16 bytes as 8-4-4-4-12 hex
//   member (requests)   user: the member id with '-' for ':'; API key as above; or a signed request
#pragma once

#include "appliance/tokens/client.h"
#include "appliance/tokens/member.h"

enum {
    PUBLIC_ID_BYTES = 20,
    PUBLIC_ID_LENGTH = 2 * PUBLIC_ID_BYTES,
    KEY_HEX_LENGTH = 2 * MAC_BYTES,
    TOKEN_TEXT_MAX = 64,
    SECRETS = 2, // current and, while it is accepted, the previous
};

struct client {
    char *name, *display_name;
    unsigned id, tenant_id, generation;
    unsigned apis, permissions;
    unsigned rate;
    bool luhn;
    char **roles, **accounts;
    size_t role_count, account_count;
    char public_id[PUBLIC_ID_LENGTH + 1];
    char member_id[LONG_ID_TEXT_BYTES]; // "": not of the API requests, or nothing knows members
    struct member_keys *member_keys;
    uint8_t secrets[SECRETS][MAC_BYTES];
    size_t secret_count;
};

struct clients {
    struct clients_services services;
    size_t count;
    struct client decoy;     // compared with when nobody matches, so that the time does not tell
    struct client members[]; // ascending ids
};

int client_compare_ids(const void *a, const void *b); // for qsort and bsearch

void client_spell_key(const uint8_t secret[MAC_BYTES], char out_text[KEY_HEX_LENGTH + 1]);
void client_spell_token(unsigned id, const uint8_t secret[MAC_BYTES], char out_text[TOKEN_TEXT_MAX]);
void client_spell_password(const uint8_t secret[MAC_BYTES], char out_text[TOKEN_TEXT_MAX]);
enum { TOKEN_PREFIX_LENGTH = 4 };
extern const char client_token_prefix[TOKEN_PREFIX_LENGTH + 1];
