// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Bytes as text and back. Decoders are strict: one spelling for each value, nothing skipped. They return
// false, and leave the output unspecified, for anything else.
#pragma once

#include "appliance/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Lower-case hex; out holds 2 * count + 1.
void hex_encode(const uint8_t *bytes, size_t count, char *out_text);
// Exactly 2 * count digits of either case.
bool hex_decode(struct slice text, uint8_t *out_bytes, size_t count);

// RFC 4648, section 5, without padding; out holds (count * 8 + 5) / 6 + 1.
void base64url_encode(const uint8_t *bytes, size_t count, char *out_text);
// The canonical text without padding only, of at most capacity bytes. false, and nothing is counted,
// otherwise.
bool base64url_decode(struct slice text, uint8_t *out_bytes, size_t capacity, size_t *out_count);

// RFC 4648, section 4, with padding; out holds (count + 2) / 3 * 4 + 1.
void base64_encode(const uint8_t *bytes, size_t count, char *out_text);
// RFC 4648, section 4, padding required, unused bits zero. Writes at most capacity bytes.
bool base64_decode(struct slice text, uint8_t *out_bytes, size_t capacity, size_t *out_count);

// 16 bytes as 8-4-4-4-12 lower-case hex; out holds UUID_TEXT_BYTES.
enum { UUID_TEXT_BYTES = 37 };
void uuid_encode(const uint8_t bytes[16], char *out_text);
// Exactly the 8-4-4-4-12 form, of either case.
bool uuid_decode(struct slice text, uint8_t out_bytes[16]);
