// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A batch takes from the heap as often as a tenth of it does: no value costs an allocation of ours. (OpenSSL
// makes two for each tweak that a value has of its own, and regexec(3) some for each match.)
#include "tests/support/allocations.h"
#include "appliance/tokens/pattern.h"
#include "appliance/tokens/serial.h"
#include "tests/unit/tokens/token_fixture.h"

#include <stdlib.h>

enum { FEW = 100, MANY = 10 * FEW, DIGITS = 16 };

static char texts[MANY][DIGITS + 1];

static void fill_texts(void)
{
    for (size_t i = 0; i < MANY; i++)
        fixture_pan(i + 1, DIGITS, texts[i]);
}

// ---- what a batch takes ------------------------------------------------------------------------------

static size_t of_pans(const struct pan_format *format, const struct fixture *fixture, size_t count,
                      bool with_tweaks)
{
    static struct pan_item items[MANY];
    fill_texts();
    for (size_t i = 0; i < count; i++)
        items[i] =
            (struct pan_item){.text = texts[i], .len = DIGITS, .tweak = {texts[i], with_tweaks ? 7 : 0}};
    const size_t before = allocations_so_far();
    assert_int_equal(pan_seal(format, fixture->keyring, items, count), OK);
    const size_t made = allocations_so_far() - before;
    for (size_t i = 0; i < count; i++)
        assert_null(items[i].fault);
    return made;
}

static size_t of_cards(const struct fixture *fixture, size_t count)
{
    static struct card cards[MANY];
    static struct card_opening openings[MANY];
    static char tokens[MANY * CARD_TOKEN_LENGTH];
    fill_texts();
    for (size_t i = 0; i < count; i++)
        cards[i] = (struct card){.pan = {texts[i], DIGITS}};
    const size_t before = allocations_so_far();
    assert_int_equal(card_seal(fixture->card_format, fixture->keyring, 5, cards, count, tokens), OK);
    for (size_t i = 0; i < count; i++)
        openings[i] = (struct card_opening){.token = {tokens + i * CARD_TOKEN_LENGTH, CARD_TOKEN_LENGTH}};
    assert_int_equal(card_open(fixture->card_format, fixture->keyring, 5, openings, count), OK);
    const size_t made = allocations_so_far() - before;
    for (size_t i = 0; i < count; i++)
        assert_string_equal(openings[i].digits, texts[i]);
    return made;
}

static size_t of_patterns(const struct pattern_format *format, const struct fixture *fixture, size_t count)
{
    static struct pattern_item items[MANY];
    BUF out = {0};
    assert_non_null(buf_reserve(&out, MANY * 64)); // the caller's buffer may grow, but not here
    fill_texts();
    for (size_t i = 0; i < count; i++)
        items[i] = (struct pattern_item){.value = {texts[i], 9}, .tweak = {texts[i], i % 2 == 0 ? 0 : 7}};
    const size_t before = allocations_so_far();
    assert_int_equal(pattern_seal(format, fixture->keyring, items, count, &out), OK);
    const size_t made = allocations_so_far() - before;
    for (size_t i = 0; i < count; i++)
        assert_null(items[i].fault);
    return made;
}

static size_t of_serials(struct serial_space *space, size_t count)
{
    BUF out = {0};
    assert_non_null(buf_reserve(&out, MANY * 64));
    const size_t before = allocations_so_far();
    assert_int_equal(serial_make(space, 0, count, &out), OK);
    return allocations_so_far() - before;
}

// ---- tests -------------------------------------------------------------------------------------------

static void no_pan_costs_an_allocation(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1, 3);
    static const struct pan_format_options all[] = {
        {.transformation_id = 1},
        {.transformation_id = 1, .keep_first = 6},
        {.transformation_id = 1, .keep_first = 6, .keep_last = 4, .pinned_generation = 3},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct pan_format *format = NULL;
        assert_int_equal(pan_format_new(&all[i], &format), OK);
        assert_int_equal(of_pans(format, &fixture, MANY, false), of_pans(format, &fixture, FEW, false));
        assert_int_equal(of_pans(format, &fixture, MANY, true), of_pans(format, &fixture, FEW, true));
        pan_format_free(format);
    }
    fixture_done(&fixture);
}

static void no_card_costs_an_allocation(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1, 3);
    assert_int_equal(of_cards(&fixture, MANY), of_cards(&fixture, FEW));
    fixture_done(&fixture);
}

static void no_value_of_a_pattern_costs_an_allocation(void **state)
{
    (void)state;
    struct fixture fixture;
    struct pattern_format *format = NULL;
    const struct pattern_options options = {
        .transformation_id = 1,
        .generation = 3,
        .pattern = "([0-9]{3})[- ]?([0-9]{2})[- ]?([0-9]{4})",
        .alphabet = "0123456789",
    };
    fixture_init(&fixture, 1, 3);
    assert_int_equal(pattern_format_new(&options, &format, NULL), OK);
    assert_int_equal(of_patterns(format, &fixture, MANY), of_patterns(format, &fixture, FEW));
    pattern_format_free(format);
    fixture_done(&fixture);
}

static void no_serial_costs_an_allocation(void **state)
{
    (void)state;
    struct fixture fixture;
    struct serial_space *space = NULL;
    fixture_init(&fixture, 1, 3);
    const struct serial_options options = {.tenant_id = 1,
                                           .characters = "0123456789",
                                           .digits = 12,
                                           .generation = keyring_at(fixture.keyring, 0)};
    assert_int_equal(serial_space_new(&options, &space), OK);
    assert_int_equal(of_serials(space, MANY), of_serials(space, FEW));
    serial_space_free(space);
    fixture_done(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_pan_costs_an_allocation),
        cmocka_unit_test(no_card_costs_an_allocation),
        cmocka_unit_test(no_value_of_a_pattern_costs_an_allocation),
        cmocka_unit_test(no_serial_costs_an_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
