// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/base/json_write.h"

#include "appliance/base/json_plain.h"

#include <stdbool.h>
#include <string.h>

static const char *short_escape(unsigned char byte)
{
    switch (byte) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\b':
        return "\\b";
    case '\f':
        return "\\f";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        return NULL;
    }
}

// What is not ASCII stands for itself: the text is UTF-8.
static bool needs_escape(unsigned char byte)
{
    return !json_is_plain(byte) && byte < 0x80;
}

static void write_escape(struct buf *out, unsigned char byte)
{
    const char *escape = short_escape(byte);
    if (escape != NULL)
        buf_text(out, escape);
    else
        buf_printf(out, "\\u%04x", byte);
}

static void write_quoted(struct buf *out, const char *text, size_t len)
{
    buf_byte(out, '"');
    size_t written = 0;
    for (size_t at = json_plain_length(text, len); at < len; at++) {
        if (!needs_escape((unsigned char)text[at]))
            continue;
        buf_append(out, text + written, at - written);
        write_escape(out, (unsigned char)text[at]);
        written = at + 1;
    }
    buf_append(out, text + written, len - written);
    buf_byte(out, '"');
}

void json_write_string(struct buf *out, struct slice text)
{
    write_quoted(out, text.at, text.len);
}

void json_write_text(struct buf *out, const char *text)
{
    write_quoted(out, text, strlen(text));
}

void json_write_member(struct buf *out, const char *name, const char *text)
{
    json_write_text(out, name);
    buf_byte(out, ':');
    json_write_text(out, text);
}

void json_write_clear(struct buf *out, struct clear value)
{
    write_quoted(out, value.text, value.len);
}
