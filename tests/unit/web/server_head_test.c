// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A whole server, asked over raw sockets: heads, paths, connections.
#include "tests/unit/web/probe.h"

static void a_request_is_answered_with_the_headers_of_every_reply(void **state)
{
    (void)state;
    assert_int_equal(house_ask(&house, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    const char *headers[] = {"\r\nDate: ",
                             "\r\nX-Request-Id: ",
                             "\r\nCache-Control: no-store\r\n",
                             "\r\nX-Content-Type-Options: nosniff\r\n",
                             "\r\nContent-Length: 11\r\n",
                             "\r\nConnection: keep-alive\r\n",
                             "\r\nContent-Type: application/json\r\n"};
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        if (probe_count(house.answer, headers[i]) != 1)
            fail_msg("not exactly one %s in %s", headers[i], house.answer);
    }
    assert_null(strstr(house.answer, "Strict-Transport-Security"));
    assert_non_null(strstr(house.answer, "\r\n\r\n{\"bytes\":0}"));
}

static void request_ids_are_random_version_4_uuids(void **state)
{
    (void)state;
    char first[37] = "", second[37] = "";
    house_ask(&house, "GET /livez HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine\r\n\r\n");
    sscanf(strstr(house.answer, "X-Request-Id: "), "X-Request-Id: %36s", first);
    house_ask(&house, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n");
    sscanf(strstr(house.answer, "X-Request-Id: "), "X-Request-Id: %36s", second);
    assert_int_equal(strlen(first), 36);
    assert_int_equal(first[14], '4');
    assert_string_not_equal(first, second);
}

// The table of what civetweb lets pass, and more of its kind.
#define LINE "POST /sink HTTP/1.1\r\n"
#define GOOD LINE "Host: a\r\n"
static const struct {
    const char *name, *text;
} probes[] = {
    {"CL and TE", GOOD "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
    {"TE and CL", GOOD "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"},
    {"two different CL", GOOD "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"},
    {"two equal CL", GOOD "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"},
    {"CL with plus", GOOD "Content-Length: +5\r\n\r\nhello"},
    {"CL with minus", GOOD "Content-Length: -5\r\n\r\nhello"},
    {"hex CL", GOOD "Content-Length: 0x5\r\n\r\nhello"},
    {"CL list", GOOD "Content-Length: 5, 5\r\n\r\nhello"},
    {"CL list without space", GOOD "Content-Length: 5,5\r\n\r\nhello"},
    {"CL of 20 digits", GOOD "Content-Length: 99999999999999999999\r\n\r\nhello"},
    {"CL of 11 digits", GOOD "Content-Length: 00000000005\r\n\r\nhello"},
    {"empty CL", GOOD "Content-Length:\r\n\r\nhello"},
    {"CL with inner space", GOOD "Content-Length: 1 1\r\n\r\nhello"},
    {"CL of letters", GOOD "Content-Length: five\r\n\r\nhello"},
    {"TE gzip", GOOD "Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n"},
    {"TE gzip, chunked", GOOD "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
    {"TE identity", GOOD "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n"},
    {"two TE", GOOD "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
    {"TE identity and chunked",
     GOOD "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
    {"TE in HTTP/1.0", "POST /sink HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
    {"TE with quote", GOOD "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"},
    {"TE with semicolon", GOOD "Transfer-Encoding: chunked;x\r\n\r\n0\r\n\r\n"},
    {"TE with tab", GOOD "Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n"},
    {"no Host", LINE "Content-Length: 0\r\n\r\n"},
    {"two Hosts", GOOD "Host: b\r\nContent-Length: 0\r\n\r\n"},
    {"two equal Hosts", GOOD "Host: a\r\nContent-Length: 0\r\n\r\n"},
    {"empty Host", LINE "Host:\r\nContent-Length: 0\r\n\r\n"},
    {"Host with comma", LINE "Host: a,b\r\nContent-Length: 0\r\n\r\n"},
    {"Host with path", LINE "Host: a/b\r\nContent-Length: 0\r\n\r\n"},
    {"Host with user", LINE "Host: x@a\r\nContent-Length: 0\r\n\r\n"},
    {"space before colon", GOOD "Content-Length : 0\r\n\r\n"},
    {"two spaces before colon", GOOD "Content-Length  : 0\r\n\r\n"},
    {"folded line", GOOD "X: a\r\n b\r\nContent-Length: 0\r\n\r\n"},
    {"folded first line", LINE " X: a\r\nHost: a\r\nContent-Length: 0\r\n\r\n"},
    {"fold that hides a CL", GOOD "X: a\r\n\tb\r\nContent-Length: 5\r\n\r\nhello"},
    {"line without colon", GOOD "nonsense\r\nContent-Length: 0\r\n\r\n"},
    {"header without name", GOOD ": x\r\nContent-Length: 0\r\n\r\n"},
    {"header name with slash", GOOD "a/b: x\r\nContent-Length: 0\r\n\r\n"},
    {"header name with brackets", GOOD "a(b): x\r\nContent-Length: 0\r\n\r\n"},
    {"bare LF after request line", "POST /sink HTTP/1.1\nHost: a\r\nContent-Length: 0\r\n\r\n"},
    {"bare LF after header", LINE "Host: a\nContent-Length: 0\r\n\r\n"},
    {"bare LF after last header", GOOD "Content-Length: 0\n\r\n\r\n"},
    {"bare LF at the end", GOOD "Content-Length: 0\n\n"},
    {"only LF", "POST /sink HTTP/1.1\nHost: a\nContent-Length: 0\n\n"},
    {"bare CR in value", GOOD "X: a\rb\r\nContent-Length: 0\r\n\r\n"},
    {"escape byte in value", GOOD "X: a\033b\r\nContent-Length: 0\r\n\r\n"},
    {"DEL in value", GOOD "X: a\177b\r\nContent-Length: 0\r\n\r\n"},
    {"two spaces in request line", "POST  /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"},
    {"two spaces before version", "POST /sink  HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"},
    {"space after version", "POST /sink HTTP/1.1 \r\nHost: a\r\nContent-Length: 0\r\n\r\n"},
    {"space in target", "POST /si nk HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"},
    {"white space before the request", "   " GOOD "Content-Length: 0\r\n\r\n"},
    {"sixteen spaces before it", "                " GOOD "Content-Length: 0\r\n\r\n"},
    {"an empty head before it", "\r\n\r\n" GOOD "Content-Length: 0\r\n\r\n"},
    {"no version", "POST /sink\r\nHost: a\r\nContent-Length: 0\r\n\r\n"},
    {"HTTP/0.9", "GET /livez\r\n\r\n"},
    {"HTTP/2.0", "GET /livez HTTP/2.0\r\nHost: a\r\n\r\n"},
    {"HTTP/1.2", "GET /livez HTTP/1.2\r\nHost: a\r\n\r\n"},
    {"HTTP/1.10", "GET /livez HTTP/1.10\r\nHost: a\r\n\r\n"},
    {"HTTP/01.1", "GET /livez HTTP/01.1\r\nHost: a\r\n\r\n"},
    {"lower-case version", "GET /livez http/1.1\r\nHost: a\r\n\r\n"},
    {"lower-case method", "get /livez HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"junk method", "JUNK /livez HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"TRACE", "TRACE /livez HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"CONNECT", "CONNECT /livez HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"PROPFIND", "PROPFIND /livez HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"encoded NUL", "GET /livez%00 HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"encoded line end", "GET /name/x%0d%0ay HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"encoded DEL", "GET /name/x%7f HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"broken escape", "GET /name/x%4 HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"escape of letters", "GET /name/x%zz HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"raw UTF-8 in path", "GET /name/\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"raw UTF-8 in query", "GET /livez?\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"control byte in path", "GET /name/\001 HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"relative path", "GET livez HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"empty target", "GET  HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"other expectation", GOOD "Expect: wonders\r\nContent-Length: 0\r\n\r\n"},
    {"two expectations", GOOD "Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n"},
    {"binary", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"},
};
#undef GOOD
#undef LINE

static void malformed_heads_are_refused_and_never_reach_a_handler(void **state)
{
    (void)state;
    int before = atomic_load(&house.handled);
    for (size_t i = 0; i < sizeof probes / sizeof probes[0]; i++) {
        unsigned status = house_ask(&house, probes[i].text);
        if (status < 400 || status > 599 || probe_count(house.answer, "HTTP/1.1 ") != 1)
            fail_msg("%s: %s", probes[i].name, house.answer);
        if (strstr(house.answer, "\r\nConnection: close\r\n") == NULL ||
            strstr(house.answer, "application/problem+json") == NULL)
            fail_msg("%s: %s", probes[i].name, house.answer);
    }
    assert_int_equal(atomic_load(&house.handled), before);
}

static void a_NUL_in_the_head_is_refused(void **state)
{
    (void)state;
    static const char value[] = "GET /livez HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n";
    static const char path[] = "GET /livez\0x HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_int_equal(house_ask_bytes(&house, value, sizeof value - 1), 400);
    assert_int_equal(house_ask_bytes(&house, path, sizeof path - 1), 400);
}

static unsigned ask_with_headers(unsigned count)
{
    static char text[8192];
    size_t len = (size_t)snprintf(text, sizeof text, "GET /livez HTTP/1.1\r\nHost: a\r\n");
    for (unsigned i = 1; i < count; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "X-%u: %u\r\n", i, i);
    snprintf(text + len, sizeof text - len, "\r\n");
    return house_ask(&house, text);
}

static void more_headers_than_fifty_are_refused_whatever_civetweb_keeps(void **state)
{
    (void)state;
    assert_int_equal(ask_with_headers(50), 200);
    assert_int_equal(ask_with_headers(51), 431);
    assert_int_equal(ask_with_headers(63), 431);
    unsigned counts[] = {64, 65, 70, 200};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        assert_true(ask_with_headers(counts[i]) >= 400);
}

static void a_head_of_more_than_16_KiB_is_refused(void **state)
{
    (void)state;
    static char text[20000];
    size_t len = (size_t)snprintf(text, sizeof text, "GET /livez HTTP/1.1\r\nHost: a\r\nX: ");
    memset(text + len, 'x', sizeof text - len - 5);
    memcpy(text + sizeof text - 5, "\r\n\r\n", 5);
    assert_int_equal(house_ask(&house, text), 400);
}

static void paths_match_exactly_as_sent(void **state)
{
    (void)state;
    static const char *const targets[] = {
        "/LIVEZ",    "/livez/",      "//livez",      "/x/../livez",  "/./livez", "/%6civez",     "/livez/x",
        "/livezx",   "/name/",       "/name//",      "/name/..",     "/name/.",  "/name/%2e%2e", "/name/%2E",
        "/name/a/b", "/name/%c3%28", "/name/%c0%80", "/name/%c2%85", "/\\livez", "/livez;x=1",   "/"};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        char text[128];
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", targets[i]);
        if (house_ask(&house, text) != 404)
            fail_msg("%s: %s", targets[i], house.answer);
        assert_non_null(strstr(house.answer, "application/problem+json"));
    }
}

static void captures_are_decoded_once(void **state)
{
    (void)state;
    assert_int_equal(house_ask(&house, "GET /name/a%2Fb%2541%C3%A4+?q=1 HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    assert_non_null(strstr(house.answer, "\r\n\r\na/b%41\xc3\xa4+"));
}

static void a_foreign_path_is_404_in_its_owners_shape_before_any_credential(void **state)
{
    (void)state;
    assert_int_equal(house_ask(&house, "GET /v1/nothing HTTP/1.1\r\nHost: a\r\n\r\n"), 404);
    assert_non_null(strstr(house.answer, "{\"errors\":[\"failure 0\"]}"));
}

static void a_wrong_method_is_405_and_names_the_right_ones(void **state)
{
    (void)state;
    assert_int_equal(house_ask(&house, "DELETE /v1/echo/r HTTP/1.1\r\nHost: a\r\n\r\n"), 405);
    assert_non_null(strstr(house.answer, "\r\nAllow: POST, PUT\r\n"));
    assert_int_equal(house_ask(&house, "OPTIONS /livez HTTP/1.1\r\nHost: a\r\nOrigin: http://x\r\n"
                                       "Access-Control-Request-Method: GET\r\n\r\n"),
                     405);
    assert_non_null(strstr(house.answer, "\r\nAllow: GET, HEAD\r\n"));
    assert_null(strstr(house.answer, "Access-Control"));
}

static void HEAD_is_GET_without_its_body(void **state)
{
    (void)state;
    assert_int_equal(house_ask(&house, "HEAD /livez HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    assert_non_null(strstr(house.answer, "\r\nContent-Length: 11\r\n"));
    assert_string_equal(strstr(house.answer, "\r\n\r\n"), "\r\n\r\n");
    assert_int_equal(house_ask(&house, "HEAD /none HTTP/1.1\r\nHost: a\r\n\r\n"), 404);
    assert_string_equal(strstr(house.answer, "\r\n\r\n"), "\r\n\r\n");
}

static void a_204_has_neither_body_nor_length(void **state)
{
    (void)state;
    assert_int_equal(house_ask(&house, "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"), 204);
    assert_null(strstr(house.answer, "Content-Length"));
}

static void a_handler_that_sets_no_status_is_500(void **state)
{
    (void)state;
    assert_int_equal(house_ask(&house, "GET /forgetful HTTP/1.1\r\nHost: a\r\n\r\n"), 500);
}

static void a_large_reply_arrives_whole(void **state)
{
    (void)state;
    assert_int_equal(house_ask(&house, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    assert_int_equal(strlen(strstr(house.answer, "\r\n\r\n") + 4), 262144);
}

static void HTTP_1_0_closes_unless_asked_to_keep(void **state)
{
    (void)state;
    assert_int_equal(house_ask(&house, "GET /livez HTTP/1.0\r\nHost: a\r\n\r\n"), 200);
    assert_non_null(strstr(house.answer, "\r\nConnection: close\r\n"));
    assert_int_equal(house_ask(&house, "GET /livez HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"),
                     200);
    assert_non_null(strstr(house.answer, "\r\nConnection: keep-alive\r\n"));
}

// What the reply says of the connection is what happens to it.
static void the_connection_header_tells_the_truth(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        bool kept;
    } wishes[] = {{"", true},
                  {"Connection: keep-alive\r\n", true},
                  {"Connection: Keep-Alive\r\n", true},
                  {"Connection: close\r\n", false},
                  {"Connection: keep-alive, close\r\n", false},
                  {"Connection: keep-alive\r\nConnection: close\r\n", false},
                  {"Connection: TE\r\n", false},
                  {"Connection: Upgrade\r\nUpgrade: websocket\r\n", false},
                  {"Connection: Upgrade\r\nUpgrade: h2c\r\n", false},
                  {"Upgrade: h2c\r\n", false}};
    for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++) {
        char text[256];
        snprintf(text, sizeof text, "GET /livez HTTP/1.1\r\nHost: a\r\n%s\r\n", wishes[i].header);
        int client = probe_connect(house.port, NULL);
        for (int round = 0; round < 1 + wishes[i].kept; round++) {
            assert_true(probe_say(client, text));
            probe_reply(client, house.answer, false);
            assert_int_equal(probe_status(house.answer), 200);
            bool said = strstr(house.answer, "\r\nConnection: keep-alive\r\n") != NULL;
            if (said != wishes[i].kept)
                fail_msg("%s: %s", wishes[i].header, house.answer);
        }
        if (!wishes[i].kept)
            assert_int_equal(probe_read(client, house.answer, 0), 0);
        close(client);
    }
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    static const char text[] = "GET /name/one HTTP/1.1\r\nHost: a\r\n\r\n"
                               "POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
                               "HEAD /livez HTTP/1.1\r\nHost: a\r\n\r\n"
                               "GET /name/two HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
                               "GET /name/three HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_int_equal(house_ask(&house, text), 200);
    assert_int_equal(probe_count(house.answer, "HTTP/1.1 200 OK"), 4);
    const char *one = strstr(house.answer, "\r\n\r\none"), *sink = strstr(house.answer, "{\"bytes\":3}"),
               *two = strstr(house.answer, "\r\n\r\ntwo");
    assert_true(one != NULL && sink > one && two > sink);
    assert_null(strstr(house.answer, "three"));
}

// civetweb would parse what an earlier client's pipelined request left in its buffer.
static void leftovers_of_another_connection_are_never_parsed(void **state)
{
    (void)state;
    struct house small;
    struct server_limits limits = house_limits();
    limits.connections = 1;
    house_open(&small, &limits, NULL);
    // The first one is the longer, so that the second one's bytes stay behind where they arrived.
#define FIRST                                                                                                \
    "GET /livez HTTP/1.1\r\nHost: a\r\nX-Padding: "                                                          \
    "0123456789012345678901234567890123456789012345678901234567\r\n\r\n"
    static const char both[] = FIRST "GET /name/stolen HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert_int_equal(house_ask(&small, both), 200);
    assert_non_null(strstr(small.answer, "stolen"));
    char spaces[sizeof FIRST];
    memset(spaces, ' ', sizeof spaces);
    memcpy(spaces + sizeof spaces - 1 - 4, "\r\n\r\n", 5);
#undef FIRST
    house_ask(&small, spaces);
    assert_null(strstr(small.answer, "stolen"));
    assert_int_equal(probe_status(small.answer), 400);
    house_close(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_answered_with_the_headers_of_every_reply),
        cmocka_unit_test(request_ids_are_random_version_4_uuids),
        cmocka_unit_test(malformed_heads_are_refused_and_never_reach_a_handler),
        cmocka_unit_test(a_NUL_in_the_head_is_refused),
        cmocka_unit_test(more_headers_than_fifty_are_refused_whatever_civetweb_keeps),
        cmocka_unit_test(a_head_of_more_than_16_KiB_is_refused),
        cmocka_unit_test(paths_match_exactly_as_sent),
        cmocka_unit_test(captures_are_decoded_once),
        cmocka_unit_test(a_foreign_path_is_404_in_its_owners_shape_before_any_credential),
        cmocka_unit_test(a_wrong_method_is_405_and_names_the_right_ones),
        cmocka_unit_test(HEAD_is_GET_without_its_body),
        cmocka_unit_test(a_204_has_neither_body_nor_length),
        cmocka_unit_test(a_handler_that_sets_no_status_is_500),
        cmocka_unit_test(a_large_reply_arrives_whole),
        cmocka_unit_test(HTTP_1_0_closes_unless_asked_to_keep),
        cmocka_unit_test(the_connection_header_tells_the_truth),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(leftovers_of_another_connection_are_never_parsed),
    };
    return cmocka_run_group_tests(tests, open_house, close_house);
}
