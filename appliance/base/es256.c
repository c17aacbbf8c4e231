// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/base/es256.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

enum { HALF_BYTES = SIGNATURE_BYTES / 2, POINT_BYTES = 1 + PUBLIC_KEY_BYTES_MAX };

EVP_PKEY *es256_public_key(const uint8_t coordinates[PUBLIC_KEY_BYTES_MAX])
{
    static char group[] = "prime256v1";
    uint8_t point[POINT_BYTES] = {POINT_CONVERSION_UNCOMPRESSED};
    EVP_PKEY *key = NULL;
    memcpy(point + 1, coordinates, PUBLIC_KEY_BYTES_MAX);
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

// The DER form that OpenSSL takes; its length, or 0.
static size_t der_of(const uint8_t *signature, uint8_t **out_der)
{
    int bytes = 0;
    ECDSA_SIG *parts = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature, HALF_BYTES, NULL),
           *s = BN_bin2bn(signature + HALF_BYTES, HALF_BYTES, NULL);
    if (parts != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(parts, r, s) == 1) {
        r = s = NULL;
        bytes = i2d_ECDSA_SIG(parts, out_der);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(parts);
    return bytes > 0 ? (size_t)bytes : 0;
}

bool es256_verify(EVP_PKEY *key, const void *message, size_t message_bytes,
                  const uint8_t signature[SIGNATURE_BYTES])
{
    uint8_t *der = NULL;
    const size_t der_bytes = der_of(signature, &der);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const bool right = der_bytes > 0 && context != NULL &&
                       EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
                       EVP_DigestVerify(context, der, der_bytes, message, message_bytes) == 1;
    EVP_MD_CTX_free(context);
    OPENSSL_free(der);
    ERR_clear_error(); // what it left behind would be taken for an error of the thread's TLS connection
    return right;
}
