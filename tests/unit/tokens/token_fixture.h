// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A tenant's keyring over soft ciphers, for the tests of tokens/. Generation g has the key bytes
// 0..31, each plus g - (current generation), so that generations differ and the current one is pinned.
#pragma once

#include "appliance/base/codec.h"
#include "appliance/tokens/card.h"
#include "appliance/tokens/client.h"
#include "appliance/tokens/pan.h"
#include "tests/support/soft.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { FIXTURE_GENERATIONS_MAX = 9 };

struct fixture {
    struct soft_cipher ciphers[FIXTURE_GENERATIONS_MAX];
    struct keyring *keyring;
    struct format *card_format;
};

// One keyring with `count` generations, numbered so that the last, current one is `current`.
static inline void fixture_init_many(struct fixture *fixture, unsigned tenant_id, unsigned current,
                                     size_t count)
{
    struct generation_options options[FIXTURE_GENERATIONS_MAX];
    memset(fixture, 0, sizeof *fixture);
    for (size_t i = 0; i < count; i++) {
        uint8_t key[32];
        for (size_t b = 0; b < sizeof key; b++)
            key[b] = (uint8_t)(b + i);
        soft_cipher_init(&fixture->ciphers[i], key, sizeof key);
        options[i] = (struct generation_options){
            .number = current - (unsigned)i,
            .state = i == 0 ? GENERATION_CURRENT : GENERATION_RETIRED,
            .cipher = soft_cipher_seam(&fixture->ciphers[i]),
        };
    }
    assert_int_equal(keyring_new(tenant_id, options, count, &fixture->keyring, NULL), OK);
    assert_int_equal(card_format_new(&fixture->card_format), OK);
}

static inline void fixture_init(struct fixture *fixture, unsigned tenant_id, unsigned generation)
{
    fixture_init_many(fixture, tenant_id, generation, 1);
}

static inline void fixture_done(struct fixture *fixture)
{
    keyring_free(fixture->keyring);
    format_free(fixture->card_format);
    for (size_t i = 0; i < FIXTURE_GENERATIONS_MAX; i++)
        soft_cipher_done(&fixture->ciphers[i]);
}

// Digits of a Luhn-valid PAN drawn from a seed.
static inline void fixture_pan(uint64_t seed, size_t digits, char *out_text)
{
    unsigned sum = 0;
    for (size_t i = 0; i + 1 < digits; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        const unsigned digit = (unsigned)(seed >> 33) % 10;
        out_text[i] = (char)('0' + digit);
        const bool doubled = (digits - 1 - i) % 2 == 1;
        sum += !doubled ? digit : 2 * digit > 9 ? 2 * digit - 9 : 2 * digit;
    }
    out_text[digits - 1] = (char)('0' + (10 - sum % 10) % 10);
    out_text[digits] = '\0';
}
