// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Serial tokens: the strings of a space in an order that only the key knows. A space is all strings of one
// character set and one number of digits, of a tenant; characters count in code-point order, whatever order
// or name an alphabet gives them. Serial number s becomes the numerals of s, FF1-encrypted: every string of
// the space comes exactly once, and a string in hand opens to its serial.
//
// A space under 1,000,000 strings is below FF1's smallest domain: its N serials are FF1-encrypted as
// six-digit decimal numbers, and the rank of each among them is the string. The whole order is computed
// when the space is first used, in at most 12 MB.
//
// The tweak: purpose "serial", tenant, then SHA-256 of the sorted code points (four bytes each, big-endian),
// digits (two bytes).
#pragma once

#include "appliance/base/buf.h"
#include "appliance/tokens/keyring.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    SERIAL_DIGITS_MAX = 100,
    SERIAL_SPACE_ID_BYTES = 32,
    SERIAL_DECIMAL_BYTES = 488, // 65536^100 has 482 digits
    SERIAL_SLICE = FF1_SLICE,
};

// A space under one key. Immutable but for its order, which is made once; any thread may use it.
struct serial_space;

struct serial_options {
    const char *characters; // UTF-8, 2..65536 distinct code points without controls, in any order
    unsigned digits;        // 1..SERIAL_DIGITS_MAX
    unsigned tenant_id;
    const struct generation *generation; // pinned for the life of the space
};

// ERR_INPUT: not an alphabet, or digits out of range.
enum err serial_space_new(const struct serial_options *options, struct serial_space **out_space);
void serial_space_free(struct serial_space *space);

// The digest that names (characters, digits), for the store.
enum err serial_space_id(const char *characters, unsigned digits, uint8_t out_id[SERIAL_SPACE_ID_BYTES]);
// Strings in a space; UINT64_MAX when there are as many or more.
uint64_t serial_space_size(const struct serial_space *space);
// radix^digits - issued in decimal, NUL-terminated; out_text holds SERIAL_DECIMAL_BYTES.
void serial_available(uint32_t radix, unsigned digits, uint64_t issued, char *out_text);
// Bytes of every character if they are all of one width, else 0.
size_t serial_uniform_bytes(const char *characters);
// The largest code point takes so many bits.
unsigned serial_code_point_bits(const struct serial_space *space);

// Appends tokens first..first+count-1, a line feed after each; count <= SERIAL_SLICE and all below the
// space's size (assert). Errors of the cipher.
enum err serial_make(struct serial_space *space, uint64_t first, size_t count, struct buf *out);
// The serial of a string. ERR_NOT_GENUINE: not a string of the space, or of a serial beyond 2^63.
enum err serial_open(struct serial_space *space, struct slice token, uint64_t *out_serial);

// XOR of all code points of an alphabet of odd length, else 0.
uint32_t serial_parity(const char *characters);
// The code point of valid UTF-8 at *at, which moves behind it.
uint32_t serial_take_point(const char **at);
// Whether any code point of valid UTF-8 text is of a kind.
bool serial_any_point(struct slice text, bool (*is_of_kind)(uint32_t point));
