// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Inside of the engine: what a shape holds, and a piece of work. The letters are those of SP 800-38G:
// a value of n numerals is split into halves of u = floor(n/2) and v = n - u; b bytes hold a half, d bytes
// are drawn from the PRF.
#pragma once

#include "appliance/base/bigint.h"
#include "appliance/fpe/ff1.h"

#include <stdbool.h>

typedef unsigned __int128 ff1_u128;

// How a half is held. The first three need one cipher block a round.
enum ff1_kind {
    FF1_WORD32,  // both moduli under 2^30, hence b <= 4 and d = 8
    FF1_WORD64,  // under 2^62, powers of two to 2^64: b <= 8
    FF1_WORD128, // to 2^96: b <= 12
    FF1_WIDE,    // limbs
};

// radix^u or radix^v of a narrow shape and its reciprocal; see the steps in ff1_small.c.
struct ff1_modulus {
    ff1_u128 value;
    uint64_t reciprocal_high, reciprocal_low; // WORD64 uses low only; 32-bit halves each for WORD32
    unsigned shift;                           // WORD64
    bool coarse;                              // WORD64: one reduction does not suffice
};

// floor(x / value) = high word of x * multiplier, shifted right, for every x < 2^31.
struct ff1_divisor {
    uint32_t value, multiplier;
    unsigned shift;
};

// Divisors that take four numerals off a word under 2^30: no radix over 181 has four in it.
struct ff1_quads {
    struct ff1_divisor radix, square, fourth;
    uint16_t pair_multiplier; // x / radix = x * pair_multiplier >> 16 >> pair_shift, for x < 2^15
    unsigned pair_shift;
};

// Where the numerals of two neighbouring values go when both halves of each are put into eight places, zeros
// in front, and back: the 32 words of one vector.
enum { FF1_ROW_NUMERALS = 8, FF1_ROW_WORDS = 4 * FF1_ROW_NUMERALS };
struct ff1_rows {
    uint16_t spread[FF1_ROW_WORDS]; // the numeral for each place
    uint32_t filled;                // which places have one: bit i for place i
    uint16_t gather[FF1_ROW_WORDS]; // the place of each numeral
};

struct ff1_shape {
    enum ff1_kind kind;
    bool power_of_two; // of the radix, hence of both moduli
    size_t u, v, b, d;
    size_t tail_blocks;   // cipher blocks that a round must compute for each value: they hold i and NUM(B)
    size_t output_blocks; // ceil(d / 16)
    struct bigint_radix radix;
    struct ff1_modulus small[2]; // radix^u for even rounds, radix^v for odd ones
    struct ff1_quads quads;      // WORD32 of a radix to 181
    struct ff1_rows rows;        // WORD32 of a radix to 181, halves of at most FF1_ROW_NUMERALS
    bool has_rows;
    // WORD128 takes a half apart at split = radix^split_numerals <= 2^60.
    struct ff1_modulus split;
    size_t split_numerals;
    // WIDE
    struct bigint_modulus wide[2];
    const uint64_t *wide_value[2]; // the same moduli, not shifted; `limbs` of them (2^64k shows as 0)
    size_t wide_bits[2];           // of numbers below them, when they are powers of two
    size_t limbs;                  // of a half
    uint64_t *store;               // the moduli's limbs
};

// Values of one shape under one tweak that go through a slice side by side.
struct ff1_piece {
    const struct ff1_shape *shape;
    const uint8_t *tweak;
    size_t tweak_bytes;
    uint16_t *numerals;
    size_t count;
    uint64_t base[2];       // the prefix state, in the cipher's byte order
    size_t prefix_blocks;   // blocks of Q before the tail, while `missing`
    bool missing;           // base is not known yet
    size_t group, position; // narrow slices: where its values stand
};
