// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Small tests over bytes that a peer sent. Nothing here allocates.
#pragma once

#include "appliance/base/buf.h"

#include <stdbool.h>

// A string literal or other NUL-terminated text as a slice.
struct slice text_slice(const char *text);
// ASCII letters of either case are the same.
bool text_is_nocase(struct slice slice, const char *text);
// Without spaces and tabs at both ends (RFC 9110 OWS).
struct slice text_trim(struct slice slice);
// At least one byte, all of them RFC 9110 tchar.
bool text_is_token(struct slice slice);
// Well-formed UTF-8 throughout, without control characters (C0, DEL, C1).
bool text_is_printable_utf8(struct slice slice);
// Value of a hex digit of either case, or -1.
int text_hex_value(char digit);
// Decodes %XX once; '+' stays. out holds at least text.len bytes; false when an escape is broken.
bool text_percent_decode(struct slice text, char *out, size_t *out_len);
