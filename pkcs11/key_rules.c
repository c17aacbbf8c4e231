// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/key_rules.h"

#include <assert.h>

// OBJECT IDENTIFIER prime256v1 (RFC 5480).
#define CURVE_P256                                                                                           \
    {                                                                                                        \
        {                                                                                                    \
            {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}, 10                                 \
        }                                                                                                    \
    }
// OBJECT IDENTIFIER id-Ed25519 (RFC 8410), and PrintableString "edwards25519" (PKCS#11 3.0, 2.3.5).
#define CURVE_ED25519                                                                                        \
    {                                                                                                        \
        {{0x06, 0x03, 0x2b, 0x65, 0x70}, 5},                                                                 \
        {                                                                                                    \
            {0x13, 0x0c, 'e', 'd', 'w', 'a', 'r', 'd', 's', '2', '5', '5', '1', '9'}, 14                     \
        }                                                                                                    \
    }

static const struct use_rule use_rules[] = {
    [KEY_FPE] = {.spelled = "fpe",
                 .class = CKO_SECRET_KEY,
                 .type = CKK_AES,
                 .type_name = "CKK_AES",
                 .value_len = 32,
                 .operation = CKA_ENCRYPT,
                 .mechanism = CKM_AES_ECB,
                 .generator = CKM_AES_KEY_GEN},
    [KEY_MAC] = {.spelled = "mac",
                 .class = CKO_SECRET_KEY,
                 .type = CKK_GENERIC_SECRET,
                 .type_name = "CKK_GENERIC_SECRET",
                 .value_len = 32,
                 .operation = CKA_SIGN,
                 .mechanism = CKM_SHA256_HMAC,
                 .generator = CKM_GENERIC_SECRET_KEY_GEN},
    [KEY_SIGN_ED25519] = {.spelled = "sign",
                          .class = CKO_PRIVATE_KEY,
                          .type = CKK_EC_EDWARDS,
                          .type_name = "CKK_EC_EDWARDS",
                          .operation = CKA_SIGN,
                          .mechanism = CKM_EDDSA,
                          .generator = CKM_EC_EDWARDS_KEY_PAIR_GEN,
                          .curve = CURVE_ED25519},
    [KEY_SIGN_P256] = {.spelled = "sign",
                       .class = CKO_PRIVATE_KEY,
                       .type = CKK_EC,
                       .type_name = "CKK_EC",
                       .operation = CKA_SIGN,
                       .mechanism = CKM_ECDSA,
                       .generator = CKM_EC_KEY_PAIR_GEN,
                       .curve = CURVE_P256},
    [KEY_TLS] = {.spelled = "tls",
                 .class = CKO_PRIVATE_KEY,
                 .type = CKK_EC,
                 .type_name = "CKK_EC",
                 .operation = CKA_SIGN,
                 .mechanism = CKM_ECDSA,
                 .generator = CKM_EC_KEY_PAIR_GEN,
                 .curve = CURVE_P256},
};

const struct use_rule *use_rule(enum key_use use)
{
    assert((size_t)use < sizeof use_rules / sizeof use_rules[0]);
    return &use_rules[use];
}

#define RULE(attribute, value, classes, ...)                                                                 \
    {                                                                                                        \
        .type = attribute, .name = #attribute, .required = value, .asked = classes, __VA_ARGS__              \
    }
#define ABSENT_IS_FALSE .absent_is_false = true
#define WAIVED          .waived_for_replica = true

const struct attribute_rule attribute_rules[] = {
    RULE(CKA_TOKEN, true, OF_BOTH),
    RULE(CKA_PRIVATE, true, OF_BOTH),
    RULE(CKA_SENSITIVE, true, OF_BOTH),
    RULE(CKA_EXTRACTABLE, false, OF_BOTH),
    RULE(CKA_ALWAYS_SENSITIVE, true, 0),
    RULE(CKA_NEVER_EXTRACTABLE, true, 0),
    RULE(CKA_LOCAL, true, 0, WAIVED),
    RULE(CKA_ENCRYPT, false, OF_SECRET_KEY, ABSENT_IS_FALSE),
    RULE(CKA_DECRYPT, false, OF_BOTH, ABSENT_IS_FALSE),
    RULE(CKA_SIGN, false, OF_BOTH, ABSENT_IS_FALSE),
    RULE(CKA_SIGN_RECOVER, false, OF_PRIVATE_KEY, ABSENT_IS_FALSE),
    RULE(CKA_VERIFY, false, OF_SECRET_KEY, ABSENT_IS_FALSE),
    RULE(CKA_WRAP, false, OF_SECRET_KEY, ABSENT_IS_FALSE),
    RULE(CKA_UNWRAP, false, OF_BOTH, ABSENT_IS_FALSE),
    RULE(CKA_DERIVE, false, OF_BOTH, ABSENT_IS_FALSE),
};
const size_t attribute_rule_count = sizeof attribute_rules / sizeof attribute_rules[0];
