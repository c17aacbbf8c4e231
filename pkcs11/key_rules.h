// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What a key of each use must be, as data: read by the generator (which asks the token for it) and by the
// verifier (which refuses everything else). README.md shows the same table in words.
#pragma once

#include "pkcs11/hsm.h"

#include <p11-kit/pkcs11.h>

enum { EC_PARAMS_BYTES_MAX = 16, EC_PARAMS_SPELLINGS = 2 };

struct ec_params {
    uint8_t der[EC_PARAMS_BYTES_MAX];
    size_t bytes; // 0: no such spelling
};

struct use_rule {
    const char *spelled; // in the label
    CK_OBJECT_CLASS class;
    CK_KEY_TYPE type;
    const char *type_name;
    CK_ULONG value_len;                          // secret keys: bytes
    CK_ATTRIBUTE_TYPE operation;                 // the one operation the key may do
    CK_MECHANISM_TYPE mechanism;                 // by which
    CK_MECHANISM_TYPE generator;                 // and how it is made
    struct ec_params curve[EC_PARAMS_SPELLINGS]; // private keys: CKA_EC_PARAMS, modules differ in spelling
};

const struct use_rule *use_rule(enum key_use use);

enum { OF_SECRET_KEY = 1, OF_PRIVATE_KEY = 2, OF_BOTH = 3 };

struct attribute_rule {
    CK_ATTRIBUTE_TYPE type;
    const char *name;
    bool required;           // the value it must have; the operation of the use must be true instead
    unsigned asked;          // the classes of keys for which the generator asks for it
    bool absent_is_false;    // a token need not know it
    bool waived_for_replica; // given a pinned check value that agrees
};

static inline bool attribute_required(const struct attribute_rule *attribute, const struct use_rule *use)
{
    return attribute->required || attribute->type == use->operation;
}

extern const struct attribute_rule attribute_rules[];
extern const size_t attribute_rule_count;
