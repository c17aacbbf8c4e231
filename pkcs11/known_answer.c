// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/known_answer.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <string.h>

enum { P256_BYTES = 32, ED25519_BYTES = 32, POINT_BYTES = 1 + 2 * P256_BYTES };

// As long as a digest, which is what ECDSA signs.
static const uint8_t message[32] = "symbolon known answer";

static EVP_PKEY *p256_key(const uint8_t *coordinates)
{
    static char group[] = "prime256v1";
    uint8_t point[POINT_BYTES] = {POINT_CONVERSION_UNCOMPRESSED};
    EVP_PKEY *key = NULL;
    memcpy(point + 1, coordinates, 2 * P256_BYTES);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    if (context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(context);
    return key;
}

// The DER form that OpenSSL verifies; its length, or 0.
static size_t der_of(const uint8_t *signature, uint8_t **out_der)
{
    int bytes = 0;
    ECDSA_SIG *parts = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature, P256_BYTES, NULL),
           *s = BN_bin2bn(signature + P256_BYTES, P256_BYTES, NULL);
    if (parts != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(parts, r, s) == 1) {
        r = s = NULL;
        bytes = i2d_ECDSA_SIG(parts, out_der);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(parts);
    return bytes > 0 ? (size_t)bytes : 0;
}

static bool p256_verifies(const uint8_t *coordinates, const uint8_t *signature)
{
    uint8_t *der = NULL;
    const size_t der_bytes = der_of(signature, &der);
    EVP_PKEY *key = p256_key(coordinates);
    EVP_PKEY_CTX *context = key != NULL ? EVP_PKEY_CTX_new(key, NULL) : NULL;
    const bool right = der_bytes > 0 && context != NULL && EVP_PKEY_verify_init(context) == 1 &&
                       EVP_PKEY_verify(context, der, der_bytes, message, sizeof message) == 1;
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(key);
    OPENSSL_free(der);
    return right;
}

static bool ed25519_verifies(const uint8_t *public_key, const uint8_t *signature)
{
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, ED25519_BYTES);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const bool right = key != NULL && context != NULL &&
                       EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
                       EVP_DigestVerify(context, signature, SIGNATURE_BYTES, message, sizeof message) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return right;
}

// Two blocks, so that one which is kept back or put in another's place shows.
static enum err answer_of_lanes(const struct open_key *key, uint8_t out_answer[MAC_BYTES])
{
    memset(out_answer, 0, CIPHER_BLOCK_BYTES);
    memset(out_answer + CIPHER_BLOCK_BYTES, 0xa5, CIPHER_BLOCK_BYTES);
    return lane_pool_encrypt(key->lanes, out_answer, 2);
}

static enum err answer_of_mac(const struct open_key *key, uint8_t out_answer[MAC_BYTES])
{
    return key_signer_sign(key->signer, (const uint8_t *)KEY_MAC_CHECK_MESSAGE,
                           sizeof KEY_MAC_CHECK_MESSAGE - 1, out_answer, MAC_BYTES);
}

static enum err answer_of(const struct open_key *key, uint8_t out_answer[MAC_BYTES])
{
    return key->ref.use == KEY_FPE ? answer_of_lanes(key, out_answer) : answer_of_mac(key, out_answer);
}

enum err known_answer_keep(struct open_key *key)
{
    if (key->ref.use != KEY_FPE && key->ref.use != KEY_MAC)
        return OK;
    const enum err rc = answer_of(key, key->known_answer);
    if (rc != OK)
        return rc;
    // The check value was computed in single-part operations: the two must agree.
    if (!ct_equal(key->known_answer, key->evidence.check_value, KEY_CHECK_VALUE_BYTES))
        return ERR_HSM_KEY;
    key->has_known_answer = true;
    return OK;
}

static enum err check_answer(const struct open_key *key, bool *out_right)
{
    uint8_t answer[MAC_BYTES];
    WIPE_AT_EXIT(answer);
    const enum err rc = answer_of(key, answer);
    *out_right = !key->has_known_answer || ct_equal(answer, key->known_answer, sizeof answer);
    return rc;
}

static enum err check_signature(const struct open_key *key, bool *out_right)
{
    uint8_t signature[SIGNATURE_BYTES];
    const enum err rc = key_signer_sign(key->signer, message, sizeof message, signature, sizeof signature);
    if (rc != OK)
        return rc;
    *out_right = key->ref.use == KEY_SIGN_ED25519 ? ed25519_verifies(key->public_key, signature)
                                                  : p256_verifies(key->public_key, signature);
    return OK;
}

static enum err check(const struct open_key *key, bool *out_right)
{
    if (key->ref.use == KEY_FPE || key->ref.use == KEY_MAC)
        return check_answer(key, out_right);
    return check_signature(key, out_right);
}

enum err known_answer_check(const struct open_key *key, bool *out_wrong)
{
    bool right = true;
    const enum err rc = check(key, &right);
    *out_wrong = rc == OK && !right;
    return *out_wrong ? ERR_HSM_KEY : rc;
}
