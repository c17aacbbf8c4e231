// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Inside of ff1_small.c and ff1_avx512.c: numerals to halves in machine words and back, for many values
// at a time. Inline, because every instruction set compiles its own.
//
// WORD32 goes by quads, four numerals in the 64 bits that they occupy: a quad of every value is added to,
// or taken off, all halves in one loop that vectorises, and what the length leaves over (1 to 3 leading
// numerals) is done one by one. Wider halves are taken apart value by value.
#pragma once

#include "appliance/base/secret.h"
#include "appliance/fpe/ff1_shape.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

INLINE uint32_t high32(uint32_t a, uint32_t b)
{
    return (uint32_t)(((uint64_t)a * b) >> 32);
}

// floor(x / divisor) for x < 2^31.
INLINE uint32_t divide31(uint32_t x, struct ff1_divisor divisor)
{
    return high32(x, divisor.multiplier) >> divisor.shift;
}

// ---- WORD32 --------------------------------------------------------------------------------------------

// One quad of `count` values, `stride` numerals apart, goes behind what the halves hold.
INLINE void quad_add(const struct ff1_quads *quads, const uint16_t *restrict numerals, size_t stride,
                     uint32_t *restrict half, size_t count)
{
    const uint32_t radix = quads->radix.value, square = quads->square.value, fourth = quads->fourth.value;
    for (size_t i = 0; i < count; i++) {
        uint64_t quad;
        memcpy(&quad, numerals + i * stride, sizeof quad);
        uint32_t front = (uint32_t)quad, back = (uint32_t)(quad >> 32);
        half[i] = half[i] * fourth + ((front & 0xffff) * radix + (front >> 16)) * square +
                  (back & 0xffff) * radix + (back >> 16);
    }
}

// The last quad of the halves, which lose it, unless it is all that they hold (`last`).
INLINE void quad_take(const struct ff1_quads *quads, uint32_t *restrict half, uint16_t *restrict numerals,
                      size_t stride, size_t count, bool last)
{
    const struct ff1_divisor radix = quads->radix, square = quads->square, fourth = quads->fourth;
    uint64_t taken[64];
    WIPE_AT_EXIT(taken);
    for (size_t first = 0; first < count; first += 64) {
        size_t now = count - first < 64 ? count - first : 64;
        for (size_t i = 0; i < now; i++) {
            uint32_t rest = last ? 0 : divide31(half[first + i], fourth);
            uint32_t quad = half[first + i] - rest * fourth.value;
            uint32_t front = divide31(quad, square), back = quad - front * square.value;
            uint32_t numeral0 = divide31(front, radix), numeral2 = divide31(back, radix);
            uint32_t numeral1 = front - numeral0 * radix.value, numeral3 = back - numeral2 * radix.value;
            half[first + i] = rest;
            taken[i] = numeral0 | numeral1 << 16 | (uint64_t)(numeral2 | numeral3 << 16) << 32;
        }
        for (size_t i = 0; i < now; i++)
            memcpy(numerals + (first + i) * stride, &taken[i], sizeof taken[i]);
    }
}

typedef void quad_take_function(const struct ff1_quads *quads, uint32_t *restrict half,
                                uint16_t *restrict numerals, size_t stride, size_t count, bool last);

INLINE void half32_from(const struct ff1_shape *shape, const uint16_t *numerals, size_t numeral_count,
                        uint32_t *half, size_t count)
{
    const size_t stride = shape->u + shape->v;
    size_t leading = numeral_count % 4;
    for (size_t i = 0; i < count; i++)
        half[i] = (uint32_t)bigint_word_from_numerals(&shape->radix, numerals + i * stride, leading);
    for (size_t at = leading; at < numeral_count; at += 4)
        quad_add(&shape->quads, numerals + at, stride, half, count);
}

INLINE void half32_to(const struct ff1_shape *shape, uint32_t *half, uint16_t *numerals, size_t numeral_count,
                      size_t count, quad_take_function *take)
{
    const size_t stride = shape->u + shape->v;
    size_t leading = numeral_count % 4;
    for (size_t at = numeral_count; at > leading; at -= 4)
        take(&shape->quads, half, numerals + at - 4, stride, count, at == 4);
    for (size_t i = 0; i < count && leading > 0; i++)
        bigint_piece_to_numerals(&shape->radix, half[i], numerals + i * stride, leading);
}

// Under this many values the loops over quads cost more than they save.
enum { FEW_VALUES = 8 };

INLINE void load32(const struct ff1_shape *shape, const uint16_t *numerals, uint32_t *left, uint32_t *right,
                   size_t count)
{
    if (count >= FEW_VALUES) {
        half32_from(shape, numerals, shape->u, left, count);
        half32_from(shape, numerals + shape->u, shape->v, right, count);
        return;
    }
    for (size_t i = 0; i < count; i++, numerals += shape->u + shape->v) {
        left[i] = (uint32_t)bigint_word_from_numerals(&shape->radix, numerals, shape->u);
        right[i] = (uint32_t)bigint_word_from_numerals(&shape->radix, numerals + shape->u, shape->v);
    }
}

INLINE void store32(const struct ff1_shape *shape, uint32_t *left, uint32_t *right, uint16_t *numerals,
                    size_t count, quad_take_function *take)
{
    if (count >= FEW_VALUES) {
        half32_to(shape, left, numerals, shape->u, count, take);
        half32_to(shape, right, numerals + shape->u, shape->v, count, take);
        return;
    }
    for (size_t i = 0; i < count; i++, numerals += shape->u + shape->v) {
        bigint_piece_to_numerals(&shape->radix, left[i], numerals, shape->u);
        bigint_piece_to_numerals(&shape->radix, right[i], numerals + shape->u, shape->v);
    }
}

// ---- WORD64 --------------------------------------------------------------------------------------------

INLINE void load64(const struct ff1_shape *shape, const uint16_t *numerals, uint64_t *left, uint64_t *right,
                   size_t count)
{
    const size_t u = shape->u, v = shape->v;
    for (size_t i = 0; i < count; i++, numerals += u + v) {
        left[i] = bigint_word_from_numerals(&shape->radix, numerals, u);
        right[i] = bigint_word_from_numerals(&shape->radix, numerals + u, v);
    }
}

INLINE void store64(const struct ff1_shape *shape, uint64_t *left, uint64_t *right, uint16_t *numerals,
                    size_t count)
{
    const size_t u = shape->u, v = shape->v;
    for (size_t i = 0; i < count; i++, numerals += u + v) {
        bigint_word_to_numerals(&shape->radix, left[i], numerals, u);
        bigint_word_to_numerals(&shape->radix, right[i], numerals + u, v);
    }
}

// ---- WORD128 -------------------------------------------------------------------------------------------

INLINE ff1_u128 half128_from(const struct ff1_shape *shape, const uint16_t *numerals, size_t count)
{
    if (count <= shape->split_numerals)
        return bigint_word_from_numerals(&shape->radix, numerals, count);
    size_t upper = count - shape->split_numerals;
    return bigint_word_from_numerals(&shape->radix, numerals, upper) * shape->split.value +
           bigint_word_from_numerals(&shape->radix, numerals + upper, shape->split_numerals);
}

INLINE void half128_to(const struct ff1_shape *shape, ff1_u128 half, uint16_t *numerals, size_t count)
{
    const struct ff1_modulus *split = &shape->split;
    if (count <= shape->split_numerals) {
        bigint_word_to_numerals(&shape->radix, (uint64_t)half, numerals, count);
        return;
    }
    // The quotient of a half up to 2^96 by 2^44 < split <= 2^60, right or one too small (see reduce64).
    const uint64_t m = (uint64_t)split->value;
    ff1_u128 estimate =
        (half >> 64) * split->reciprocal_low + bigint_high((uint64_t)half, split->reciprocal_low);
    uint64_t q = (uint64_t)(estimate >> split->shift);
    uint64_t r = (uint64_t)half - q * m;
    uint64_t small = (uint64_t)0 - (r >= m);
    q -= small;
    r -= m & small;
    size_t upper = count - shape->split_numerals;
    bigint_word_to_numerals(&shape->radix, q, numerals, upper);
    bigint_word_to_numerals(&shape->radix, r, numerals + upper, shape->split_numerals);
}

INLINE void load128(const struct ff1_shape *shape, const uint16_t *numerals, ff1_u128 *left, ff1_u128 *right,
                    size_t count)
{
    const size_t u = shape->u, v = shape->v;
    for (size_t i = 0; i < count; i++, numerals += u + v) {
        left[i] = half128_from(shape, numerals, u);
        right[i] = half128_from(shape, numerals + u, v);
    }
}

INLINE void store128(const struct ff1_shape *shape, ff1_u128 *left, ff1_u128 *right, uint16_t *numerals,
                     size_t count)
{
    const size_t u = shape->u, v = shape->v;
    for (size_t i = 0; i < count; i++, numerals += u + v) {
        half128_to(shape, left[i], numerals, u);
        half128_to(shape, right[i], numerals + u, v);
    }
}

// ---- by the shape's kind -------------------------------------------------------------------------------

INLINE void load_any(const struct ff1_shape *shape, const uint16_t *numerals, void *left, void *right,
                     size_t count)
{
    if (shape->kind == FF1_WORD32)
        load32(shape, numerals, left, right, count);
    else if (shape->kind == FF1_WORD64)
        load64(shape, numerals, left, right, count);
    else
        load128(shape, numerals, left, right, count);
}

INLINE void store_any(const struct ff1_shape *shape, void *left, void *right, uint16_t *numerals,
                      size_t count, quad_take_function *take)
{
    if (shape->kind == FF1_WORD32)
        store32(shape, left, right, numerals, count, take);
    else if (shape->kind == FF1_WORD64)
        store64(shape, left, right, numerals, count);
    else
        store128(shape, left, right, numerals, count);
}

INLINE bool valid_any(const uint16_t *numerals, size_t count, uint32_t radix)
{
    uint16_t largest = 0;
    for (size_t i = 0; i < count; i++)
        largest = numerals[i] > largest ? numerals[i] : largest;
    return largest < radix;
}
