// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// FF1 as SP 800-38G writes it (algorithms 6, 7 and 8), one value at a time, on OpenSSL's big numbers and
// byte strings. Slow and obvious on purpose: the engine is measured against it. Aborts when OpenSSL or
// malloc fails. Not for secrets.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ref_ff1 {
    const uint8_t *key; // 16, 24 or 32 bytes
    size_t key_bytes;
    uint32_t radix;
    const uint8_t *tweak;
    size_t tweak_bytes;
};

// Transforms `length` numerals where they stand. The numerals must be below the radix.
void ref_ff1(const struct ref_ff1 *ff1, bool decrypt, uint16_t *numerals, size_t length);
