// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Identifiers that need no HSM: request ids. Keys and tokens never come from here.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Bytes from the kernel (getrandom); cannot fail once the system has booted.
void random_bytes(uint8_t *out, size_t count);
// A random UUID, version 4 (RFC 9562, 5.4), lower case; out holds UUID_TEXT_BYTES.
void random_uuid(char *out_text);
