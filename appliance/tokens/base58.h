// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Base58 in Bitcoin's alphabet (no 0, O, I, l): a number in base 58, and one '1' in front for each zero byte
// in front. Pure functions. Not constant-time: for ids, not for secrets.
#pragma once

#include "appliance/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BASE58_BYTES_MAX = 32, BASE58_TEXT_BYTES = 45 };

// At most BASE58_BYTES_MAX bytes. out_text is NUL-terminated.
void base58_encode(const uint8_t *bytes, size_t count, char out_text[BASE58_TEXT_BYTES]);
// The one text of exactly `count` bytes; false, and the output is unspecified, for any other.
bool base58_decode(struct slice text, uint8_t *out_bytes, size_t count);
