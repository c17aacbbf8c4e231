// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/ref_ff1.h"

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(cond)                                                                                           \
    do {                                                                                                     \
        if (!(cond)) {                                                                                       \
            fprintf(stderr, "ref_ff1: %s failed\n", #cond);                                                  \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

// CIPH_K(X), one block.
static void ciph(const struct ref_ff1 *ff1, const uint8_t in[16], uint8_t out[16])
{
    const EVP_CIPHER *aes = ff1->key_bytes == 16   ? EVP_aes_128_ecb()
                            : ff1->key_bytes == 24 ? EVP_aes_192_ecb()
                                                   : EVP_aes_256_ecb();
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int written = 0;
    MUST(context != NULL && EVP_EncryptInit_ex(context, aes, NULL, ff1->key, NULL) == 1);
    MUST(EVP_CIPHER_CTX_set_padding(context, 0) == 1);
    MUST(EVP_EncryptUpdate(context, out, &written, in, 16) == 1 && written == 16);
    EVP_CIPHER_CTX_free(context);
}

// Algorithm 6: PRF(X).
static void prf(const struct ref_ff1 *ff1, const uint8_t *x, size_t bytes, uint8_t y[16])
{
    memset(y, 0, 16);
    for (size_t at = 0; at < bytes; at += 16) {
        uint8_t block[16];
        for (size_t k = 0; k < 16; k++)
            block[k] = y[k] ^ x[at + k];
        ciph(ff1, block, y);
    }
}

// NUM_radix(X).
static BIGNUM *num_radix(uint32_t radix, const uint16_t *x, size_t count)
{
    BIGNUM *value = BN_new();
    MUST(value != NULL);
    BN_zero(value);
    for (size_t i = 0; i < count; i++)
        MUST(BN_mul_word(value, radix) == 1 && BN_add_word(value, x[i]) == 1);
    return value;
}

// STR_radix^m(value).
static void str_radix(uint32_t radix, const BIGNUM *value, uint16_t *out, size_t m)
{
    BIGNUM *rest = BN_dup(value);
    MUST(rest != NULL);
    for (size_t i = m; i-- > 0;)
        out[i] = (uint16_t)BN_div_word(rest, radix);
    MUST(BN_is_zero(rest));
    BN_free(rest);
}

static BIGNUM *power(uint32_t radix, size_t exponent)
{
    BIGNUM *value = BN_new();
    MUST(value != NULL && BN_one(value) == 1);
    for (size_t i = 0; i < exponent; i++)
        MUST(BN_mul_word(value, radix) == 1);
    return value;
}

// Step 3: the bytes of the largest half.
static size_t half_bytes(uint32_t radix, size_t v)
{
    BIGNUM *largest = power(radix, v);
    MUST(BN_sub_word(largest, 1) == 1);
    size_t b = (size_t)BN_num_bytes(largest);
    BN_free(largest);
    return b;
}

struct sizes {
    size_t n, u, v, b, d;
};

static size_t write_p(const struct ref_ff1 *ff1, const struct sizes *s, uint8_t *p)
{
    const uint8_t block[16] = {
        1,
        2,
        1,
        (uint8_t)(ff1->radix >> 16),
        (uint8_t)(ff1->radix >> 8),
        (uint8_t)ff1->radix,
        10,
        (uint8_t)(s->u % 256),
        (uint8_t)(s->n >> 24),
        (uint8_t)(s->n >> 16),
        (uint8_t)(s->n >> 8),
        (uint8_t)s->n,
        (uint8_t)(ff1->tweak_bytes >> 24),
        (uint8_t)(ff1->tweak_bytes >> 16),
        (uint8_t)(ff1->tweak_bytes >> 8),
        (uint8_t)ff1->tweak_bytes,
    };
    memcpy(p, block, 16);
    return 16;
}

// Steps 6.i to 6.iv: y of round i, from the half that is not changed.
static BIGNUM *round_y(const struct ref_ff1 *ff1, const struct sizes *s, unsigned i, const BIGNUM *half)
{
    size_t zeros = (16 - (ff1->tweak_bytes + s->b + 1) % 16) % 16;
    uint8_t *input = calloc(1, 16 + ff1->tweak_bytes + zeros + 1 + s->b);
    uint8_t *output = calloc(1, s->d + 16);
    MUST(input != NULL && output != NULL);
    size_t at = write_p(ff1, s, input);
    if (ff1->tweak_bytes > 0)
        memcpy(input + at, ff1->tweak, ff1->tweak_bytes);
    at += ff1->tweak_bytes + zeros;
    input[at++] = (uint8_t)i;
    MUST(BN_bn2binpad(half, input + at, (int)s->b) == (int)s->b);
    uint8_t r[16];
    prf(ff1, input, at + s->b, r);
    memcpy(output, r, 16);
    for (size_t j = 1; 16 * j < s->d; j++) {
        uint8_t block[16];
        memcpy(block, r, 16);
        for (size_t k = 0; k < sizeof j; k++)
            block[15 - k] ^= (uint8_t)(j >> 8 * k);
        ciph(ff1, block, output + 16 * j);
    }
    BIGNUM *y = BN_bin2bn(output, (int)s->d, NULL);
    MUST(y != NULL);
    free(input);
    free(output);
    return y;
}

// Algorithm 7 step 6, or algorithm 8 step 6 with i counting down.
static void run_round(const struct ref_ff1 *ff1, const struct sizes *s, unsigned i, bool decrypt, BIGNUM **a,
                      BIGNUM **b)
{
    BN_CTX *context = BN_CTX_new();
    BIGNUM *y = round_y(ff1, s, i, decrypt ? *a : *b);
    BIGNUM *modulus = power(ff1->radix, i % 2 == 0 ? s->u : s->v), *c = BN_new();
    MUST(context != NULL && c != NULL);
    if (decrypt) {
        MUST(BN_mod_sub(c, *b, y, modulus, context) == 1);
        BN_free(*b);
        *b = *a;
        *a = c;
    } else {
        MUST(BN_mod_add(c, *a, y, modulus, context) == 1);
        BN_free(*a);
        *a = *b;
        *b = c;
    }
    BN_free(y);
    BN_free(modulus);
    BN_CTX_free(context);
}

void ref_ff1(const struct ref_ff1 *ff1, bool decrypt, uint16_t *numerals, size_t length)
{
    struct sizes s = {.n = length, .u = length / 2, .v = length - length / 2};
    s.b = half_bytes(ff1->radix, s.v);
    s.d = 4 * ((s.b + 3) / 4) + 4;
    BIGNUM *a = num_radix(ff1->radix, numerals, s.u), *b = num_radix(ff1->radix, numerals + s.u, s.v);
    for (unsigned i = 0; i < 10; i++)
        run_round(ff1, &s, decrypt ? 9 - i : i, decrypt, &a, &b);
    str_radix(ff1->radix, a, numerals, s.u);
    str_radix(ff1->radix, b, numerals + s.u, s.v);
    BN_free(a);
    BN_free(b);
}
