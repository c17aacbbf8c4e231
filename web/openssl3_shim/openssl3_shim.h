// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Debian's civetweb is built for OpenSSL 1.1: it opens "libssl.so" and "libcrypto.so" at run time and
// calls SSL_get_peer_certificate, which OpenSSL 3 only has under a new name. These two functions also
// are what keeps the linker from dropping objects that nobody else refers to.
#pragma once

// Both return a text that is not NULL.
const char *openssl3_shim_ssl(void);
const char *openssl3_shim_crypto(void);
