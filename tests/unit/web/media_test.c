// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "web/media.h"
#include "web/text.h"

#define JSON_API "application/vnd.api+json"

static const struct shape with_body = {.body = BODY_LENGTH, .length = 1};
static struct head head;

static void add_header(const char *name, const char *value)
{
    head.headers[head.header_count].name = text_slice(name);
    head.headers[head.header_count++].value = text_slice(value);
}

static bool sent_fits(enum media media, const char *content_type)
{
    head = (struct head){0};
    add_header("content-type", content_type);
    return media_sent_fits(media, &head, &with_body);
}

static bool is_accepted(const char *accept)
{
    head = (struct head){0};
    add_header("accept", accept);
    return media_is_accepted(MEDIA_JSON_API, &head);
}

static void JSON_is_JSON_and_at_most_in_UTF_8(void **state)
{
    (void)state;
    static const char *const right[] = {"application/json", "Application/JSON",
                                        "application/json;charset=utf-8",
                                        "application/json ; charset=\"UTF-8\""};
    static const char *const wrong[] = {"",
                                        "text/json",
                                        JSON_API,
                                        "application/json;",
                                        "application/json; charset=latin1",
                                        "application/json; charset=utf-8; x=y",
                                        "application/json; profile=x",
                                        "application/jsonx",
                                        "application/json, text/plain"};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
        assert_true(sent_fits(MEDIA_JSON, right[i]));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (sent_fits(MEDIA_JSON, wrong[i]))
            fail_msg("%s", wrong[i]);
    }
}

static void JSON_API_is_sent_without_parameters_other_than_profiles(void **state)
{
    (void)state;
    static const char *const right[] = {JSON_API,
                                        "Application/Vnd.API+JSON",
                                        JSON_API ";profile=\"http://example.com/a http://example.com/b\"",
                                        JSON_API " ; Profile=x ; profile=y",
                                        JSON_API "; profile=\"a;charset=utf-8\"",
                                        JSON_API "; profile=\"a\\\";ext=x\"",
                                        JSON_API ";",
                                        JSON_API ";;profile=x"};
    static const char *const wrong[] = {"",
                                        "application/json",
                                        "*/*",
                                        JSON_API "x",
                                        "x" JSON_API,
                                        JSON_API "; charset=utf-8",
                                        JSON_API ";charset=\"utf-8\"",
                                        JSON_API "; ext=\"https://jsonapi.org/ext/atomic\"",
                                        JSON_API "; ext=\"\"",
                                        JSON_API "; EXT=x",
                                        JSON_API "; profile=x; ext=y",
                                        JSON_API "; ext=y; profile=x",
                                        JSON_API "; profile=\"a\\\\\";ext=x",
                                        JSON_API "; q=1",
                                        JSON_API "; profilex=y",
                                        JSON_API ", " JSON_API};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        if (!sent_fits(MEDIA_JSON_API, right[i]))
            fail_msg("%s", right[i]);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (sent_fits(MEDIA_JSON_API, wrong[i]))
            fail_msg("%s", wrong[i]);
    }
}

static void a_type_is_sent_exactly_once(void **state)
{
    (void)state;
    head = (struct head){0};
    assert_false(media_sent_fits(MEDIA_JSON, &head, &with_body));
    assert_false(media_sent_fits(MEDIA_JSON_API, &head, &with_body));
    assert_true(media_sent_fits(MEDIA_NONE, &head, &with_body));
    add_header("Content-Type", JSON_API);
    add_header("Content-Type", JSON_API);
    assert_false(media_sent_fits(MEDIA_JSON_API, &head, &with_body));
}

static void no_body_needs_no_JSON_API_type(void **state)
{
    (void)state;
    static const struct shape none = {.body = BODY_NONE}, empty = {.body = BODY_LENGTH},
                              chunked = {.body = BODY_CHUNKED};
    head = (struct head){0};
    assert_true(media_sent_fits(MEDIA_JSON_API, &head, &none));
    assert_true(media_sent_fits(MEDIA_JSON_API, &head, &empty));
    assert_false(media_sent_fits(MEDIA_JSON_API, &head, &chunked));
}

static void who_accepts_JSON_API_plainly_or_does_not_name_it_is_served(void **state)
{
    (void)state;
    static const char *const right[] = {"",
                                        "*/*",
                                        "application/*",
                                        "application/json",
                                        "text/html;level=1",
                                        JSON_API,
                                        JSON_API "; q=0.5",
                                        JSON_API ";profile=\"a, b\"",
                                        JSON_API ";charset=utf-8, " JSON_API,
                                        JSON_API ";ext=x," JSON_API ";q=0.1;profile=y",
                                        "text/plain;x=\"" JSON_API ";ext=y\"",
                                        "APPLICATION/VND.API+JSON"};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        if (!is_accepted(right[i]))
            fail_msg("%s", right[i]);
    }
    head = (struct head){0};
    assert_true(media_is_accepted(MEDIA_JSON_API, &head));
}

static void who_names_it_only_with_parameters_is_not(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        JSON_API ";charset=utf-8",      JSON_API "; ext=\"https://jsonapi.org/ext/atomic\"",
        JSON_API ";profile=x;ext=y",    JSON_API ";q=1;ext=y",
        JSON_API ";charset=utf-8, */*", "application/json, " JSON_API ";x=y," JSON_API ";ext=\"a, b\"",
        JSON_API ";x=\"" JSON_API "\"", JSON_API ";x=\"\\\"," JSON_API ",\""};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (is_accepted(wrong[i]))
            fail_msg("%s", wrong[i]);
        assert_true(media_is_accepted(MEDIA_JSON, &head));
        assert_true(media_is_accepted(MEDIA_NONE, &head));
    }
}

static void several_Accept_fields_are_one_list(void **state)
{
    (void)state;
    head = (struct head){0};
    add_header("Accept", JSON_API ";charset=utf-8");
    add_header("Accept", "text/plain");
    assert_false(media_is_accepted(MEDIA_JSON_API, &head));
    add_header("Accept", JSON_API);
    assert_true(media_is_accepted(MEDIA_JSON_API, &head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(JSON_is_JSON_and_at_most_in_UTF_8),
        cmocka_unit_test(JSON_API_is_sent_without_parameters_other_than_profiles),
        cmocka_unit_test(a_type_is_sent_exactly_once),
        cmocka_unit_test(no_body_needs_no_JSON_API_type),
        cmocka_unit_test(who_accepts_JSON_API_plainly_or_does_not_name_it_is_served),
        cmocka_unit_test(who_names_it_only_with_parameters_is_not),
        cmocka_unit_test(several_Accept_fields_are_one_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
