// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "hsm-setup/x509.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

enum { SERIAL_BITS = 127, SAN_BYTES_MAX = 1024, SECONDS_OF_DAY = 86400 };

struct extension {
    int nid;
    const char *value;
};

// Names and addresses only: OpenSSL's own syntax could reach further.
static bool is_san_list(const char *text)
{
    while (true) {
        if (strncmp(text, "DNS:", 4) != 0 && strncmp(text, "IP:", 3) != 0)
            return false;
        text = strchr(text, ',');
        if (text == NULL)
            return true;
        text++;
    }
}

static enum err fill_san(const struct x509_names *names, char *out_san, struct diag *diag)
{
    int len = names->san != NULL ? snprintf(out_san, SAN_BYTES_MAX, "%s", names->san)
                                 : snprintf(out_san, SAN_BYTES_MAX, "DNS:%s", names->subject);
    if (len < 0 || len >= SAN_BYTES_MAX || !is_san_list(out_san))
        return diag_set(diag, ERR_INPUT, "--san must be a list like DNS:name,IP:address");
    return OK;
}

static enum err extension_new(const struct extension *extension, X509V3_CTX *context, X509_EXTENSION **out,
                              struct diag *diag)
{
    *out = X509V3_EXT_conf_nid(NULL, context, extension->nid, extension->value);
    ERR_clear_error();
    if (*out == NULL)
        return diag_set(diag, ERR_INPUT, "certificate: \"%s\" is not a valid %s", extension->value,
                        OBJ_nid2ln(extension->nid));
    return OK;
}

static enum err add_extension(X509 *certificate, const struct extension *extension, struct diag *diag)
{
    X509V3_CTX context;
    X509_EXTENSION *made = NULL;
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509V3_set_ctx_nodb(&context);
    enum err rc = extension_new(extension, &context, &made, diag);
    if (rc == OK && X509_add_ext(certificate, made, -1) != 1)
        rc = ERR_MEMORY;
    X509_EXTENSION_free(made);
    return rc;
}

static enum err set_subject(X509_NAME *name, const char *subject, struct diag *diag)
{
    int added = X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                           (const unsigned char *)subject, -1, -1, 0);
    ERR_clear_error();
    return added == 1 ? OK : diag_set(diag, ERR_INPUT, "--subject must have 1..64 characters");
}

static enum err set_serial(X509 *certificate)
{
    BIGNUM *serial = BN_new();
    bool good = serial != NULL && BN_rand(serial, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
                BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate)) != NULL;
    BN_free(serial);
    return good ? OK : ERR_MEMORY;
}

static enum err set_frame(X509 *certificate, EVP_PKEY *key, unsigned days)
{
    enum err rc = OK;
    REQUIRE(X509_set_version(certificate, X509_VERSION_3) == 1, ERR_MEMORY);
    TRY(set_serial(certificate));
    REQUIRE(X509_gmtime_adj(X509_getm_notBefore(certificate), 0) != NULL &&
                X509_gmtime_adj(X509_getm_notAfter(certificate), (long)days * SECONDS_OF_DAY) != NULL &&
                X509_set_pubkey(certificate, key) == 1,
            ERR_MEMORY);
out:
    return rc;
}

static enum err signing_failed(struct diag *diag)
{
    ERR_clear_error();
    return diag_set(diag, ERR_HSM_DOWN, "the token did not sign the certificate");
}

enum err x509_self_sign(EVP_PKEY *key, const struct x509_names *names, unsigned days, X509 **out_certificate,
                        struct diag *diag)
{
    enum err rc = OK;
    char san[SAN_BYTES_MAX];
    X509 *certificate = X509_new();
    REQUIRE(certificate != NULL, ERR_MEMORY);
    TRY(fill_san(names, san, diag));
    TRY(set_frame(certificate, key, days));
    TRY(set_subject(X509_get_subject_name(certificate), names->subject, diag));
    REQUIRE(X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) == 1, ERR_MEMORY);
    const struct extension extensions[] = {
        {NID_basic_constraints, "critical,CA:FALSE"},
        {NID_key_usage, "critical,digitalSignature"},
        {NID_ext_key_usage, "serverAuth"},
        {NID_subject_alt_name, san},
        {NID_subject_key_identifier, "hash"},
    };
    for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++)
        TRY(add_extension(certificate, &extensions[i], diag));
    REQUIRE(X509_sign(certificate, key, EVP_sha256()) > 0, signing_failed(diag));
    *out_certificate = certificate;
    certificate = NULL;
out:
    X509_free(certificate);
    return rc;
}

static enum err request_names(X509_REQ *request, const struct x509_names *names, struct diag *diag)
{
    enum err rc = OK;
    char san[SAN_BYTES_MAX];
    X509V3_CTX context;
    X509_EXTENSION *made = NULL;
    STACK_OF(X509_EXTENSION) *extensions = sk_X509_EXTENSION_new_null();
    REQUIRE(extensions != NULL, ERR_MEMORY);
    TRY(set_subject(X509_REQ_get_subject_name(request), names->subject, diag));
    TRY(fill_san(names, san, diag));
    X509V3_set_ctx(&context, NULL, NULL, request, NULL, 0);
    X509V3_set_ctx_nodb(&context);
    TRY(extension_new(&(struct extension){NID_subject_alt_name, san}, &context, &made, diag));
    REQUIRE(sk_X509_EXTENSION_push(extensions, made) > 0, ERR_MEMORY);
    made = NULL;
    REQUIRE(X509_REQ_add_extensions(request, extensions) == 1, ERR_MEMORY);
out:
    X509_EXTENSION_free(made);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    return rc;
}

static enum err take_text(BIO *bio, struct buf *out)
{
    char *text = NULL;
    long len = BIO_get_mem_data(bio, &text);
    buf_append(out, text, (size_t)len);
    return out->error;
}

enum err x509_request(EVP_PKEY *key, const struct x509_names *names, struct buf *out_pem, struct diag *diag)
{
    enum err rc = OK;
    X509_REQ *request = X509_REQ_new();
    BIO *bio = BIO_new(BIO_s_mem());
    REQUIRE(request != NULL && bio != NULL && X509_REQ_set_pubkey(request, key) == 1, ERR_MEMORY);
    TRY(request_names(request, names, diag));
    REQUIRE(X509_REQ_sign(request, key, EVP_sha256()) > 0, signing_failed(diag));
    REQUIRE(PEM_write_bio_X509_REQ(bio, request) == 1, ERR_MEMORY);
    rc = take_text(bio, out_pem);
out:
    BIO_free(bio);
    X509_REQ_free(request);
    return rc;
}

enum err x509_to_pem(X509 *certificate, struct buf *out_pem)
{
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio == NULL)
        return ERR_MEMORY;
    enum err rc = PEM_write_bio_X509(bio, certificate) == 1 ? take_text(bio, out_pem) : ERR_MEMORY;
    BIO_free(bio);
    return rc;
}

enum err x509_fitting(const struct buf *pem, EVP_PKEY *key, X509 **out_certificate, struct diag *diag)
{
    enum err rc = OK;
    BIO *bio = BIO_new_mem_buf(pem->at, (int)pem->len);
    X509 *certificate = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    ERR_clear_error();
    REQUIRE(certificate != NULL, diag_set(diag, ERR_CONFLICT, "the file holds no certificate in PEM"));
    REQUIRE(EVP_PKEY_eq(X509_get0_pubkey(certificate), key) == 1,
            diag_set(diag, ERR_CONFLICT, "the certificate is not for the key in the token"));
    REQUIRE(X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0,
            diag_set(diag, ERR_CONFLICT, "the certificate has expired"));
    *out_certificate = certificate;
    certificate = NULL;
out:
    X509_free(certificate);
    BIO_free(bio);
    return rc;
}
