// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// An alphabet: an ordered set of 2..65536 Unicode code points; a character's place is its numeral. Text
// is UTF-8, compared code point by code point, never normalised or case-folded. Alphabets are immutable
// and may be shared between threads. Looking a character up takes a table: its time is not constant, and
// nothing here belongs into FF1's rounds.
#pragma once

#include "appliance/base/err.h"

#include <stddef.h>
#include <stdint.h>

struct alphabet;

// The usual ones, ready for alphabet_new.
#define ALPHABET_DECIMAL   "0123456789"
#define ALPHABET_LOWER_HEX "0123456789abcdef"
#define ALPHABET_UPPER_HEX "0123456789ABCDEF"
#define ALPHABET_LOWER     "abcdefghijklmnopqrstuvwxyz"
#define ALPHABET_UPPER     "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define ALPHABET_ALNUM     ALPHABET_DECIMAL ALPHABET_UPPER ALPHABET_LOWER
// As in Bitcoin: without 0, O, I and l.
#define ALPHABET_BASE58 "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
// RFC 4648, section 5.
#define ALPHABET_BASE64URL ALPHABET_UPPER ALPHABET_LOWER ALPHABET_DECIMAL "-_"

// ERR_INPUT when the text is not UTF-8 (RFC 3629: shortest form, no surrogates), repeats a code point,
// has a control character (Cc: U+0000..001F, U+007F..009F), or holds under 2 or over 65536 of them.
enum err alphabet_new(const char *text, size_t len, struct alphabet **out_alphabet);
void alphabet_free(struct alphabet *alphabet);

uint32_t alphabet_radix(const struct alphabet *alphabet);
// The longest character in bytes, 1..4: `count` numerals encode into count times as many.
size_t alphabet_char_bytes_max(const struct alphabet *alphabet);

// Characters in the text, whatever alphabet they are of. ERR_INPUT when it is not UTF-8.
enum err alphabet_length(const char *text, size_t len, size_t *out_count);

// Exactly `count` characters to numerals. ERR_INPUT when the text has more or fewer, is not UTF-8, or has
// a character of another alphabet; out_numerals is then unspecified.
enum err alphabet_decode(const struct alphabet *alphabet, const char *text, size_t len,
                         uint16_t *out_numerals, size_t count);

// Numerals (each below the radix) to UTF-8 without a terminating NUL; returns the bytes written.
// out_text holds count * alphabet_char_bytes_max.
size_t alphabet_encode(const struct alphabet *alphabet, const uint16_t *numerals, size_t count,
                       char *out_text);
