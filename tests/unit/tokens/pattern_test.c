// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/tokens/token_fixture.h"

#include "appliance/tokens/pattern.h"

#include <math.h>
#include <stdlib.h>

static struct pattern_format *new_format(const char *pattern, const char *alphabet)
{
    struct diag diag = {0};
    struct pattern_format *format;
    if (pattern_format_new(&(struct pattern_options){8, 1, pattern, alphabet}, &format, &diag) != OK)
        fail_msg("%s", diag.text);
    return format;
}

static void refuses(enum err code, const char *text, const char *pattern, const char *alphabet)
{
    struct diag diag = {0};
    struct pattern_format *format = NULL;
    assert_int_equal(pattern_format_new(&(struct pattern_options){8, 1, pattern, alphabet}, &format, &diag),
                     code);
    assert_string_equal(diag.text, text);
    assert_null(format);
}

// Seals or opens one value; the result, NUL-terminated, replaces what stood in `out`.
static const char *turn(const struct pattern_format *format, bool sealing, struct clear value,
                        struct buf *out)
{
    struct fixture fixture;
    fixture_init(&fixture, 1, 1);
    struct pattern_item item = {.value = value};
    BUF result = {0};
    assert_int_equal(sealing ? pattern_seal(format, fixture.keyring, &item, 1, &result)
                             : pattern_open(format, fixture.keyring, &item, 1, &result),
                     OK);
    buf_reset(out);
    if (item.fault == NULL)
        buf_append(out, result.at + item.result_at, item.result_len);
    buf_byte(out, '\0');
    fixture_done(&fixture);
    return item.fault;
}

static const char *seal(const struct pattern_format *format, const char *value, struct buf *out)
{
    return turn(format, true, (struct clear){value, strlen(value)}, out);
}

static void comes_back(const struct pattern_format *format, const char *value)
{
    BUF token = {0}, clear = {0};
    assert_null(seal(format, value, &token));
    assert_string_not_equal(token.at, value);
    assert_null(turn(format, false, (struct clear){token.at, token.len - 1}, &clear));
    assert_string_equal(clear.at, value);
}

static void values_come_back_and_kept_text_stays(void **state)
{
    (void)state;
    BUF token = {0};
    struct pattern_format *ssn = new_format("([0-9]{3})[- ]?([0-9]{2})[- ]?([0-9]{4})", "0123456789");
    comes_back(ssn, "123-45-6789");
    comes_back(ssn, "123456789");
    comes_back(ssn, "123 45-6789");
    assert_null(seal(ssn, "123 45-6789", &token));
    assert_int_equal(token.at[3], ' ');
    assert_int_equal(token.at[6], '-');
    pattern_format_free(ssn);
    struct pattern_format *id = new_format("id:([a-z]+)@(([a-z]+)x?)\\.org", "abcdefghijklmnopqrstuvwxyz");
    comes_back(id, "id:someone@example.org");
    assert_null(seal(id, "id:someone@example.org", &token));
    assert_memory_equal(token.at, "id:", 3);
    assert_string_equal(token.at + 10, strchr(token.at, '@'));
    assert_string_equal(token.at + strlen(token.at) - 4, ".org");
    pattern_format_free(id);
}

static void nested_groups_are_transformed_once(void **state)
{
    (void)state;
    BUF nested = {0}, flat = {0};
    struct pattern_format *a = new_format("((([0-9]{4})[0-9]{2})[0-9])", "0123456789"),
                          *b = new_format("([0-9]{7})", "0123456789");
    comes_back(a, "1234567");
    assert_null(seal(a, "1234567", &nested));
    assert_null(seal(b, "1234567", &flat));
    assert_string_equal(nested.at, flat.at);
    pattern_format_free(a);
    pattern_format_free(b);
}

static void a_part_or_no_match_is_refused(void **state)
{
    (void)state;
    BUF token = {0};
    static const char *const bad[] = {"123-45-67890",
                                      "x123-45-6789",
                                      "123-45-6789 ",
                                      "123-45-6789\n",
                                      "\n123-45-6789",
                                      "123-45-678",
                                      "-",
                                      "nothing",
                                      "123\xe2\x80\x91"
                                      "45-6789"};
    struct pattern_format *ssn = new_format("([0-9]{3})[- ]?([0-9]{2})[- ]?([0-9]{4})", "0123456789");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_string_equal(seal(ssn, bad[i], &token), "does not match the pattern");
    assert_string_equal(seal(ssn, "", &token), "is empty");
    pattern_format_free(ssn);
    // Every alternative is bound to both ends.
    struct pattern_format *either = new_format("([0-9]{6})|([0-9]{8})x", "0123456789");
    assert_string_equal(seal(either, "123456x", &token), "does not match the pattern");
    assert_string_equal(seal(either, "y12345678x", &token), "does not match the pattern");
    comes_back(either, "123456");
    comes_back(either, "12345678x");
    pattern_format_free(either);
}

static void long_values_are_refused(void **state)
{
    (void)state;
    enum { LONG = 100000 };
    BUF token = {0};
    char *text = malloc(LONG + 1);
    memset(text, '7', LONG);
    text[LONG] = '\0';
    struct pattern_format *format = new_format("([0-9]{6,})", "0123456789");
    struct pattern_format *tail = new_format("([0-9]{6})7*", "0123456789");
    assert_string_equal(turn(format, true, (struct clear){text, LONG}, &token), "is longer than 8192 bytes");
    assert_string_equal(turn(format, true, (struct clear){text, 8193}, &token), "is longer than 8192 bytes");
    assert_string_equal(turn(format, false, (struct clear){text, 8193}, &token), "is longer than 8192 bytes");
    assert_non_null(turn(format, true, (struct clear){text, 8192}, &token)); // FF1 takes 4096 numerals
    assert_non_null(turn(format, true, (struct clear){text, 4097}, &token));
    assert_null(turn(tail, true, (struct clear){text, 8192}, &token));
    for (size_t len = 6; len <= 4096; len = len < 70 ? len + 1 : len * 4) {
        text[len] = '\0';
        comes_back(format, text);
        text[len] = '7';
    }
    text[4096] = '\0';
    comes_back(format, text);
    free(text);
    pattern_format_free(format);
    pattern_format_free(tail);
}

static void text_outside_the_alphabet_is_refused(void **state)
{
    (void)state;
    static const char outside[] = "holds a captured character outside the alphabet";
    static const char *const not_utf8[] = {"id 123456\xff", "id 12345\xc0\xb6", "id 123456\xe2\x82",
                                           "id \xed\xa0\x80"
                                           "123456"}; // stray, overlong, cut short, surrogate
    BUF token = {0};
    struct pattern_format *any = new_format("id (.*)", "0123456789");
    comes_back(any, "id 123456");
    assert_string_equal(seal(any, "id 12345x", &token), outside);
    assert_string_equal(seal(any, "id 12345\xef\xbc\x96", &token), outside); // full-width 6
    for (size_t i = 0; i < sizeof not_utf8 / sizeof not_utf8[0]; i++)
        assert_non_null(seal(any, not_utf8[i], &token));
    pattern_format_free(any);
    struct pattern_format *kept = new_format(".([0-9]{6}).", "0123456789");
    comes_back(kept, "é123456λ");
    assert_non_null(seal(kept,
                         "\xff"
                         "123456\x80",
                         &token));
    pattern_format_free(kept);
}

static void alphabets_need_not_be_ascii(void **state)
{
    (void)state;
    BUF token = {0};
    struct pattern_format *greek = new_format("<(.*)>", "αβγδεζηθ"),
                          *dice = new_format("(.+)-(.+)", "⚀⚁⚂⚃⚄⚅"),
                          *mixed = new_format("([0-9éλ⚅]+)", "0123456789éλ⚅");
    comes_back(greek, "<αβγδεζηθ>");
    comes_back(dice, "⚀⚁⚂⚃-⚄⚅⚀⚀⚀");
    comes_back(mixed, "0123é⚅λ9");
    assert_null(seal(dice, "⚀⚁⚂⚃-⚄⚅⚀⚀⚀", &token));
    assert_int_equal(token.len - 1, 9 * 3 + 1);
    assert_int_equal(token.at[12], '-');
    assert_non_null(seal(dice, "⚀⚁⚂⚃-⚄⚅⚀⚀x", &token));
    pattern_format_free(greek);
    pattern_format_free(dice);
    pattern_format_free(mixed);
}

static void small_domains_are_refused_at_start_and_by_value(void **state)
{
    (void)state;
    static const char few[] = "has too few captured characters, under 1,000,000 values";
    BUF token = {0};
    refuses(ERR_DOMAIN,
            "pattern: its groups capture at most 5 characters, under 1,000,000 values of this alphabet",
            "([0-9]{5})x*", "0123456789");
    refuses(ERR_DOMAIN,
            "pattern: its groups capture at most 19 characters, under 1,000,000 values of this alphabet",
            "([ab]{19})", "ab");
    refuses(ERR_DOMAIN,
            "pattern: its groups capture at most 1 characters, under 1,000,000 values of this alphabet",
            "([0-9])*",
            "0123456789"); // the last turn only
    struct pattern_format *six = new_format("([0-9]{6})", "0123456789"),
                          *twenty = new_format("([ab]{20})", "ab"),
                          *any = new_format("([0-9]*)", "0123456789");
    comes_back(six, "000000");
    comes_back(twenty, "abababababababababab");
    assert_string_equal(seal(any, "12345", &token), few);
    assert_string_equal(seal(any, "1", &token), few);
    comes_back(any, "123456");
    assert_true(fabs(pattern_domain_bits(any) - log2(1e6)) < 1e-9);
    assert_true(fabs(pattern_domain_bits(six) - log2(1e6)) < 1e-9);
    pattern_format_free(six);
    pattern_format_free(twenty);
    pattern_format_free(any);
}

static void patterns_that_cannot_serve_are_refused(void **state)
{
    (void)state;
    static char text[4200];
    refuses(ERR_INPUT, "pattern: has 0 groups, must have 1 to 32", "[0-9]{9}", "0123456789");
    refuses(ERR_INPUT, "pattern: back-references are not supported", "([0-9]{6})(x)\\2", "0123456789");
    refuses(ERR_INPUT, "pattern: Unmatched ( or \\(", "([0-9]{6}", "0123456789");
    refuses(ERR_INPUT, "alphabet: must be 2 to 65536 distinct characters, no controls", "([0-9]{6})", "0");
    refuses(ERR_INPUT, "alphabet: must be 2 to 65536 distinct characters, no controls", "([0-9]{6})", "0120");
    refuses(ERR_INPUT, "alphabet: must be 2 to 65536 distinct characters, no controls", "([0-9]{6})",
            "01\xff");
    text[0] = '\0';
    for (size_t i = 0; i < 33; i++)
        memcpy(text + 3 * i, "(.)", 4);
    refuses(ERR_INPUT, "pattern: has 33 groups, must have 1 to 32", text, "0123456789");
    text[96] = '\0';
    struct pattern_format *most = new_format(text, "0123456789");
    comes_back(most, "01234567890123456789012345678901"); // 32
    pattern_format_free(most);
    memset(text, '(', 40);
    memcpy(text + 40, "[0-9]{6}", 9);
    memset(text + 48, ')', 40);
    text[88] = '\0';
    refuses(ERR_INPUT, "pattern: groups nest too deep", text, "0123456789");
    memset(text, '0', 4097);
    text[4097] = '\0';
    refuses(ERR_INPUT, "pattern: is longer than 4096 bytes", text, "0123456789");
}

static void a_token_that_would_not_match_is_refused_when_sealed(void **state)
{
    (void)state;
    static const char fault[] = "has a token that would not match the pattern: pattern and alphabet disagree";
    BUF token = {0};
    size_t refused = 0;
    // Half of the first characters an alphabet of sixteen gives are no digits below eight.
    struct pattern_format *format = new_format("([0-7][0-9a-f]{7})", "0123456789abcdef");
    for (unsigned i = 0; i < 200; i++) {
        char value[9];
        snprintf(value, sizeof value, "%08x", i * 7919);
        const char *why = seal(format, value, &token);
        if (why == NULL) {
            comes_back(format, value);
            continue;
        }
        assert_string_equal(why, fault);
        refused++;
    }
    assert_in_range(refused, 60, 140);
    pattern_format_free(format);
}

// A pattern that backtracks badly is refused at start, or matching it ends.
static void backtracking_patterns_finish(void **state)
{
    (void)state;
    BUF token = {0};
    static char text[8192];
    size_t finished = 0;
    static const char *const patterns[] = {"((a|a)*)*b", "((a|b)*)*c",   "(a+a+)+b",
                                           "((a*)*)*b",  "(([ab])+.)+c", "([ab]*)([ab]*)([ab]*)([ab]*)c"};
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        struct pattern_format *format;
        const struct pattern_options options = {8, 1, patterns[i], "ab"};
        const enum err rc = pattern_format_new(&options, &format, NULL);
        if (rc == ERR_INPUT)
            continue;
        assert_int_equal(rc, OK);
        memset(text, 'a', sizeof text);
        assert_string_equal(turn(format, true, (struct clear){text, sizeof text}, &token),
                            "does not match the pattern");
        text[sizeof text - 1] = patterns[i][strlen(patterns[i]) - 1];
        assert_non_null(turn(format, true, (struct clear){text, sizeof text}, &token)); // too much for FF1
        pattern_format_free(format);
        finished++;
    }
    assert_in_range(finished, 3, 6);
}

static void tweak_transformation_tenant_and_generation_separate(void **state)
{
    (void)state;
    enum { KINDS = 5 };
    char tokens[KINDS][7];
    struct fixture fixtures[2];
    fixture_init(&fixtures[0], 1, 1);
    fixture_init(&fixtures[1], 2, 1);
    for (unsigned i = 0; i < KINDS; i++) {
        struct pattern_format *format;
        const struct pattern_options options = {i == 1 ? 9 : 8, 1, "([0-9]{6})", "0123456789"};
        assert_int_equal(pattern_format_new(&options, &format, NULL), OK);
        struct pattern_item item = {.value = {"123456", 6},
                                    .tweak = {i == 3 ? "1234567" : "1234568", i >= 3 ? 7 : 0}};
        BUF out = {0};
        assert_int_equal(pattern_seal(format, fixtures[i == 2].keyring, &item, 1, &out), OK);
        memcpy(tokens[i], out.at, 6);
        tokens[i][6] = '\0';
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(tokens[i], tokens[j]);
        pattern_format_free(format);
    }
    struct pattern_format *absent;
    assert_int_equal(
        pattern_format_new(&(struct pattern_options){8, 2, "([0-9]{6})", "0123456789"}, &absent, NULL), OK);
    struct pattern_item item = {.value = {"123456", 6}};
    BUF out = {0};
    assert_int_equal(pattern_seal(absent, fixtures[0].keyring, &item, 1, &out), ERR_HSM_KEY);
    assert_int_equal(pattern_open(absent, fixtures[0].keyring, &item, 1, &out), ERR_HSM_KEY);
    pattern_format_free(absent);
    fixture_done(&fixtures[0]);
    fixture_done(&fixtures[1]);
}

static void one_bad_item_leaves_the_others_alone_in_one_call(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1, 1);
    struct pattern_format *format = new_format("([0-9]{6,40})", "0123456789");
    struct pattern_item items[] = {
        {.value = {"123456", 6}}, {.value = {"12345x", 6}}, {.value = {"1234567", 7}}};
    BUF sealed = {0}, opened = {0};
    assert_int_equal(pattern_seal(format, fixture.keyring, items, 3, &sealed), OK);
    assert_in_range(atomic_load(&fixture.ciphers[0].calls), 10, 12);
    assert_null(items[0].fault);
    assert_non_null(items[1].fault);
    assert_null(items[2].fault);
    buf_byte(&sealed, '\0');
    struct pattern_item back[] = {{.value = {sealed.at + items[0].result_at, items[0].result_len}},
                                  {.value = {sealed.at + items[2].result_at, items[2].result_len}}};
    assert_int_equal(pattern_open(format, fixture.keyring, back, 2, &opened), OK);
    assert_int_equal(opened.len, 13);
    assert_memory_equal(opened.at, "1234561234567", 13);
    for (size_t call = 1; call <= 10; call++) {
        fixture_done(&fixture);
        fixture_init(&fixture, 1, 1);
        fixture.ciphers[0].fail_at_call = call;
        fixture.ciphers[0].failure = ERR_HSM_DOWN;
        assert_int_equal(pattern_seal(format, fixture.keyring, items, 3, &sealed), ERR_HSM_DOWN);
    }
    pattern_format_free(format);
    fixture_done(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_back_and_kept_text_stays),
        cmocka_unit_test(nested_groups_are_transformed_once),
        cmocka_unit_test(a_part_or_no_match_is_refused),
        cmocka_unit_test(long_values_are_refused),
        cmocka_unit_test(text_outside_the_alphabet_is_refused),
        cmocka_unit_test(alphabets_need_not_be_ascii),
        cmocka_unit_test(small_domains_are_refused_at_start_and_by_value),
        cmocka_unit_test(patterns_that_cannot_serve_are_refused),
        cmocka_unit_test(a_token_that_would_not_match_is_refused_when_sealed),
        cmocka_unit_test(backtracking_patterns_finish),
        cmocka_unit_test(tweak_transformation_tenant_and_generation_separate),
        cmocka_unit_test(one_bad_item_leaves_the_others_alone_in_one_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
