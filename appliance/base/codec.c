// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/base/codec.h"

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void hex_encode(const uint8_t *bytes, size_t count, char *out_text)
{
    for (size_t i = 0; i < count; i++) {
        *out_text++ = hex_digits[bytes[i] >> 4];
        *out_text++ = hex_digits[bytes[i] & 15];
    }
    *out_text = '\0';
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

bool hex_decode(struct slice text, uint8_t *out_bytes, size_t count)
{
    if (text.len != 2 * count)
        return false;
    for (size_t i = 0; i < count; i++) {
        int high = hex_value(text.at[2 * i]), low = hex_value(text.at[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out_bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

// Without padding; returns the end.
static char *encode_64(const uint8_t *bytes, size_t count, const char *digits, char *out_text)
{
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < count; i++) {
        bits = bits << 8 | bytes[i];
        for (have += 8; have >= 6; have -= 6)
            *out_text++ = digits[bits >> (have - 6) & 63];
    }
    if (have > 0)
        *out_text++ = digits[bits << (6 - have) & 63];
    return out_text;
}

void base64url_encode(const uint8_t *bytes, size_t count, char *out_text)
{
    *encode_64(bytes, count, base64url_digits, out_text) = '\0';
}

void base64_encode(const uint8_t *bytes, size_t count, char *out_text)
{
    char *end = encode_64(bytes, count, base64_digits, out_text);
    while ((end - out_text) % 4 != 0)
        *end++ = '=';
    *end = '\0';
}

static int base64_value(char digit)
{
    if (digit >= 'A' && digit <= 'Z')
        return digit - 'A';
    if (digit >= 'a' && digit <= 'z')
        return digit - 'a' + 26;
    if (digit >= '0' && digit <= '9')
        return digit - '0' + 52;
    return digit == '+' ? 62 : digit == '/' ? 63 : -1;
}

bool base64_decode(struct slice text, uint8_t *out_bytes, size_t capacity, size_t *out_count)
{
    if (text.len % 4 != 0)
        return false;
    size_t digits = text.len;
    while (digits > 0 && text.len - digits < 2 && text.at[digits - 1] == '=')
        digits--;
    uint32_t bits = 0;
    unsigned have = 0;
    size_t count = 0;
    for (size_t i = 0; i < digits; i++) {
        int value = base64_value(text.at[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        have += 6;
        if (have < 8)
            continue;
        if (count == capacity)
            return false;
        have -= 8;
        out_bytes[count++] = (uint8_t)(bits >> have);
    }
    if ((bits & ((1u << have) - 1)) != 0)
        return false;
    *out_count = count;
    return true;
}

static bool hyphen_before(size_t byte)
{
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

void uuid_encode(const uint8_t bytes[16], char *out_text)
{
    for (size_t i = 0; i < 16; i++) {
        if (hyphen_before(i))
            *out_text++ = '-';
        hex_encode(bytes + i, 1, out_text);
        out_text += 2;
    }
}

bool uuid_decode(struct slice text, uint8_t out_bytes[16])
{
    if (text.len != 36)
        return false;
    const char *at = text.at;
    for (size_t i = 0; i < 16; i++) {
        if (hyphen_before(i) && *at++ != '-')
            return false;
        if (!hex_decode((struct slice){at, 2}, out_bytes + i, 1))
            return false;
        at += 2;
    }
    return true;
}

static int base64url_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '-')
        return 62;
    return c == '_' ? 63 : -1;
}

bool base64url_decode(struct slice text, uint8_t *out_bytes, size_t capacity, size_t *out_count)
{
    const size_t count = text.len / 4 * 3 + text.len % 4 * 3 / 4;
    uint32_t bits = 0;
    unsigned held = 0;
    size_t made = 0;
    if (text.len % 4 == 1 || count > capacity)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        const int value = base64url_value(text.at[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out_bytes[made++] = (uint8_t)(bits >> held);
        }
    }
    if ((bits & ((1U << held) - 1)) != 0)
        return false; // bits that no encoder would have set
    *out_count = made;
    return true;
}
