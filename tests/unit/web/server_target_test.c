// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A whole server, asked with each form of a request target (RFC 9112, 3.2), and answering each once.
#include "tests/unit/web/probe.h"

static unsigned ask_target(const char *method, const char *target, const char *more)
{
    char text[512];
    snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: a\r\n%s", method, target, more);
    const unsigned status = house_ask(&house, text);
    if (probe_count(house.answer, "HTTP/1.1 ") != 1)
        fail_msg("%s: %s", target, house.answer);
    return status;
}

static const char *at_port(unsigned port, const char *path)
{
    static char text[128];
    snprintf(text, sizeof text, "http://localhost:%u%s", port, path);
    return text;
}

static void an_absolute_target_means_its_path_whatever_its_authority(void **state)
{
    (void)state;
    static const char *const targets[] = {"http://localhost/livez", "http://localhost:1/livez",
                                          "http://a:80/livez?x=http://b/c", "HTTP://a/livez",
                                          "http://127.0.0.1/livez"};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        if (ask_target("GET", targets[i], "\r\n") != 200)
            fail_msg("%s: %s", targets[i], house.answer);
    }
    assert_int_equal(ask_target("GET", at_port(house.port, "/livez"), "\r\n"), 200);
    assert_int_equal(ask_target("GET", at_port(house.port, "/name/b%20c"), "\r\n"), 200);
    assert_non_null(strstr(house.answer, "\r\n\r\nb c"));
    assert_int_equal(ask_target("GET", "http://a/nowhere", "\r\n"), 404);
}

static void the_body_behind_an_absolute_target_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const char *target = at_port(i == 0 ? 1 : house.port, "/sink");
        assert_int_equal(ask_target("POST", target, "Content-Length: 5\r\n\r\nhello"), 200);
        assert_non_null(strstr(house.answer, "{\"bytes\":5}"));
        assert_int_equal(
            ask_target("POST", target, "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"),
            200);
        assert_non_null(strstr(house.answer, "{\"bytes\":6}"));
        assert_int_equal(ask_target("POST", target, "Content-Length: 200001\r\n\r\n"), 413);
        assert_int_equal(ask_target("POST", target, "Content-Length: 9\r\n\r\nhello"), 400);
    }
}

static void other_targets_are_400_and_said_so(void **state)
{
    (void)state;
    static const char *const targets[] = {"*",
                                          "https://localhost/livez",
                                          "ftp://localhost/livez",
                                          "http:///livez",
                                          "http://a@b/livez",
                                          "http://a:1@b:2/livez",
                                          "localhost:1",
                                          "livez",
                                          "http://localhost"};
    const int before = atomic_load(&house.handled);
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        if (ask_target("GET", targets[i], "\r\n") != 400 ||
            strstr(house.answer, "\r\nConnection: close\r\n") == NULL ||
            strstr(house.answer, "detail") == NULL)
            fail_msg("%s: %s", targets[i], house.answer);
        assert_int_equal(ask_target("OPTIONS", targets[i], "\r\n"), 400);
    }
    assert_int_equal(atomic_load(&house.handled), before);
}

static void only_a_target_that_civetweb_passes_over_ends_its_connection(void **state)
{
    (void)state;
    static const char next[] = "\r\n\r\nGET /name/second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    char text[512];
    snprintf(text, sizeof text, "GET http://a:1/livez HTTP/1.1\r\nHost: a%s", next);
    assert_int_equal(house_ask(&house, text), 200);
    assert_int_equal(probe_count(house.answer, "HTTP/1.1 "), 1);
    assert_non_null(strstr(house.answer, "\r\nConnection: close\r\n"));
    snprintf(text, sizeof text, "GET http://a:%u/livez HTTP/1.1\r\nHost: a%s", house.port, next);
    assert_int_equal(house_ask(&house, text), 200);
    assert_int_equal(probe_count(house.answer, "HTTP/1.1 200 "), 2);
    assert_non_null(strstr(house.answer, "second"));
    snprintf(text, sizeof text,
             "GET /livez HTTP/1.1\r\nHost: a\r\n\r\nGET http://a:1/livez HTTP/1.1\r\nHost: a%s", next);
    assert_int_equal(house_ask(&house, text), 200);
    assert_int_equal(probe_count(house.answer, "HTTP/1.1 200 "), 2);
    assert_null(strstr(house.answer, "second"));
}

// What a connection leaves behind in its worker is not taken for a request of the next.
static void a_connection_without_a_request_gets_no_answer(void **state)
{
    (void)state;
    for (int i = 0; i < 40; i++) {
        assert_int_equal(ask_target("GET", i % 2 == 0 ? "http://a:1/livez" : "/livez", "\r\n"), 200);
        assert_int_equal(house_ask(&house, ""), 0);
        assert_int_equal(house.answer[0], '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_absolute_target_means_its_path_whatever_its_authority),
        cmocka_unit_test(the_body_behind_an_absolute_target_is_read),
        cmocka_unit_test(other_targets_are_400_and_said_so),
        cmocka_unit_test(only_a_target_that_civetweb_passes_over_ends_its_connection),
        cmocka_unit_test(a_connection_without_a_request_gets_no_answer),
    };
    return cmocka_run_group_tests(tests, open_house, close_house);
}
