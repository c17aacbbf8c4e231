// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/tokens/forge.h"

#include "appliance/tokens/flat_json.h"

// Read from memory of exactly its size, so that a sanitizer sees one byte too many.
static bool reads(struct slice text, struct buf *room, struct flat_json *out_object)
{
    static char *copy;
    free(copy);
    copy = NULL;
    if (text.len > 0) {
        copy = malloc(text.len);
        assert_non_null(copy);
        memcpy(copy, text.at, text.len);
    }
    return flat_json_read((struct slice){copy, text.len}, room, out_object);
}

static const char *const refused[] = {
    "",
    " ",
    "{",
    "}",
    "[]",
    "\"a\"",
    "1",
    "null",
    "{}{}",
    "{} x",
    "{,}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{,\"a\":1}",
    "{\"a\":1 \"b\":2}",
    "{\"a\" 1}",
    "{a:1}",
    "{'a':1}",
    "{1:1}",
    // nesting and the other literals
    "{\"a\":{}}",
    "{\"a\":[]}",
    "{\"a\":true}",
    "{\"a\":false}",
    "{\"a\":null}",
    "{\"a\":NaN}",
    // numbers
    "{\"a\":1.0}",
    "{\"a\":1e3}",
    "{\"a\":+1}",
    "{\"a\":-}",
    "{\"a\":--1}",
    "{\"a\":01}",
    "{\"a\":-01}",
    "{\"a\":0x1}",
    "{\"a\":.5}",
    "{\"a\":1234567890123456}",
    "{\"a\":18446744073709551617}",
    "{\"a\":1 2}",
    // strings
    "{\"a\":\"}",
    "{\"a\":\"\\\"}",
    "{\"a\":\"\\",
    "{\"a\":\"\\n\"}",
    "{\"a\":\"\\u0041\"}",
    "{\"a\":\"\\x\"}",
    "{\"a\":\"\n\"}",
    "{\"a\":\"\x1f\"}",
    "{\"a\":\"\x80\"}",
    "{\"a\":\"\xc0\x80\"}",
    "{\"a\":\"\xed\xa0\x80\"}",
    "{\"a\":\"\xf4\x90\x80\x80\"}",
    "{\"a\":\"\xe2\x82\"}",
    "{\"\xff\":1}",
    "\xef\xbb\xbf{}",
    // names twice, also in another spelling
    "{\"a\":1,\"a\":1}",
    "{\"a\":1,\"b\":2,\"a\":\"x\"}",
    "{\"a/\":1,\"a\\/\":2}",
    "{\"\":1,\"\":2}",
    "{\"\\\"\":1,\"\\\"\":2}",
    // white space that JSON has not
    "{\v}",
    "{\f}",
    "{\"a\":\xc2\xa0 1}",
    "{}//",
};

static void what_is_no_flat_object_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        BUF room = {0};
        struct flat_json object = {.count = 99};
        if (reads(slice(refused[i]), &room, &object) || object.count != 99)
            fail_msg("%s", refused[i]);
    }
    BUF room = {0};
    struct flat_json object;
    assert_false(reads((struct slice){"{\"a\":\"\0\"}", 9}, &room, &object));
    assert_false(reads((struct slice){"{}\0", 3}, &room, &object));
}

static void every_beginning_of_an_object_is_refused(void **state)
{
    (void)state;
    static const char text[] =
        "{ \"a\" : \"x\\\\\\\"\\/\" , \"b\\/\" : -12 , \"\xc3\xa4\" : \"\xe2\x82\xac\" } ";
    for (size_t len = 0; len < sizeof text - 2; len++) {
        BUF room = {0};
        struct flat_json object;
        assert_false(reads((struct slice){text, len}, &room, &object));
    }
    BUF room = {0};
    struct flat_json object;
    struct slice value;
    int64_t number;
    assert_true(reads(slice(text), &room, &object));
    assert_int_equal(object.count, 3);
    assert_true(flat_json_text(&object, "a", &value) && slice_is(value, "x\\\"/"));
    assert_true(flat_json_number(&object, "b/", &number) && number == -12);
    assert_true(flat_json_text(&object, "\xc3\xa4", &value) && slice_is(value, "\xe2\x82\xac"));
}

static void a_string_is_no_number_and_a_number_no_string(void **state)
{
    (void)state;
    BUF room = {0};
    struct flat_json object;
    struct slice text = {"untouched", 9};
    int64_t number = 77;
    assert_true(reads(slice("{\"n\":1,\"s\":\"1\"}"), &room, &object));
    assert_false(flat_json_text(&object, "n", &text));
    assert_false(flat_json_number(&object, "s", &number));
    assert_false(flat_json_text(&object, "x", &text));
    assert_false(flat_json_number(&object, "N", &number));
    assert_true(slice_is(text, "untouched"));
    assert_int_equal(number, 77);
    assert_true(flat_json_has(&object, "n") && flat_json_has(&object, "s"));
    assert_false(flat_json_has(&object, "") || flat_json_has(&object, "x"));
}

static void numbers_are_exact_up_to_fifteen_digits(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t number;
    } cases[] = {{"{\"a\":0}", 0},
                 {"{\"a\":-0}", 0},
                 {"{\"a\":9}", 9},
                 {"{\"a\":999999999999999}", 999999999999999},
                 {"{\"a\":-999999999999999}", -999999999999999}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        BUF room = {0};
        struct flat_json object;
        int64_t number;
        assert_true(reads(slice(cases[i].text), &room, &object));
        assert_true(flat_json_number(&object, "a", &number) && number == cases[i].number);
    }
}

static void there_is_room_for_sixteen_members_and_no_more(void **state)
{
    (void)state;
    for (unsigned count = 0; count <= FLAT_JSON_MEMBERS + 1; count++) {
        BUF text = {0}, room = {0};
        struct flat_json object;
        buf_byte(&text, '{');
        for (unsigned i = 0; i < count; i++)
            buf_printf(&text, "%s\"n%u\":%u", i > 0 ? "," : "", i, i);
        buf_byte(&text, '}');
        assert_int_equal(reads(buf_slice(&text), &room, &object), count <= FLAT_JSON_MEMBERS);
        assert_true(count > FLAT_JSON_MEMBERS || object.count == count);
    }
}

// Texts near a right one: nothing is read, or handed on, that is not there.
static void changed_texts_are_refused_or_read_without_harm(void **state)
{
    (void)state;
    static const char right[] = "{\"alg\":\"ES256\",\"kid\":\"a\\/b\",\"exp\":1700000000,\"q\":\"\xc3\xa4\"}";
    static const char changes[] = "\"\\{}[]:,0-e \t/u\x80\xff";
    struct soft_rng randomness = {5};
    const struct rng rng = soft_rng_seam(&randomness);
    for (int i = 0; i < 20000; i++) {
        char text[sizeof right];
        uint8_t dice[6];
        BUF room = {0};
        struct flat_json object;
        memcpy(text, right, sizeof right);
        assert_int_equal(rng_fill(&rng, dice, sizeof dice), OK);
        for (size_t c = 0; c < 1 + dice[0] % 2u; c++)
            text[dice[1 + c] % (sizeof right - 1)] = changes[dice[3 + c] % (sizeof changes - 1)];
        if (!reads(slice(text), &room, &object))
            continue;
        for (size_t m = 0; m < object.count; m++) {
            assert_true(object.members[m].name.len < sizeof right);
            assert_true(object.members[m].is_number || object.members[m].text.len < sizeof right);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_flat_object_is_refused),
        cmocka_unit_test(every_beginning_of_an_object_is_refused),
        cmocka_unit_test(a_string_is_no_number_and_a_number_no_string),
        cmocka_unit_test(numbers_are_exact_up_to_fifteen_digits),
        cmocka_unit_test(there_is_room_for_sixteen_members_and_no_more),
        cmocka_unit_test(changed_texts_are_refused_or_read_without_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
