// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// One way to turn several fields into one string of bytes for a hash or a MAC: a label, the byte 0x01,
// then each field preceded by its length in four bytes, big-endian. No two lists give the same string.
//
// The bytes made here are part of every token and every credential ever issued: they can never change.
// tests/unit/tokens pins them.
#pragma once

#include "appliance/base/crypto.h"

#include <stddef.h>
#include <stdint.h>

enum { TWEAK_BYTES = 16, LAYOUT_BYTES = 16 };

struct field {
    const void *bytes;
    size_t count;
};

#define FIELD_TEXT(literal) ((struct field){(literal), sizeof(literal) - 1})
#define FIELD_ARRAY(array)  ((struct field){(array), sizeof(array)})

// An id or a generation as a field: two bytes, big-endian.
struct field_u16 {
    uint8_t bytes[2];
};
static inline struct field_u16 field_u16(unsigned value)
{
    return (struct field_u16){{(uint8_t)(value >> 8), (uint8_t)value}};
}

// The tweak of every FF1 call of the product: the first 16 bytes of SHA-256 over "symbolon" 0x01 and
// the fields purpose, tenant id (two bytes), then those given. ERR_MEMORY.
enum err tweak_derive(const char *purpose, unsigned tenant_id, const struct field *fields, size_t count,
                      uint8_t out_tweak[TWEAK_BYTES]);

// A digest of a format's shape: as above with "symbolon layout" 0x01 and the fields as given.
enum err layout_derive(const struct field *fields, size_t count, uint8_t out_layout[LAYOUT_BYTES]);

// HMAC over "symbolon mac" 0x01 and the fields purpose and those given.
enum err mac_derive(const struct mac *mac, const char *purpose, const struct field *fields, size_t count,
                    uint8_t out_mac[MAC_BYTES]);
