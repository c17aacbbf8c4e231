// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "web/route_table.h"
#include "web/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void handle(void *state, struct exchange *exchange)
{
    (void)state, (void)exchange;
}

#define ROW(methods, pattern)                                                                                \
    {                                                                                                        \
        methods, pattern, PERMISSION_PUBLIC, AUDIT_NONE, 0, MEDIA_NONE, handle                               \
    }

static const struct route routes[] = {
    ROW(HTTP_GET, "/a/{x}"),
    ROW(HTTP_GET, "/a/b"),
    ROW(HTTP_POST, "/a/b"),
    ROW(HTTP_PUT, "/a/{x}/c/{y}"),
    ROW(HTTP_GET, "/{x}/b/c/{y}"),
    ROW(HTTP_DELETE, "/trailing/"),
    ROW(HTTP_GET, "/"),
    ROW(HTTP_GET, "/{a}/{b}/{c}/{d}/e"),
};
static const char *const prefixes[] = {"/a/", "/own", NULL}, *const deeper[] = {"/own/deep/", NULL};
static const struct api api = {.name = "api", .prefixes = prefixes, .routes = routes, .route_count = 8};
static const struct api other = {.name = "other", .prefixes = deeper};
static struct router *router;

static int open_router(void **state)
{
    (void)state;
    const struct api *const apis[] = {&api, &other};
    struct diag diag = {0};
    return router_new(apis, 2, false, &router, &diag) == OK ? 0 : -1;
}

static int close_router(void **state)
{
    (void)state;
    router_free(router);
    return 0;
}

static const char *pattern_of(enum http_method method, const char *path)
{
    struct match match;
    return router_find(router, method, text_slice(path), &match) == ROUTE_FOUND ? match.route->pattern : "";
}

static void a_literal_beats_a_capture(void **state)
{
    (void)state;
    assert_string_equal(pattern_of(HTTP_GET, "/a/b"), "/a/b");
    assert_string_equal(pattern_of(HTTP_GET, "/a/bb"), "/a/{x}");
    assert_string_equal(pattern_of(HTTP_POST, "/a/b"), "/a/b");
    assert_string_equal(pattern_of(HTTP_PUT, "/a/b/c/d"), "/a/{x}/c/{y}");
    assert_string_equal(pattern_of(HTTP_GET, "/a/b/c/d"), "/{x}/b/c/{y}");
    assert_string_equal(pattern_of(HTTP_GET, "/"), "/");
    assert_string_equal(pattern_of(HTTP_DELETE, "/trailing/"), "/trailing/");
    assert_string_equal(pattern_of(HTTP_GET, "/1/2/3/4/e"), "/{a}/{b}/{c}/{d}/e");
}

static void HEAD_comes_with_GET_only(void **state)
{
    (void)state;
    assert_string_equal(pattern_of(HTTP_HEAD, "/a/b"), "/a/b");
    assert_string_equal(pattern_of(HTTP_HEAD, "/trailing/"), "");
}

static void near_misses_do_not_match(void **state)
{
    (void)state;
    static const char *const paths[] = {"",
                                        "a/b",
                                        "/a",
                                        "/a/",
                                        "/A/b",
                                        "//a/b",
                                        "/a//b",
                                        "/a/b/",
                                        "/a/.",
                                        "/a/..",
                                        "/x/../a/b",
                                        "/./a/b",
                                        "/trailing",
                                        "//",
                                        "/a/b/c/",
                                        "/1/2/3/4/E",
                                        "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        if (strcmp(pattern_of(HTTP_GET, paths[i]), "") != 0)
            fail_msg("%s", paths[i]);
    }
}

static void captures_are_what_stood_there(void **state)
{
    (void)state;
    struct match match;
    assert_int_equal(router_find(router, HTTP_PUT, text_slice("/a/%41b/c/d%2Fe"), &match), ROUTE_FOUND);
    assert_int_equal(match.capture_count, 2);
    assert_true(slice_is(match.captures[0], "%41b"));
    assert_true(slice_is(match.captures[1], "d%2Fe"));
}

static void a_known_path_with_another_method_names_all_that_it_has(void **state)
{
    (void)state;
    struct match match;
    struct http_reply reply = {0};
    assert_int_equal(router_find(router, HTTP_DELETE, text_slice("/a/b"), &match), ROUTE_METHOD);
    router_allow(&reply, match.allowed);
    assert_string_equal(reply.headers[0].name, "Allow");
    assert_string_equal(reply.headers[0].value, "GET, HEAD, POST");
    assert_string_equal(match.api->name, "api");
}

static void a_path_without_a_row_belongs_to_the_longest_prefix(void **state)
{
    (void)state;
    static const struct {
        const char *path, *owner;
    } paths[] = {{"/a/x/y", "api"},    {"/own", "api"},         {"/own/x", "api"}, {"/own/deep/x", "other"},
                 {"/own/deep", "api"}, {"/ownx", NULL},         {"/b", NULL},      {"/a", NULL},
                 {"/A/x/y", NULL},     {"/own/../own/x", "api"}};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct match match;
        assert_int_equal(router_find(router, HTTP_GET, text_slice(paths[i].path), &match), ROUTE_NONE);
        if (paths[i].owner == NULL)
            assert_null(match.api);
        else
            assert_string_equal(match.api->name, paths[i].owner);
    }
}

static enum err compile(const struct route *rows, size_t count, struct diag *diag)
{
    const struct api one = {.name = "one", .routes = rows, .route_count = count};
    const struct api *const apis[] = {&one};
    struct router *fresh = NULL;
    enum err rc = router_new(apis, 1, false, &fresh, diag);
    router_free(fresh);
    return rc;
}

static void rows_that_hide_each_other_are_refused(void **state)
{
    (void)state;
    static const struct route same[] = {ROW(HTTP_GET | HTTP_POST, "/x/{a}"), ROW(HTTP_POST, "/x/{b}")};
    static const struct route head[] = {ROW(HTTP_GET, "/x"), ROW(HTTP_HEAD, "/x")};
    static const struct route distinct[] = {ROW(HTTP_GET, "/x/{a}"), ROW(HTTP_POST, "/x/{b}"),
                                            ROW(HTTP_GET, "/y/{a}")};
    struct diag diag = {0};
    assert_int_equal(compile(same, 2, &diag), ERR_CONFIG);
    assert_non_null(strstr(diag.text, "/x/{"));
    assert_int_equal(compile(head, 2, NULL), ERR_CONFIG);
    assert_int_equal(compile(distinct, 3, NULL), OK);
}

static void patterns_that_cannot_be_matched_are_refused(void **state)
{
    (void)state;
    static const struct route rows[] = {ROW(HTTP_GET, "x"), ROW(HTTP_GET, ""),
                                        ROW(HTTP_GET, "/{a}/{b}/{c}/{d}/{e}"),
                                        ROW(HTTP_GET, "/1/2/3/4/5/6/7/8/9/10/11/12/13")};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(compile(&rows[i], 1, NULL), ERR_CONFIG);
}

static void every_failure_has_its_status(void **state)
{
    (void)state;
    static const unsigned statuses[] = {404, 405, 413, 411, 400, 408, 401, 429,
                                        403, 415, 406, 503, 503, 503, 503, 500};
    for (int failure = FAIL_NOT_FOUND; failure <= FAIL_INTERNAL; failure++)
        assert_int_equal(failure_status((enum failure)failure), statuses[failure]);
}

static void query_parameters_are_found_by_whole_names(void **state)
{
    (void)state;
    struct http_request request = {.query = text_slice("a=1&ab=2&c&d=&a=3&e=x=y")};
    static const struct {
        const char *name, *value;
    } known[] = {{"a", "1"}, {"ab", "2"}, {"c", ""}, {"d", ""}, {"e", "x=y"}};
    struct slice value;
    for (size_t i = 0; i < 5; i++) {
        assert_true(http_query(&request, known[i].name, &value));
        assert_true(slice_is(value, known[i].value));
    }
    assert_false(http_query(&request, "b", &value));
    assert_false(http_query(&request, "", &value));
    request.query = (struct slice){0};
    assert_false(http_query(&request, "a", &value));
}

// name and value of each parameter, "!" for a value that cannot be decoded.
static const char *walk_query(const char *query, char *room)
{
    static char text[256];
    const struct http_request request = {.query = text_slice(query), .query_decoded = room};
    struct slice name, value;
    size_t position = 0, len = 0;
    text[0] = '\0';
    while (http_query_next(&request, &position, &name, &value))
        len += (size_t)snprintf(text + len, sizeof text - len, "%.*s=%.*s;", (int)name.len, name.at,
                                value.at != NULL ? (int)value.len : 1, value.at != NULL ? value.at : "!");
    return text;
}

static void query_parameters_are_decoded_in_turn(void **state)
{
    (void)state;
    static const struct {
        const char *query, *text;
    } queries[] = {{"", ""},
                   {"&&", ""},
                   {"filter%5Blength%5D=16&filter[chars]=AEIOU", "filter[length]=16;filter[chars]=AEIOU;"},
                   {"a", "a=;"},
                   {"a=", "a=;"},
                   {"=a", "=a;"},
                   {"&a=1&&b=x=y&", "a=1;b=x=y;"},
                   {"a=1&a=2", "a=1;a=2;"},
                   {"a=%26%3D%2B+%25", "a=&=+ %;"},
                   {"a=%2541", "a=%41;"},
                   {"a=%E2%9A%80", "a=\u2680;"},
                   {"a=%4&b=%zz&c=%", "a=!;b=!;c=!;"},
                   {"a=%00&b=%0a&c=%ff&d=%c0%80", "a=!;b=!;c=!;d=!;"},
                   {"%zz=1&%00=2", "%zz=1;%00=2;"}};
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        char *room = malloc(strlen(queries[i].query)); // a byte beyond it is seen by the sanitizer
        for (int turn = 0; turn < 2; turn++)           // each turn tells the same
            assert_string_equal(walk_query(queries[i].query, room), queries[i].text);
        free(room);
    }
}

static void decoded_parameters_outlive_their_turn(void **state)
{
    (void)state;
    static const char query[] = "a%41=%42&c%43=%44";
    char room[sizeof query];
    const struct http_request request = {.query = text_slice(query), .query_decoded = room};
    struct slice name[2], value[2];
    size_t position = 0;
    assert_true(http_query_next(&request, &position, &name[0], &value[0]));
    assert_true(http_query_next(&request, &position, &name[1], &value[1]));
    assert_false(http_query_next(&request, &position, &name[1], &value[1]));
    assert_true(slice_is(name[0], "aA") && slice_is(value[0], "B"));
    assert_true(slice_is(name[1], "cC") && slice_is(value[1], "D"));
}

static void a_row_may_name_its_own_credential(void **state)
{
    (void)state;
    static const struct route rows[] = {
        {HTTP_GET, "/own", PERMISSION_READ, AUDIT_NONE, 0, MEDIA_NONE, handle, CREDENTIAL_API_KEY},
        {HTTP_GET, "/api", PERMISSION_READ, AUDIT_NONE, 0, MEDIA_NONE, handle}};
    const struct api with = {.credential = CREDENTIAL_SESSION_KEY};
    struct diag diag = {0};
    assert_int_equal(router_credential(&with, &rows[0]), CREDENTIAL_API_KEY);
    assert_int_equal(router_credential(&with, &rows[1]), CREDENTIAL_SESSION_KEY);
    assert_int_equal(compile(&rows[0], 1, NULL), OK);
    assert_int_equal(compile(&rows[1], 1, &diag), ERR_CONFIG);
    assert_non_null(strstr(diag.text, "credential"));
}

static void reply_headers_hold_no_control_bytes_and_are_cut(void **state)
{
    (void)state;
    struct http_reply reply = {0};
    char long_text[400];
    memset(long_text, 'x', sizeof long_text);
    long_text[sizeof long_text - 1] = '\0';
    http_reply_header(&reply, "A", "x%sy", "\r\nSet-Cookie: z\x7f");
    http_reply_header(&reply, "B", "%s", long_text);
    assert_string_equal(reply.headers[0].value, "x??Set-Cookie: z?y");
    assert_int_equal(strlen(reply.headers[1].value), 191);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_literal_beats_a_capture),
        cmocka_unit_test(HEAD_comes_with_GET_only),
        cmocka_unit_test(near_misses_do_not_match),
        cmocka_unit_test(captures_are_what_stood_there),
        cmocka_unit_test(a_known_path_with_another_method_names_all_that_it_has),
        cmocka_unit_test(a_path_without_a_row_belongs_to_the_longest_prefix),
        cmocka_unit_test(rows_that_hide_each_other_are_refused),
        cmocka_unit_test(patterns_that_cannot_be_matched_are_refused),
        cmocka_unit_test(every_failure_has_its_status),
        cmocka_unit_test(query_parameters_are_found_by_whole_names),
        cmocka_unit_test(query_parameters_are_decoded_in_turn),
        cmocka_unit_test(decoded_parameters_outlive_their_turn),
        cmocka_unit_test(a_row_may_name_its_own_credential),
        cmocka_unit_test(reply_headers_hold_no_control_bytes_and_are_cut),
    };
    return cmocka_run_group_tests(tests, open_router, close_router);
}
