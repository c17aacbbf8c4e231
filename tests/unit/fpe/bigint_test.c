// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// base/bigint against OpenSSL's BIGNUM, with limbs of all ones and zeros mixed in, where carries and the
// corrections of estimated quotients happen.
#include "appliance/base/bigint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/bn.h>
#include <stdlib.h>
#include <string.h>

enum { LIMBS = 24 };

static uint64_t seed = 7;

static uint64_t word(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return seed ^ (seed >> 29);
}

// Words that make carries run: many are all ones, zero, or next to them.
static uint64_t hard_word(void)
{
    switch (word() % 8) {
    case 0:
        return UINT64_MAX - word() % 3;
    case 1:
        return word() % 3;
    case 2:
        return (uint64_t)1 << word() % 64;
    case 3:
        return UINT64_MAX << word() % 64;
    default:
        return word();
    }
}

static void fill(uint64_t *limbs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        limbs[i] = hard_word();
}

static BIGNUM *big(const uint64_t *limbs, size_t count)
{
    return BN_lebin2bn((const unsigned char *)limbs, (int)(8 * count), NULL);
}

static void assert_is(const BIGNUM *expected, const uint64_t *limbs, size_t count)
{
    BIGNUM *value = big(limbs, count);
    assert_int_equal(BN_cmp(expected, value), 0);
    BN_free(value);
}

static void sums_differences_and_order_are_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < 20000; i++) {
        size_t count = 1 + word() % LIMBS, less = 1 + word() % count;
        uint64_t a[LIMBS + 1] = {0}, b[LIMBS + 1] = {0};
        fill(a, count);
        if (i % 3 == 0)
            memcpy(b, a, sizeof a);
        else
            fill(b, less);
        BIGNUM *x = big(a, count), *y = big(b, i % 3 == 0 ? count : less), *sum = BN_new();
        BN_add(sum, x, y);
        a[count] = bigint_add(a, count, b, i % 3 == 0 ? count : less);
        assert_is(sum, a, count + 1);
        assert_int_equal(bigint_sub(a, b, count + 1), 0);
        assert_is(x, a, count + 1);
        assert_int_equal(bigint_sub(a, b, count), BN_cmp(x, y) < 0);
        bigint_add_masked(a, b, count, 0);
        bigint_add_masked(a, b, count, UINT64_MAX);
        a[count] = 0;
        assert_is(x, a, count + 1);
        BN_free(x);
        BN_free(y);
        BN_free(sum);
    }
}

static void products_with_a_word_are_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < 5000; i++) {
        size_t count = 1 + word() % LIMBS;
        uint64_t a[LIMBS + 1] = {0}, factor = hard_word(), addend = hard_word();
        fill(a, count);
        BIGNUM *x = big(a, count);
        BN_mul_word(x, factor);
        BN_add_word(x, addend);
        a[count] = bigint_mul_add(a, count, factor, addend);
        assert_is(x, a, count + 1);
        BN_free(x);
    }
}

static void bits_are_counted_exactly(void **state)
{
    (void)state;
    uint64_t a[LIMBS] = {0};
    assert_int_equal(bigint_bits(a, LIMBS), 0);
    assert_int_equal(bigint_bits(a, 0), 0);
    for (size_t i = 0; i < 64 * LIMBS; i++) {
        memset(a, 0, sizeof a);
        a[i / 64] = (uint64_t)1 << i % 64 | (i % 64 != 0 ? word() >> (64 - i % 64) : 0);
        assert_int_equal(bigint_bits(a, LIMBS), i + 1);
    }
}

static void bytes_go_in_and_come_out(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes <= 8 * LIMBS; bytes++) {
        uint8_t in[8 * LIMBS + 1], out[8 * LIMBS + 1];
        uint64_t a[LIMBS];
        fill(a, LIMBS);
        for (size_t i = 0; i < bytes; i++)
            in[i] = (uint8_t)hard_word();
        BIGNUM *x = BN_bin2bn(in, (int)bytes, NULL);
        bigint_from_bytes(in, bytes, a, LIMBS);
        assert_is(x, a, LIMBS);
        out[bytes] = 0xa5;
        bigint_to_bytes(a, LIMBS, out, bytes);
        assert_memory_equal(in, out, bytes);
        assert_int_equal(out[bytes], 0xa5);
        BN_free(x);
    }
}

static void check_mod(uint64_t *m, size_t m_count, size_t a_count)
{
    uint64_t a[LIMBS + 4] = {0}, shifted[LIMBS];
    struct bigint_modulus modulus;
    fill(a, a_count - 1);
    // Now and then a multiple of the modulus or its neighbour.
    if (word() % 4 == 0) {
        memset(a, 0, sizeof a);
        memcpy(a, m, 8 * m_count);
        if (a_count > m_count + 1)
            a[m_count] = bigint_mul_add(a, m_count, hard_word(), word() % 2);
    }
    BIGNUM *x = big(a, a_count), *y = big(m, m_count), *rest = BN_new();
    BN_CTX *context = BN_CTX_new();
    assert_int_equal(BN_mod(rest, x, y, context), 1);
    memcpy(shifted, m, 8 * m_count);
    bigint_modulus_init(&modulus, shifted, m_count);
    bigint_mod(&modulus, a, a_count);
    assert_is(rest, a, a_count);
    BN_free(x);
    BN_free(y);
    BN_free(rest);
    BN_CTX_free(context);
}

static void remainders_are_right_where_estimates_are_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < 60000; i++) {
        uint64_t m[LIMBS];
        size_t m_count = 2 + word() % (i % 2 == 0 ? 3 : LIMBS - 2);
        fill(m, m_count);
        m[m_count - 1] |= (uint64_t)1 << word() % 64;
        check_mod(m, m_count, m_count + 1 + word() % 3);
    }
}

static void numerals_go_in_and_come_out_for_every_radix(void **state)
{
    (void)state;
    static uint16_t numerals[300], back[300];
    for (uint32_t radix = 2; radix <= 65536; radix += radix < 1100 || radix > 65400 ? 1 : 1 + word() % 60) {
        struct bigint_radix constants;
        bigint_radix_init(&constants, radix);
        size_t count = 1 + word() % 96;
        uint64_t a[LIMBS + 1];
        BIGNUM *x = BN_new();
        BN_zero(x);
        for (size_t i = 0; i < count; i++) {
            numerals[i] = (uint16_t)(radix % 3 == 0 ? radix - 1 : word() % radix);
            BN_mul_word(x, radix);
            BN_add_word(x, numerals[i]);
        }
        size_t limbs = count * 16 / 64 + 1;
        bigint_from_numerals(&constants, numerals, count, a, limbs);
        assert_is(x, a, limbs);
        back[count] = 0xa5a5;
        bigint_to_numerals(&constants, a, limbs, back, count);
        assert_memory_equal(numerals, back, count * sizeof *back);
        assert_int_equal(back[count], 0xa5a5);
        BN_free(x);
    }
}

// In memory of their own, so that a bit beyond the last limb is seen.
static void numerals_of_powers_of_two_fill_their_limbs_to_the_last_bit(void **state)
{
    (void)state;
    uint16_t numerals[200], back[200];
    for (unsigned bits = 1; bits <= 16; bits++)
        for (size_t count = 1; count <= 200; count++) {
            struct bigint_radix constants;
            const size_t limbs = (count * bits + 63) / 64;
            uint64_t *a = malloc(8 * limbs);
            BIGNUM *x = BN_new();
            BN_zero(x);
            bigint_radix_init(&constants, 1u << bits);
            for (size_t i = 0; i < count; i++) {
                numerals[i] = (uint16_t)(word() & ((1u << bits) - 1));
                BN_lshift(x, x, (int)bits);
                BN_add_word(x, numerals[i]);
            }
            bigint_from_numerals(&constants, numerals, count, a, limbs);
            assert_is(x, a, limbs);
            bigint_to_numerals(&constants, a, limbs, back, count);
            assert_memory_equal(numerals, back, count * sizeof *back);
            BN_free(x);
            free(a);
        }
}

static void masking_keeps_the_low_bits_and_no_others(void **state)
{
    (void)state;
    for (size_t bits = 0; bits <= 64 * 5; bits++) {
        uint64_t a[4];
        fill(a, 4);
        BIGNUM *x = big(a, 4);
        if (bits < 64 * 4)
            BN_mask_bits(x, (int)bits); // fails, and changes nothing, when there are fewer
        bigint_mask(a, 4, bits);
        assert_is(x, a, 4);
        BN_free(x);
    }
}

static void words_come_apart_for_every_radix(void **state)
{
    (void)state;
    for (uint32_t radix = 2; radix <= 65536; radix++) {
        struct bigint_radix constants;
        bigint_radix_init(&constants, radix);
        uint16_t numerals[64];
        for (size_t i = 0; i < 6; i++) {
            uint64_t value = (i == 0 ? constants.chunk - 1 : hard_word()) % constants.chunk;
            bigint_word_to_numerals(&constants, value, numerals, constants.chunk_numerals);
            assert_true(bigint_word_from_numerals(&constants, numerals, constants.chunk_numerals) == value);
            for (size_t k = 0; k < constants.chunk_numerals; k++)
                assert_true(numerals[k] < radix);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_differences_and_order_are_right),
        cmocka_unit_test(products_with_a_word_are_right),
        cmocka_unit_test(bits_are_counted_exactly),
        cmocka_unit_test(bytes_go_in_and_come_out),
        cmocka_unit_test(remainders_are_right_where_estimates_are_not),
        cmocka_unit_test(numerals_go_in_and_come_out_for_every_radix),
        cmocka_unit_test(numerals_of_powers_of_two_fill_their_limbs_to_the_last_bit),
        cmocka_unit_test(masking_keeps_the_low_bits_and_no_others),
        cmocka_unit_test(words_come_apart_for_every_radix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
