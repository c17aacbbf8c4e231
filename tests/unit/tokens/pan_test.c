// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/tokens/token_fixture.h"

#include "appliance/base/luhn.h"

#include <stdlib.h>

enum { TEXT_BYTES = 48 };

static unsigned sum_of(const char *text)
{
    uint16_t digits[TEXT_BYTES];
    size_t count = 0;
    for (; *text != '\0'; text++) {
        if (*text >= '0' && *text <= '9')
            digits[count++] = (uint16_t)(*text - '0');
    }
    return luhn_sum(digits, count);
}

static struct pan_format *new_format(unsigned first, unsigned last)
{
    struct pan_format *format;
    assert_int_equal(
        pan_format_new(
            &(struct pan_format_options){.transformation_id = 1, .keep_first = first, .keep_last = last},
            &format),
        OK);
    return format;
}

static const char *seal(const struct pan_format *format, const struct fixture *fixture, const char *value)
{
    char text[64];
    snprintf(text, sizeof text, "%s", value);
    struct pan_item item = {.text = text, .len = strlen(text)};
    assert_int_equal(pan_seal(format, fixture->keyring, &item, 1), OK);
    if (item.fault != NULL)
        assert_string_equal(text, value); // a refused value is left as it was
    return item.fault;
}

static void malformed_pans_are_refused_by_reason(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1, 1);
    struct pan_format *format = new_format(0, 0);
    assert_null(seal(format, &fixture, "4111111111111111"));
    assert_string_equal(seal(format, &fixture, "4111111111111112"), "fails the Luhn check");
    assert_string_equal(seal(format, &fixture, "41111111111"), "must hold 12 to 19 digits");
    assert_string_equal(seal(format, &fixture, "41111111111111111111"), "must hold 12 to 19 digits");
    assert_string_equal(seal(format, &fixture, ""), "must hold 12 to 19 digits");
    assert_string_equal(seal(format, &fixture, "   - - "), "must hold 12 to 19 digits");
    assert_string_equal(seal(format, &fixture, "4111111111111x11"),
                        "may hold only digits, spaces and hyphens");
    assert_string_equal(seal(format, &fixture, "4111.1111.1111.1111"),
                        "may hold only digits, spaces and hyphens");
    pan_format_free(format);
    fixture_done(&fixture);
}

static void separators_stay_in_place(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1, 1);
    struct pan_format *format = new_format(0, 0);
    char spaced[] = " 4111-1111 1111  1111-", plain[] = "4111111111111111";
    struct pan_item items[] = {{.text = spaced, .len = strlen(spaced)},
                               {.text = plain, .len = strlen(plain)}};
    assert_int_equal(pan_seal(format, fixture.keyring, items, 2), OK);
    char rebuilt[] = " 0000-0000 0000  0000-";
    size_t next = 0;
    for (char *c = rebuilt; *c != '\0'; c++) {
        if (*c == '0')
            *c = plain[next++];
    }
    assert_string_equal(spaced, rebuilt);
    assert_int_equal(pan_open(format, fixture.keyring, items, 2), OK);
    assert_string_equal(spaced, " 4111-1111 1111  1111-");
    pan_format_free(format);
    fixture_done(&fixture);
}

// Every length, every generation, mixed in one batch over two slices: all tokens fail Luhn with their own
// generation's slot, keep what they must, and open again together.
static void round_trip(unsigned first, unsigned last)
{
    enum { COUNT = 1500 };
    struct fixture fixture;
    struct pan_format *format = new_format(first, last);
    char(*pans)[TEXT_BYTES] = calloc(COUNT, sizeof *pans),
    (*texts)[TEXT_BYTES] = calloc(COUNT, sizeof *texts);
    struct pan_item *items = calloc(COUNT, sizeof *items);
    fixture_init_many(&fixture, 7, 12, 9);
    const size_t shortest = pan_format_shortest(format);
    for (size_t i = 0; i < COUNT; i++) {
        fixture_pan(i * 977 + first * 31 + last, shortest + i % (20 - shortest), pans[i]);
        memcpy(texts[i], pans[i], TEXT_BYTES);
        items[i] = (struct pan_item){.text = texts[i], .len = strlen(texts[i])};
    }
    for (size_t g = 0; g < 9; g++) {
        struct generation_options one = {.number = 12 - (unsigned)g,
                                         .state = GENERATION_CURRENT,
                                         .cipher = soft_cipher_seam(&fixture.ciphers[g])};
        struct keyring *keyring;
        assert_int_equal(keyring_new(7, &one, 1, &keyring, NULL), OK);
        const size_t from = g * COUNT / 9, to = (g + 1) * COUNT / 9;
        assert_int_equal(pan_seal(format, keyring, items + from, to - from), OK);
        for (size_t i = from; i < to; i++) {
            const size_t len = strlen(pans[i]);
            assert_null(items[i].fault);
            assert_int_equal(sum_of(texts[i]), generation_slot(one.number));
            assert_memory_equal(texts[i], pans[i], first);
            assert_memory_equal(texts[i] + len - last, pans[i] + len - last, last);
            assert_string_not_equal(texts[i], pans[i]);
        }
        keyring_free(keyring);
    }
    assert_int_equal(pan_open(format, fixture.keyring, items, COUNT), OK);
    for (size_t i = 0; i < COUNT; i++) {
        assert_null(items[i].fault);
        assert_string_equal(texts[i], pans[i]);
    }
    free(pans);
    free(texts);
    free(items);
    pan_format_free(format);
    fixture_done(&fixture);
}

static void every_length_and_generation_round_trips(void **state)
{
    (void)state;
    round_trip(0, 0);
}

static void kept_digits_stay_in_clear(void **state)
{
    (void)state;
    round_trip(6, 0);
    round_trip(0, 4);
    round_trip(6, 4);
}

static void a_real_pan_and_a_dead_slot_do_not_open(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1, 1);
    struct pan_format *format = new_format(0, 0);
    for (unsigned last = 0; last < 10; last++) {
        char text[] = "411111111111111x";
        text[15] = (char)('0' + last);
        struct pan_item item = {.text = text, .len = 16};
        assert_int_equal(pan_open(format, fixture.keyring, &item, 1), OK);
        if (sum_of(text) == 1 || item.fault == NULL) {
            assert_null(item.fault); // the one live slot opens as some card: no authenticity
            assert_int_equal(sum_of(text), 0);
        } else {
            assert_string_equal(item.fault, "is not a token that can be opened");
        }
    }
    pan_format_free(format);
    fixture_done(&fixture);
}

static void too_many_kept_digits_are_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    struct pan_format *format;
    fixture_init(&fixture, 1, 1);
    assert_int_equal(
        pan_format_new(&(struct pan_format_options){.transformation_id = 1, .keep_first = 12, .keep_last = 1},
                       &format),
        ERR_DOMAIN);
    assert_int_equal(
        pan_format_new(&(struct pan_format_options){.transformation_id = 1, .keep_first = 13}, &format),
        ERR_INPUT);
    format = new_format(6, 4); // needs 17 digits: 6 + 4 + slot + 6
    assert_int_equal(pan_format_shortest(format), 17);
    assert_string_equal(seal(format, &fixture, "4111111111111111"),
                        "has too few digits besides those that are kept");
    pan_format_free(format);
    fixture_done(&fixture);
}

static void a_batch_of_a_thousand_costs_at_most_twelve_calls(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    struct fixture fixture;
    struct pan_format *format = new_format(0, 0);
    char(*texts)[TEXT_BYTES] = calloc(COUNT, sizeof *texts);
    struct pan_item *items = calloc(COUNT, sizeof *items);
    fixture_init(&fixture, 1, 1);
    for (size_t i = 0; i < COUNT; i++) {
        fixture_pan(i, 12 + i % 8, texts[i]);
        items[i] = (struct pan_item){.text = texts[i], .len = strlen(texts[i])};
    }
    assert_int_equal(pan_seal(format, fixture.keyring, items, COUNT), OK);
    assert_in_range(atomic_load(&fixture.ciphers[0].calls), 10, 12);
    free(texts);
    free(items);
    pan_format_free(format);
    fixture_done(&fixture);
}

static void one_bad_item_leaves_the_others_alone(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1, 1);
    struct pan_format *format = new_format(0, 0);
    char good[] = "4111111111111111", bad[] = "4111111111111112", also[] = "4242424242424242";
    struct pan_item items[] = {
        {.text = good, .len = 16}, {.text = bad, .len = 16}, {.text = also, .len = 16}};
    assert_int_equal(pan_seal(format, fixture.keyring, items, 3), OK);
    assert_null(items[0].fault);
    assert_non_null(items[1].fault);
    assert_string_equal(bad, "4111111111111112");
    assert_null(items[2].fault);
    assert_string_equal(good, "9887849706386000"); // tests/vectors/tokens.tsv
    pan_format_free(format);
    fixture_done(&fixture);
}

static void callers_tweaks_separate(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture, 1, 1);
    struct pan_format *format = new_format(0, 0);
    char a[] = "4111111111111111", b[] = "4111111111111111", c[] = "4111111111111111";
    struct pan_item items[] = {{.text = a, .len = 16, .tweak = {"1234567", 7}},
                               {.text = b, .len = 16, .tweak = {"1234568", 7}},
                               {.text = c, .len = 16}};
    assert_int_equal(pan_seal(format, fixture.keyring, items, 3), OK);
    assert_string_not_equal(a, b);
    assert_string_not_equal(a, c);
    assert_int_equal(pan_open(format, fixture.keyring, items, 3), OK);
    assert_string_equal(a, "4111111111111111");
    assert_string_equal(b, "4111111111111111");
    assert_string_equal(c, "4111111111111111");
    pan_format_free(format);
    fixture_done(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_pans_are_refused_by_reason),
        cmocka_unit_test(separators_stay_in_place),
        cmocka_unit_test(every_length_and_generation_round_trips),
        cmocka_unit_test(kept_digits_stay_in_clear),
        cmocka_unit_test(a_real_pan_and_a_dead_slot_do_not_open),
        cmocka_unit_test(too_many_kept_digits_are_refused),
        cmocka_unit_test(a_batch_of_a_thousand_costs_at_most_twelve_calls),
        cmocka_unit_test(one_bad_item_leaves_the_others_alone),
        cmocka_unit_test(callers_tweaks_separate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
