// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// How much of a text stands for itself in a JSON string (RFC 8259, 7): reading and writing pass over it
// eight bytes at a time, which is nearly all there is of numbers and tokens.
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// A byte that JSON escapes, or that is not ASCII and wants a look of its own.
static inline bool json_is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

// The top bit of the lowest of eight bytes that is `byte`, and perhaps of some above it: subtracting one from
// each borrows into the top bit of a byte that is zero.
static inline uint64_t json_find_byte(uint64_t word, unsigned char byte)
{
    const uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
    const uint64_t zeros = word ^ (ones * byte);
    return (zeros - ones) & ~zeros & tops;
}

// The same of a byte that is not plain.
static inline uint64_t json_find_special(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
    const uint64_t controls = (word - ones * 0x20) & ~word & tops;
    return (word & tops) | controls | json_find_byte(word, '"') | json_find_byte(word, '\\') |
           json_find_byte(word, 0x7f);
}

// The number of bytes before the first that is not plain, at most len.
static inline size_t json_plain_length(const char *text, size_t len)
{
    size_t at = 0;
    for (; len - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, text + at, sizeof word);
        const uint64_t found = json_find_special(le64toh(word));
        if (found != 0)
            return at + (size_t)__builtin_ctzll(found) / 8;
    }
    while (at < len && json_is_plain((unsigned char)text[at]))
        at++;
    return at;
}
