// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/fpe/alphabet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static struct alphabet *make(const char *text)
{
    struct alphabet *alphabet = NULL;
    assert_int_equal(alphabet_new(text, strlen(text), &alphabet), OK);
    return alphabet;
}

static void what_is_no_alphabet_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len;
    } cases[] = {
        {"", 0},
        {"a", 1},
        {"\xc3\xa4", 2},          // one character of two bytes
        {"abca", 4},              // repeated
        {"a\xc3\xa4\xc3\xa4", 5}, // repeated
        {"ab\0", 3},              // controls: C0, DEL, C1
        {"ab\n", 3},
        {"ab\x7f", 3},
        {"ab\xc2\x80", 4},
        {"ab\xc2\x9f", 4},
        {"ab\x80", 3}, // no lead byte
        {"ab\xc3", 3}, // cut short
        {"ab\xe2\x82", 4},
        {"ab\xf0\x9f\x98", 5},
        {"ab\xc0\xaf", 4}, // longer than need be
        {"ab\xc1\xbf", 4},
        {"ab\xe0\x80\xaf", 5},
        {"ab\xf0\x80\x80\xaf", 6},
        {"ab\xed\xa0\x80", 5}, // surrogates
        {"ab\xed\xbf\xbf", 5},
        {"ab\xf4\x90\x80\x80", 6}, // past U+10FFFF
        {"ab\xf8\x88\x80\x80\x80", 7},
        {"ab\xff", 3},
        {"ab\xc3z", 4}, // lead byte without its tail
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct alphabet *untouched = (struct alphabet *)&state;
        assert_int_equal(alphabet_new(cases[i].text, cases[i].len, &untouched), ERR_INPUT);
        assert_ptr_equal(untouched, &state);
    }
    alphabet_free(NULL);
}

static void the_named_alphabets_have_their_radix(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t radix;
    } cases[] = {{ALPHABET_DECIMAL, 10}, {ALPHABET_LOWER_HEX, 16}, {ALPHABET_UPPER_HEX, 16},
                 {ALPHABET_LOWER, 26},   {ALPHABET_UPPER, 26},     {ALPHABET_ALNUM, 62},
                 {ALPHABET_BASE58, 58},  {ALPHABET_BASE64URL, 64}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct alphabet *alphabet = make(cases[i].text);
        assert_int_equal(alphabet_radix(alphabet), cases[i].radix);
        assert_int_equal(alphabet_char_bytes_max(alphabet), 1);
        alphabet_free(alphabet);
    }
}

static void text_of_another_alphabet_is_refused(void **state)
{
    (void)state;
    uint16_t numerals[8];
    struct alphabet *digits = make(ALPHABET_DECIMAL), *mixed = make("0123456789\xc3\xa4\xe2\x82\xac");
    static const struct {
        const char *text;
        size_t len, count;
    } cases[] = {{"1234", 4, 5}, {"1234", 4, 3},       {"12a4", 4, 4},       {"12 4", 4, 4},   {"-234", 4, 4},
                 {"12\0", 3, 3}, {"12\xb1\xb2", 4, 4}, {"12\xc3\xb6", 4, 3}, {"12\xc3", 3, 3}, {"", 0, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(alphabet_decode(digits, cases[i].text, cases[i].len, numerals, cases[i].count),
                         ERR_INPUT);
        assert_int_equal(alphabet_decode(mixed, cases[i].text, cases[i].len, numerals, cases[i].count),
                         ERR_INPUT);
    }
    assert_int_equal(alphabet_decode(digits, "12\xc3\xa4", 4, numerals, 3), ERR_INPUT);
    assert_int_equal(alphabet_decode(mixed, "12\xc3\xa4", 4, numerals, 3), OK);
    assert_int_equal(alphabet_decode(digits, "", 0, numerals, 0), OK);
    alphabet_free(digits);
    alphabet_free(mixed);
}

static void every_byte_outside_an_ascii_alphabet_is_refused(void **state)
{
    (void)state;
    struct alphabet *alphabet = make(ALPHABET_BASE58);
    size_t good = 0;
    for (int byte = 0; byte < 256; byte++) {
        char text = (char)byte;
        uint16_t numeral = 0xffff;
        bool inside = byte != 0 && strchr(ALPHABET_BASE58, byte) != NULL;
        assert_int_equal(alphabet_decode(alphabet, &text, 1, &numeral, 1), inside ? OK : ERR_INPUT);
        if (inside)
            assert_int_equal(ALPHABET_BASE58[numeral], text);
        good += inside;
    }
    assert_int_equal(good, 58);
    alphabet_free(alphabet);
}

// All 65536 places: U+4E00 on, past the surrogates into four-byte characters; each one's numeral is its
// place, both ways.
static void an_alphabet_of_65536_characters_holds_and_one_more_does_not(void **state)
{
    (void)state;
    enum { COUNT = 65537 };
    char *text = malloc(4 * COUNT);
    assert_non_null(text);
    size_t len = 0, before_last = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t c = 0x10000 + i * 7;
        before_last = len;
        text[len++] = (char)(0xf0 | c >> 18);
        text[len++] = (char)(0x80 | (c >> 12 & 63));
        text[len++] = (char)(0x80 | (c >> 6 & 63));
        text[len++] = (char)(0x80 | (c & 63));
    }
    struct alphabet *alphabet = NULL;
    assert_int_equal(alphabet_new(text, len, &alphabet), ERR_INPUT);
    assert_int_equal(alphabet_new(text, before_last, &alphabet), OK);
    assert_int_equal(alphabet_radix(alphabet), 65536);
    assert_int_equal(alphabet_char_bytes_max(alphabet), 4);
    uint16_t *numerals = calloc(COUNT, sizeof *numerals);
    char *back = malloc(4 * COUNT);
    assert_true(numerals != NULL && back != NULL);
    assert_int_equal(alphabet_decode(alphabet, text, before_last, numerals, COUNT - 1), OK);
    for (uint32_t i = 0; i + 1 < COUNT; i++)
        assert_int_equal(numerals[i], i);
    assert_int_equal(alphabet_encode(alphabet, numerals, COUNT - 1, back), before_last);
    assert_memory_equal(text, back, before_last);
    alphabet_free(alphabet);
    free(numerals);
    free(back);
    free(text);
}

static void characters_of_every_length_go_round(void **state)
{
    (void)state;
    const char *text = "z\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\x61\xc2\xa0\xef\xbf\xbd\xf4\x8f\xbf\xbf";
    struct alphabet *alphabet = make(text);
    uint16_t numerals[8];
    char back[32];
    size_t count = 0;
    assert_int_equal(alphabet_length(text, strlen(text), &count), OK);
    assert_int_equal(count, 8);
    assert_int_equal(alphabet_radix(alphabet), 8);
    assert_int_equal(alphabet_decode(alphabet, text, strlen(text), numerals, 8), OK);
    for (uint16_t i = 0; i < 8; i++)
        assert_int_equal(numerals[i], i);
    assert_int_equal(alphabet_encode(alphabet, numerals, 8, back), strlen(text));
    assert_memory_equal(text, back, strlen(text));
    alphabet_free(alphabet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_alphabet_is_refused),
        cmocka_unit_test(the_named_alphabets_have_their_radix),
        cmocka_unit_test(text_of_another_alphabet_is_refused),
        cmocka_unit_test(every_byte_outside_an_ascii_alphabet_is_refused),
        cmocka_unit_test(an_alphabet_of_65536_characters_holds_and_one_more_does_not),
        cmocka_unit_test(characters_of_every_length_go_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
