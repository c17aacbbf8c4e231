// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/openssl3_shim/openssl3_shim.h"

[[gnu::visibility("default")]] const char *openssl3_shim_crypto(void)
{
    return "libcrypto.so.3";
}
