// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// JSON input: a strict check (RFC 8259, I-JSON RFC 7493), then cJSON, whose types stay in json_read.c.
// Refused: invalid or overlong UTF-8, a byte order mark, duplicate member names, bytes after the value,
// numbers, escapes and controls outside RFC 8259, lone surrogates, U+0000, nesting deeper than 16. All
// memory of a tree counts as memory in flight (web/memory.h) and is wiped when it is freed. Iterating
// children is linear.
#pragma once

#include "appliance/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JSON_DEPTH_MAX = 16 };

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json; // a node; lives as long as its document
struct json_document;

struct json_fault {
    size_t offset;    // byte at which the text stops being JSON
    const char *what; // static text: "duplicate member", "invalid UTF-8", ...
};

// ERR_INPUT with a fault, or ERR_MEMORY, also beyond memory_in_flight. The text need not outlive the call.
enum err json_read(struct slice text, struct json_document **out_document, struct json_fault *out_fault);
void json_free(struct json_document *document);
#define JSON_DOCUMENT [[gnu::cleanup(json_document_done)]] struct json_document
static inline void json_document_done(struct json_document **document)
{
    json_free(*document);
}

const struct json *json_root(const struct json_document *document);
enum json_type json_type(const struct json *node);
// The member of this exact name; NULL when node is NULL, not an object or has none.
const struct json *json_member(const struct json *node, const char *name);
// First child of an array or object, next sibling; NULL at the end (or for other types).
const struct json *json_first(const struct json *node);
const struct json *json_next(const struct json *node);
// The name of a member met while iterating; NULL of an element.
struct slice json_name(const struct json *node);
// false when node is NULL or of another type. Strings are UTF-8 without U+0000, NUL-terminated.
bool json_string(const struct json *node, struct slice *out_text);
bool json_string_is(const struct json *node, const char *text);
bool json_bool(const struct json *node, bool *out_value);
// An integer of magnitude below 2^53; false for fractions and larger ones.
bool json_integer(const struct json *node, int64_t *out_value);
