// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/base58.h"

#include <assert.h>
#include <string.h>

static const char alphabet[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

enum { BASE = sizeof alphabet - 1 };

static size_t leading(const void *bytes, size_t count, char byte)
{
    const char *at = bytes;
    size_t found = 0;
    while (found < count && at[found] == byte)
        found++;
    return found;
}

// digits, least significant first, become themselves times 256 plus byte.
static size_t append_byte(uint8_t *digits, size_t used, unsigned byte)
{
    unsigned carry = byte;
    for (size_t i = 0; i < used; i++) {
        carry += digits[i] * 256u;
        digits[i] = (uint8_t)(carry % BASE);
        carry /= BASE;
    }
    for (; carry > 0; carry /= BASE)
        digits[used++] = (uint8_t)(carry % BASE);
    return used;
}

void base58_encode(const uint8_t *bytes, size_t count, char out_text[BASE58_TEXT_BYTES])
{
    uint8_t digits[BASE58_TEXT_BYTES];
    assert(count <= BASE58_BYTES_MAX);
    const size_t zeros = leading(bytes, count, 0);
    size_t used = 0;
    for (size_t i = zeros; i < count; i++)
        used = append_byte(digits, used, bytes[i]);
    memset(out_text, alphabet[0], zeros);
    for (size_t i = 0; i < used; i++)
        out_text[zeros + i] = alphabet[digits[used - 1 - i]];
    out_text[zeros + used] = '\0';
}

// bytes become themselves times 58 plus digit; false when that needs more of them.
static bool append_digit(uint8_t *bytes, size_t count, unsigned digit)
{
    unsigned carry = digit;
    for (size_t i = count; i-- > 0;) {
        carry += bytes[i] * (unsigned)BASE;
        bytes[i] = (uint8_t)carry;
        carry >>= 8;
    }
    return carry == 0;
}

bool base58_decode(struct slice text, uint8_t *out_bytes, size_t count)
{
    memset(out_bytes, 0, count);
    if (text.len >= BASE58_TEXT_BYTES)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        const char *digit = memchr(alphabet, text.at[i], BASE);
        if (digit == NULL || !append_digit(out_bytes, count, (unsigned)(digit - alphabet)))
            return false;
    }
    return leading(text.at, text.len, alphabet[0]) == leading(out_bytes, count, 0);
}
