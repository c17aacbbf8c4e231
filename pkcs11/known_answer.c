// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/known_answer.h"

#include "appliance/base/es256.h"

#include <assert.h>
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
static void lane_question(uint8_t out_clear[LANE_PROOF_BYTES])
{
    memset(out_clear, 0, CIPHER_BLOCK_BYTES);
    memset(out_clear + CIPHER_BLOCK_BYTES, 0xa5, CIPHER_BLOCK_BYTES);
}

static enum err ask_mac(const struct open_key *key, bool reopened, uint8_t out_answer[MAC_BYTES])
{
    const uint8_t *question = (const uint8_t *)KEY_MAC_CHECK_MESSAGE;
    const size_t bytes = sizeof KEY_MAC_CHECK_MESSAGE - 1;
    return reopened ? key_signer_prove(key->signer, question, bytes, out_answer, MAC_BYTES)
                    : key_signer_sign(key->signer, question, bytes, out_answer, MAC_BYTES);
}

static_assert(sizeof((struct lane_proof){0}.encrypted) == MAC_BYTES, "one field keeps either answer");

enum err known_answer_keep(struct open_key *key)
{
    enum err rc = OK;
    if (key->ref.use == KEY_FPE) {
        lane_question(key->known_answer);
        rc = lane_pool_encrypt(key->lanes, key->known_answer, LANE_PROOF_BYTES / CIPHER_BLOCK_BYTES);
    } else if (key->ref.use == KEY_MAC) {
        rc = ask_mac(key, false, key->known_answer);
    } else {
        return OK;
    }
    // The check value was computed in single-part operations: the two must agree.
    if (rc == OK && !ct_equal(key->known_answer, key->evidence.check_value, KEY_CHECK_VALUE_BYTES))
        rc = ERR_HSM_KEY;
    key->has_known_answer = rc == OK;
    return rc;
}

static enum err check_lanes(const struct open_key *key, enum known_answer_depth depth, bool *out_wrong)
{
    struct lane_proof proof;
    lane_question(proof.clear);
    memcpy(proof.encrypted, key->known_answer, sizeof proof.encrypted);
    const enum err rc =
        lane_pool_prove(key->lanes, &proof, depth == KNOWN_ANSWER_GLANCE ? 1 : LANES_MAX, out_wrong);
    *out_wrong = *out_wrong && key->has_known_answer; // keys of tests have none
    return rc;
}

static enum err check_mac(const struct open_key *key, enum known_answer_depth depth, bool *out_wrong)
{
    uint8_t answer[MAC_BYTES];
    WIPE_AT_EXIT(answer);
    const enum err rc = ask_mac(key, depth == KNOWN_ANSWER_REOPENED, answer);
    *out_wrong = rc == OK && !ct_equal(answer, key->known_answer, sizeof answer);
    return rc;
}

// Ed25519 signs the message, ECDSA what it is given: a digest.
static enum err check_signature(const struct open_key *key, enum known_answer_depth depth, bool *out_wrong)
{
    uint8_t signature[SIGNATURE_BYTES], digest[SHA256_DIGEST_LENGTH];
    const bool ed25519 = key->ref.use == KEY_SIGN_ED25519;
    const uint8_t *text = ed25519 ? message : digest;
    const size_t bytes = ed25519 ? sizeof message : sizeof digest;
    SHA256(message, sizeof message, digest);
    const enum err rc = depth == KNOWN_ANSWER_REOPENED
                            ? key_signer_prove(key->signer, text, bytes, signature, sizeof signature)
                            : key_signer_sign(key->signer, text, bytes, signature, sizeof signature);
    if (rc != OK)
        return rc;
    *out_wrong =
        ed25519 ? !ed25519_verifies(key->public_key, signature) : !p256_verifies(key->public_key, signature);
    return OK;
}

enum err known_answer_check(const struct open_key *key, enum known_answer_depth depth, bool *out_wrong)
{
    bool wrong = false;
    enum err rc = OK;
    if (key->ref.use == KEY_FPE)
        rc = check_lanes(key, depth, &wrong);
    else if (key->ref.use == KEY_MAC)
        rc = check_mac(key, depth, &wrong);
    else if (key->ref.use != KEY_SIGN_ED25519 || depth != KNOWN_ANSWER_GLANCE) // SoftHSM leaks 37 bytes each
        rc = check_signature(key, depth, &wrong);
    *out_wrong = wrong;
    return wrong ? ERR_HSM_KEY : rc;
}
