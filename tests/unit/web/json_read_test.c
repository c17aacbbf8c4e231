// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What is JSON, case by case (RFC 8259), and where this house is stricter. The kinds of case follow the
// public JSONTestSuite: y must be accepted, n is no JSON, s is JSON that we refuse, i is left to us.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "web/json_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CASE(kind, text)                                                                                     \
    {                                                                                                        \
        kind,                                                                                                \
        {                                                                                                    \
            text, sizeof(text) - 1                                                                           \
        }                                                                                                    \
    }

static const struct {
    char kind;
    struct slice text;
} cases[] = {
    // structure
    CASE('y', "[]"),
    CASE('y', "{}"),
    CASE('y', " [] "),
    CASE('y', "\t\r\n [ ] \n"),
    CASE('y', "[[]]"),
    CASE('y', "[[],[[]]]"),
    CASE('y', "[1,2]"),
    CASE('y', "[1 , 2]"),
    CASE('y', "[null,1,\"1\",{}]"),
    CASE('y', "{\"a\":1}"),
    CASE('y', "{\"a\" : 1 , \"b\" : 2 }"),
    CASE('y', "{\"\":0}"),
    CASE('y', "{\"a\":{\"a\":{\"a\":1}}}"),
    CASE('y', "[{\"a\":1},{\"a\":1}]"),
    CASE('y', "{\"a\":1,\"A\":2}"),
    CASE('n', ""),
    CASE('n', " "),
    CASE('n', "["),
    CASE('n', "]"),
    CASE('n', "{"),
    CASE('n', "}"),
    CASE('n', "[]]"),
    CASE('n', "[[]"),
    CASE('n', "{}}"),
    CASE('n', "[}"),
    CASE('n', "{]"),
    CASE('n', "[1,]"),
    CASE('n', "[,1]"),
    CASE('n', "[,]"),
    CASE('n', "[1,,2]"),
    CASE('n', "[1 2]"),
    CASE('n', "[1;2]"),
    CASE('n', "[1:2]"),
    CASE('n', "[1"),
    CASE('n', "[1,"),
    CASE('n', "[1,\n1\n,1"),
    CASE('n', "{\"a\":1,}"),
    CASE('n', "{,\"a\":1}"),
    CASE('n', "{\"a\":1,,\"b\":2}"),
    CASE('n', "{\"a\"}"),
    CASE('n', "{\"a\":}"),
    CASE('n', "{\"a\" 1}"),
    CASE('n', "{\"a\",1}"),
    CASE('n', "{\"a\"::1}"),
    CASE('n', "{\"a\":1 \"b\":2}"),
    CASE('n', "{\"a\":1"),
    CASE('n', "{\"a\":"),
    CASE('n', "{\"a\""),
    CASE('n', "{\"a"),
    CASE('n', "{a:1}"),
    CASE('n', "{'a':1}"),
    CASE('n', "{1:1}"),
    CASE('n', "{null:null}"),
    CASE('n', "{[]:1}"),
    CASE('n', "{:1}"),
    CASE('n', "{\"a\":1}{}"),
    CASE('n', "{\"a\":1}#"),
    CASE('n', "{\"a\":1}//"),
    CASE('n', "{\"a\":/*x*/1}"),
    CASE('n', "/**/{}"),
    CASE('n', "[]x"),
    CASE('n', "[] []"),
    CASE('n', "[],"),
    CASE('n', "1]"),
    CASE('n', "<.>"),
    CASE('n', "[<null>]"),
    CASE('n', "*"),
    CASE('n', "[*]"),
    CASE('n', "\\u005b\\u005d"),
    CASE('n', "[\\n]"),
    CASE('n', "{}\0"),
    CASE('n', "\0"),
    CASE('n', "[\0]"),
    CASE('n', "{\"a\":1}\0junk"),
    // white space
    CASE('n', "[\f]"),
    CASE('n', "[\v]"),
    CASE('n', "\xc2\xa0[]"),
    CASE('n', "[\xe2\x81\xa0]"),
    CASE('n', "\xef\xbb\xbf[]"),
    CASE('n', "\xef\xbb\xbf"),
    CASE('n', "[\xe2\x80\x83]"),
    // literals
    CASE('y', "true"),
    CASE('y', "false"),
    CASE('y', "null"),
    CASE('y', "[true,false,null]"),
    CASE('n', "True"),
    CASE('n', "TRUE"),
    CASE('n', "tru"),
    CASE('n', "truth"),
    CASE('n', "nul"),
    CASE('n', "nulll"),
    CASE('n', "fals"),
    CASE('n', "[falsetrue]"),
    CASE('n', "undefined"),
    CASE('n', "[NaN]"),
    CASE('n', "[Infinity]"),
    CASE('n', "[-Infinity]"),
    // numbers
    CASE('y', "0"),
    CASE('y', "-0"),
    CASE('y', "[-1]"),
    CASE('y', "123"),
    CASE('y', "123.456789"),
    CASE('y', "[0e1]"),
    CASE('y', "[0e+1]"),
    CASE('y', "[1E22]"),
    CASE('y', "[1E-2]"),
    CASE('y', "[1E+2]"),
    CASE('y', "[20e1]"),
    CASE('y', "[123e65]"),
    CASE('y', "[1.5e-3]"),
    CASE('y', "[-0.000000000000000000000000000000000000000000000000000000000000000000000000000001]"),
    CASE('y', "[100000000000000000000000000000000000000000000000000000000000000000000000000000000000]"),
    CASE('y', "[4 ]"),
    CASE('i', "[1e400]"),
    CASE('i', "[-1e400]"),
    CASE('i', "[1e-10000]"),
    CASE('n', "01"),
    CASE('n', "[-01]"),
    CASE('n', "[00]"),
    CASE('n', "[0012]"),
    CASE('n', "[1.]"),
    CASE('n', "[-2.]"),
    CASE('n', "[.5]"),
    CASE('n', "[-.5]"),
    CASE('n', "[+1]"),
    CASE('n', "[++1]"),
    CASE('n', "[--1]"),
    CASE('n', "[-]"),
    CASE('n', "[- 1]"),
    CASE('n', "[-foo]"),
    CASE('n', "[1e]"),
    CASE('n', "[1e+]"),
    CASE('n', "[1E-]"),
    CASE('n', "[1.e1]"),
    CASE('n', "[1.0e]"),
    CASE('n', "[1.2.3]"),
    CASE('n', "[1e1.5]"),
    CASE('n', "[1ee2]"),
    CASE('n', "[0x1]"),
    CASE('n', "[0b1]"),
    CASE('n', "[1_000]"),
    CASE('n', "[1 000]"),
    CASE('n', "[1a]"),
    CASE('n', "[1+2]"),
    CASE('n', "[1\xe5]"),
    CASE('n', "[\xef\xbc\x91]"),
    // strings
    CASE('y', "\"\""),
    CASE('y', "\"a\""),
    CASE('y', "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]"),
    CASE('y', "[\"\\u0041\"]"),
    CASE('y', "[\"\\u00e9\\u20AC\"]"),
    CASE('y', "[\"\\ud83d\\ude00\"]"),
    CASE('y', "[\"\\uDBFF\\uDFFF\"]"),
    CASE('y', "[\"\\u0001\"]"),
    CASE('y', "[\"\\u2028\"]"),
    CASE('y', "[\"\\uFFFF\"]"),
    CASE('y', "[\"\\uFFFE\"]"),
    CASE('y', "[\"\\\\u0000\"]"),
    CASE('y', "[\"\xc3\xa9\"]"),
    CASE('y', "[\"\xe2\x82\xac\"]"),
    CASE('y', "[\"\xf0\x9f\x98\x80\"]"),
    CASE('y', "[\"\xf4\x8f\xbf\xbf\"]"),
    CASE('y', "[\"\x7f\"]"),
    CASE('y', "[\"/*x*/\"]"),
    CASE('y', "[\"\xef\xbb\xbf\"]"),

    CASE('n', "\""),
    CASE('n', "\"a"),
    CASE('n', "'a'"),
    CASE('n', "[\"a]"),
    CASE('n', "[\"\\\"]"),
    CASE('n', "[\"\\"),
    CASE('n', "[\"\\x41\"]"),
    CASE('n', "[\"\\a\"]"),
    CASE('n', "[\"\\v\"]"),
    CASE('n', "[\"\\'\"]"),
    CASE('n', "[\"\\0\"]"),
    CASE('n', "[\"\\U0041\"]"),
    CASE('n', "[\"\\u\"]"),
    CASE('n', "[\"\\u004\"]"),
    CASE('n', "[\"\\u00G0\"]"),
    CASE('n', "[\"\\u 041\"]"),
    CASE('n', "[\"\\u+041\"]"),
    CASE('n', "[\"\\"
              "\0\"]"),
    CASE('n', "[\"\\\xf0\x9f\x98\x80\"]"),
    CASE('n', "[\"a\nb\"]"),
    CASE('n', "[\"a\tb\"]"),
    CASE('n', "[\"a\rb\"]"),
    CASE('n', "[\"\x1f\"]"),
    CASE('n', "[\"a\0b\"]"),
    CASE('n', "[\"a\"b]"),
    CASE('n', "[\"\"\"\"]"),
    CASE('n', "[\"\xff\"]"),
    CASE('n', "[\"\x80\"]"),
    CASE('n', "[\"\xc3\"]"),
    CASE('n', "[\"\xc3(\"]"),
    CASE('n', "[\"\xe2\x82\"]"),
    CASE('n', "[\"\xf0\x9f\x98\"]"),
    CASE('n', "\"\xe2\x82"),
    CASE('n', "[\"\xc0\xaf\"]"),
    CASE('n', "[\"\xc1\xbf\"]"),
    CASE('n', "[\"\xe0\x80\xaf\"]"),
    CASE('n', "[\"\xf0\x80\x80\xaf\"]"),
    CASE('n', "[\"\xed\xa0\x80\"]"),
    CASE('n', "[\"\xed\xbf\xbf\"]"),
    CASE('n', "[\"\xf4\x90\x80\x80\"]"),
    CASE('n', "[\"\xf5\x80\x80\x80\"]"),
    CASE('n', "[\"\xf8\x88\x80\x80\x80\"]"),
    CASE('n', "[\xc3\xa9]"),
    CASE('n', "\xff\xfe[\0]\0"),
    CASE('n', "\0[\0]"),
    // JSON, but refused here
    CASE('s', "[\"\\u0000\"]"),
    CASE('s', "[\"4111\\u0000evil\"]"),
    CASE('s', "{\"\\u0000\":1}"),
    CASE('s', "[\"\\ud800\"]"),
    CASE('s', "[\"\\udc00\"]"),
    CASE('s', "[\"\\ud800\\u0041\"]"),
    CASE('s', "[\"\\ud800\\ud800\"]"),
    CASE('s', "[\"\\ud800\\n\"]"),
    CASE('s', "[\"\\ud800x\"]"),
    CASE('s', "[\"\\ude00\\ud83d\"]"),
    CASE('s', "{\"a\":1,\"a\":2}"),
    CASE('s', "{\"a\":1,\"a\":1}"),
    CASE('s', "{\"a\":1,\"b\":{\"a\":1},\"a\":1}"),
    CASE('s', "{\"\":1,\"\":2}"),
    CASE('s', "{\"a\":1,\"\\u0061\":2}"),
    CASE('s', "{\"\\u0061\":1,\"\\u0061\":2}"),
    CASE('s', "{\"\xc3\xa9\":1,\"\\u00E9\":2}"),
    CASE('s', "{\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\ude00\":2}"),
    CASE('s', "{\"/\":1,\"\\/\":2}"),
    CASE('s', "{\"\\n\":1,\"\\u000a\":2}"),
    CASE('s', "[{\"x\":[{\"a\":1,\"a\":1}]}]"),
    CASE('s', "[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]"), // 17
    CASE('y', "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]"),   // 16
    CASE('s', "{\"a\":[{\"a\":[{\"a\":[{\"a\":[{\"a\":[{\"a\":[{\"a\":[{\"a\":[{}]}]}]}]}]}]}]}]}"),
};

static enum err read_text(struct slice text)
{
    // A copy of exactly this size, so that a sanitizer sees a read behind the end.
    char *copy = malloc(text.len > 0 ? text.len : 1);
    if (text.len > 0)
        memcpy(copy, text.at, text.len);
    struct json_document *document = NULL;
    struct json_fault fault = {0};
    enum err rc = json_read((struct slice){copy, text.len}, &document, &fault);
    if (rc == OK) {
        assert_non_null(document);
    } else {
        assert_null(document);
        assert_non_null(fault.what);
        assert_true(fault.offset <= text.len);
    }
    json_free(document);
    free(copy);
    return rc;
}

static void each_case_is_decided_as_stated(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool accepted = cases[i].kind == 'y' || cases[i].kind == 'i';
        if (read_text(cases[i].text) != (accepted ? OK : ERR_INPUT))
            fail_msg("%c: %.*s", cases[i].kind, (int)cases[i].text.len, cases[i].text.at);
    }
}

// Any prefix of a JSON object, array or string is none.
static void truncated_texts_are_refused(void **state)
{
    (void)state;
    static const char text[] =
        "{\"a\":[1.5e+3,\"\\ud83d\\ude00\xf0\x9f\x98\x80\",true,null,{\"b\":-0}],\"c\":\"\\n\"}";
    assert_int_equal(read_text((struct slice){text, sizeof text - 1}), OK);
    for (size_t len = 0; len < sizeof text - 1; len++)
        assert_int_equal(read_text((struct slice){text, len}), ERR_INPUT);
}

// Whatever one byte is put in any place: a verdict, no crash, and the tree is as the text says.
static void single_byte_changes_are_survived(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":[1.5e3,\"\\u0041\xc3\xa9\",true],\"b\":{}}";
    char changed[sizeof text];
    for (size_t at = 0; at < sizeof text - 1; at++) {
        for (int byte = 0; byte < 256; byte++) {
            memcpy(changed, text, sizeof text);
            changed[at] = (char)byte;
            enum err rc = read_text((struct slice){changed, sizeof text - 1});
            assert_true(rc == OK || rc == ERR_INPUT);
        }
    }
}

static void the_fault_says_where_and_what(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t offset;
        const char *what;
    } faults[] = {{"{\"a\":1,\"a\":2}", 8, "duplicate member"},
                  {"[\"a\xff\"]", 3, "invalid UTF-8"},
                  {"[] x", 3, "bytes after the value"},
                  {"[\"\\u0000\"]", 2, "U+0000"},
                  {"[01]", 1, "malformed number"},
                  {"[-]", 1, "malformed number"},
                  {"", 0, "empty"},
                  {" \n", 2, "empty"},
                  {"\xef\xbb\xbf{}", 0, "byte order mark"},
                  {"\xef\xbb\xbf", 0, "byte order mark"},
                  {"[", 1, "a value was expected"},
                  {"[1,]", 3, "a value was expected"}};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct json_document *document;
        struct json_fault fault;
        struct slice text = {faults[i].text, strlen(faults[i].text)};
        assert_int_equal(json_read(text, &document, &fault), ERR_INPUT);
        assert_int_equal(fault.offset, faults[i].offset);
        assert_string_equal(fault.what, faults[i].what);
    }
}

static char *deep(const char *opening, size_t depth, size_t *out_len)
{
    size_t len = strlen(opening);
    char *text = malloc(len * depth + 1);
    for (size_t i = 0; i < depth; i++)
        memcpy(text + i * len, opening, len);
    *out_len = len * depth;
    return text;
}

static void a_hundred_thousand_brackets_are_only_refused(void **state)
{
    (void)state;
    static const char *const openings[] = {"[", "{\"a\":", "[{\"a\":"};
    for (size_t i = 0; i < 3; i++) {
        size_t len;
        char *text = deep(openings[i], 100000, &len);
        assert_int_equal(read_text((struct slice){text, len}), ERR_INPUT);
        free(text);
    }
}

// 200,000 members: fast as sorting, and the one double name is found wherever it stands.
static void duplicates_are_found_in_huge_objects(void **state)
{
    (void)state;
    enum { MEMBERS = 200000 };
    BUF text = {0};
    buf_byte(&text, '{');
    for (unsigned i = 0; i < MEMBERS; i++)
        buf_printf(&text, "%s\"member %u\":%u", i > 0 ? "," : "", i, i);
    size_t len = text.len;
    buf_byte(&text, '}');
    assert_int_equal(read_text(buf_slice(&text)), OK);
    text.len = len;
    buf_text(&text, ",\"m\\u0065mber 777\":0}");
    assert_int_equal(read_text(buf_slice(&text)), ERR_INPUT);
}

static struct json_document *parse(const char *text)
{
    struct json_document *document = NULL;
    struct json_fault fault;
    assert_int_equal(json_read((struct slice){text, strlen(text)}, &document, &fault), OK);
    return document;
}

static void the_tree_says_what_the_text_says(void **state)
{
    (void)state;
    JSON_DOCUMENT *document =
        parse(" {\"name\":\"\\u00e9\\ud83d\\ude00\\\"\\n\",\"list\":[1,true,null,{},[]],\"Name\":false} ");
    const struct json *root = json_root(document);
    struct slice text;
    assert_int_equal(json_type(root), JSON_OBJECT);
    assert_true(json_string(json_member(root, "name"), &text));
    assert_int_equal(text.len, 8);
    assert_memory_equal(text.at, "\xc3\xa9\xf0\x9f\x98\x80\"\n", 9);
    assert_int_equal(json_type(json_member(root, "Name")), JSON_BOOL);
    assert_null(json_member(root, "NAME"));
    const struct json *item = json_first(json_member(root, "list"));
    static const enum json_type types[] = {JSON_NUMBER, JSON_BOOL, JSON_NULL, JSON_OBJECT, JSON_ARRAY};
    for (size_t i = 0; i < 5; i++, item = json_next(item))
        assert_int_equal(json_type(item), types[i]);
    assert_null(item);
}

static void accessors_refuse_other_types_and_absence(void **state)
{
    (void)state;
    JSON_DOCUMENT *document = parse("{\"s\":\"1\",\"n\":1,\"b\":true}");
    const struct json *root = json_root(document);
    struct slice text;
    int64_t number;
    assert_false(json_string(json_member(root, "n"), &text));
    assert_false(json_string(NULL, &text));
    assert_false(json_integer(json_member(root, "s"), &number));
    assert_false(json_integer(json_member(root, "b"), &number));
    assert_false(json_integer(NULL, &number));
    bool flag = false;
    assert_false(json_bool(json_member(root, "n"), &flag));
    assert_false(json_bool(NULL, &flag));
    assert_true(json_bool(json_member(root, "b"), &flag) && flag);
    assert_null(json_member(NULL, "s"));
    assert_null(json_member(json_member(root, "s"), "s"));
    assert_null(json_first(json_member(root, "s")));
    assert_null(json_first(NULL));
}

static void only_exact_integers_are_integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool integer;
        int64_t value;
    } numbers[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"-17", true, -17},
        {"4111111111111111", true, 4111111111111111},
        {"9007199254740991", true, 9007199254740991},
        {"-9007199254740991", true, -9007199254740991},
        {"9007199254740992", false, 0},
        {"9007199254740993", false, 0},
        {"-9007199254740992", false, 0},
        {"1e400", false, 0},
        {"1.5", false, 0},
        {"0.99999999999999999999999999", false, 0},
        {"9007199254740991.4", false, 0},
        {"1e3", false, 0},
        {"1.0", false, 0},
        {"99999999999999999999", false, 0},
        {"100000000000000000000000000000000000000000000000000000000000000000000000000000000000", false, 0},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char text[256];
        snprintf(text, sizeof text, "[\"1.5 \\\" 2.5\",%s,7]", numbers[i].text);
        JSON_DOCUMENT *document = parse(text);
        const struct json *first = json_first(json_root(document)), *number = json_next(first);
        struct slice string;
        int64_t value = -1;
        assert_true(json_string(first, &string));
        assert_memory_equal(string.at, "1.5 \" 2.5", 10);
        assert_int_equal(json_type(number), JSON_NUMBER);
        if (json_integer(number, &value) != numbers[i].integer)
            fail_msg("%s", numbers[i].text);
        if (numbers[i].integer)
            assert_int_equal(value, numbers[i].value);
        assert_true(json_integer(json_next(number), &value));
        assert_int_equal(value, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_case_is_decided_as_stated),
        cmocka_unit_test(truncated_texts_are_refused),
        cmocka_unit_test(single_byte_changes_are_survived),
        cmocka_unit_test(the_fault_says_where_and_what),
        cmocka_unit_test(a_hundred_thousand_brackets_are_only_refused),
        cmocka_unit_test(duplicates_are_found_in_huge_objects),
        cmocka_unit_test(the_tree_says_what_the_text_says),
        cmocka_unit_test(accessors_refuse_other_types_and_absence),
        cmocka_unit_test(only_exact_integers_are_integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
