// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
// EC_KEY_METHOD is how OpenSSL 3.0 lets somebody else sign with an EC key short of a whole provider.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "pkcs11/ec_key.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <string.h>

enum { P256_BYTES = 32, OCTET_STRING_TAG = 0x04, POINT_BYTES = 1 + 2 * P256_BYTES };

static pthread_once_t method_once = PTHREAD_ONCE_INIT;
static EC_KEY_METHOD *method;
static int signer_index = -1;

// ECDSA_SIG from r and s side by side.
static ECDSA_SIG *signature_new(const uint8_t *raw)
{
    ECDSA_SIG *signature = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw, P256_BYTES, NULL), *s = BN_bin2bn(raw + P256_BYTES, P256_BYTES, NULL);
    if (signature != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(signature, r, s) == 1)
        return signature;
    ECDSA_SIG_free(signature);
    BN_free(r);
    BN_free(s);
    return NULL;
}

// A digest longer than the order is cut on the right (FIPS 186-5, 6.4.1).
static ECDSA_SIG *sign_digest(const unsigned char *digest, int digest_bytes, const BIGNUM *kinv,
                              const BIGNUM *r, EC_KEY *key)
{
    uint8_t raw[2 * P256_BYTES];
    const struct digest_signer *signer = EC_KEY_get_ex_data(key, signer_index);
    const size_t bytes = digest_bytes < P256_BYTES ? (size_t)digest_bytes : P256_BYTES;
    (void)kinv, (void)r;
    if (signer == NULL || signer->sign(signer->context, digest, bytes, raw) != OK) {
        ERR_raise_data(ERR_LIB_EC, ERR_R_INTERNAL_ERROR, "the HSM did not sign");
        return NULL;
    }
    return signature_new(raw);
}

static void method_make(void)
{
    int (*sign)(int, const unsigned char *, int, unsigned char *, unsigned int *, const BIGNUM *,
                const BIGNUM *, EC_KEY *) = NULL;
    EC_KEY_METHOD_get_sign(EC_KEY_OpenSSL(), &sign, NULL, NULL);
    method = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
    if (method != NULL)
        EC_KEY_METHOD_set_sign(method, sign, NULL, sign_digest);
    signer_index = EC_KEY_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

// PKCS#11 wraps the point in a DER OCTET STRING; some modules forget to.
static const uint8_t *bare_point(const uint8_t *point, size_t point_bytes)
{
    if (point_bytes == POINT_BYTES + 2 && point[0] == OCTET_STRING_TAG && point[1] == POINT_BYTES)
        return point + 2;
    return point_bytes == POINT_BYTES ? point : NULL;
}

enum err ec_point_coordinates(const uint8_t *point, size_t point_bytes,
                              uint8_t out_coordinates[PUBLIC_KEY_BYTES_MAX])
{
    const uint8_t *bare = bare_point(point, point_bytes);
    if (bare == NULL || bare[0] != POINT_CONVERSION_UNCOMPRESSED)
        return ERR_HSM_KEY;
    memcpy(out_coordinates, bare + 1, PUBLIC_KEY_BYTES_MAX);
    return OK;
}

enum err ec_key_new(const struct digest_signer *signer, const uint8_t coordinates[PUBLIC_KEY_BYTES_MAX],
                    EVP_PKEY **out_key)
{
    enum err rc = OK;
    uint8_t bare[POINT_BYTES] = {POINT_CONVERSION_UNCOMPRESSED};
    memcpy(bare + 1, coordinates, PUBLIC_KEY_BYTES_MAX);
    pthread_once(&method_once, method_make);
    EC_KEY *ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    EVP_PKEY *key = EVP_PKEY_new();
    REQUIRE(method != NULL && signer_index >= 0 && ec != NULL && key != NULL, ERR_MEMORY);
    REQUIRE(EC_KEY_oct2key(ec, bare, POINT_BYTES, NULL) == 1, ERR_HSM_KEY); // refuses points off the curve
    REQUIRE(EC_KEY_set_method(ec, method) == 1 &&
                EC_KEY_set_ex_data(ec, signer_index, (void *)(uintptr_t)signer) == 1 &&
                EVP_PKEY_set1_EC_KEY(key, ec) == 1,
            ERR_MEMORY);
    *out_key = key;
    key = NULL;
out:
    if (rc != OK)
        ERR_clear_error();
    EVP_PKEY_free(key);
    EC_KEY_free(ec);
    return rc;
}
