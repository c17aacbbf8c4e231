// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Certificates and requests for a key that can sign but not be seen. PEM in and out.
#pragma once

#include "appliance/base/buf.h"

#include <openssl/types.h>
#include <stdbool.h>

struct x509_names {
    const char *subject; // common name
    const char *san;     // "DNS:name,IP:address", or NULL: DNS: and the subject
};

// X.509 v3 signed by its own key, for TLS servers: SAN, CA:FALSE, digitalSignature, serverAuth; valid from
// now for so many days. out_certificate is freed by X509_free. ERR_INPUT for names that X.509 cannot hold.
enum err x509_self_sign(EVP_PKEY *key, const struct x509_names *names, unsigned days, X509 **out_certificate,
                        struct diag *diag);
// PKCS#10 with the same names.
enum err x509_request(EVP_PKEY *key, const struct x509_names *names, struct buf *out_pem, struct diag *diag);

enum err x509_to_pem(X509 *certificate, struct buf *out_pem);
// The first certificate of a PEM text. ERR_CONFLICT when there is none, it has expired, or its key is not
// this.
enum err x509_fitting(const struct buf *pem, EVP_PKEY *key, X509 **out_certificate, struct diag *diag);
