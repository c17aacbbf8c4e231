// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/text.h"

#include "appliance/base/utf8.h"

#include <string.h>
#include <strings.h>

struct slice text_slice(const char *text)
{
    return (struct slice){text, strlen(text)};
}

static char lower(char letter)
{
    return letter >= 'A' && letter <= 'Z' ? (char)(letter - 'A' + 'a') : letter;
}

bool text_is_nocase(struct slice slice, const char *text)
{
    if (slice.len != strlen(text))
        return false;
    for (size_t i = 0; i < slice.len; i++) {
        if (lower(slice.at[i]) != lower(text[i]))
            return false;
    }
    return true;
}

struct slice text_trim(struct slice slice)
{
    while (slice.len > 0 && (slice.at[0] == ' ' || slice.at[0] == '\t')) {
        slice.at++;
        slice.len--;
    }
    while (slice.len > 0 && (slice.at[slice.len - 1] == ' ' || slice.at[slice.len - 1] == '\t'))
        slice.len--;
    return slice;
}

bool text_is_token(struct slice slice)
{
    for (size_t i = 0; i < slice.len; i++) {
        char c = lower(slice.at[i]);
        bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!alphanumeric && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
            return false;
    }
    return slice.len > 0;
}

bool text_is_printable_utf8(struct slice slice)
{
    for (size_t at = 0; at < slice.len;) {
        uint32_t point = 0;
        const size_t length = utf8_next(slice.at + at, slice.len - at, &point);
        if (length == 0 || utf8_is_control(point))
            return false;
        at += length;
    }
    return true;
}

int text_hex_value(char digit)
{
    char c = lower(digit);
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool text_percent_decode(struct slice text, char *out, size_t *out_len)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] != '%') {
            out[len++] = text.at[i];
            continue;
        }
        int high = text.len - i > 2 ? text_hex_value(text.at[i + 1]) : -1;
        int low = high >= 0 ? text_hex_value(text.at[i + 2]) : -1;
        if (low < 0)
            return false;
        out[len++] = (char)(high << 4 | low);
        i += 2;
    }
    *out_len = len;
    return true;
}
