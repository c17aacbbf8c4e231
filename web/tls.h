// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The TLS side of a listener: TLS 1.2 and 1.3, AEAD with ECDHE only, no renegotiation, no compression,
// client certificates when asked for. The key stays where it is (an EVP_PKEY that lives in the HSM).
//
// Certificate, key and client authorities can be replaced beside running connections: each handshake takes
// those in force when it begins. Sessions of earlier ones are not resumed, so that a client whose authority
// went, or who never showed a certificate that is now required, does not come back through one.
//
// Threads: handshakes run in any thread; a lock guards the reference to the settings in force, never a
// handshake. tls_settings_replace: one thread at a time.
#pragma once

#include "web/server.h"

#include <openssl/ssl.h>

struct tls_settings;

// ERR_CONFIG with diag when a file cannot be used or the key does not belong to the certificate.
enum err tls_settings_new(const struct server_tls *tls, struct tls_settings **out_settings,
                          struct diag *diag);
// No handshake may be under way. NULL is fine.
void tls_settings_free(struct tls_settings *settings);
// What connections are made with (SSL_new); lives as long as the settings.
SSL_CTX *tls_settings_context(const struct tls_settings *settings);
// Errors as tls_settings_new; nothing has changed then.
enum err tls_settings_replace(struct tls_settings *settings, const struct server_tls *tls, struct diag *diag);
