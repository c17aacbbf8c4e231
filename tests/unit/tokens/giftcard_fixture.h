// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Gift-card formats like the demo client's, and one token at a time, for the tests of gift cards.
#pragma once

#include "appliance/tokens/giftcard.h"
#include "tests/unit/tokens/token_fixture.h"

enum { CLIENT = 21, NOW_S = 1700000000 };

// The two ranges of the demo client: sixteen digits, Luhn; the longer prefix has no code.
static const struct giftcard_range demo_ranges[] = {
    {"demo:1", "60357100", 16, true, 0, 0},
    {"demo:2", "603571", 16, true, 4, 0},
};

static inline struct giftcards *new_giftcards(unsigned client_id, double odds,
                                              const struct giftcard_range *ranges, size_t count, bool others)
{
    struct giftcards *giftcards;
    const struct giftcards_options options = {client_id, "demo:0", odds, ranges, count, others};
    assert_int_equal(giftcards_new(&options, &giftcards, NULL), OK);
    return giftcards;
}

static inline struct giftcards *new_demo(unsigned client_id)
{
    return new_giftcards(client_id, 1e-5, demo_ranges, 2, true);
}

static inline struct giftcard_sealing sealing_of(const char *digits, const char *code)
{
    struct giftcard_sealing sealing = {0};
    snprintf(sealing.digits, sizeof sealing.digits, "%s", digits);
    snprintf(sealing.code, sizeof sealing.code, "%s", code);
    return sealing;
}

static inline struct giftcard_sealing seal_at(const struct giftcards *giftcards, const struct keyring *ring,
                                              int64_t at_s, const char *digits, const char *code)
{
    struct giftcard_sealing sealing = sealing_of(digits, code);
    assert_int_equal(giftcards_seal(giftcards, ring, at_s, &sealing, 1), OK);
    return sealing;
}

static inline struct giftcard_opening open_at(const struct giftcards *giftcards, const struct keyring *ring,
                                              int64_t at_s, const char *token)
{
    struct giftcard_opening opening = {.token = {token, strlen(token)}};
    assert_int_equal(giftcards_open(giftcards, ring, at_s, &opening, 1), OK);
    return opening;
}

static inline bool opens_at(const struct giftcards *giftcards, const struct keyring *ring, int64_t at_s,
                            const char *token)
{
    return open_at(giftcards, ring, at_s, token).generation != NULL;
}

static inline unsigned digit_sum(const char *digits)
{
    unsigned sum = 0;
    const size_t len = strlen(digits);
    for (size_t i = 0; i < len; i++) {
        const unsigned digit = (unsigned)(digits[i] - '0'), twice = 2 * digit;
        sum += (len - i) % 2 == 1 ? digit : twice > 9 ? twice - 9 : twice;
    }
    return sum % 10;
}
