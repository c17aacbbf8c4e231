// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Reduction without division. With R = floor(2^2w / m), split into w-bit halves like y, the quotient is
//     yh * Rh + floor(yh * Rl / 2^w) + floor(yl * Rh / 2^w),
// which drops three fractions below 1 and R's own rounding: at most 3 too small. So y - q * m, computed
// modulo 2^w (or 2^2w), lies in [0, 4m), and two conditional subtractions, of 2m and m, finish it.
// WORD32 does it with w = 32 and WORD128 with w = 64. WORD64 has y of up to 96 bits and scales R to 64
// bits instead (see reduce64).
//
// gcc vectorises the WORD32 loops because all their products are 32 x 32 bits of which the low or the
// high word is kept (widening multiplications of unsigned lanes), their corrections are unsigned minima,
// the arrays do not alias, and nothing leaves the loop early; -fopt-info-vec reports "loop vectorized
// using 64 byte vectors" for avx512 and 32 for avx2. Other loops stay scalar: there is no vector
// multiplication of 64-bit lanes that keeps the high word.
#include "appliance/fpe/ff1_small.h"

#include <assert.h>
#include <string.h>

typedef ff1_u128 u128;

#define INLINE static inline __attribute__((always_inline))

INLINE uint64_t swap64(uint64_t word)
{
    return __builtin_bswap64(word);
}

INLINE uint32_t high32(uint32_t a, uint32_t b)
{
    return (uint32_t)(((uint64_t)a * b) >> 32);
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
INLINE u128 reduce_once128(u128 a, u128 b)
{
    u128 difference = a - b;
    u128 below = (u128)0 - (difference >> 127);
    return difference + (b & below);
}

// What the block of a round holds beside the prefix state: i above the b bytes of NUM.
INLINE u128 mark_of(const struct ff1_step *step)
{
    return (u128)step->next_round << (8 * step->shape->b);
}

// ---- halves under 2^30 ---------------------------------------------------------------------------------

// Numerals are added or subtracted by one formula: -y = (y ^ ~0) + 1, and m is added to stay positive.
struct sign32 {
    uint32_t flip, lift;
};

INLINE void fill32(const struct ff1_step *step, uint64_t *restrict blocks, const uint64_t *restrict base,
                   const uint32_t *restrict half, size_t count)
{
    const uint64_t mark = (uint64_t)mark_of(step);
    for (size_t i = 0; i < count; i++) {
        blocks[2 * i] = base[2 * i];
        blocks[2 * i + 1] = base[2 * i + 1] ^ swap64(mark | half[i]);
    }
}

INLINE void step32(const struct ff1_step *step, uint64_t *restrict blocks, const uint64_t *restrict base,
                   uint32_t *restrict half, size_t count)
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
        blocks[2 * i] = base[2 * i];
        blocks[2 * i + 1] = base[2 * i + 1] ^ swap64(mark | r);
    }
}

// ---- halves under 2^62, powers of two to 2^64 ----------------------------------------------------------

INLINE void put64(uint64_t *block, const uint64_t *base, u128 mark, uint64_t half)
{
    block[0] = base[0] ^ swap64((uint64_t)(mark >> 64));
    block[1] = base[1] ^ swap64((uint64_t)mark | half);
}

INLINE void fill64(const struct ff1_step *step, uint64_t *restrict blocks, const uint64_t *restrict base,
                   const uint64_t *restrict half, size_t count)
{
    const u128 mark = mark_of(step);
    for (size_t i = 0; i < count; i++)
        put64(blocks + 2 * i, base + 2 * i, mark, half[i]);
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
    u128 estimate = (u128)y.high * reciprocal + bigint_high(y.low, reciprocal);
    uint64_t r = y.low - (uint64_t)(estimate >> modulus->shift) * m;
    if (coarse)
        r -= (bigint_high(r, reciprocal) >> modulus->shift) * m;
    r = min64(r, r - m);
    return min64(r, r - m);
}

INLINE void step64_modulus(const struct ff1_step *step, uint64_t *restrict blocks,
                           const uint64_t *restrict base, uint64_t *restrict half, size_t count, bool coarse)
{
    const u128 mark = mark_of(step);
    const uint64_t m = (uint64_t)step->modulus->value;
    const uint64_t flip = step->subtract ? UINT64_MAX : 0, lift = step->subtract ? m + 1 : 0;
    const bool twelve = step->shape->d == 12;
    for (size_t i = 0; i < count; i++) {
        uint64_t r = reduce64(step->modulus, y96_of(blocks + 2 * i, twelve), coarse);
        r = (r ^ flip) + lift + half[i];
        r = min64(r, r - m);
        half[i] = r;
        put64(blocks + 2 * i, base + 2 * i, mark, r);
    }
}

INLINE void step64_mask(const struct ff1_step *step, uint64_t *restrict blocks, const uint64_t *restrict base,
                        uint64_t *restrict half, size_t count)
{
    const u128 mark = mark_of(step);
    const uint64_t mask = (uint64_t)(step->modulus->value - 1);
    const uint64_t flip = step->subtract ? UINT64_MAX : 0, lift = step->subtract ? 1 : 0;
    const bool twelve = step->shape->d == 12;
    for (size_t i = 0; i < count; i++) {
        uint64_t y = y96_of(blocks + 2 * i, twelve).low;
        uint64_t r = ((y ^ flip) + lift + half[i]) & mask;
        half[i] = r;
        put64(blocks + 2 * i, base + 2 * i, mark, r);
    }
}

INLINE void step64(const struct ff1_step *step, uint64_t *restrict blocks, const uint64_t *restrict base,
                   uint64_t *restrict half, size_t count)
{
    if (step->shape->power_of_two)
        step64_mask(step, blocks, base, half, count);
    else if (step->modulus->coarse)
        step64_modulus(step, blocks, base, half, count, true);
    else
        step64_modulus(step, blocks, base, half, count, false);
}

// ---- halves to 2^96 ------------------------------------------------------------------------------------

INLINE void put128(uint64_t *block, const uint64_t *base, u128 mark, u128 half)
{
    half |= mark;
    block[0] = base[0] ^ swap64((uint64_t)(half >> 64));
    block[1] = base[1] ^ swap64((uint64_t)half);
}

INLINE void fill128(const struct ff1_step *step, uint64_t *restrict blocks, const uint64_t *restrict base,
                    const u128 *restrict half, size_t count)
{
    const u128 mark = mark_of(step);
    for (size_t i = 0; i < count; i++)
        put128(blocks + 2 * i, base + 2 * i, mark, half[i]);
}

INLINE u128 y128_of(const uint64_t *block, unsigned drop_bits)
{
    return ((u128)swap64(block[0]) << 64 | swap64(block[1])) >> drop_bits;
}

INLINE u128 reduce128(const struct ff1_modulus *modulus, u128 y)
{
    const u128 m = modulus->value;
    const uint64_t yh = (uint64_t)(y >> 64), yl = (uint64_t)y;
    u128 q = (u128)yh * modulus->reciprocal_high + bigint_high(yh, modulus->reciprocal_low) +
             bigint_high(yl, modulus->reciprocal_high);
    u128 r = reduce_once128(y - q * m, 2 * m);
    return reduce_once128(r, m);
}

INLINE void step128_modulus(const struct ff1_step *step, uint64_t *restrict blocks,
                            const uint64_t *restrict base, u128 *restrict half, size_t count)
{
    const u128 mark = mark_of(step), m = step->modulus->value;
    const u128 flip = step->subtract ? ~(u128)0 : 0, lift = step->subtract ? m + 1 : 0;
    const unsigned drop_bits = 128 - 8 * (unsigned)step->shape->d;
    for (size_t i = 0; i < count; i++) {
        u128 r = reduce128(step->modulus, y128_of(blocks + 2 * i, drop_bits));
        r = reduce_once128((r ^ flip) + lift + half[i], m);
        half[i] = r;
        put128(blocks + 2 * i, base + 2 * i, mark, r);
    }
}

INLINE void step128_mask(const struct ff1_step *step, uint64_t *restrict blocks,
                         const uint64_t *restrict base, u128 *restrict half, size_t count)
{
    const u128 mark = mark_of(step), mask = step->modulus->value - 1;
    const u128 flip = step->subtract ? ~(u128)0 : 0, lift = step->subtract ? 1 : 0;
    const unsigned drop_bits = 128 - 8 * (unsigned)step->shape->d;
    for (size_t i = 0; i < count; i++) {
        u128 r = ((y128_of(blocks + 2 * i, drop_bits) ^ flip) + lift + half[i]) & mask;
        half[i] = r;
        put128(blocks + 2 * i, base + 2 * i, mark, r);
    }
}

INLINE void step128(const struct ff1_step *step, uint64_t *restrict blocks, const uint64_t *restrict base,
                    u128 *restrict half, size_t count)
{
    if (step->shape->power_of_two)
        step128_mask(step, blocks, base, half, count);
    else
        step128_modulus(step, blocks, base, half, count);
}

// ---- numerals ------------------------------------------------------------------------------------------

INLINE u128 half128_from(const struct ff1_shape *shape, const uint16_t *numerals, size_t count)
{
    if (count <= shape->split_numerals)
        return bigint_word_from_numerals(&shape->radix, numerals, count);
    size_t upper = count - shape->split_numerals;
    return bigint_word_from_numerals(&shape->radix, numerals, upper) * shape->split.value +
           bigint_word_from_numerals(&shape->radix, numerals + upper, shape->split_numerals);
}

INLINE void half128_to(const struct ff1_shape *shape, u128 half, uint16_t *numerals, size_t count)
{
    const struct ff1_modulus *split = &shape->split;
    if (count <= shape->split_numerals) {
        bigint_word_to_numerals(&shape->radix, (uint64_t)half, numerals, count);
        return;
    }
    // The quotient by 2^44 < split <= 2^60 of a half up to 2^96, at most 2 too small, as in reduce64.
    const uint64_t m = (uint64_t)split->value;
    u128 estimate = (half >> 64) * split->reciprocal_low + bigint_high((uint64_t)half, split->reciprocal_low);
    uint64_t q = (uint64_t)(estimate >> split->shift);
    uint64_t r = (uint64_t)half - q * m;
    for (int correction = 0; correction < 2; correction++) {
        uint64_t small = (uint64_t)0 - (r >= m);
        q -= small;
        r -= m & small;
    }
    size_t upper = count - shape->split_numerals;
    bigint_word_to_numerals(&shape->radix, q, numerals, upper);
    bigint_word_to_numerals(&shape->radix, r, numerals + upper, shape->split_numerals);
}

INLINE void load32(const struct ff1_shape *shape, const uint16_t *numerals, uint32_t *left, uint32_t *right,
                   size_t count)
{
    const size_t u = shape->u, v = shape->v;
    for (size_t i = 0; i < count; i++, numerals += u + v) {
        left[i] = (uint32_t)bigint_word_from_numerals(&shape->radix, numerals, u);
        right[i] = (uint32_t)bigint_word_from_numerals(&shape->radix, numerals + u, v);
    }
}

INLINE void store32(const struct ff1_shape *shape, const uint32_t *left, const uint32_t *right,
                    uint16_t *numerals, size_t count)
{
    const size_t u = shape->u, v = shape->v;
    for (size_t i = 0; i < count; i++, numerals += u + v) {
        bigint_piece_to_numerals(&shape->radix, left[i], numerals, u);
        bigint_piece_to_numerals(&shape->radix, right[i], numerals + u, v);
    }
}

INLINE void load64(const struct ff1_shape *shape, const uint16_t *numerals, uint64_t *left, uint64_t *right,
                   size_t count)
{
    const size_t u = shape->u, v = shape->v;
    for (size_t i = 0; i < count; i++, numerals += u + v) {
        left[i] = bigint_word_from_numerals(&shape->radix, numerals, u);
        right[i] = bigint_word_from_numerals(&shape->radix, numerals + u, v);
    }
}

INLINE void store64(const struct ff1_shape *shape, const uint64_t *left, const uint64_t *right,
                    uint16_t *numerals, size_t count)
{
    const size_t u = shape->u, v = shape->v;
    for (size_t i = 0; i < count; i++, numerals += u + v) {
        bigint_word_to_numerals(&shape->radix, left[i], numerals, u);
        bigint_word_to_numerals(&shape->radix, right[i], numerals + u, v);
    }
}

INLINE void load128(const struct ff1_shape *shape, const uint16_t *numerals, u128 *left, u128 *right,
                    size_t count)
{
    const size_t u = shape->u, v = shape->v;
    for (size_t i = 0; i < count; i++, numerals += u + v) {
        left[i] = half128_from(shape, numerals, u);
        right[i] = half128_from(shape, numerals + u, v);
    }
}

INLINE void store128(const struct ff1_shape *shape, const u128 *left, const u128 *right, uint16_t *numerals,
                     size_t count)
{
    const size_t u = shape->u, v = shape->v;
    for (size_t i = 0; i < count; i++, numerals += u + v) {
        half128_to(shape, left[i], numerals, u);
        half128_to(shape, right[i], numerals + u, v);
    }
}

size_t ff1_half_bytes(enum ff1_kind kind)
{
    assert(kind != FF1_WIDE);
    return kind == FF1_WORD32 ? sizeof(uint32_t) : kind == FF1_WORD64 ? sizeof(uint64_t) : sizeof(u128);
}

bool ff1_numerals_valid(const uint16_t *numerals, size_t count, uint32_t radix)
{
    uint16_t largest = 0;
    for (size_t i = 0; i < count; i++)
        largest = numerals[i] > largest ? numerals[i] : largest;
    return largest < radix;
}

// ---- one kernel for each instruction set ---------------------------------------------------------------

// Calls `verb`32, 64 or 128 by the shape's kind.
#define BY_KIND(verb, kind, ...)                                                                             \
    do {                                                                                                     \
        if ((kind) == FF1_WORD32)                                                                            \
            verb##32(__VA_ARGS__);                                                                           \
        else if ((kind) == FF1_WORD64)                                                                       \
            verb##64(__VA_ARGS__);                                                                           \
        else                                                                                                 \
            verb##128(__VA_ARGS__);                                                                          \
    } while (0)

// Explicit functions and not target_clones: tests run each by name, and gcc 12's ifunc resolvers crash
// under ThreadSanitizer.
#define KERNEL(suffix, ...)                                                                                  \
    __VA_ARGS__ static void fill_##suffix(const struct ff1_step *step, uint64_t *blocks,                     \
                                          const uint64_t *base, const void *half, size_t count)              \
    {                                                                                                        \
        BY_KIND(fill, step->shape->kind, step, blocks, base, half, count);                                   \
    }                                                                                                        \
    __VA_ARGS__ static void step_##suffix(const struct ff1_step *step, uint64_t *blocks,                     \
                                          const uint64_t *base, void *half, size_t count)                    \
    {                                                                                                        \
        BY_KIND(step, step->shape->kind, step, blocks, base, half, count);                                   \
    }                                                                                                        \
    __VA_ARGS__ static void load_##suffix(const struct ff1_shape *shape, const uint16_t *numerals,           \
                                          void *left, void *right, size_t count)                             \
    {                                                                                                        \
        BY_KIND(load, shape->kind, shape, numerals, left, right, count);                                     \
    }                                                                                                        \
    __VA_ARGS__ static void store_##suffix(const struct ff1_shape *shape, const void *left,                  \
                                           const void *right, uint16_t *numerals, size_t count)              \
    {                                                                                                        \
        BY_KIND(store, shape->kind, shape, left, right, numerals, count);                                    \
    }                                                                                                        \
    static const struct ff1_kernel kernel_##suffix = {#suffix, fill_##suffix, step_##suffix, load_##suffix,  \
                                                      store_##suffix};

KERNEL(portable)
#if defined(__x86_64__)
KERNEL(avx2, __attribute__((target("avx2,bmi2"))))
KERNEL(avx512, __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,bmi2"))))
#endif

const struct ff1_kernel *const *ff1_kernels(size_t *out_count)
{
#if defined(__x86_64__)
    static const struct ff1_kernel *const all[] = {&kernel_avx512, &kernel_avx2, &kernel_portable};
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    size_t skip = avx512 ? 0 : avx2 ? 1 : 2;
#else
    static const struct ff1_kernel *const all[] = {&kernel_portable};
    size_t skip = 0;
#endif
    *out_count = sizeof all / sizeof *all - skip;
    return all + skip;
}
