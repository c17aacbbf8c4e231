// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The TLS side of a listener: TLS 1.2 and 1.3, AEAD with ECDHE only, no renegotiation, no compression,
// client certificates when asked for. The key stays where it is (an EVP_PKEY that lives in the HSM).
#pragma once

#include "web/server.h"

#include <openssl/ssl.h>

// ERR_CONFIG with diag when a file cannot be used or the key does not belong to the certificate. The
// caller frees the context with SSL_CTX_free.
enum err tls_context_new(const struct server_tls *tls, SSL_CTX **out_context, struct diag *diag);
