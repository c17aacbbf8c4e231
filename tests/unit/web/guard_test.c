// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "web/guard.h"
#include "web/text.h"

#include <stdlib.h>
#include <string.h>

static struct head sound_head(void)
{
    struct head head = {.method = text_slice("POST"),
                        .path = text_slice("/v1/x"),
                        .query = text_slice(""),
                        .minor = 1,
                        .plain_layout = true,
                        .header_count = 1};
    head.headers[0].name = text_slice("Host");
    head.headers[0].value = text_slice("a");
    return head;
}

static void add(struct head *head, const char *name, const char *value)
{
    head->headers[head->header_count].name = text_slice(name);
    head->headers[head->header_count++].value = text_slice(value);
}

static unsigned check(const struct head *head, struct shape *shape)
{
    struct verdict verdict = guard_check(head, shape);
    assert_true((verdict.status == 0) == (verdict.why == NULL));
    return verdict.status;
}

static unsigned status_with(const char *name, const char *value)
{
    struct head head = sound_head();
    struct shape shape;
    add(&head, name, value);
    return check(&head, &shape);
}

static void a_sound_head_passes_and_tells_its_shape(void **state)
{
    (void)state;
    struct head head = sound_head();
    struct shape shape;
    assert_int_equal(check(&head, &shape), 0);
    assert_int_equal(shape.method, HTTP_POST);
    assert_int_equal(shape.body, BODY_NONE);
    assert_true(shape.keep_alive);
    add(&head, "content-LENGTH", " 0000000017\t");
    assert_int_equal(check(&head, &shape), 0);
    assert_int_equal(shape.body, BODY_LENGTH);
    assert_int_equal(shape.length, 17);
}

static void a_layout_that_was_not_plain_is_refused(void **state)
{
    (void)state;
    struct head head = sound_head();
    struct shape shape;
    head.plain_layout = false;
    assert_int_equal(check(&head, &shape), 400);
}

static void every_spelling_of_a_length_but_digits_is_refused(void **state)
{
    (void)state;
    static const char *const lengths[] = {"",      "+5",    "-5",          "0x5",         "5,5",
                                          "5, 5",  "5 5",   "5;",          "5.0",         "1e3",
                                          "\"5\"", "5\x80", "00000000005", "99999999999", "five"};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        assert_int_equal(status_with("Content-Length", lengths[i]), 400);
    assert_int_equal(status_with("Content-Length", "9999999999"), 0);
    assert_int_equal(status_with("Content-Length", "0"), 0);
}

static void two_ways_to_read_a_length_are_refused(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"Content-Length", "Content-Length"},
                                           {"Content-Length", "content-length"},
                                           {"Content-Length", "Transfer-Encoding"},
                                           {"Transfer-Encoding", "Transfer-Encoding"}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct head head = sound_head();
        struct shape shape;
        for (size_t j = 0; j < 2; j++)
            add(&head, pairs[i][j], pairs[i][j][0] == 'T' ? "chunked" : "5");
        assert_int_equal(check(&head, &shape), 400);
    }
}

static void a_credential_or_type_in_two_lines_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"Authorization", "Content-Type", "X-Vault-Token", "Session-Key",
                                        "Api-Key"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct shape shape;
        for (size_t j = 0; j < sizeof names / sizeof names[0]; j++) {
            struct head head = sound_head();
            add(&head, names[i], "a");
            add(&head, "Accept", "a");
            add(&head, "accept", "b"); // a list may go on in a second line
            add(&head, names[j], "a");
            assert_int_equal(check(&head, &shape), i == j ? 400 : 0);
        }
    }
    struct head head = sound_head();
    struct shape shape;
    add(&head, "authorization", "");
    add(&head, "AUTHORIZATION", "a");
    assert_int_equal(check(&head, &shape), 400);
}

static void only_chunked_is_a_transfer_coding_and_only_in_HTTP_1_1(void **state)
{
    (void)state;
    static const char *const codings[] = {
        "",         "identity", "gzip",        "gzip, chunked", "chunked, chunked",
        "chunked,", "chunked;", "\"chunked\"", "chunked x",     "xchunked"};
    for (size_t i = 0; i < sizeof codings / sizeof codings[0]; i++)
        assert_int_equal(status_with("Transfer-Encoding", codings[i]), 400);
    struct head head = sound_head();
    struct shape shape;
    add(&head, "Transfer-Encoding", "CHUNKED");
    assert_int_equal(check(&head, &shape), 0);
    assert_int_equal(shape.body, BODY_CHUNKED);
    head.minor = 0;
    assert_int_equal(check(&head, &shape), 400);
}

static void exactly_one_sound_host_is_required(void **state)
{
    (void)state;
    struct head head = sound_head();
    struct shape shape;
    head.header_count = 0;
    assert_int_equal(check(&head, &shape), 400);
    assert_int_equal(status_with("host", "a"), 400);
    static const char *const hosts[] = {"", "a b", "a,b", "a/b", "x@a", "a\\b", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        head = sound_head();
        head.headers[0].value = text_slice(hosts[i]);
        assert_int_equal(check(&head, &shape), 400);
    }
}

static void every_control_byte_in_a_header_or_target_is_refused(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char text[] = "/a?b";
        text[2] = (char)byte;
        struct slice four = {text, 4};
        struct head head = sound_head();
        struct shape shape;
        head.headers[1].name = text_slice("X");
        head.headers[1].value = four;
        head.header_count = 2;
        bool control = (byte < 0x20 && byte != '\t') || byte == 0x7f;
        assert_int_equal(check(&head, &shape), control ? 400 : 0);
        head = sound_head();
        head.path = four;
        bool visible = byte > 0x20 && byte < 0x7f && byte != '%';
        assert_int_equal(check(&head, &shape), visible ? 0 : 400);
        head = sound_head();
        head.query = four;
        assert_int_equal(check(&head, &shape), visible || byte == '%' ? 0 : 400);
    }
}

static void header_names_are_tokens(void **state)
{
    (void)state;
    static const char *const names[] = {"",    "a b", "a ",  " a",  "a\t",      "a(",
                                        "a/b", "a@b", "a[b", "a\"", "\xc3\xa4", "a:"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(status_with(names[i], "x"), 400);
    assert_int_equal(status_with("!#$%&'*+-.^_`|~09azAZ", "x"), 0);
}

static void paths_with_encoded_controls_or_broken_escapes_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        unsigned status;
    } paths[] = {{"", 400},      {"x", 400},     {"*", 400},       {"http://a/x", 400},
                 {"/%", 400},    {"/%4", 400},   {"/%4g", 400},    {"/%g4", 400},
                 {"/%00", 400},  {"/%1F", 400},  {"/%0d%0a", 400}, {"/%7f", 400},
                 {"/%7F", 400},  {"/%20", 0},    {"/%80", 0},      {"/%25", 0},
                 {"/%2e%2E", 0}, {"/%c3%A4", 0}, {"//", 0}};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct head head = sound_head();
        struct shape shape;
        head.path = text_slice(paths[i].path);
        if (check(&head, &shape) != paths[i].status)
            fail_msg("%s", paths[i].path);
    }
}

static void unknown_methods_are_501_and_no_methods_400(void **state)
{
    (void)state;
    static const struct {
        const char *method;
        unsigned status;
    } methods[] = {{"GET", 0},       {"OPTIONS", 0}, {"PATCH", 0}, {"get", 501}, {"TRACE", 501},
                   {"CONNECT", 501}, {"GETT", 501},  {"", 400},    {"G T", 400}, {"G(T", 400}};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        struct head head = sound_head();
        struct shape shape;
        head.method = text_slice(methods[i].method);
        assert_int_equal(check(&head, &shape), methods[i].status);
    }
}

static void fifty_headers_pass_and_no_more(void **state)
{
    (void)state;
    struct head head = sound_head();
    struct shape shape;
    while (head.header_count < GUARD_HEADERS_MAX)
        add(&head, "X", "y");
    assert_int_equal(check(&head, &shape), 0);
    while (head.header_count < HEAD_HEADERS_MAX) {
        add(&head, "X", "y");
        assert_int_equal(check(&head, &shape), 431);
    }
}

static void only_100_continue_can_be_expected(void **state)
{
    (void)state;
    assert_int_equal(status_with("Expect", "100-Continue"), 0);
    assert_int_equal(status_with("Expect", ""), 417);
    assert_int_equal(status_with("Expect", "100-continue, x"), 417);
    struct head head = sound_head();
    struct shape shape;
    add(&head, "Expect", "100-continue");
    assert_int_equal(check(&head, &shape), 0);
    assert_true(shape.expects_continue);
    head.minor = 0; // HTTP/1.0 knows no 100
    assert_int_equal(check(&head, &shape), 0);
    assert_false(shape.expects_continue);
}

static void UTF_8_is_judged_at_its_borders(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool printable;
    } texts[] = {{"", true},
                 {"a", true},
                 {"\xc2\xa0", true},
                 {"\xc2\x9f", false},
                 {"\xdf\xbf", true},
                 {"\xe0\xa0\x80", true},
                 {"\xe0\x9f\xbf", false},
                 {"\xed\x9f\xbf", true},
                 {"\xed\xa0\x80", false},
                 {"\xee\x80\x80", true},
                 {"\xf0\x90\x80\x80", true},
                 {"\xf0\x8f\xbf\xbf", false},
                 {"\xf4\x8f\xbf\xbf", true},
                 {"\xf4\x90\x80\x80", false},
                 {"\xc1\xbf", false},
                 {"\xc2", false},
                 {"\xe2\x82", false},
                 {"\xf0\x9f\x98", false},
                 {"\x80", false},
                 {"\x1f", false},
                 {"\x7f", false}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(text_is_printable_utf8(text_slice(texts[i].text)), texts[i].printable);
}

// Bytes from a fixed sequence in every place of a head: a verdict each time, never a sanitizer's report.
static void random_heads_get_a_verdict(void **state)
{
    (void)state;
    uint64_t seed = 1;
    unsigned passed = 0;
    for (int round = 0; round < 20000; round++) {
        struct head head = sound_head();
        char *bytes = malloc(16);
        for (size_t i = 0; i < 16; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            bytes[i] = (char)(seed >> 56);
        }
        struct slice text = {bytes, (size_t)round % 17};
        struct slice *places[] = {&head.method, &head.path, &head.query, &head.headers[0].name,
                                  &head.headers[0].value};
        *places[round % 5] = text;
        struct shape shape;
        passed += guard_check(&head, &shape).status == 0;
        free(bytes);
    }
    assert_true(passed < 2000);
}

static void an_absolute_target_of_the_listeners_scheme_becomes_its_path(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        bool tls;
        const char *form;
    } list[] = {
        {"http://a/b", false, "/b"},
        {"https://a/b", true, "/b"},
        {"HtTp://a:1/", false, "/"},
        {"http://[::1]:1/b/c", false, "/b/c"},
        {"http://a//b", false, "//b"},
        {"https://a/b", false, "https://a/b"},
        {"http://a/b", true, "http://a/b"},
        {"http:///b", false, "http:///b"},
        {"http://a", false, "http://a"},
        {"http://", false, "http://"},
        {"http:/", false, "http:/"},
        {"http://a@b/c", false, "http://a@b/c"},
        {"http://a b/c", false, "http://a b/c"},
        {"http://a\001/c", false, "http://a\001/c"},
        {"http://\xc3\xa4/c", false, "http://\xc3\xa4/c"},
        {"/http://a/b", false, "/http://a/b"},
        {"", false, ""},
        {"*", false, "*"},
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        // Of exactly its length, so that a byte read too far is seen.
        const size_t len = strlen(list[i].target);
        char *exact = malloc(len > 0 ? len : 1);
        assert_non_null(exact);
        memcpy(exact, list[i].target, len);
        const struct slice form = guard_origin_form((struct slice){exact, len}, list[i].tls);
        assert_int_equal(form.len, strlen(list[i].form));
        assert_memory_equal(form.at, list[i].form, form.len);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_head_passes_and_tells_its_shape),
        cmocka_unit_test(a_layout_that_was_not_plain_is_refused),
        cmocka_unit_test(every_spelling_of_a_length_but_digits_is_refused),
        cmocka_unit_test(two_ways_to_read_a_length_are_refused),
        cmocka_unit_test(a_credential_or_type_in_two_lines_is_refused),
        cmocka_unit_test(only_chunked_is_a_transfer_coding_and_only_in_HTTP_1_1),
        cmocka_unit_test(exactly_one_sound_host_is_required),
        cmocka_unit_test(every_control_byte_in_a_header_or_target_is_refused),
        cmocka_unit_test(header_names_are_tokens),
        cmocka_unit_test(paths_with_encoded_controls_or_broken_escapes_are_refused),
        cmocka_unit_test(unknown_methods_are_501_and_no_methods_400),
        cmocka_unit_test(fifty_headers_pass_and_no_more),
        cmocka_unit_test(only_100_continue_can_be_expected),
        cmocka_unit_test(UTF_8_is_judged_at_its_borders),
        cmocka_unit_test(an_absolute_target_of_the_listeners_scheme_becomes_its_path),
        cmocka_unit_test(random_heads_get_a_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
