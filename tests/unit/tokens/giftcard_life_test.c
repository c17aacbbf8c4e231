// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// When gift-card tokens open, and that each opens as one card only.
#include "tests/unit/tokens/giftcard_fixture.h"

#include <stdlib.h>

// ---- the clock -----------------------------------------------------------------------------------------

struct clock_sweep {
    struct fixture fixture;
    struct giftcards *giftcards;
};

static void sweep_init(struct clock_sweep *sweep)
{
    fixture_init(&sweep->fixture, 1, 1);
    sweep->giftcards = new_demo(CLIENT);
}

static void sweep_done(struct clock_sweep *sweep)
{
    giftcards_free(sweep->giftcards);
    fixture_done(&sweep->fixture);
}

static struct giftcard_sealing issue(const struct clock_sweep *sweep, int64_t at_s)
{
    static const char *const cards[][2] = {
        {"6035710012345674", ""}, {"6035719876543217", "0042"}, {"4111111111111111", ""}};
    const size_t card = (size_t)(at_s % 3);
    const struct giftcard_sealing sealing =
        seal_at(sweep->giftcards, sweep->fixture.keyring, at_s, cards[card][0], cards[card][1]);
    assert_true(sealing.expires_s == at_s + GIFTCARD_LIFE_S);
    return sealing;
}

static void check_age(const struct clock_sweep *sweep, const struct giftcard_sealing *sealing, int64_t at_s,
                      int64_t age_s)
{
    const struct giftcard_opening opening =
        open_at(sweep->giftcards, sweep->fixture.keyring, at_s + age_s, sealing->token);
    if (age_s < -5 || age_s > 599) {
        assert_null(opening.generation);
        return;
    }
    assert_non_null(opening.generation);
    assert_string_equal(opening.digits, sealing->digits);
    assert_string_equal(opening.code, sealing->code);
    assert_true(opening.expires_s == sealing->expires_s);
}

static void a_token_opens_from_5_s_before_to_599_s_after_every_second(void **state)
{
    (void)state;
    static const int64_t ages_s[] = {-1000, -6, -5, 0, 599, 600, 1000};
    struct clock_sweep sweep;
    sweep_init(&sweep);
    for (int64_t at_s = 1699999000; at_s < 1699999000 + 3100; at_s++) { // over three epoch boundaries
        const struct giftcard_sealing sealing = issue(&sweep, at_s);
        for (size_t i = 0; i < sizeof ages_s / sizeof ages_s[0]; i++)
            check_age(&sweep, &sealing, at_s, ages_s[i]);
    }
    sweep_done(&sweep);
}

static void a_token_opens_at_every_second_of_its_life_and_at_no_other(void **state)
{
    (void)state;
    static const int64_t within_epoch_s[] = {0, 1, 400, 401, 406, 994, 995, 999};
    struct clock_sweep sweep;
    sweep_init(&sweep);
    for (size_t i = 0; i < sizeof within_epoch_s / sizeof within_epoch_s[0]; i++) {
        const int64_t at_s = 1700000000 + within_epoch_s[i];
        const struct giftcard_sealing sealing = issue(&sweep, at_s);
        for (int64_t age_s = -1010; age_s <= 1610; age_s++)
            check_age(&sweep, &sealing, at_s, age_s);
    }
    sweep_done(&sweep);
}

static void one_card_within_one_second_gives_one_token(void **state)
{
    (void)state;
    struct clock_sweep sweep;
    sweep_init(&sweep);
    char last[GIFTCARD_TOKEN_DIGITS_MAX + 1] = "";
    for (int64_t at_s = 1700000994; at_s < 1700001010; at_s++) {
        const struct giftcard_sealing once = seal_at(sweep.giftcards, sweep.fixture.keyring, at_s,
                                                     "6035710012345674", ""),
                                      twice = seal_at(sweep.giftcards, sweep.fixture.keyring, at_s,
                                                      "6035710012345674", "");
        assert_string_equal(once.token, twice.token);
        assert_string_not_equal(once.token, last);
        memcpy(last, once.token, sizeof last);
    }
    sweep_done(&sweep);
}

// ---- ambiguity -----------------------------------------------------------------------------------------

// One range of 10^10 cards and six of 10^9, all with tokens of sixteen digits: together as likely to read a
// made-up token as forgery_odds may ever allow, so that one token in fifty is ambiguous at first.
enum { CROWD = 7, CROWD_CARDS = 20000 };

static const char *const crowd_prefixes[CROWD] = {"700000",  "7000010", "7000020", "7000030",
                                                  "7000040", "7000050", "7000060"};

static struct giftcards *new_crowd(size_t count)
{
    struct giftcard_range ranges[CROWD];
    for (size_t i = 0; i < count; i++)
        ranges[i] = (struct giftcard_range){"crowd", crowd_prefixes[i], 16, false, 0, 16};
    return new_giftcards(CLIENT, 0.01, ranges, count, false);
}

static void fill_crowd(struct giftcard_sealing *sealings, size_t count, size_t ranges)
{
    for (size_t i = 0; i < count; i++) {
        char card[PAN_DIGITS_MAX + 1];
        const char *prefix = crowd_prefixes[i % ranges];
        snprintf(card, sizeof card, "%s%0*zu", prefix, (int)(16 - strlen(prefix)),
                 i * 2654435761u % 1000000000u);
        sealings[i] = sealing_of(card, "");
    }
}

static void an_ambiguous_token_is_never_issued(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1, 1);
    struct giftcards *crowd = new_crowd(CROWD);
    struct giftcard_sealing *sealings = calloc(CROWD_CARDS, sizeof *sealings);
    struct giftcard_opening *openings = calloc(CROWD_CARDS, sizeof *openings);
    fill_crowd(sealings, CROWD_CARDS, CROWD);
    assert_int_equal(giftcards_seal(crowd, fixture.keyring, NOW_S, sealings, CROWD_CARDS), OK);
    size_t avoided = 0;
    for (size_t i = 0; i < CROWD_CARDS; i++) {
        openings[i].token = (struct slice){sealings[i].token, 16};
        assert_in_range(sealings[i].expires_s, NOW_S + 600 - 9, NOW_S + 600);
        avoided += sealings[i].expires_s != NOW_S + 600; // took a second before
    }
    assert_in_range(avoided, 150, 800);
    for (int64_t age_s = -1; age_s <= 589; age_s += 59) {
        assert_int_equal(giftcards_open(crowd, fixture.keyring, NOW_S + age_s, openings, CROWD_CARDS), OK);
        for (size_t i = 0; i < CROWD_CARDS; i++) {
            if (NOW_S + age_s >= sealings[i].expires_s) {
                assert_null(openings[i].generation);
                continue;
            }
            assert_non_null(openings[i].generation);
            assert_string_equal(openings[i].digits, sealings[i].digits);
            assert_true(openings[i].expires_s == sealings[i].expires_s);
        }
    }
    free(sealings);
    free(openings);
    giftcards_free(crowd);
    fixture_done(&fixture);
}

// One range alone sees no ambiguity and so issues what the crowd would have avoided.
static void an_ambiguous_token_opens_as_nothing(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1, 1);
    struct giftcards *crowd = new_crowd(CROWD), *alone = new_crowd(1);
    struct giftcard_sealing *sealings = calloc(CROWD_CARDS, sizeof *sealings);
    struct giftcard_opening *openings = calloc(CROWD_CARDS, sizeof *openings);
    fill_crowd(sealings, CROWD_CARDS, 1);
    assert_int_equal(giftcards_seal(alone, fixture.keyring, NOW_S, sealings, CROWD_CARDS), OK);
    for (size_t i = 0; i < CROWD_CARDS; i++)
        openings[i].token = (struct slice){sealings[i].token, 16};
    assert_int_equal(giftcards_open(crowd, fixture.keyring, NOW_S, openings, CROWD_CARDS), OK);
    size_t refused = 0;
    for (size_t i = 0; i < CROWD_CARDS; i++) {
        if (openings[i].generation == NULL)
            refused++;
        else
            assert_string_equal(openings[i].digits, sealings[i].digits);
    }
    assert_in_range(refused, 20, 300);
    free(sealings);
    free(openings);
    giftcards_free(crowd);
    giftcards_free(alone);
    fixture_done(&fixture);
}

// ---- many ----------------------------------------------------------------------------------------------

enum { MANY = 1000000, BATCH = 1000 };

static void fill_batch(struct giftcard_sealing *sealings, size_t from)
{
    for (size_t i = 0; i < BATCH; i++) {
        char card[PAN_DIGITS_MAX + 1], code[5] = "";
        fixture_pan(from + i, 12 + (from + i) % 8, card);
        if (i % 4 < 2) { // into the demo ranges
            snprintf(card, sizeof card, i % 4 == 0 ? "603571%09u0" : "60357100%07u0",
                     (unsigned)((from + i) * 7919 % (i % 4 == 0 ? 1000000000 : 10000000)));
            card[15] = (char)('0' + (10 - digit_sum(card)) % 10);
        }
        if (i % 4 == 0)
            snprintf(code, sizeof code, "%04u", (unsigned)((from + i) % 10000));
        sealings[i] = sealing_of(card, code);
    }
}

static void of_many_tokens_none_passes_luhn_and_none_opens_as_another_card(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1, 1);
    struct giftcards *giftcards = new_demo(CLIENT);
    struct giftcard_sealing *sealings = calloc(BATCH, sizeof *sealings);
    struct giftcard_opening *openings = calloc(BATCH, sizeof *openings);
    for (size_t from = 0; from < MANY; from += BATCH) {
        const int64_t now_s = NOW_S + (int64_t)(from / BATCH * 13);
        fill_batch(sealings, from);
        assert_int_equal(giftcards_seal(giftcards, fixture.keyring, now_s, sealings, BATCH), OK);
        for (size_t i = 0; i < BATCH; i++)
            openings[i].token = (struct slice){sealings[i].token, strlen(sealings[i].token)};
        assert_int_equal(giftcards_open(giftcards, fixture.keyring, now_s, openings, BATCH), OK);
        for (size_t i = 0; i < BATCH; i++) {
            assert_int_equal(digit_sum(sealings[i].token), 1); // 0 passes Luhn
            assert_non_null(openings[i].generation);
            assert_string_equal(openings[i].digits, sealings[i].digits);
            assert_string_equal(openings[i].code, sealings[i].code);
        }
    }
    free(sealings);
    free(openings);
    giftcards_free(giftcards);
    fixture_done(&fixture);
}

static void a_batch_of_a_thousand_costs_few_calls(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1, 1);
    struct giftcards *giftcards = new_demo(CLIENT);
    struct giftcard_sealing *sealings = calloc(BATCH, sizeof *sealings);
    struct giftcard_opening *openings = calloc(BATCH, sizeof *openings);
    fill_batch(sealings, 0);
    assert_int_equal(giftcards_seal(giftcards, fixture.keyring, NOW_S, sealings, BATCH), OK);
    for (size_t i = 0; i < BATCH; i++)
        openings[i].token = (struct slice){sealings[i].token, strlen(sealings[i].token)};
    const size_t before = atomic_load(&fixture.ciphers[0].calls);
    // Two epochs at 100 s after a boundary: up to 2000 values, two slices of twelve calls.
    assert_int_equal(giftcards_open(giftcards, fixture.keyring, NOW_S + 100, openings, BATCH), OK);
    assert_in_range(atomic_load(&fixture.ciphers[0].calls) - before, 10, 24);
    free(sealings);
    free(openings);
    giftcards_free(giftcards);
    fixture_done(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_opens_from_5_s_before_to_599_s_after_every_second),
        cmocka_unit_test(a_token_opens_at_every_second_of_its_life_and_at_no_other),
        cmocka_unit_test(one_card_within_one_second_gives_one_token),
        cmocka_unit_test(an_ambiguous_token_is_never_issued),
        cmocka_unit_test(an_ambiguous_token_opens_as_nothing),
        cmocka_unit_test(of_many_tokens_none_passes_luhn_and_none_opens_as_another_card),
        cmocka_unit_test(a_batch_of_a_thousand_costs_few_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
