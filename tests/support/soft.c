// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/soft.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <string.h>

enum { BLOCKS_PER_UPDATE = 1 << 20 };

void soft_cipher_init(struct soft_cipher *soft, const uint8_t *key, size_t key_bytes)
{
    const EVP_CIPHER *algorithm = key_bytes == 16   ? EVP_aes_128_ecb()
                                  : key_bytes == 24 ? EVP_aes_192_ecb()
                                                    : EVP_aes_256_ecb();
    memset(soft, 0, sizeof *soft);
    EVP_CIPHER_CTX *schedule = EVP_CIPHER_CTX_new();
    assert(schedule != NULL && (key_bytes == 16 || key_bytes == 24 || key_bytes == 32));
    int initialized = EVP_EncryptInit_ex(schedule, algorithm, NULL, key, NULL);
    assert(initialized == 1);
    EVP_CIPHER_CTX_set_padding(schedule, 0);
    soft->schedule = schedule;
}

void soft_cipher_done(struct soft_cipher *soft)
{
    EVP_CIPHER_CTX_free(soft->schedule);
    soft->schedule = NULL;
}

static enum err encrypt(void *context, uint8_t *blocks, size_t count)
{
    struct soft_cipher *soft = context;
    size_t call = atomic_fetch_add_explicit(&soft->calls, 1, memory_order_relaxed) + 1;
    atomic_fetch_add_explicit(&soft->blocks, count, memory_order_relaxed);
    if (soft->fail_at_call == call)
        return soft->failure;
    while (count > 0) {
        size_t now = count < BLOCKS_PER_UPDATE ? count : BLOCKS_PER_UPDATE;
        int written = 0;
        int done = EVP_EncryptUpdate(soft->schedule, blocks, &written, blocks, (int)now * CIPHER_BLOCK_BYTES);
        assert(done == 1 && written == (int)now * CIPHER_BLOCK_BYTES);
        blocks += now * CIPHER_BLOCK_BYTES;
        count -= now;
    }
    return OK;
}

struct cipher soft_cipher_seam(struct soft_cipher *soft)
{
    return (struct cipher){.encrypt = encrypt, .context = soft};
}

static enum err compute(void *context, const uint8_t *message, size_t message_bytes,
                        uint8_t out_mac[MAC_BYTES])
{
    struct soft_mac *soft = context;
    unsigned len = MAC_BYTES;
    return HMAC(EVP_sha256(), soft->key, sizeof soft->key, message, message_bytes, out_mac, &len) != NULL
               ? OK
               : ERR_INTERNAL;
}

struct mac soft_mac_seam(struct soft_mac *soft)
{
    return (struct mac){.compute = compute, .context = soft};
}

// splitmix64 (Steele, Lea, Flood 2014): statistics for tests, not cryptography.
static uint64_t next_word(uint64_t *state)
{
    uint64_t word = *state += 0x9e3779b97f4a7c15u;
    word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9u;
    word = (word ^ (word >> 27)) * 0x94d049bb133111ebu;
    return word ^ (word >> 31);
}

static enum err fill(void *context, uint8_t *out, size_t out_bytes)
{
    struct soft_rng *soft = context;
    for (size_t i = 0; i < out_bytes; i++)
        out[i] = (uint8_t)next_word(&soft->state);
    return OK;
}

struct rng soft_rng_seam(struct soft_rng *soft)
{
    return (struct rng){.fill = fill, .context = soft};
}

enum { SCALAR_BYTES = 32, POINT_BYTES = 1 + PUBLIC_KEY_BYTES_MAX };

static void point_of(const BIGNUM *scalar, uint8_t out_point[POINT_BYTES])
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *point = EC_POINT_new(group);
    const int multiplied = EC_POINT_mul(group, point, scalar, NULL, NULL, NULL);
    const size_t written =
        EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, out_point, POINT_BYTES, NULL);
    assert(multiplied == 1 && written == POINT_BYTES);
    EC_POINT_free(point);
    EC_GROUP_free(group);
}

static EVP_PKEY *p256_key(const uint8_t scalar_bytes[SCALAR_BYTES])
{
    uint8_t point[POINT_BYTES];
    EVP_PKEY *key = NULL;
    BIGNUM *scalar = BN_bin2bn(scalar_bytes, SCALAR_BYTES, NULL);
    point_of(scalar, point);
    OSSL_PARAM_BLD *parts = OSSL_PARAM_BLD_new();
    OSSL_PARAM_BLD_push_utf8_string(parts, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
    OSSL_PARAM_BLD_push_BN(parts, OSSL_PKEY_PARAM_PRIV_KEY, scalar);
    OSSL_PARAM_BLD_push_octet_string(parts, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(parts);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    const int made = EVP_PKEY_fromdata_init(context) == 1 &&
                     EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, params) == 1;
    assert(made);
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(parts);
    BN_free(scalar);
    return key;
}

void soft_signer_init(struct soft_signer *soft, enum signer_kind kind, const uint8_t key[SCALAR_BYTES])
{
    soft->kind = kind;
    soft->key = kind == SIGNER_ED25519
                    ? EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key, SCALAR_BYTES)
                    : p256_key(key);
    assert(soft->key != NULL);
}

void soft_signer_done(struct soft_signer *soft)
{
    EVP_PKEY_free(soft->key);
    soft->key = NULL;
}

// OpenSSL's DER as R and S of 32 bytes each.
static void raw_of(const uint8_t *der, size_t der_bytes, uint8_t out_signature[SIGNATURE_BYTES])
{
    ECDSA_SIG *parts = d2i_ECDSA_SIG(NULL, &der, (long)der_bytes);
    assert(parts != NULL);
    BN_bn2binpad(ECDSA_SIG_get0_r(parts), out_signature, SCALAR_BYTES);
    BN_bn2binpad(ECDSA_SIG_get0_s(parts), out_signature + SCALAR_BYTES, SCALAR_BYTES);
    ECDSA_SIG_free(parts);
}

static enum err sign(void *context, const uint8_t *message, size_t message_bytes,
                     uint8_t out_signature[SIGNATURE_BYTES])
{
    struct soft_signer *soft = context;
    uint8_t made[128];
    size_t made_bytes = sizeof made;
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    const EVP_MD *hash = soft->kind == SIGNER_ED25519 ? NULL : EVP_sha256();
    const int signed_it = EVP_DigestSignInit(digest, NULL, hash, NULL, soft->key) == 1 &&
                          EVP_DigestSign(digest, made, &made_bytes, message, message_bytes) == 1;
    EVP_MD_CTX_free(digest);
    assert(signed_it);
    if (soft->kind == SIGNER_ED25519)
        memcpy(out_signature, made, SIGNATURE_BYTES);
    else
        raw_of(made, made_bytes, out_signature);
    return OK;
}

struct signer soft_signer_seam(struct soft_signer *soft)
{
    struct signer signer = {.sign = sign, .context = soft, .kind = soft->kind};
    uint8_t point[POINT_BYTES];
    size_t bytes = PUBLIC_KEY_BYTES_MAX;
    int read;
    if (soft->kind == SIGNER_ED25519) {
        read = EVP_PKEY_get_raw_public_key(soft->key, signer.public_key, &bytes);
    } else {
        read =
            EVP_PKEY_get_octet_string_param(soft->key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point, &bytes);
        memcpy(signer.public_key, point + 1, PUBLIC_KEY_BYTES_MAX);
    }
    assert(read == 1);
    return signer;
}
