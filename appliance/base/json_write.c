// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/base/json_write.h"

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

static bool needs_escape(unsigned char byte)
{
    return byte < 0x20 || byte == '"' || byte == '\\' || byte == 0x7f;
}

static void write_quoted(struct buf *out, const char *text, size_t len)
{
    buf_byte(out, '"');
    size_t plain = 0; // start of the stretch not yet written
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (!needs_escape(byte))
            continue;
        buf_append(out, text + plain, i - plain);
        plain = i + 1;
        const char *escape = short_escape(byte);
        if (escape != NULL)
            buf_text(out, escape);
        else
            buf_printf(out, "\\u%04x", byte);
    }
    buf_append(out, text + plain, len - plain);
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
