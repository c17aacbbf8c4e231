// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "web/guard.h"
#include "web/range.h"
#include "web/text.h"

enum { LENGTH = 1000 };
static const char etag[] = "\"abc\"";

static struct range parse(const char *range, uint64_t length)
{
    return range_parse(text_slice(range), (struct slice){0}, etag, length);
}

static void one_range_is_the_part_that_there_is_of_it(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t first, last;
    } parts[] = {{"bytes=0-0", 0, 0},
                 {"bytes=0-", 0, 999},
                 {"bytes=0-999", 0, 999},
                 {"bytes=0-1000", 0, 999},
                 {"bytes=999-", 999, 999},
                 {"bytes=999-999", 999, 999},
                 {"bytes=10-19", 10, 19},
                 {"bytes=-1", 999, 999},
                 {"bytes=-1000", 0, 999},
                 {"bytes=-1001", 0, 999},
                 {"bytes=007-8", 7, 8},
                 {"BYTES=1-2", 1, 2},
                 {"bytes=1-18446744073709551615", 1, 999},
                 {"bytes=1-99999999999999999999999", 1, 999},
                 {"bytes=-99999999999999999999999", 0, 999}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        struct range range = parse(parts[i].text, LENGTH);
        if (range.kind != RANGE_PART || range.first != parts[i].first || range.last != parts[i].last)
            fail_msg("%s", parts[i].text);
    }
}

static void a_range_beyond_the_end_cannot_be_satisfied(void **state)
{
    (void)state;
    static const char *const texts[] = {"bytes=1000-",
                                        "bytes=1000-1000",
                                        "bytes=1000-2000",
                                        "bytes=-0",
                                        "bytes=-000",
                                        "bytes=99999999999999999999999-",
                                        "bytes=18446744073709551616-18446744073709551617"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(parse(texts[i], LENGTH).kind, RANGE_UNSATISFIABLE);
}

static void what_is_no_single_byte_range_is_ignored(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",           "bytes",      "bytes=",         "bytes=-",       "bytes=a-b",
        "bytes=1",    "bytes=2-1",  "bytes=1000-999", "bytes=1-2,3-4", "bytes=1-2,",
        "bytes=,1-2", "bytes=1--2", "bytes=--1",      "bytes=+1-2",    "bytes=1-+2",
        "bytes= 1-2", "bytes=1 -2", "bytes=1- 2",     "bytes=1-2 ",    "bytes:1-2",
        "items=1-2",  "byte=1-2",   "bytes =1-2",     "1-2",           "bytes=0x1-2",
        "bytes=1-2;", "bytes=-1-2", "bytes=1.0-2"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (parse(texts[i], LENGTH).kind != RANGE_WHOLE)
            fail_msg("%s", texts[i]);
    }
}

static void of_an_empty_body_there_is_no_part(void **state)
{
    (void)state;
    assert_int_equal(parse("bytes=0-", 0).kind, RANGE_UNSATISFIABLE);
    assert_int_equal(parse("bytes=0-0", 0).kind, RANGE_UNSATISFIABLE);
    assert_int_equal(parse("bytes=-1", 0).kind, RANGE_WHOLE);
}

static void the_largest_body_has_a_last_byte(void **state)
{
    (void)state;
    struct range range = parse("bytes=18446744073709551614-", UINT64_MAX);
    assert_int_equal(range.kind, RANGE_PART);
    assert_int_equal(range.first, UINT64_MAX - 1);
    assert_int_equal(range.last, UINT64_MAX - 1);
    assert_int_equal(parse("bytes=18446744073709551615-", UINT64_MAX).kind, RANGE_UNSATISFIABLE);
}

static enum range_kind parse_if(const char *if_range, const char *own)
{
    return range_parse(text_slice("bytes=1-2"), text_slice(if_range), own, LENGTH).kind;
}

static void If_Range_lets_only_its_own_body_be_parted(void **state)
{
    (void)state;
    assert_int_equal(parse_if("\"abc\"", etag), RANGE_PART);
    assert_int_equal(parse_if("\"abd\"", etag), RANGE_WHOLE);
    assert_int_equal(parse_if("\"ab\"", etag), RANGE_WHOLE);
    assert_int_equal(parse_if("abc", etag), RANGE_WHOLE);
    assert_int_equal(parse_if("W/\"abc\"", etag), RANGE_WHOLE);
    assert_int_equal(parse_if("W/\"abc\"", "W/\"abc\""), RANGE_WHOLE); // weak ones are never the same
    assert_int_equal(parse_if("Sat, 29 Oct 1994 19:43:31 GMT", etag), RANGE_WHOLE);
    assert_int_equal(parse_if("", etag), RANGE_WHOLE);
    assert_int_equal(parse_if("\"abc\"", NULL), RANGE_WHOLE);
    assert_int_equal(range_parse(text_slice("bytes=1000-"), text_slice("\"x\""), etag, LENGTH).kind,
                     RANGE_WHOLE); // no 416 for another body
}

static void only_one_Range_of_a_GET_counts(void **state)
{
    (void)state;
    static struct head head;
    struct http_request request = {.method = HTTP_GET, .headers = &head};
    assert_int_equal(range_of(&request, etag, LENGTH).kind, RANGE_WHOLE);
    head.headers[0].name = text_slice("range");
    head.headers[0].value = text_slice("bytes=5-");
    head.header_count = 1;
    assert_int_equal(range_of(&request, etag, LENGTH).first, 5);
    request.method = HTTP_HEAD;
    assert_int_equal(range_of(&request, etag, LENGTH).kind, RANGE_WHOLE);
    request.method = HTTP_GET;
    head.headers[1].name = text_slice("If-Range");
    head.headers[1].value = text_slice(etag);
    head.header_count = 2;
    assert_int_equal(range_of(&request, etag, LENGTH).kind, RANGE_PART);
    assert_int_equal(range_of(&request, "\"other\"", LENGTH).kind, RANGE_WHOLE);
    head.headers[2] = head.headers[1];
    head.header_count = 3;
    assert_int_equal(range_of(&request, etag, LENGTH).kind, RANGE_WHOLE);
    head.headers[1] = head.headers[0];
    head.header_count = 2;
    assert_int_equal(range_of(&request, etag, LENGTH).kind, RANGE_WHOLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_range_is_the_part_that_there_is_of_it),
        cmocka_unit_test(a_range_beyond_the_end_cannot_be_satisfied),
        cmocka_unit_test(what_is_no_single_byte_range_is_ignored),
        cmocka_unit_test(of_an_empty_body_there_is_no_part),
        cmocka_unit_test(the_largest_body_has_a_last_byte),
        cmocka_unit_test(If_Range_lets_only_its_own_body_be_parted),
        cmocka_unit_test(only_one_Range_of_a_GET_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
