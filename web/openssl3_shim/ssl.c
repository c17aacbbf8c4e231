// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/openssl3_shim/openssl3_shim.h"

#include <openssl/ssl.h>

#undef SSL_get_peer_certificate

[[gnu::visibility("default")]] const char *openssl3_shim_ssl(void)
{
    return "libssl.so.3";
}

// As in OpenSSL 1.1: the caller owns a reference.
[[gnu::visibility("default")]] X509 *SSL_get_peer_certificate(const SSL *ssl);

X509 *SSL_get_peer_certificate(const SSL *ssl)
{
    return SSL_get1_peer_certificate(ssl);
}
