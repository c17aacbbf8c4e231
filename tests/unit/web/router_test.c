// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "web/route_table.h"
#include "web/text.h"

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
    assert_true(text_is(match.captures[0], "%41b"));
    assert_true(text_is(match.captures[1], "d%2Fe"));
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
                                        403, 415, 503, 503, 503, 503, 500};
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
        assert_true(text_is(value, known[i].value));
    }
    assert_false(http_query(&request, "b", &value));
    assert_false(http_query(&request, "", &value));
    request.query = (struct slice){0};
    assert_false(http_query(&request, "a", &value));
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
        cmocka_unit_test(reply_headers_hold_no_control_bytes_and_are_cut),
    };
    return cmocka_run_group_tests(tests, open_router, close_router);
}
