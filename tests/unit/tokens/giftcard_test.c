// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/tokens/giftcard_fixture.h"

#include <stdlib.h>

static void foreign_client_tenant_and_range_are_refused(void **state)
{
    (void)state;
    struct fixture mine, other; // the same key bytes: only the tweak keeps tenants apart
    fixture_init(&mine, 1, 1);
    fixture_init(&other, 2, 1);
    struct giftcards *giftcards = new_demo(CLIENT), *foreign = new_demo(CLIENT + 1);
    // The same number of cards, codes and digits, hence the same cardinalities; only the prefix differs.
    const struct giftcard_range here = {"a", "60357100", 16, true, 0, 0},
                                there = {"b", "60357101", 16, true, 0, 0},
                                unchecked = {"c", "603571001", 16, false, 0, 0};
    struct giftcards *of_here = new_giftcards(CLIENT, 1e-5, &here, 1, false),
                     *of_there = new_giftcards(CLIENT, 1e-5, &there, 1, false),
                     *of_unchecked = new_giftcards(CLIENT, 1e-5, &unchecked, 1, false);
    static const char *const cards[][2] = {
        {"6035710012345674", ""}, {"6035719876543217", "0042"}, {"4111111111111111", ""}};
    for (size_t i = 0; i < 3; i++) {
        const struct giftcard_sealing sealing =
            seal_at(giftcards, mine.keyring, NOW_S, cards[i][0], cards[i][1]);
        assert_true(opens_at(giftcards, mine.keyring, NOW_S, sealing.token));
        assert_false(opens_at(foreign, mine.keyring, NOW_S, sealing.token));
        assert_false(opens_at(giftcards, other.keyring, NOW_S, sealing.token));
        assert_int_equal(opens_at(of_here, mine.keyring, NOW_S, sealing.token), i == 0);
        assert_false(opens_at(of_there, mine.keyring, NOW_S, sealing.token));
        assert_false(opens_at(of_unchecked, mine.keyring, NOW_S, sealing.token));
    }
    giftcards_free(giftcards);
    giftcards_free(foreign);
    giftcards_free(of_here);
    giftcards_free(of_there);
    giftcards_free(of_unchecked);
    fixture_done(&mine);
    fixture_done(&other);
}

static void any_changed_digit_is_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1, 1);
    struct giftcards *giftcards = new_demo(CLIENT);
    static const char *const cards[][2] = {
        {"6035710012345674", ""}, {"6035719876543217", "0042"}, {"4111111111111111", ""}};
    for (size_t i = 0; i < 3; i++) {
        struct giftcard_sealing sealing =
            seal_at(giftcards, fixture.keyring, NOW_S, cards[i][0], cards[i][1]);
        for (char *at = sealing.token; *at != '\0'; at++) {
            const char was = *at;
            for (char digit = '0'; digit <= '9'; digit++) {
                *at = digit;
                assert_int_equal(opens_at(giftcards, fixture.keyring, NOW_S, sealing.token), digit == was);
            }
            *at = 'x';
            assert_false(opens_at(giftcards, fixture.keyring, NOW_S, sealing.token));
            *at = was;
        }
    }
    giftcards_free(giftcards);
    fixture_done(&fixture);
}

static void a_token_of_another_length_is_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1, 1);
    struct giftcards *giftcards = new_demo(CLIENT);
    const struct giftcard_sealing sealing =
        seal_at(giftcards, fixture.keyring, NOW_S, "6035710012345674", "");
    char text[64];
    for (unsigned digit = 0; digit < 10; digit++) { // one of them has a Luhn sum that names the generation
        snprintf(text, sizeof text, "%.14s%u", sealing.token, digit);
        assert_false(opens_at(giftcards, fixture.keyring, NOW_S, text));
        snprintf(text, sizeof text, "%s%u", sealing.token, digit);
        assert_false(opens_at(giftcards, fixture.keyring, NOW_S, text));
        snprintf(text, sizeof text, "%u%s", digit, sealing.token);
        assert_false(opens_at(giftcards, fixture.keyring, NOW_S, text));
    }
    for (size_t digits = 0; digits < 60; digits++) {
        snprintf(text, sizeof text, "%0*u", (int)digits, 1u);
        assert_false(opens_at(giftcards, fixture.keyring, NOW_S, digits == 0 ? "" : text));
    }
    giftcards_free(giftcards);
    fixture_done(&fixture);
}

static void tokens_are_as_long_as_the_odds_demand(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1, 1);
    struct giftcards *giftcards = new_demo(CLIENT);
    static const struct {
        const char *card, *code;
        size_t digits;
    } lengths[] = {
        {"6035710012345674", "", 16}, {"6035719876543217", "1234", 22}, {"4111111111111111", "", 28}};
    for (size_t i = 0; i < 3; i++) {
        const struct giftcard_sealing sealing =
            seal_at(giftcards, fixture.keyring, NOW_S, lengths[i].card, lengths[i].code);
        assert_int_equal(strlen(sealing.token), lengths[i].digits);
    }
    static const double odds[] = {1e7 * 605 / 1e15, 1e9 * 1e4 * 605 / 1e21, 1.11111111e19 * 605 / 1e27};
    for (size_t i = 0; i < 3; i++) {
        struct giftcard_layout_facts facts;
        giftcards_describe(giftcards, i, &facts);
        assert_int_equal(facts.token_digits, lengths[i].digits);
        assert_true(facts.odds > odds[i] * 0.999 && facts.odds < odds[i] * 1.001 && facts.odds <= 1e-5);
    }
    assert_int_equal(giftcards_layout_count(giftcards), 3);
    giftcards_free(giftcards);
    fixture_done(&fixture);
}

static void a_code_of_another_length_puts_the_card_outside(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1, 1);
    struct giftcards *taking = new_demo(CLIENT), *closed = new_giftcards(CLIENT, 1e-5, demo_ranges, 2, false);
    static const char *const codes[] = {"", "1", "123", "12345", "12345678"};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        const struct giftcard_sealing sealing =
            seal_at(taking, fixture.keyring, NOW_S, "6035719876543217", codes[i]);
        assert_int_equal(strlen(sealing.token), 28);
        const struct giftcard_opening opening = open_at(taking, fixture.keyring, NOW_S, sealing.token);
        assert_string_equal(opening.digits, "6035719876543217");
        assert_string_equal(opening.code, ""); // dropped
        assert_true(seal_at(closed, fixture.keyring, NOW_S, "6035719876543217", codes[i]).refused);
    }
    giftcards_free(taking);
    giftcards_free(closed);
    fixture_done(&fixture);
}

static void codes_outside_a_range_are_dropped(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1, 1);
    struct giftcards *giftcards = new_demo(CLIENT);
    const struct giftcard_sealing with =
                                      seal_at(giftcards, fixture.keyring, NOW_S, "4111111111111111", "737"),
                                  without =
                                      seal_at(giftcards, fixture.keyring, NOW_S, "4111111111111111", "");
    assert_string_equal(with.token, without.token);
    assert_string_equal(open_at(giftcards, fixture.keyring, NOW_S, with.token).code, "");
    giftcards_free(giftcards);
    fixture_done(&fixture);
}

static void without_other_cards_everything_else_is_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1, 1);
    struct giftcards *closed = new_giftcards(CLIENT, 1e-5, demo_ranges, 2, false);
    struct giftcard_sealing sealings[] = {sealing_of("4111111111111111", ""),
                                          sealing_of("6035710012345674", ""),
                                          sealing_of("6035710012345675", ""),  // fails Luhn
                                          sealing_of("603571001234567", ""),   // a digit short
                                          sealing_of("60357100123456740", ""), // a digit long
                                          sealing_of("6035710012345674", "1"), // a code where there is none
                                          sealing_of("6035719876543217", "0042")};
    assert_int_equal(giftcards_seal(closed, fixture.keyring, NOW_S, sealings, 7), OK);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(sealings[i].refused, i != 1 && i != 6);
        if (sealings[i].refused)
            assert_string_equal(sealings[i].token, "");
        else
            assert_true(opens_at(closed, fixture.keyring, NOW_S, sealings[i].token));
    }
    giftcards_free(closed);
    fixture_done(&fixture);
}

static void ranges_of_equal_length_stay_apart(void **state)
{
    (void)state;
    enum { RANGES = 12 };
    struct fixture fixture;
    char prefixes[RANGES][9];
    struct giftcard_range ranges[RANGES];
    fixture_init(&fixture, 1, 1);
    for (unsigned i = 0; i < RANGES; i++) {
        snprintf(prefixes[i], sizeof prefixes[i], "%08u", 70000000 + i);
        ranges[i] = (struct giftcard_range){"r", prefixes[i], 16, false, i % 3, 20};
    }
    struct giftcards *giftcards = new_giftcards(CLIENT, 1e-5, ranges, RANGES, false);
    for (unsigned i = 0; i < 100 * RANGES; i++) {
        char card[20], code[3];
        snprintf(card, sizeof card, "%s%08u", prefixes[i % RANGES], i * 7919 % 100000000);
        snprintf(code, sizeof code, "%0*u", (int)(i % 3), i % 3 == 0 ? 0 : i % 10);
        const struct giftcard_sealing sealing =
            seal_at(giftcards, fixture.keyring, NOW_S, card, i % 3 == 0 ? "" : code);
        assert_false(sealing.refused);
        assert_int_equal(strlen(sealing.token), 20);
        const struct giftcard_opening opening = open_at(giftcards, fixture.keyring, NOW_S, sealing.token);
        assert_non_null(opening.generation);
        assert_string_equal(opening.digits, card);
        assert_string_equal(opening.code, i % 3 == 0 ? "" : code);
    }
    giftcards_free(giftcards);
    fixture_done(&fixture);
}

static void every_length_round_trips(void **state)
{
    (void)state;
    enum { EACH = 40, ALL = 8 * EACH };
    struct fixture fixture;
    fixture_init(&fixture, 1, 1);
    struct giftcards *giftcards = new_demo(CLIENT);
    struct giftcard_sealing *sealings = calloc(ALL, sizeof *sealings);
    struct giftcard_opening *openings = calloc(ALL, sizeof *openings);
    for (size_t i = 0; i < ALL; i++) {
        char card[PAN_DIGITS_MAX + 1];
        const size_t digits = 12 + i / EACH;
        fixture_pan(i, digits, card);
        if (i % EACH < 2)
            memset(card, i % EACH == 0 ? '0' : '9', digits); // the ends of the ranks of this length
        if (i % 2 == 0)
            card[digits - 1] = '5'; // Luhn is not asked of other cards
        sealings[i] = sealing_of(card, "");
    }
    assert_int_equal(giftcards_seal(giftcards, fixture.keyring, NOW_S, sealings, ALL), OK);
    for (size_t i = 0; i < ALL; i++)
        openings[i].token = (struct slice){sealings[i].token, strlen(sealings[i].token)};
    assert_int_equal(giftcards_open(giftcards, fixture.keyring, NOW_S, openings, ALL), OK);
    for (size_t i = 0; i < ALL; i++) {
        assert_non_null(openings[i].generation);
        assert_string_equal(openings[i].digits, sealings[i].digits);
        assert_true(openings[i].expires_s == sealings[i].expires_s);
    }
    free(sealings);
    free(openings);
    giftcards_free(giftcards);
    fixture_done(&fixture);
}

static void every_configured_length_round_trips(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1, 1);
    for (unsigned digits = 12; digits <= 19; digits++) {
        for (unsigned code_digits = 0; code_digits <= 8; code_digits += 4) {
            for (unsigned luhn = 0; luhn <= 1; luhn++) {
                const struct giftcard_range range = {"r", "4", digits, luhn != 0, code_digits, 0};
                struct giftcards *giftcards = new_giftcards(CLIENT, 1e-5, &range, 1, false);
                char card[PAN_DIGITS_MAX + 1], code[9];
                fixture_pan(digits, digits, card);
                memset(code, '0', code_digits);
                code[code_digits] = '\0';
                card[0] = '4';
                while (digit_sum(card) != 0)
                    card[digits - 1] = card[digits - 1] == '9' ? '0' : (char)(card[digits - 1] + 1);
                const struct giftcard_sealing sealing =
                    seal_at(giftcards, fixture.keyring, NOW_S, card, code);
                assert_false(sealing.refused);
                const struct giftcard_opening opening =
                    open_at(giftcards, fixture.keyring, NOW_S + 599, sealing.token);
                assert_string_equal(opening.digits, card);
                assert_string_equal(opening.code, code);
                giftcards_free(giftcards);
            }
        }
    }
    fixture_done(&fixture);
}

static void nine_generations_open_side_by_side(void **state)
{
    (void)state;
    struct fixture all;
    fixture_init_many(&all, 1, 9, 9);
    struct giftcards *giftcards = new_demo(CLIENT);
    for (size_t g = 0; g < 9; g++) {
        const struct generation_options one = {.number = 9 - (unsigned)g,
                                               .state = GENERATION_CURRENT,
                                               .cipher = soft_cipher_seam(&all.ciphers[g])};
        struct keyring *alone;
        assert_int_equal(keyring_new(1, &one, 1, &alone, NULL), OK);
        const struct giftcard_sealing sealing = seal_at(giftcards, alone, NOW_S, "6035719876543217", "0042");
        assert_int_equal(digit_sum(sealing.token), 9 - g);
        const struct giftcard_opening opening = open_at(giftcards, all.keyring, NOW_S, sealing.token);
        assert_non_null(opening.generation);
        assert_int_equal(opening.generation->number, 9 - g);
        assert_string_equal(opening.digits, "6035719876543217");
        assert_string_equal(opening.code, "0042");
        if (g > 0) { // the ring of generation 9 alone does not open what others made
            struct fixture only;
            fixture_init(&only, 1, 9);
            assert_false(opens_at(giftcards, only.keyring, NOW_S, sealing.token));
            fixture_done(&only);
        }
        keyring_free(alone);
    }
    giftcards_free(giftcards);
    fixture_done(&all);
}

static void a_failing_hsm_fails_the_batch(void **state)
{
    (void)state;
    struct giftcards *giftcards = new_demo(CLIENT);
    struct fixture fixture;
    fixture_init(&fixture, 1, 1);
    const struct giftcard_sealing good = seal_at(giftcards, fixture.keyring, NOW_S, "6035710012345674", "");
    const size_t seal_calls = atomic_load(&fixture.ciphers[0].calls);
    assert_true(opens_at(giftcards, fixture.keyring, NOW_S, good.token));
    const size_t open_calls = atomic_load(&fixture.ciphers[0].calls) - seal_calls;
    assert_in_range(open_calls, 10, 12);
    for (size_t call = 1; call <= seal_calls; call++) { // the search for a second reading included
        fixture_done(&fixture);
        fixture_init(&fixture, 1, 1);
        fixture.ciphers[0].fail_at_call = call;
        fixture.ciphers[0].failure = ERR_HSM_DOWN;
        struct giftcard_sealing sealing = sealing_of("6035710012345674", "");
        assert_int_equal(giftcards_seal(giftcards, fixture.keyring, NOW_S, &sealing, 1), ERR_HSM_DOWN);
    }
    for (size_t call = 1; call <= open_calls; call++) {
        fixture_done(&fixture);
        fixture_init(&fixture, 1, 1);
        fixture.ciphers[0].fail_at_call = call;
        fixture.ciphers[0].failure = ERR_HSM_DOWN;
        struct giftcard_opening opening = {.token = {good.token, 16}};
        assert_int_equal(giftcards_open(giftcards, fixture.keyring, NOW_S, &opening, 1), ERR_HSM_DOWN);
        assert_null(opening.generation);
    }
    fixture_done(&fixture);
    giftcards_free(giftcards);
}

static void cards_and_codes_are_read_strictly(void **state)
{
    (void)state;
    char digits[PAN_DIGITS_MAX + 1];
    assert_true(giftcard_strip((struct clear){" 6035-7100 1234-5674 ", 21}, digits));
    assert_string_equal(digits, "6035710012345674");
    static const char *const bad[] = {"",
                                      "41111111111",
                                      "41111111111111111111",
                                      "411111111111111x",
                                      "4111\t11111111111",
                                      "4111.1111.1111.1111",
                                      "\xef\xbc\x94"
                                      "111111111111111"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(giftcard_strip((struct clear){bad[i], strlen(bad[i])}, digits));
    assert_false(giftcard_strip((struct clear){"411111111111\0", 13}, digits));
    assert_true(giftcard_code_is_well_formed((struct clear){"", 0}));
    assert_true(giftcard_code_is_well_formed((struct clear){"12345678", 8}));
    assert_false(giftcard_code_is_well_formed((struct clear){"123456789", 9}));
    assert_false(giftcard_code_is_well_formed((struct clear){"12a4", 4}));
    assert_false(giftcard_code_is_well_formed((struct clear){"12 4", 4}));
    assert_false(giftcard_code_is_well_formed((struct clear){"123\0", 4}));
}

static void refuses(enum err code, const char *text, double odds, const struct giftcard_range *ranges,
                    size_t count, bool others)
{
    struct diag diag = {0};
    struct giftcards *giftcards = NULL;
    const struct giftcards_options options = {CLIENT, "demo:0", odds, ranges, count, others};
    assert_int_equal(giftcards_new(&options, &giftcards, &diag), code);
    assert_string_equal(diag.text, text);
    assert_null(giftcards);
}

static void ranges_that_contradict_themselves_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct giftcard_range range;
    } bad[] = {
        {"f:1: issuer_range \"\": a prefix is 1 to 18 digits", {"f:1", "", 16, true, 0, 0}},
        {"f:1: issuer_range \"60a5\": a prefix is 1 to 18 digits", {"f:1", "60a5", 16, true, 0, 0}},
        {"f:1: issuer_range \"60 5\": a prefix is 1 to 18 digits", {"f:1", "60 5", 16, true, 0, 0}},
        {"f:1: issuer_range \"6035\": digits must be 12..19", {"f:1", "6035", 11, true, 0, 0}},
        {"f:1: issuer_range \"6035\": digits must be 12..19", {"f:1", "6035", 20, true, 0, 0}},
        {"f:1: issuer_range \"6035\": digits must be 12..19", {"f:1", "6035", 0, true, 0, 0}},
        {"f:1: issuer_range \"6035\": code must be 0..8", {"f:1", "6035", 16, true, 9, 0}},
        {"f:1: issuer_range \"603571001234567\": leaves no free digit",
         {"f:1", "603571001234567", 16, true, 0, 0}},
        {"f:1: issuer_range \"6035710012345674\": leaves no free digit",
         {"f:1", "6035710012345674", 16, false, 0, 0}},
        {"f:1: issuer_range \"1234567890123456789\": leaves no free digit",
         {"f:1", "1234567890123456789", 19, false, 0, 0}},
        {"f:1: issuer_range \"6035\": token_digits must be 16..40", {"f:1", "6035", 16, true, 0, 15}},
        {"f:1: issuer_range \"6035\": token_digits must be 16..40", {"f:1", "6035", 16, true, 0, 41}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refuses(ERR_INPUT, bad[i].text, 1e-5, &bad[i].range, 1, true);
}

static void weak_and_repeated_ranges_are_refused(void **state)
{
    (void)state;
    const struct giftcard_range shorter = {"f:2", "603571", 16, true, 4, 21};
    refuses(ERR_CONFLICT,
            "f:2: issuer_range \"603571\": 21 digits make the odds that a made-up token of that length opens "
            "6.1e-05, over forgery_odds 1e-05",
            1e-5, &shorter, 1, false);
    const struct giftcard_range any = {"f:2", "603571", 16, true, 4, 0};
    refuses(ERR_CONFLICT,
            "f:2: issuer_range \"603571\": 40 digits make the odds that a made-up token of that length opens "
            "6.1e-24, over forgery_odds 1e-24",
            1e-24, &any, 1, false);
    const struct giftcard_range twice[] = {
        {"f:3", "6035", 16, true, 4, 0}, {"f:4", "603571", 16, true, 4, 0}, {"f:5", "6035", 16, false, 4, 0}};
    refuses(ERR_CONFLICT, "demo:0: issuer_range \"6035\": given twice for 16 digits and codes of 4", 1e-5,
            twice, 3, true);
    struct giftcard_range many[64];
    char prefixes[64][7];
    for (unsigned i = 0; i < 64; i++) {
        snprintf(prefixes[i], sizeof prefixes[i], "%06u", 700000 + i);
        many[i] = (struct giftcard_range){"f:6", prefixes[i], 16, true, 0, 0};
    }
    refuses(ERR_INPUT, "demo:0: other cards: a client may have 63 issuer ranges at most", 1e-5, many, 64,
            true);
    giftcards_free(new_giftcards(CLIENT, 1e-5, many, 63, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(foreign_client_tenant_and_range_are_refused),
        cmocka_unit_test(any_changed_digit_is_refused),
        cmocka_unit_test(a_token_of_another_length_is_refused),
        cmocka_unit_test(tokens_are_as_long_as_the_odds_demand),
        cmocka_unit_test(a_code_of_another_length_puts_the_card_outside),
        cmocka_unit_test(codes_outside_a_range_are_dropped),
        cmocka_unit_test(without_other_cards_everything_else_is_refused),
        cmocka_unit_test(ranges_of_equal_length_stay_apart),
        cmocka_unit_test(every_length_round_trips),
        cmocka_unit_test(every_configured_length_round_trips),
        cmocka_unit_test(nine_generations_open_side_by_side),
        cmocka_unit_test(a_failing_hsm_fails_the_batch),
        cmocka_unit_test(cards_and_codes_are_read_strictly),
        cmocka_unit_test(ranges_that_contradict_themselves_are_refused),
        cmocka_unit_test(weak_and_repeated_ranges_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
