// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// UTF-8 (RFC 3629), one code point at a time. Pure functions.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UTF8_BYTES_MAX = 4 };

// The code point at the start of the text: its bytes, or 0 when it is not well-formed (an overlong form, a
// surrogate, above U+10FFFF, cut off) or the text is empty; out_point is then unspecified.
size_t utf8_next(const char *text, size_t len, uint32_t *out_point);
// Writes a code point and returns its bytes; out_text holds UTF8_BYTES_MAX.
size_t utf8_put(uint32_t point, char *out_text);
// Category Cc: U+0000..001F, U+007F..009F.
bool utf8_is_control(uint32_t point);
