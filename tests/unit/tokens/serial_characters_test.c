// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What is said about serial spaces beside their order: what is left of them, and their characters.
#include "tests/unit/tokens/token_fixture.h"

#include "appliance/fpe/alphabet.h"
#include "appliance/tokens/serial.h"

#include <locale.h>
#include <uchar.h>

#define DICE  "\u2680\u2681\u2682\u2683\u2684\u2685"
#define WIDTH "a\u00e9\u20ac\U0001f600" // characters of one, two, three and four bytes

static struct fixture fixture;

static int make_fixture(void **state)
{
    (void)state;
    // The tests write characters with the C library, not with the product.
    assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
    fixture_init(&fixture, 1, 1);
    return 0;
}

static int drop_fixture(void **state)
{
    (void)state;
    fixture_done(&fixture);
    return 0;
}

static struct serial_space *space_of(const char *characters)
{
    struct serial_space *space = NULL;
    const struct serial_options options = {characters, 3, 1, keyring_at(fixture.keyring, 0)};
    assert_int_equal(serial_space_new(&options, &space), OK);
    return space;
}

static struct slice text_slice(const char *text)
{
    return (struct slice){text, strlen(text)};
}

// ---- what is left of a space ------------------------------------------------------------------------------

static void what_is_available_is_exact_to_the_last_of_482_digits(void **state)
{
    (void)state;
    // Worked out by integers without bounds in another language.
#define ALL_BUT_THE_END                                                                                      \
    "4446241647709404462001681406551736431581923451213783931941822309375368306976915223898478257617396941"   \
    "7485953521141049383745107056455283979316385016701612810119562585078620415976730705698345087039035930"   \
    "7612750838272654055960654181736526850357888981139916270423292468503140298771616224874118777795788920"   \
    "9702969046153200191531136686246894214889220599788382826572129029622024920267474066981470581856476500"   \
    "996030038964184332193600841647377514451192924678"
    static const struct {
        uint32_t radix;
        unsigned digits;
        uint64_t issued;
        const char *available;
    } rows[] = {
        {2, 1, 0, "2"},
        {2, 1, 2, "0"},
        {10, 1, 3, "7"},
        {6, 5, 0, "7776"},
        {6, 5, 7776, "0"},
        {26, 3, 17575, "1"},
        {10, 6, 999999, "1"},
        {16, 10, 0, "1099511627776"},
        {16, 10, 1000, "1099511626776"},
        {16, 10, 1099511627776, "0"},
        {30, 20, 50000, "348678440099999999999999950000"},
        {2, 64, 1ull << 63, "9223372036854775808"},
        {2, 64, 0, "18446744073709551616"},
        {65536, 3, 281474976710655, "1"},
        {5, 100, INT64_MAX, "7888609052210118054117285652827862296732064351090220824330752451864818"},
        {62, 100, 1,
         "173447861573683247714730657655312620453056954417135042074757049646310930624726299506063242973147"
         "383207308074513192299800436397892378848380276295319872954494152239940714065219813375"},
        {65536, 100, 0, ALL_BUT_THE_END "8246559538970957296160626364645376"},
        {65536, 100, UINT64_MAX, ALL_BUT_THE_END "8246559538970938849416552655093761"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[SERIAL_DECIMAL_BYTES];
        memset(text, 'x', sizeof text);
        serial_available(rows[i].radix, rows[i].digits, rows[i].issued, text);
        assert_string_equal(text, rows[i].available);
    }
}

// ---- code points ------------------------------------------------------------------------------------------

static void parity_is_that_of_the_published_examples(void **state)
{
    (void)state;
    assert_int_equal(serial_parity("AEIOU"), 87);
    assert_int_equal(serial_parity("bas"), 112);
    assert_int_equal(serial_parity("bar"), 113);
    assert_int_equal(serial_parity("bat4"), 0);
    assert_int_equal(serial_parity(DICE), 0);
    assert_int_equal(serial_parity("\u2680\u2681\u2684"), 0x2680 ^ 0x2681 ^ 0x2684);
    assert_int_equal(serial_parity("a\u00e9\U0001f600"), 'a' ^ 0xe9 ^ 0x1f600);
}

static void code_points_are_as_wide_as_the_largest(void **state)
{
    (void)state;
    static const struct {
        const char *characters;
        unsigned bits;
    } rows[] = {{ALPHABET_DECIMAL, 6},
                {ALPHABET_UPPER_HEX, 7},
                {ALPHABET_LOWER, 7},
                {"a\u00e9", 8},
                {DICE, 14},
                {"\u2680a", 14},
                {"\uffefa", 16},
                {"a\U0001f600", 17},
                {"a\U0010fffd", 21},
                {"\"#$", 6},
                {"?@", 7}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct serial_space *space = space_of(rows[i].characters);
        assert_int_equal(serial_code_point_bits(space), rows[i].bits);
        serial_space_free(space);
    }
}

static void one_width_is_told_from_several(void **state)
{
    (void)state;
    assert_int_equal(serial_uniform_bytes(ALPHABET_ALNUM), 1);
    assert_int_equal(serial_uniform_bytes("\u00e9\u00e8"), 2);
    assert_int_equal(serial_uniform_bytes(DICE), 3);
    assert_int_equal(serial_uniform_bytes("\U0001f600\U0001f601"), 4);
    assert_int_equal(serial_uniform_bytes("a\u00e9"), 0);
    assert_int_equal(serial_uniform_bytes("\u00e9a"), 0);
    assert_int_equal(serial_uniform_bytes("abc\u2680"), 0);
    assert_int_equal(serial_uniform_bytes(WIDTH), 0);
}

static void every_code_point_is_read_as_the_C_library_reads_it(void **state)
{
    (void)state;
    for (uint32_t point = 1; point < 0x110000; point++) {
        if (point >= 0xd800 && point < 0xe000)
            continue;
        char text[8] = "";
        const char *at = text;
        const size_t len = c32rtomb(text, point, &(mbstate_t){0});
        assert_int_equal(serial_take_point(&at), point);
        assert_ptr_equal(at, text + len);
    }
}

static bool is_dice(uint32_t point)
{
    return point >= 0x2680 && point <= 0x2685;
}

static void a_kind_of_code_point_is_found_wherever_it_stands(void **state)
{
    (void)state;
    assert_true(serial_any_point(text_slice("\u2685"), is_dice));
    assert_true(serial_any_point(text_slice("abc\u2680"), is_dice));
    assert_true(serial_any_point(text_slice("\u2683abc"), is_dice));
    assert_false(serial_any_point(text_slice("abc\u2686\u267f"), is_dice));
    assert_false(serial_any_point(text_slice(""), is_dice));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_available_is_exact_to_the_last_of_482_digits),
        cmocka_unit_test(parity_is_that_of_the_published_examples),
        cmocka_unit_test(code_points_are_as_wide_as_the_largest),
        cmocka_unit_test(one_width_is_told_from_several),
        cmocka_unit_test(every_code_point_is_read_as_the_C_library_reads_it),
        cmocka_unit_test(a_kind_of_code_point_is_found_wherever_it_stands),
    };
    return cmocka_run_group_tests(tests, make_fixture, drop_fixture);
}
