// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/fpe/ff1_shape.h"

#include <stdlib.h>
#include <string.h>

enum {
    DOMAIN_MIN = 1000000,
    WORD32_BITS = 30,
    WORD64_BITS = 62,
    WORD128_BITS = 96,
    SPLIT_BITS = 60,
    QUAD_RADIX_MAX = 181
};

static bool domain_suffices(uint32_t radix, size_t length)
{
    uint64_t domain = 1;
    for (size_t i = 0; i < length && domain < DOMAIN_MIN; i++)
        domain *= radix;
    return domain >= DOMAIN_MIN;
}

static void power(uint32_t radix, size_t exponent, uint64_t *out, size_t limbs)
{
    memset(out, 0, limbs * sizeof *out);
    out[0] = 1;
    for (size_t i = 0; i < exponent; i++)
        bigint_mul_add(out, limbs, radix, 0);
}

static unsigned bits_of(ff1_u128 value)
{
    uint64_t high = (uint64_t)(value >> 64), low = (uint64_t)value;
    return high != 0 ? 128 - (unsigned)__builtin_clzll(high) : 64 - (unsigned)__builtin_clzll(low);
}

// floor((2^(63 + bits) - 1) / value), the reciprocal whose top bit is set.
static void scaled_reciprocal(struct ff1_modulus *modulus)
{
    unsigned bits = bits_of(modulus->value);
    ff1_u128 numerator = ((ff1_u128)1 << (62 + bits)) - 1;
    numerator += numerator + 1;
    modulus->reciprocal_low = (uint64_t)(numerator / modulus->value);
    modulus->shift = bits - 1;
}

static void small_modulus(struct ff1_shape *shape, struct ff1_modulus *modulus, ff1_u128 value)
{
    modulus->value = value;
    if (shape->kind == FF1_WORD64) {
        // A power of two is taken by its mask: 2^64 has no reciprocal of this form.
        if (!shape->power_of_two)
            scaled_reciprocal(modulus);
        modulus->coarse = shape->d == 12 && value < (uint64_t)1 << 32;
        return;
    }
    unsigned word = shape->kind == FF1_WORD32 ? 32 : 64;
    ff1_u128 reciprocal =
        shape->kind == FF1_WORD32 ? ((ff1_u128)1 << 64) / (uint64_t)value : ~(ff1_u128)0 / value;
    modulus->reciprocal_high = (uint64_t)(reciprocal >> word);
    modulus->reciprocal_low = (uint64_t)(reciprocal & (((ff1_u128)1 << word) - 1));
}

static unsigned log_up(uint32_t value)
{
    return 32 - (unsigned)__builtin_clz(value - 1);
}

// Granlund and Montgomery, "Division by invariant integers using multiplication", 1994, for 31 bits.
static struct ff1_divisor divisor_of(uint32_t value)
{
    uint32_t multiplier = (uint32_t)(((uint64_t)1 << (31 + log_up(value))) / value + 1);
    return (struct ff1_divisor){.value = value, .multiplier = multiplier, .shift = log_up(value) - 1};
}

static void quad_constants(struct ff1_shape *shape)
{
    uint32_t radix = shape->radix.radix, square = radix * radix;
    if (radix > QUAD_RADIX_MAX)
        return;
    shape->quads = (struct ff1_quads){
        .radix = divisor_of(radix),
        .square = divisor_of(square),
        .fourth = divisor_of(square * square),
        .pair_multiplier = (uint16_t)((1u << (15 + log_up(radix))) / radix + 1),
        .pair_shift = log_up(radix) - 1,
    };
}

static void row_constants(struct ff1_shape *shape)
{
    shape->has_rows =
        shape->kind == FF1_WORD32 && shape->radix.radix <= QUAD_RADIX_MAX && shape->v <= FF1_ROW_NUMERALS;
    for (uint16_t numeral = 0; shape->has_rows && numeral < 2 * (shape->u + shape->v); numeral++) {
        const size_t value = numeral / (shape->u + shape->v), at = numeral % (shape->u + shape->v);
        const size_t halves = 2 * value + (at < shape->u ? 1 : 2); // that end with this one
        const size_t to_end = at < shape->u ? shape->u - at : shape->u + shape->v - at;
        const size_t place = halves * FF1_ROW_NUMERALS - to_end;
        shape->rows.spread[place] = numeral;
        shape->rows.filled |= 1u << place;
        shape->rows.gather[numeral] = (uint16_t)place;
    }
}

static void narrow_constants(struct ff1_shape *shape, const uint64_t *left, const uint64_t *right)
{
    small_modulus(shape, &shape->small[0], (ff1_u128)left[1] << 64 | left[0]);
    small_modulus(shape, &shape->small[1], (ff1_u128)right[1] << 64 | right[0]);
    uint64_t split = 1;
    for (; split <= ((uint64_t)1 << SPLIT_BITS) / shape->radix.radix; shape->split_numerals++)
        split *= shape->radix.radix;
    shape->split.value = split;
    scaled_reciprocal(&shape->split);
    quad_constants(shape);
    row_constants(shape);
}

// values: `stride` limbs each of radix^u, radix^v, and room for both shifted.
static void wide_constants(struct ff1_shape *shape, uint64_t *values, size_t stride)
{
    for (size_t i = 0; i < 2; i++) {
        uint64_t *value = values + i * stride, *shifted = value + 2 * stride;
        memcpy(shifted, value, stride * sizeof *value);
        bigint_modulus_init(&shape->wide[i], shifted, (bigint_bits(value, stride) + 63) / 64);
        shape->wide_value[i] = value;
        shape->wide_bits[i] = bigint_bits(value, stride) - 1;
    }
}

static enum ff1_kind kind_of(size_t bits, bool power_of_two)
{
    if (bits <= WORD32_BITS)
        return FF1_WORD32;
    if (bits <= WORD64_BITS || (power_of_two && bits <= 64))
        return FF1_WORD64;
    return bits <= WORD128_BITS ? FF1_WORD128 : FF1_WIDE;
}

// The sizes that follow from radix^v - 1; b is exact because the power is.
static void set_sizes(struct ff1_shape *shape, const uint64_t *right, size_t limbs)
{
    size_t bits = bigint_bits(right, limbs);
    shape->power_of_two = (shape->radix.radix & (shape->radix.radix - 1)) == 0;
    bits -= shape->power_of_two ? 1 : 0; // 2^k - 1 has one bit less than 2^k; else the same number
    shape->b = (bits + 7) / 8;
    shape->d = 4 * ((shape->b + 3) / 4) + 4;
    shape->tail_blocks = (1 + shape->b + 15) / 16;
    shape->output_blocks = (shape->d + 15) / 16;
    shape->kind = kind_of(bits, shape->power_of_two);
    shape->limbs = (bits + 63) / 64;
}

static enum err build(uint32_t radix, size_t length, struct ff1_shape *shape)
{
    shape->u = length / 2;
    shape->v = length - shape->u;
    bigint_radix_init(&shape->radix, radix);
    // A numeral has at most 16 bits, radix^v one more than fits v of them; two limbs at least.
    size_t limbs = shape->v * 16 / 64 + 2;
    shape->store = calloc(4 * limbs, sizeof *shape->store);
    if (shape->store == NULL)
        return ERR_MEMORY;
    uint64_t *left = shape->store, *right = shape->store + limbs;
    power(radix, shape->u, left, limbs);
    power(radix, shape->v, right, limbs);
    set_sizes(shape, right, limbs);
    if (shape->kind == FF1_WIDE)
        wide_constants(shape, shape->store, limbs);
    else
        narrow_constants(shape, left, right);
    return OK;
}

enum err ff1_shape_new(uint32_t radix, size_t length, struct ff1_shape **out_shape)
{
    if (radix < 2 || radix > FF1_RADIX_MAX || length < 2 || length > FF1_LENGTH_MAX)
        return ERR_INPUT;
    if (!domain_suffices(radix, length))
        return ERR_DOMAIN;
    struct ff1_shape *shape = calloc(1, sizeof *shape);
    if (shape == NULL)
        return ERR_MEMORY;
    enum err rc = build(radix, length, shape);
    if (rc == OK)
        *out_shape = shape;
    else
        ff1_shape_free(shape);
    return rc;
}

void ff1_shape_free(struct ff1_shape *shape)
{
    if (shape == NULL)
        return;
    free(shape->store);
    free(shape);
}

uint32_t ff1_shape_radix(const struct ff1_shape *shape)
{
    return shape->radix.radix;
}

size_t ff1_shape_length(const struct ff1_shape *shape)
{
    return shape->u + shape->v;
}
