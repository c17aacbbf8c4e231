// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Unsigned integers of any size as little-endian arrays of 64-bit limbs. The caller owns every array and
// fixes its length; nothing here allocates or fails. Time and memory access depend on lengths, radix and
// modulus, never on the value: no branch, no table and no division instruction touches a limb of it, so
// the values may be secret (the caller wipes them). Pure functions: any thread.
#pragma once

#include <stddef.h>
#include <stdint.h>

// a = a + b. Returns the carry, 0 or 1. b has no more limbs than a.
uint64_t bigint_add(uint64_t *a, size_t a_count, const uint64_t *b, size_t b_count);
// a = a - b over `count` limbs. Returns the borrow, 0 or 1.
uint64_t bigint_sub(uint64_t *a, const uint64_t *b, size_t count);
// a = a + b when mask is all ones, a when it is 0. Returns the carry.
uint64_t bigint_add_masked(uint64_t *a, const uint64_t *b, size_t count, uint64_t mask);
// a = a * factor + addend. Returns the limb that overflowed.
uint64_t bigint_mul_add(uint64_t *a, size_t count, uint64_t factor, uint64_t addend);
// Bits up to the highest set one; 0 for zero. For public values (its time tells where that bit is).
size_t bigint_bits(const uint64_t *a, size_t count);

// Big-endian bytes to limbs (bytes <= 8 * count; the rest becomes 0) and back (the low `bytes` bytes).
// a = a mod 2^bits
void bigint_mask(uint64_t *a, size_t count, size_t bits);

void bigint_from_bytes(const uint8_t *in, size_t bytes, uint64_t *out, size_t count);
void bigint_to_bytes(const uint64_t *a, size_t count, uint8_t *out, size_t bytes);

// ---- numerals: digits in a radix of 2..65536, most significant first, one in each uint16_t -----------

// The constants of one radix.
struct bigint_radix {
    uint32_t radix;
    unsigned bits;             // of a numeral when radix is a power of two; else 0
    uint64_t reciprocal;       // ceil(2^64 / radix): exact for words under 2^48
    unsigned piece_numerals;   // radix^piece_numerals = piece, at most 2^32
    uint64_t piece;            // a word splits into two pieces, each under 2^48
    uint64_t piece_reciprocal; // floor(2^64 / piece)
    unsigned chunk_numerals;   // radix^chunk_numerals = chunk, at most 2^64 - 1
    uint64_t chunk;            // what conversions take off at a time
    uint64_t chunk_normalized; // chunk shifted left until its top bit is set
    uint64_t chunk_reciprocal; // floor((2^128 - 1) / chunk_normalized) - 2^64
    unsigned chunk_shift;
};

void bigint_radix_init(struct bigint_radix *out, uint32_t radix);

// The value of `count` numerals; it must fit (radix^count <= 2^(64 * limbs)).
void bigint_from_numerals(const struct bigint_radix *radix, const uint16_t *numerals, size_t count,
                          uint64_t *out, size_t limbs);
// a as exactly `count` numerals; a < radix^count. Destroys a.
void bigint_to_numerals(const struct bigint_radix *radix, uint64_t *a, size_t limbs, uint16_t *out,
                        size_t count);

// ---- remainders ---------------------------------------------------------------------------------------

// A modulus of two limbs or more, its top limb not 0.
struct bigint_modulus {
    const uint64_t *normalized; // count limbs, the modulus shifted left until its top bit is set
    size_t count;
    unsigned shift;
    uint64_t reciprocal; // floor((2^192 - 1) / top two limbs of normalized) - 2^64
};

// Shifts `modulus` (count limbs) where it stands; it must outlive *out.
void bigint_modulus_init(struct bigint_modulus *out, uint64_t *modulus, size_t count);
// a = a mod modulus. a has `count` limbs, more than the modulus has, and its top limb is 0.
void bigint_mod(const struct bigint_modulus *modulus, uint64_t *a, size_t count);

// ---- words ---------------------------------------------------------------------------------------------

static inline uint64_t bigint_high(uint64_t a, uint64_t b)
{
    return (uint64_t)(((unsigned __int128)a * b) >> 64);
}

// word < 2^48 as exactly `count` numerals; word < radix^count.
static inline void bigint_piece_to_numerals(const struct bigint_radix *radix, uint64_t word, uint16_t *out,
                                            size_t count)
{
    while (count > 0) {
        uint64_t quotient = bigint_high(word, radix->reciprocal);
        out[--count] = (uint16_t)(word - quotient * radix->radix);
        word = quotient;
    }
}

// Any word as exactly `count` numerals; word < radix^count.
static inline void bigint_word_to_numerals(const struct bigint_radix *radix, uint64_t word, uint16_t *out,
                                           size_t count)
{
    if (radix->bits > 0) { // numerals are its bits
        for (size_t i = count; i-- > 0; word >>= radix->bits)
            out[i] = (uint16_t)(word & (radix->radix - 1));
        return;
    }
    if (count > radix->piece_numerals) {
        // The reciprocal is rounded down, so the quotient is right or one too small.
        uint64_t quotient = bigint_high(word, radix->piece_reciprocal);
        uint64_t rest = word - quotient * radix->piece;
        uint64_t small = (uint64_t)0 - (rest >= radix->piece);
        count -= radix->piece_numerals;
        bigint_piece_to_numerals(radix, rest - (radix->piece & small), out + count, radix->piece_numerals);
        word = quotient - small;
    }
    bigint_piece_to_numerals(radix, word, out, count);
}

// The value of `count` numerals that fits a word.
static inline uint64_t bigint_word_from_numerals(const struct bigint_radix *radix, const uint16_t *numerals,
                                                 size_t count)
{
    uint64_t word = 0;
    if (radix->bits > 0) {
        for (size_t i = 0; i < count; i++)
            word = word << radix->bits | numerals[i];
        return word;
    }
    for (size_t i = 0; i < count; i++)
        word = word * radix->radix + numerals[i];
    return word;
}
