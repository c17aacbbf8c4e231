// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// JSON output straight into a buffer (printing a cJSON tree costs more than the cryptography). The
// caller writes braces and commas; these write what must be escaped. RFC 8259, section 7.
#pragma once

#include "appliance/base/buf.h"
#include "appliance/base/secret.h"

// A quoted string of UTF-8 text.
void json_write_string(struct buf *out, struct slice text);
void json_write_text(struct buf *out, const char *text);
// "name": followed by the text as a quoted string.
void json_write_member(struct buf *out, const char *name, const char *text);
// The only writer of clear card data: detokenize calls it, nothing else may.
void json_write_clear(struct buf *out, struct clear value);
