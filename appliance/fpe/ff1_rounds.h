// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Inside of ff1_small.c and ff1_avx512.c: the rounds, inline, because every instruction set compiles its
// own.
//
// Reduction without division. With R = floor(2^2w / m), split into w-bit halves like y, the quotient is
//     yh * Rh + floor(yh * Rl / 2^w) + floor(yl * Rh / 2^w),
// which drops three fractions below 1 and R's own rounding: at most 3 too small. So y - q * m, computed
// modulo 2^w (or 2^2w), lies in [0, 4m), and two conditional subtractions, of 2m and m, finish it.
// WORD32 does it with w = 32 and WORD128 with w = 64. WORD64 has y of up to 96 bits and scales R to 64
// bits instead (see reduce64).
//
// gcc vectorises the WORD32 loops because all their products are 32 x 32 bits of which the low or the
// high word is kept, their corrections are unsigned minima, the arrays do not alias, and nothing leaves
// the loop early: -fopt-info-vec reports "loop vectorized using 32 byte vectors" for avx2 (tests/lint looks).
// The others stay scalar: no vector multiplication keeps the high word of 64-bit lanes.
//
// base_words is 2 when every value has its own prefix state and 0 when they share the first one; callers
// pass it as a constant.
#pragma once

#include "appliance/fpe/ff1_numerals.h"
#include "appliance/fpe/ff1_small.h"

INLINE uint64_t swap64(uint64_t word)
{
    return __builtin_bswap64(word);
}

INLINE uint32_t min32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

INLINE uint64_t min64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

// a - b when that is not below 0, else a; a < 2^127, b < 2^127.
INLINE ff1_u128 reduce_once(ff1_u128 a, ff1_u128 b)
{
    ff1_u128 difference = a - b;
    ff1_u128 below = (ff1_u128)0 - (difference >> 127);
    return difference + (b & below);
}

// What the block of a round holds beside the prefix state: i above the b bytes of NUM.
INLINE ff1_u128 mark_of(const struct ff1_step *step)
{
    return (ff1_u128)step->next_round << (8 * step->shape->b);
}

// ---- halves under 2^30 ---------------------------------------------------------------------------------

// Numerals are added or subtracted by one formula: -y = (y ^ ~0) + 1, and m is added to stay positive.
struct sign32 {
    uint32_t flip, lift;
};

INLINE void fill32(const struct ff1_step *step, uint64_t *restrict blocks, const uint64_t *restrict base,
                   const uint32_t *restrict half, size_t count, const size_t base_words)
{
    const uint64_t mark = (uint64_t)mark_of(step);
    for (size_t i = 0; i < count; i++) {
        blocks[2 * i] = base[base_words * i];
        blocks[2 * i + 1] = base[base_words * i + 1] ^ swap64(mark | half[i]);
    }
}

INLINE void step32(const struct ff1_step *step, uint64_t *restrict blocks, const uint64_t *restrict base,
                   uint32_t *restrict half, size_t count, const size_t base_words)
{
    const uint64_t mark = (uint64_t)mark_of(step);
    const uint32_t m = (uint32_t)step->modulus->value;
    const uint32_t rh = (uint32_t)step->modulus->reciprocal_high;
    const uint32_t rl = (uint32_t)step->modulus->reciprocal_low;
    const struct sign32 sign = step->subtract ? (struct sign32){UINT32_MAX, m + 1} : (struct sign32){0, 0};
    for (size_t i = 0; i < count; i++) {
        uint64_t y = swap64(blocks[2 * i]);
        uint32_t yh = (uint32_t)(y >> 32), yl = (uint32_t)y;
        uint32_t q = yh * rh + high32(yh, rl) + high32(yl, rh);
        uint32_t r = yl - q * m;
        r = min32(r, r - 2 * m);
        r = min32(r, r - m);
        r = (r ^ sign.flip) + sign.lift + half[i];
        r = min32(r, r - m);
        half[i] = r;
        blocks[2 * i] = base[base_words * i];
        blocks[2 * i + 1] = base[base_words * i + 1] ^ swap64(mark | r);
    }
}

// ---- halves under 2^62, powers of two to 2^64 ----------------------------------------------------------

INLINE void put64(uint64_t *block, const uint64_t *base, ff1_u128 mark, uint64_t half)
{
    block[0] = base[0] ^ swap64((uint64_t)(mark >> 64));
    block[1] = base[1] ^ swap64((uint64_t)mark | half);
}

INLINE void fill64(const struct ff1_step *step, uint64_t *restrict blocks, const uint64_t *restrict base,
                   const uint64_t *restrict half, size_t count, const size_t base_words)
{
    const ff1_u128 mark = mark_of(step);
    for (size_t i = 0; i < count; i++)
        put64(blocks + 2 * i, base + base_words * i, mark, half[i]);
}

// The first 8 or 12 bytes of a block as high (32 bits) and low.
struct y96 {
    uint64_t high, low;
};

INLINE struct y96 y96_of(const uint64_t *block, bool twelve)
{
    uint64_t first = swap64(block[0]), second = swap64(block[1]);
    return twelve ? (struct y96){first >> 32, first << 32 | second >> 32} : (struct y96){0, first};
}

// R = floor((2^(63 + bits) - 1) / m) with the top bit set, shift = bits - 1. For y < 2^(63 + bits) the
// quotient is at most 2 too small. A modulus under 2^32 under a y of 96 bits (coarse) leaves a
// remainder under 2^34 that is reduced once more.
INLINE uint64_t reduce64(const struct ff1_modulus *modulus, struct y96 y, bool coarse)
{
    const uint64_t m = (uint64_t)modulus->value, reciprocal = modulus->reciprocal_low;
    ff1_u128 estimate = (ff1_u128)y.high * reciprocal + bigint_high(y.low, reciprocal);
    uint64_t r = y.low - (uint64_t)(estimate >> modulus->shift) * m;
    if (coarse)
        r -= (bigint_high(r, reciprocal) >> modulus->shift) * m;
    r = min64(r, r - m);
    return min64(r, r - m);
}

// form is known when this is compiled in place: the words of a base (0 or 2), plus STEP64_COARSE.
enum { STEP64_COARSE = 4 };

INLINE void step64_modulus(const struct ff1_step *step, uint64_t *restrict blocks,
                           const uint64_t *restrict base, uint64_t *restrict half, size_t count,
                           const size_t form)
{
    const bool coarse = (form & STEP64_COARSE) != 0;
    const size_t base_words = form & ~(size_t)STEP64_COARSE;
    const ff1_u128 mark = mark_of(step);
    const uint64_t m = (uint64_t)step->modulus->value;
    const uint64_t flip = step->subtract ? UINT64_MAX : 0, lift = step->subtract ? m + 1 : 0;
    const bool twelve = step->shape->d == 12;
    for (size_t i = 0; i < count; i++) {
        uint64_t r = reduce64(step->modulus, y96_of(blocks + 2 * i, twelve), coarse);
        r = (r ^ flip) + lift + half[i];
        r = min64(r, r - m);
        half[i] = r;
        put64(blocks + 2 * i, base + base_words * i, mark, r);
    }
}

INLINE void step64_mask(const struct ff1_step *step, uint64_t *restrict blocks, const uint64_t *restrict base,
                        uint64_t *restrict half, size_t count, const size_t base_words)
{
    const ff1_u128 mark = mark_of(step);
    const uint64_t mask = (uint64_t)(step->modulus->value - 1);
    const uint64_t flip = step->subtract ? UINT64_MAX : 0, lift = step->subtract ? 1 : 0;
    const bool twelve = step->shape->d == 12;
    for (size_t i = 0; i < count; i++) {
        uint64_t y = y96_of(blocks + 2 * i, twelve).low;
        uint64_t r = ((y ^ flip) + lift + half[i]) & mask;
        half[i] = r;
        put64(blocks + 2 * i, base + base_words * i, mark, r);
    }
}

INLINE void step64(const struct ff1_step *step, uint64_t *restrict blocks, const uint64_t *restrict base,
                   uint64_t *restrict half, size_t count, const size_t base_words)
{
    if (step->shape->power_of_two)
        step64_mask(step, blocks, base, half, count, base_words);
    else if (step->modulus->coarse)
        step64_modulus(step, blocks, base, half, count, base_words | STEP64_COARSE);
    else
        step64_modulus(step, blocks, base, half, count, base_words);
}

// ---- halves to 2^96 ------------------------------------------------------------------------------------

INLINE void put128(uint64_t *block, const uint64_t *base, ff1_u128 mark, ff1_u128 half)
{
    half |= mark;
    block[0] = base[0] ^ swap64((uint64_t)(half >> 64));
    block[1] = base[1] ^ swap64((uint64_t)half);
}

INLINE void fill128(const struct ff1_step *step, uint64_t *restrict blocks, const uint64_t *restrict base,
                    const ff1_u128 *restrict half, size_t count, const size_t base_words)
{
    const ff1_u128 mark = mark_of(step);
    for (size_t i = 0; i < count; i++)
        put128(blocks + 2 * i, base + base_words * i, mark, half[i]);
}

INLINE ff1_u128 y_of(const uint64_t *block, unsigned drop_bits)
{
    return ((ff1_u128)swap64(block[0]) << 64 | swap64(block[1])) >> drop_bits;
}

INLINE ff1_u128 reduce128(const struct ff1_modulus *modulus, ff1_u128 y)
{
    const ff1_u128 m = modulus->value;
    const uint64_t yh = (uint64_t)(y >> 64), yl = (uint64_t)y;
    ff1_u128 q = (ff1_u128)yh * modulus->reciprocal_high + bigint_high(yh, modulus->reciprocal_low) +
                 bigint_high(yl, modulus->reciprocal_high);
    ff1_u128 r = reduce_once(y - q * m, 2 * m);
    return reduce_once(r, m);
}

INLINE void step128_modulus(const struct ff1_step *step, uint64_t *restrict blocks,
                            const uint64_t *restrict base, ff1_u128 *restrict half, size_t count,
                            const size_t base_words)
{
    const ff1_u128 mark = mark_of(step), m = step->modulus->value;
    const ff1_u128 flip = step->subtract ? ~(ff1_u128)0 : 0, lift = step->subtract ? m + 1 : 0;
    const unsigned drop_bits = 128 - 8 * (unsigned)step->shape->d;
    for (size_t i = 0; i < count; i++) {
        ff1_u128 r = reduce128(step->modulus, y_of(blocks + 2 * i, drop_bits));
        r = reduce_once((r ^ flip) + lift + half[i], m);
        half[i] = r;
        put128(blocks + 2 * i, base + base_words * i, mark, r);
    }
}

INLINE void step128_mask(const struct ff1_step *step, uint64_t *restrict blocks,
                         const uint64_t *restrict base, ff1_u128 *restrict half, size_t count,
                         const size_t base_words)
{
    const ff1_u128 mark = mark_of(step), mask = step->modulus->value - 1;
    const ff1_u128 flip = step->subtract ? ~(ff1_u128)0 : 0, lift = step->subtract ? 1 : 0;
    const unsigned drop_bits = 128 - 8 * (unsigned)step->shape->d;
    for (size_t i = 0; i < count; i++) {
        ff1_u128 r = ((y_of(blocks + 2 * i, drop_bits) ^ flip) + lift + half[i]) & mask;
        half[i] = r;
        put128(blocks + 2 * i, base + base_words * i, mark, r);
    }
}

INLINE void step128(const struct ff1_step *step, uint64_t *restrict blocks, const uint64_t *restrict base,
                    ff1_u128 *restrict half, size_t count, const size_t base_words)
{
    if (step->shape->power_of_two)
        step128_mask(step, blocks, base, half, count, base_words);
    else
        step128_modulus(step, blocks, base, half, count, base_words);
}

// ---- by the shape's kind --------------------------------------------------------------------------------

INLINE void fill_any(const struct ff1_step *step, uint64_t *blocks, const uint64_t *base, const void *half,
                     size_t count, const size_t base_words)
{
    if (step->shape->kind == FF1_WORD32)
        fill32(step, blocks, base, half, count, base_words);
    else if (step->shape->kind == FF1_WORD64)
        fill64(step, blocks, base, half, count, base_words);
    else
        fill128(step, blocks, base, half, count, base_words);
}

INLINE void step_any(const struct ff1_step *step, uint64_t *blocks, const uint64_t *base, void *half,
                     size_t count, const size_t base_words)
{
    if (step->shape->kind == FF1_WORD32)
        step32(step, blocks, base, half, count, base_words);
    else if (step->shape->kind == FF1_WORD64)
        step64(step, blocks, base, half, count, base_words);
    else
        step128(step, blocks, base, half, count, base_words);
}
