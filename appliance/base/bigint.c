// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Divisions multiply by a reciprocal that was computed once from public constants, after N. Moeller and
// T. Granlund, "Improved division by invariant integers" (IEEE Trans. Computers, 2011); their rare
// corrections are done by masks here, always.
#include "appliance/base/bigint.h"

#include <assert.h>
#include <string.h>

typedef unsigned __int128 u128;

uint64_t bigint_add(uint64_t *a, size_t a_count, const uint64_t *b, size_t b_count)
{
    assert(b_count <= a_count);
    uint64_t carry = bigint_add_masked(a, b, b_count, UINT64_MAX);
    for (size_t i = b_count; i < a_count; i++) {
        u128 sum = (u128)a[i] + carry;
        a[i] = (uint64_t)sum;
        carry = (uint64_t)(sum >> 64);
    }
    return carry;
}

uint64_t bigint_add_masked(uint64_t *a, const uint64_t *b, size_t count, uint64_t mask)
{
    uint64_t carry = 0;
    for (size_t i = 0; i < count; i++) {
        u128 sum = (u128)a[i] + (b[i] & mask) + carry;
        a[i] = (uint64_t)sum;
        carry = (uint64_t)(sum >> 64);
    }
    return carry;
}

uint64_t bigint_sub(uint64_t *a, const uint64_t *b, size_t count)
{
    uint64_t borrow = 0;
    for (size_t i = 0; i < count; i++) {
        u128 difference = (u128)a[i] - b[i] - borrow;
        a[i] = (uint64_t)difference;
        borrow = (uint64_t)(difference >> 64) & 1;
    }
    return borrow;
}

uint64_t bigint_mul_add(uint64_t *a, size_t count, uint64_t factor, uint64_t addend)
{
    for (size_t i = 0; i < count; i++) {
        u128 sum = (u128)a[i] * factor + addend;
        a[i] = (uint64_t)sum;
        addend = (uint64_t)(sum >> 64);
    }
    return addend;
}

size_t bigint_bits(const uint64_t *a, size_t count)
{
    while (count > 0 && a[count - 1] == 0)
        count--;
    return count == 0 ? 0 : 64 * count - (size_t)__builtin_clzll(a[count - 1]);
}

void bigint_mask(uint64_t *a, size_t count, size_t bits)
{
    if (bits / 64 >= count)
        return;
    a[bits / 64] &= ((uint64_t)1 << bits % 64) - 1;
    for (size_t i = bits / 64 + 1; i < count; i++)
        a[i] = 0;
}

// ---- bytes ---------------------------------------------------------------------------------------------

void bigint_from_bytes(const uint8_t *in, size_t bytes, uint64_t *out, size_t count)
{
    assert(bytes <= 8 * count);
    size_t i = 0;
    for (; bytes >= 8; bytes -= 8, i++) {
        uint64_t word;
        memcpy(&word, in + bytes - 8, 8);
        out[i] = __builtin_bswap64(word);
    }
    memset(out + i, 0, 8 * (count - i));
    for (size_t k = 0; k < bytes; k++)
        out[i] = out[i] << 8 | in[k];
}

void bigint_to_bytes(const uint64_t *a, size_t count, uint8_t *out, size_t bytes)
{
    assert(bytes <= 8 * count);
    size_t i = 0;
    for (; bytes >= 8; bytes -= 8, i++) {
        uint64_t word = __builtin_bswap64(a[i]);
        memcpy(out + bytes - 8, &word, 8);
    }
    for (size_t k = 0; k < bytes; k++)
        out[bytes - 1 - k] = (uint8_t)(a[i] >> 8 * k);
}

// ---- numerals ------------------------------------------------------------------------------------------

void bigint_radix_init(struct bigint_radix *out, uint32_t radix)
{
    assert(radix >= 2 && radix <= 65536);
    *out = (struct bigint_radix){.radix = radix, .piece = 1, .chunk = 1};
    out->bits = (radix & (radix - 1)) == 0 ? (unsigned)__builtin_ctz(radix) : 0;
    out->reciprocal = (uint64_t)((((u128)1 << 64) + radix - 1) / radix);
    for (; out->piece * radix <= (uint64_t)1 << 32; out->piece_numerals++)
        out->piece *= radix;
    out->piece_reciprocal = (uint64_t)(((u128)1 << 64) / out->piece);
    for (; (u128)out->chunk * radix <= UINT64_MAX; out->chunk_numerals++)
        out->chunk *= radix;
    out->chunk_shift = (unsigned)__builtin_clzll(out->chunk);
    out->chunk_normalized = out->chunk << out->chunk_shift;
    out->chunk_reciprocal = (uint64_t)(~(u128)0 / out->chunk_normalized);
}

// The limbs that hold any value of `numerals` numerals, at most `limbs`: a chunk is under 2^64.
static size_t limbs_of(const struct bigint_radix *radix, size_t numerals, size_t limbs)
{
    size_t needed = (numerals + radix->chunk_numerals - 1) / radix->chunk_numerals;
    return needed < limbs ? needed : limbs;
}

// Of a power of two each numeral has its own bits.
static void put_bits(unsigned bits, const uint16_t *numerals, size_t count, uint64_t *out)
{
    for (size_t i = count, at = 0; i-- > 0; at += bits) {
        out[at / 64] |= (uint64_t)numerals[i] << at % 64;
        if (at % 64 + bits > 64)
            out[at / 64 + 1] |= (uint64_t)numerals[i] >> (64 - at % 64);
    }
}

static void get_bits(unsigned bits, const uint64_t *a, uint16_t *out, size_t count)
{
    const uint64_t mask = ((uint64_t)1 << bits) - 1;
    for (size_t i = count, at = 0; i-- > 0; at += bits) {
        uint64_t word = a[at / 64] >> at % 64;
        if (at % 64 + bits > 64)
            word |= a[at / 64 + 1] << (64 - at % 64);
        out[i] = (uint16_t)(word & mask);
    }
}

void bigint_from_numerals(const struct bigint_radix *radix, const uint16_t *numerals, size_t count,
                          uint64_t *out, size_t limbs)
{
    memset(out, 0, 8 * limbs);
    if (radix->bits > 0) {
        put_bits(radix->bits, numerals, count, out);
        return;
    }
    size_t first = count % radix->chunk_numerals;
    uint64_t word = bigint_word_from_numerals(radix, numerals, first);
    out[0] = word;
    for (size_t done = first; done < count; done += radix->chunk_numerals) {
        word = bigint_word_from_numerals(radix, numerals + done, radix->chunk_numerals);
        bigint_mul_add(out, limbs_of(radix, done + radix->chunk_numerals, limbs), radix->chunk, word);
    }
}

// a = a / chunk over `count` limbs, returns the remainder; a is shifted on the way.
static uint64_t take_chunk(const struct bigint_radix *radix, uint64_t *a, size_t count)
{
    const uint64_t divisor = radix->chunk_normalized, reciprocal = radix->chunk_reciprocal;
    const unsigned shift = radix->chunk_shift;
    // x >> 1 >> (63 - shift) is x >> (64 - shift), and 0 for a shift of 0.
    uint64_t rest = a[count - 1] >> 1 >> (63 - shift);
    for (size_t i = count; i-- > 0;) {
        uint64_t low = i > 0 ? a[i - 1] >> 1 >> (63 - shift) : 0;
        uint64_t limb = a[i] << shift | low;
        u128 estimate = (u128)rest * reciprocal + (((u128)rest << 64) | limb);
        uint64_t quotient = (uint64_t)(estimate >> 64) + 1;
        rest = limb - quotient * divisor;
        uint64_t large = (uint64_t)0 - (rest > (uint64_t)estimate);
        quotient += large;
        rest += divisor & large;
        uint64_t small = (uint64_t)0 - (rest >= divisor);
        a[i] = quotient - small;
        rest -= divisor & small;
    }
    return rest >> shift;
}

void bigint_to_numerals(const struct bigint_radix *radix, uint64_t *a, size_t limbs, uint16_t *out,
                        size_t count)
{
    if (radix->bits > 0) {
        get_bits(radix->bits, a, out, count);
        return;
    }
    while (count > radix->chunk_numerals) {
        uint64_t word = take_chunk(radix, a, limbs_of(radix, count, limbs));
        count -= radix->chunk_numerals;
        bigint_word_to_numerals(radix, word, out + count, radix->chunk_numerals);
    }
    bigint_word_to_numerals(radix, a[0], out, count);
}

// ---- remainders ----------------------------------------------------------------------------------------

static void shift_left(uint64_t *a, size_t count, unsigned shift)
{
    for (size_t i = count; i-- > 1;)
        a[i] = a[i] << shift | a[i - 1] >> 1 >> (63 - shift);
    a[0] <<= shift;
}

static void shift_right(uint64_t *a, size_t count, unsigned shift)
{
    for (size_t i = 0; i + 1 < count; i++)
        a[i] = a[i] >> shift | a[i + 1] << 1 << (63 - shift);
    a[count - 1] >>= shift;
}

// Algorithm 6 of the paper; the modulus is public.
static uint64_t reciprocal_3by2(uint64_t d1, uint64_t d0)
{
    uint64_t v = (uint64_t)(~(u128)0 / d1);
    uint64_t p = d1 * v + d0;
    if (p < d0) {
        v--;
        if (p >= d1) {
            v--;
            p -= d1;
        }
        p -= d1;
    }
    u128 t = (u128)v * d0;
    p += (uint64_t)(t >> 64);
    if (p < (uint64_t)(t >> 64)) {
        v--;
        if (p > d1 || (p == d1 && (uint64_t)t >= d0))
            v--;
    }
    return v;
}

void bigint_modulus_init(struct bigint_modulus *out, uint64_t *modulus, size_t count)
{
    assert(count >= 2 && modulus[count - 1] != 0);
    unsigned shift = (unsigned)__builtin_clzll(modulus[count - 1]);
    shift_left(modulus, count, shift);
    *out = (struct bigint_modulus){
        .normalized = modulus,
        .count = count,
        .shift = shift,
        .reciprocal = reciprocal_3by2(modulus[count - 1], modulus[count - 2]),
    };
}

// min(floor(u2u1u0 / d1d0), 2^64 - 1), algorithm 4 of the paper; u2u1 <= d1d0.
static uint64_t divide_3by2(const struct bigint_modulus *modulus, uint64_t u2, uint64_t u1, uint64_t u0)
{
    const uint64_t d1 = modulus->normalized[modulus->count - 1], d0 = modulus->normalized[modulus->count - 2];
    const u128 d = (u128)d1 << 64 | d0, top = (u128)u2 << 64 | u1;
    u128 estimate = (u128)modulus->reciprocal * u2 + top;
    uint64_t quotient = (uint64_t)(estimate >> 64);
    u128 rest = ((u128)(u1 - quotient * d1) << 64 | u0) - (u128)d0 * quotient - d;
    quotient++;
    uint64_t large = (uint64_t)0 - ((uint64_t)(rest >> 64) >= (uint64_t)estimate);
    quotient += large;
    rest += ((u128)large << 64 | large) & d;
    quotient += rest >= d;
    uint64_t equal = (uint64_t)0 - (top == d);
    return quotient | equal;
}

// window = window - quotient * modulus over count limbs and one more. Returns 1 when that went below 0.
static uint64_t subtract_product(const struct bigint_modulus *modulus, uint64_t *window, uint64_t quotient)
{
    uint64_t carry = 0, borrow = 0;
    for (size_t i = 0; i < modulus->count; i++) {
        u128 product = (u128)modulus->normalized[i] * quotient + carry;
        u128 difference = (u128)window[i] - (uint64_t)product - borrow;
        carry = (uint64_t)(product >> 64);
        window[i] = (uint64_t)difference;
        borrow = (uint64_t)(difference >> 64) & 1;
    }
    u128 difference = (u128)window[modulus->count] - carry - borrow;
    window[modulus->count] = (uint64_t)difference;
    return (uint64_t)(difference >> 64) & 1;
}

// Long division (Knuth, volume 2, 4.3.1 D); three limbs over two make the estimate at most one too large.
void bigint_mod(const struct bigint_modulus *modulus, uint64_t *a, size_t count)
{
    const size_t n = modulus->count;
    assert(count > n);
    shift_left(a, count, modulus->shift);
    for (size_t j = count - n; j-- > 0;) {
        uint64_t quotient = divide_3by2(modulus, a[j + n], a[j + n - 1], a[j + n - 2]);
        uint64_t below = subtract_product(modulus, a + j, quotient);
        a[j + n] += bigint_add_masked(a + j, modulus->normalized, n, (uint64_t)0 - below);
    }
    shift_right(a, count, modulus->shift);
}
