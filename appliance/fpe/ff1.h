// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// FF1 (NIST SP 800-38G Rev. 1, algorithms 7 and 8) over a cipher seam, in lock-step: up to FF1_SLICE
// values go through the ten rounds together, so that a round costs one cipher call for all of them,
// whatever their shapes and tweaks. The prefix of the PRF (CBC-MAC over P and the full blocks of Q that
// come from the tweak) is computed once for each (key, shape, tweak) and remembered.
//
// Numerals are 0..radix-1, most significant first, one in each uint16_t (radix 65536 included).
// Shapes are immutable and may be shared between threads and keys; a ff1_key may be used by any number
// of threads at once. No secret-dependent branch or table lookup in the rounds. All scratch memory is
// wiped.
#pragma once

#include "appliance/base/crypto.h"

#include <stddef.h>
#include <stdint.h>

enum {
    FF1_SLICE = 1024,      // values that share a cipher call
    FF1_LENGTH_MAX = 4096, // numerals in a value
    FF1_RADIX_MAX = 65536,
    FF1_TWEAK_BYTES_MAX = 65535,
};

// All constants of one (radix, length): halves, moduli, byte lengths, reciprocals.
struct ff1_shape;

// radix 2..65536, length 2..FF1_LENGTH_MAX; else ERR_INPUT. ERR_DOMAIN when radix^length < 1,000,000.
enum err ff1_shape_new(uint32_t radix, size_t length, struct ff1_shape **out_shape);
void ff1_shape_free(struct ff1_shape *shape);
uint32_t ff1_shape_radix(const struct ff1_shape *shape);
size_t ff1_shape_length(const struct ff1_shape *shape);

// A cipher and its remembered prefixes (bounded; the least useful is forgotten).
struct ff1_key;

enum err ff1_key_new(struct cipher cipher, struct ff1_key **out_key);
void ff1_key_free(struct ff1_key *key);

// Values of one shape under one tweak, side by side.
struct ff1_run {
    const struct ff1_shape *shape;
    const uint8_t *tweak; // may be NULL when tweak_bytes is 0
    size_t tweak_bytes;   // 0..FF1_TWEAK_BYTES_MAX
    uint16_t *numerals;   // count x length; transformed where they stand
    size_t count;
};

// Encrypts or decrypts every value of every run under one key. Every numeral is checked before any
// arithmetic: ERR_INPUT when one is not below its radix (nothing has been changed then). After a failure
// of the cipher, whose code is returned, the numerals are unspecified and the caller wipes them.
enum err ff1_encrypt(struct ff1_key *key, const struct ff1_run *runs, size_t run_count);
enum err ff1_decrypt(struct ff1_key *key, const struct ff1_run *runs, size_t run_count);
