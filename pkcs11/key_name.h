// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// How keys are named: the label of section 4 of the design, or an RFC 7512 URI; and what to look for in
// the token for it.
#pragma once

#include "pkcs11/hsm.h"
#include "pkcs11/slot.h"

enum { KEY_ID_BYTES_MAX = 64, TEST_KEY_BYTES_MAX = 32 };

enum key_source {
    KEY_FOUND,     // in the token; every key of the appliance
    KEY_EPHEMERAL, // generated as a session object, to probe the module
    KEY_IMPORTED,  // a session object of known bytes, for test programs
};

// What to search, and what the key found must show. Holds no secret, except the bytes of an imported key.
struct key_query {
    enum key_source source;
    enum key_use use;
    char label[KEY_LABEL_BYTES]; // empty: any
    uint8_t id[KEY_ID_BYTES_MAX];
    size_t id_bytes; // 0: any
    bool pinned;
    uint8_t check_value[KEY_CHECK_VALUE_BYTES]; // if pinned
    bool replica;
    uint8_t test_key[TEST_KEY_BYTES_MAX]; // KEY_IMPORTED
    size_t test_key_bytes;
};

// ERR_HSM_KEY when the name is no label, a malformed URI, one with a PIN, or one of another token.
enum err key_query_parse(const struct slot *slot, const struct hsm_key_ref *ref, bool replica,
                         struct key_query *out_query, struct diag *diag);

// Demands from now on that it stays the key that was seen.
void key_query_pin(struct key_query *query, const struct key_evidence *seen);

// The name to use in messages: the label, or "id ...".
const char *key_query_name(const struct key_query *query);

struct key_label {
    unsigned tenant_id;  // 0..65535
    enum key_use use;    // KEY_SIGN_ED25519 stands for both kinds of sign
    unsigned generation; // 1..
};
// Only what hsm_key_label writes is a label: no leading zeros, no signs, nothing behind.
bool key_label_parse(const char *label, struct key_label *out_label);

// The CKA_ID of a key that we generate: tenant, use, generation; big-endian. out holds KEY_ID_BYTES.
enum { KEY_ID_BYTES = 7 };
void key_id(unsigned tenant_id, enum key_use use, unsigned generation, uint8_t out_id[KEY_ID_BYTES]);
