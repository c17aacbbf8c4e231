// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/tokens/token_fixture.h"

#include "appliance/base/clock.h"

#include <stdlib.h>

static struct clear clear(const char *text)
{
    return (struct clear){text, strlen(text)};
}

static struct slice slice(const char *text)
{
    return (struct slice){text, strlen(text)};
}

static void seal_one(const struct fixture *fixture, unsigned client, char *out_token)
{
    const struct card card = {clear("4111111111111111"), 30, 6};
    assert_int_equal(card_seal(fixture->card_format, fixture->keyring, client, &card, 1, out_token), OK);
}

static bool opens(const struct fixture *fixture, unsigned client, const char *token, size_t len)
{
    struct card_opening opening = {.token = {token, len}};
    assert_int_equal(card_open(fixture->card_format, fixture->keyring, client, &opening, 1), OK);
    return opening.generation != NULL;
}

static void any_changed_digit_is_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    char token[CARD_TOKEN_LENGTH];
    fixture_init(&fixture, 1, 1);
    seal_one(&fixture, 11, token);
    assert_true(opens(&fixture, 11, token, CARD_TOKEN_LENGTH));
    for (size_t i = 0; i < CARD_TOKEN_LENGTH; i++) {
        const char was = token[i];
        for (const char *digit = "0123456789abcdef"; *digit != '\0'; digit++) {
            token[i] = *digit;
            assert_int_equal(opens(&fixture, 11, token, CARD_TOKEN_LENGTH), *digit == was);
        }
        token[i] = was;
    }
    fixture_done(&fixture);
}

static void wrong_length_case_or_character_is_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    char token[CARD_TOKEN_LENGTH + 1];
    fixture_init(&fixture, 1, 1);
    seal_one(&fixture, 11, token);
    token[CARD_TOKEN_LENGTH] = '0';
    assert_false(opens(&fixture, 11, token, CARD_TOKEN_LENGTH - 1));
    assert_false(opens(&fixture, 11, token, CARD_TOKEN_LENGTH + 1));
    assert_false(opens(&fixture, 11, token, 0));
    for (size_t i = 0; i < CARD_TOKEN_LENGTH; i++) {
        if (token[i] < 'a')
            continue;
        token[i] = (char)(token[i] - 'a' + 'A');
        assert_false(opens(&fixture, 11, token, CARD_TOKEN_LENGTH));
        break;
    }
    token[0] = '\0';
    assert_false(opens(&fixture, 11, token, CARD_TOKEN_LENGTH));
    token[0] = (char)0xff;
    assert_false(opens(&fixture, 11, token, CARD_TOKEN_LENGTH));
    fixture_done(&fixture);
}

static void another_client_or_tenant_cannot_open(void **state)
{
    (void)state;
    struct fixture mine, other;
    char token[CARD_TOKEN_LENGTH];
    fixture_init(&mine, 1, 1);
    fixture_init(&other, 2, 1); // the same key bytes: only the tweak keeps them apart
    seal_one(&mine, 11, token);
    assert_false(opens(&mine, 12, token, CARD_TOKEN_LENGTH));
    assert_false(opens(&other, 11, token, CARD_TOKEN_LENGTH));
    assert_true(opens(&mine, 11, token, CARD_TOKEN_LENGTH));
    fixture_done(&mine);
    fixture_done(&other);
}

static void nine_generations_open_in_one_batch(void **state)
{
    (void)state;
    enum { EACH = 50, ALL = 9 * EACH };
    struct fixture all;
    fixture_init_many(&all, 1, 9, 9);
    char(*tokens)[CARD_TOKEN_LENGTH] = calloc(ALL, sizeof *tokens);
    char(*pans)[PAN_DIGITS_MAX + 1] = calloc(ALL, sizeof *pans);
    struct card_opening *openings = calloc(ALL, sizeof *openings);
    for (size_t g = 0; g < 9; g++) {
        struct generation_options one = {.number = 9 - (unsigned)g,
                                         .state = GENERATION_CURRENT,
                                         .cipher = soft_cipher_seam(&all.ciphers[g])};
        struct keyring *keyring;
        assert_int_equal(keyring_new(1, &one, 1, &keyring, NULL), OK);
        for (size_t i = g * EACH; i < (g + 1) * EACH; i++) {
            fixture_pan(i, 12 + i % 8, pans[i]);
            const struct card card = {clear(pans[i]), (unsigned)(i % 100), (unsigned)(i % 12) + 1};
            assert_int_equal(card_seal(all.card_format, keyring, 11, &card, 1, tokens[i]), OK);
            openings[i].token = (struct slice){tokens[i], CARD_TOKEN_LENGTH};
        }
        keyring_free(keyring);
    }
    assert_int_equal(card_open(all.card_format, all.keyring, 11, openings, ALL), OK);
    for (size_t i = 0; i < ALL; i++) {
        assert_non_null(openings[i].generation);
        assert_int_equal(openings[i].generation->number, 9 - i / EACH);
        assert_string_equal(openings[i].digits, pans[i]);
        assert_int_equal(openings[i].year, i % 100);
        assert_int_equal(openings[i].month, i % 12 + 1);
    }
    free(tokens);
    free(pans);
    free(openings);
    fixture_done(&all);
}

static void a_failing_hsm_fails_the_batch(void **state)
{
    (void)state;
    struct fixture fixture;
    char token[CARD_TOKEN_LENGTH];
    const struct card card = {clear("4111111111111111"), 30, 6};
    fixture_init(&fixture, 1, 1);
    for (size_t call = 1; call <= 12; call++) {
        fixture_done(&fixture);
        fixture_init(&fixture, 1, 1);
        fixture.ciphers[0].fail_at_call = call;
        fixture.ciphers[0].failure = ERR_HSM_DOWN;
        assert_int_equal(card_seal(fixture.card_format, fixture.keyring, 11, &card, 1, token), ERR_HSM_DOWN);
    }
    fixture_done(&fixture);
}

static void pans_are_checked(void **state)
{
    (void)state;
    assert_null(card_check_pan(clear("4111111111111111"), true));
    assert_null(card_check_pan(clear("4111111111111112"), false));
    assert_string_equal(card_check_pan(clear("4111111111111112"), true), "fails the Luhn check");
    const char *const bad[] = {"",
                               "41111111111",
                               "41111111111111111111",
                               "4111-1111-1111-1111",
                               "411111111111111x",
                               " 4111111111111111",
                               "\xef\xbc\x94"
                               "111111111111111"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_string_equal(card_check_pan(clear(bad[i]), false), "must be 12 to 19 digits");
}

static void expiry_is_yymm_with_a_real_month(void **state)
{
    (void)state;
    unsigned year = 0, month = 0;
    assert_null(card_parse_expiry(slice("9602"), &year, &month));
    assert_int_equal(year, 96);
    assert_int_equal(month, 2);
    assert_null(card_parse_expiry(slice("906"), &year, &month)); // a lost leading zero
    assert_int_equal(year, 9);
    assert_int_equal(month, 6);
    const char *const bad[] = {"", "12", "29120", "2900", "2913", "29-2", "+912", "299", " 912"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_non_null(card_parse_expiry(slice(bad[i]), &year, &month));
}

static void keep_until_is_the_month_after(void **state)
{
    (void)state;
    char text[CLOCK_RFC3339_BYTES];
    clock_rfc3339_s(card_keep_until_s(96, 2), text);
    assert_string_equal(text, "2096-03-01T00:00:00Z");
    clock_rfc3339_s(card_keep_until_s(29, 12), text);
    assert_string_equal(text, "2030-01-01T00:00:00Z");
    clock_rfc3339_s(card_keep_until_s(99, 12), text);
    assert_string_equal(text, "2100-01-01T00:00:00Z");
}

static void short_pans_show_fewer_digits(void **state)
{
    (void)state;
    char mask[CARD_MASK_BYTES];
    card_mask(clear("4111111111111111"), mask);
    assert_string_equal(mask, "411111****1111");
    card_mask(clear("378282246310005"), mask);
    assert_string_equal(mask, "378282****0005");
    card_mask(clear("4222222222222"), mask);
    assert_string_equal(mask, "4222****2222");
    card_mask(clear("123456789012"), mask);
    assert_string_equal(mask, "1234****9012");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_changed_digit_is_refused),
        cmocka_unit_test(wrong_length_case_or_character_is_refused),
        cmocka_unit_test(another_client_or_tenant_cannot_open),
        cmocka_unit_test(nine_generations_open_in_one_batch),
        cmocka_unit_test(a_failing_hsm_fails_the_batch),
        cmocka_unit_test(pans_are_checked),
        cmocka_unit_test(expiry_is_yymm_with_a_real_month),
        cmocka_unit_test(keep_until_is_the_month_after),
        cmocka_unit_test(short_pans_show_fewer_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
