// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/text.h"

#include <stdint.h>
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

static bool continues(const uint8_t *bytes, size_t count)
{
    for (size_t i = 1; i <= count; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return false;
    }
    return true;
}

size_t utf8_length(const char *at, size_t left)
{
    const uint8_t *b = (const uint8_t *)at;
    if (left == 0)
        return 0;
    if (b[0] < 0x80)
        return 1;
    if (b[0] >= 0xc2 && b[0] <= 0xdf)
        return left >= 2 && continues(b, 1) ? 2 : 0;
    if (b[0] >= 0xe0 && b[0] <= 0xef) {
        if (left < 3 || !continues(b, 2))
            return 0;
        bool overlong = b[0] == 0xe0 && b[1] < 0xa0, surrogate = b[0] == 0xed && b[1] > 0x9f;
        return overlong || surrogate ? 0 : 3;
    }
    if (b[0] >= 0xf0 && b[0] <= 0xf4) {
        if (left < 4 || !continues(b, 3))
            return 0;
        bool overlong = b[0] == 0xf0 && b[1] < 0x90, beyond = b[0] == 0xf4 && b[1] > 0x8f;
        return overlong || beyond ? 0 : 4;
    }
    return 0;
}

bool text_is_printable_utf8(struct slice slice)
{
    for (size_t at = 0; at < slice.len;) {
        const uint8_t *b = (const uint8_t *)slice.at + at;
        size_t length = utf8_length(slice.at + at, slice.len - at);
        bool control = b[0] < 0x20 || b[0] == 0x7f || (length == 2 && b[0] == 0xc2 && b[1] < 0xa0);
        if (length == 0 || control)
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
