// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/known_answer.h"

#include "appliance/base/es256.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>

enum { ED25519_BYTES = 32 };

static const uint8_t message[] = "symbolon known answer";

static bool p256_verifies(const uint8_t *coordinates, const uint8_t *signature)
{
    EVP_PKEY *key = es256_public_key(coordinates);
    const bool right = key != NULL && es256_verify(key, message, sizeof message, signature);
    EVP_PKEY_free(key);
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

// Ed25519 signs the message, ECDSA what it is given: a digest.
static enum err check_signature(const struct open_key *key, bool *out_right)
{
    uint8_t signature[SIGNATURE_BYTES], digest[SHA256_DIGEST_LENGTH];
    const bool ed25519 = key->ref.use == KEY_SIGN_ED25519;
    SHA256(message, sizeof message, digest);
    const enum err rc =
        ed25519 ? key_signer_sign(key->signer, message, sizeof message, signature, sizeof signature)
                : key_signer_sign(key->signer, digest, sizeof digest, signature, sizeof signature);
    if (rc != OK)
        return rc;
    *out_right =
        ed25519 ? ed25519_verifies(key->public_key, signature) : p256_verifies(key->public_key, signature);
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
