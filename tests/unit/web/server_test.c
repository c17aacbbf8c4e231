// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A whole server, asked over raw sockets.
#include "tests/unit/web/probe.h"

#include "appliance/base/codec.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <time.h>

static struct house house;

static int open_house(void **state)
{
    (void)state;
    struct server_limits limits = house_limits();
    house_open(&house, &limits, NULL);
    return 0;
}

static int close_house(void **state)
{
    (void)state;
    house_close(&house);
    return 0;
}

// A request with a good token, an open connection wish, and what the caller adds.
static const char *authorized(const char *request_line, const char *more)
{
    static char text[400000];
    snprintf(text, sizeof text, "%s\r\nHost: a\r\nX-Vault-Token: %s\r\n%s", request_line, house.token.text,
             more);
    return text;
}

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
static void malformed_heads_are_refused_and_never_reach_a_handler(void **state)
{
    (void)state;
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
        {"two expectations",
         GOOD "Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n"},
        {"binary", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"},
    };
#undef GOOD
#undef LINE
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

static void absolute_targets_and_asterisk_reach_nothing(void **state)
{
    (void)state;
    static const char *const targets[] = {"http://evil.example/livez", "*", "http://a:1/livez"};
    int before = atomic_load(&house.handled);
    for (size_t i = 0; i < 3; i++) {
        char text[128];
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", targets[i]);
        assert_int_not_equal(house_ask(&house, text), 200);
    }
    assert_int_equal(atomic_load(&house.handled), before);
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

static void a_body_is_read_whole(void **state)
{
    (void)state;
    static char body[150001];
    memset(body, 'x', sizeof body - 1);
    char head[64];
    snprintf(head, sizeof head, "POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n",
             sizeof body - 1);
    int client = probe_connect(house.port, NULL);
    assert_true(probe_say(client, head) && probe_say(client, body));
    probe_reply(client, house.answer, false);
    assert_non_null(strstr(house.answer, "{\"bytes\":150000}"));
    assert_true(probe_say(client, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"));
    probe_reply(client, house.answer, false);
    assert_int_equal(probe_status(house.answer), 200);
    close(client);
}

static void a_chunked_body_is_read_whole_and_ends_its_connection(void **state)
{
    (void)state;
    static const char text[] = "POST /sink HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
                               "5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n"
                               "GET /name/smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_int_equal(house_ask(&house, text), 200);
    assert_non_null(strstr(house.answer, "{\"bytes\":15}"));
    assert_non_null(strstr(house.answer, "\r\nConnection: close\r\n"));
    assert_null(strstr(house.answer, "smuggled"));
}

static void malformed_chunks_are_400_and_the_end(void **state)
{
    (void)state;
    static const char *const bodies[] = {"5\r\nhell",
                                         "0x5\r\nhello\r\n0\r\n\r\n",
                                         "-1\r\nhello\r\n0\r\n\r\n",
                                         "0_5\r\nhello\r\n0\r\n\r\n",
                                         "5\nhello\n0\n\n",
                                         "5\r\nhelloX0\r\n\r\n",
                                         "\r\nhello\r\n0\r\n\r\n",
                                         "5;x=y\r\nhello\r\n0\r\n\r\n",
                                         " 5\r\nhello\r\n0\r\n\r\n",
                                         "5 \r\nhello\r\n0\r\n\r\n",
                                         "g\r\nhello\r\n0\r\n\r\n",
                                         "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
                                         "7fffffffffffffff\r\nhello\r\n",
                                         "5\r\nhello",
                                         "5\r\nhello\r\n",
                                         ""};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        char text[256];
        snprintf(text, sizeof text, "POST /sink HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%s",
                 bodies[i]);
        unsigned status = house_ask(&house, text);
        if (status < 400 || status >= 500 || strstr(house.answer, "\r\nConnection: close\r\n") == NULL)
            fail_msg("%s: %s", bodies[i], house.answer);
    }
}

static void a_body_shorter_than_announced_is_400(void **state)
{
    (void)state;
    int before = atomic_load(&house.handled);
    assert_int_equal(house_ask(&house, "POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nshort"),
                     400);
    assert_int_equal(atomic_load(&house.handled), before);
}

static void a_body_without_a_length_is_411(void **state)
{
    (void)state;
    assert_int_equal(
        house_ask(&house, "POST /sink HTTP/1.1\r\nHost: a\r\n\r\nGET /livez HTTP/1.1\r\nHost: a\r\n\r\n"),
        411);
    assert_int_equal(probe_count(house.answer, "HTTP/1.1 "), 1);
}

static void a_body_over_the_limit_is_413_announced_or_not(void **state)
{
    (void)state;
    static char text[300000];
    assert_int_equal(house_ask(&house, "POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 200001\r\n\r\n"),
                     413);
    assert_non_null(strstr(house.answer, "\r\nConnection: close\r\n"));
    size_t len = (size_t)snprintf(
        text, sizeof text, "POST /sink HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n30d41\r\n");
    memset(text + len, 'x', 200001);
    snprintf(text + len + 200001, sizeof text - len - 200001, "\r\n0\r\n\r\n");
    assert_int_equal(house_ask(&house, text), 413);
    memcpy(strstr(text, "30d41"), "30d40", 5);
    snprintf(text + len + 200000, sizeof text - len - 200000, "\r\n0\r\n\r\n");
    assert_int_equal(house_ask(&house, text), 200);
    assert_int_equal(house_ask(&house, "GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"), 413);
}

static void an_expected_continue_is_sent_before_the_body_is_read(void **state)
{
    (void)state;
    int client = probe_connect(house.port, NULL);
    assert_true(probe_say(client, "POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                                  "Expect: 100-Continue\r\n\r\n"));
    size_t len = probe_read(client, house.answer, 0);
    house.answer[len] = '\0';
    assert_string_equal(house.answer, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_true(probe_say(client, "hello"));
    probe_reply(client, house.answer, false);
    assert_non_null(strstr(house.answer, "{\"bytes\":5}"));
    close(client);
}

static void a_refused_request_gets_no_continue(void **state)
{
    (void)state;
    int client = probe_connect(house.port, NULL);
    assert_true(probe_say(client, "POST /v1/echo/r HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                                  "Content-Type: application/json\r\nExpect: 100-continue\r\n\r\n"));
    probe_drain(client, house.answer);
    assert_int_equal(probe_status(house.answer), 401);
    close(client);
}

// Longer than the deadline in small pieces: a limit per read would never be reached.
static void a_body_that_drips_ends_at_the_deadline(void **state)
{
    (void)state;
    struct house quick;
    struct server_limits limits = house_limits();
    limits.header_timeout_s = 1;
    house_open(&quick, &limits, NULL);
    int client = probe_connect(quick.port, NULL);
    assert_true(probe_say(client, "POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"));
    struct pollfd ready = {.fd = client, .events = POLLIN};
    for (int i = 0; i < 600 && poll(&ready, 1, 100) == 0; i++)
        probe_say(client, "x");
    probe_drain(client, quick.answer);
    assert_int_equal(probe_status(quick.answer), 408);
    assert_int_equal(atomic_load(&quick.handled), 0);
    close(client);
    house_close(&quick);
}

static void a_reader_that_never_reads_frees_its_worker_at_the_deadline(void **state)
{
    (void)state;
    struct house quick;
    struct server_limits limits = house_limits();
    limits.header_timeout_s = 1;
    limits.connections = 1;
    house_open(&quick, &limits, NULL);
    int sleeper = probe_connect(quick.port, NULL);
    for (int i = 0; i < 40; i++) // more than the sockets' buffers take
        probe_say(sleeper, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(house_ask(&quick, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    close(sleeper);
    house_close(&quick);
}

static void silent_connections_of_one_address_leave_workers_for_others(void **state)
{
    (void)state;
    struct house small;
    struct server_limits limits = house_limits();
    limits.connections = 4;
    limits.connections_per_address = 2;
    limits.header_timeout_s = 3000;
    house_open(&small, &limits, NULL);
    int silent[12];
    for (size_t i = 0; i < 12; i++)
        silent[i] = probe_connect(small.port, NULL);
    int honest = probe_connect(small.port, "127.0.0.2");
    assert_true(probe_say(honest, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"));
    probe_reply(honest, small.answer, false);
    assert_int_equal(probe_status(small.answer), 200);
    close(honest);
    unsigned ended = 0;
    for (size_t i = 0; i < 12; i++) {
        struct pollfd ready = {.fd = silent[i], .events = POLLIN};
        ended += poll(&ready, 1, i < 2 ? 0 : GIVE_UP_MS) == 1;
    }
    assert_int_equal(ended, 10);
    for (size_t i = 0; i < 12; i++)
        close(silent[i]);
    house_close(&small);
}

static void an_unknown_caller_is_401_and_audited(void **state)
{
    (void)state;
    static const char *const credentials[] = {
        "", "X-Vault-Token: sym.1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n",
        "Authorization: Basic OmE=\r\n"};
    for (size_t i = 0; i < 3; i++) {
        char text[256];
        snprintf(text, sizeof text, "GET /v1/name/x HTTP/1.1\r\nHost: a\r\n%s\r\n", credentials[i]);
        assert_int_equal(house_ask(&house, text), 401);
    }
    char *line = house.answer;
    FILE *file = fopen(house.audit_path, "r");
    assert_non_null(file);
    size_t len = fread(line, 1, ANSWER_BYTES - 1, file);
    line[len] = '\0';
    fclose(file);
    assert_non_null(strstr(line, "authentication_failed"));
    assert_null(strstr(line, "AAAAAAAA"));
}

static void a_client_of_another_API_is_401(void **state)
{
    (void)state;
    char text[256];
    snprintf(text, sizeof text, "GET /v1/name/x HTTP/1.1\r\nHost: a\r\nX-Vault-Token: %s\r\n\r\n",
             house.other_token.text);
    assert_int_equal(house_ask(&house, text), 401);
}

static void a_known_caller_is_served_by_either_header(void **state)
{
    (void)state;
    char text[512];
    assert_int_equal(house_ask(&house, authorized("GET /v1/name/x HTTP/1.1", "\r\n")), 200);
    snprintf(text, sizeof text, "GET /v1/name/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n\r\n",
             house.token.text);
    assert_int_equal(house_ask(&house, text), 200);
}

static void a_missing_permission_is_403_before_the_media_type(void **state)
{
    (void)state;
    assert_int_equal(house_ask(&house, authorized("POST /v1/open/r HTTP/1.1", "Content-Length: 2\r\n\r\n{}")),
                     403);
}

static void a_wrong_media_type_is_415(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        unsigned status;
    } types[] = {{"", 415},
                 {"Content-Type: text/plain\r\n", 415},
                 {"Content-Type: application/jsonx\r\n", 415},
                 {"Content-Type: application/json; charset=latin1\r\n", 415},
                 {"Content-Type: application/json; x=y\r\n", 415},
                 {"Content-Type: application/json\r\nContent-Type: application/json\r\n", 415},
                 {"Content-Type: application/json\r\n", 200},
                 {"Content-Type: Application/JSON;charset=UTF-8\r\n", 200},
                 {"Content-Type: application/json; charset=\"utf-8\"\r\n", 200}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        char more[256];
        snprintf(more, sizeof more, "%sContent-Length: 2\r\n\r\n{}", types[i].type);
        if (house_ask(&house, authorized("PUT /v1/echo/r HTTP/1.1", more)) != types[i].status)
            fail_msg("%s: %s", types[i].type, house.answer);
    }
}

// A WP3 request over this body, whose digest covers `signed_body`.
static unsigned ask_signed(const char *body, size_t count, const char *signed_body, size_t signed_count)
{
    static char text[200000];
    char timestamp[16], hex[129];
    uint8_t digest[64];
    snprintf(timestamp, sizeof timestamp, "%010lld", (long long)time(NULL));
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    EVP_DigestInit_ex(hash, EVP_sha512(), NULL);
    EVP_DigestUpdate(hash, house.card_key.text, house.card_key.len);
    EVP_DigestUpdate(hash, timestamp, strlen(timestamp));
    EVP_DigestUpdate(hash, house.card_id.text, house.card_id.len);
    EVP_DigestUpdate(hash, "/v2/signed", strlen("/v2/signed"));
    EVP_DigestUpdate(hash, signed_body, signed_count);
    EVP_DigestFinal_ex(hash, digest, NULL);
    EVP_MD_CTX_free(hash);
    hex_encode(digest, sizeof digest, hex);
    int len = snprintf(text, sizeof text,
                       "POST /v2/signed HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                       "Authorization: WP3-v2.1 %s %s %s\r\nContent-Length: %zu\r\n\r\n",
                       house.card_id.text, timestamp, hex, count);
    memcpy(text + len, body, count);
    return house_ask_bytes(&house, text, (size_t)len + count);
}

static void a_signed_body_is_accepted_and_a_changed_one_is_not(void **state)
{
    (void)state;
    assert_int_equal(ask_signed("{\"a\":1}", 7, "{\"a\":1}", 7), 200);
    assert_int_equal(ask_signed("{\"a\":2}", 7, "{\"a\":1}", 7), 401);
    assert_int_equal(ask_signed("{\"a\":1} ", 8, "{\"a\":1}", 7), 401);
    assert_int_equal(ask_signed("{\"a\":1]", 7, "{\"a\":1]", 7), 400);
}

// The row allows 100,000 bytes, but strangers may not make us hold that much.
static void a_signed_body_over_64_KiB_is_413_whatever_the_row_allows(void **state)
{
    (void)state;
    static char body[65537];
    memset(body, ' ', sizeof body);
    memcpy(body, "[]", 2);
    assert_int_equal(ask_signed(body, 65536, body, 65536), 200);
    assert_int_equal(ask_signed(body, 65537, body, 65537), 413);
}

static void an_audited_request_without_a_working_audit_file_is_503(void **state)
{
    (void)state;
    struct house broken;
    struct server_limits limits = house_limits();
    house_open(&broken, &limits, NULL);
    // A descriptor of the audit file that can no longer be written.
    char link_text[64], target[128];
    for (int fd = 3; fd < 64; fd++) {
        snprintf(link_text, sizeof link_text, "/proc/self/fd/%d", fd);
        ssize_t len = readlink(link_text, target, sizeof target - 1);
        target[len > 0 ? len : 0] = '\0';
        if (strstr(target, broken.audit_path) == NULL)
            continue;
        FILE *full = fopen("/dev/full", "w");
        assert_true(full != NULL && dup2(fileno(full), fd) == fd);
        fclose(full);
    }
    char text[512];
    snprintf(text, sizeof text,
             "POST /v1/echo/r HTTP/1.1\r\nHost: a\r\nX-Vault-Token: %s\r\nContent-Type: application/json\r\n"
             "Content-Length: 2\r\n\r\n{}",
             broken.token.text);
    assert_int_equal(house_ask(&broken, text), 503);
    assert_non_null(strstr(broken.answer, "failure 13"));
    assert_null(strstr(broken.answer, "bytes"));
    house_close(&broken);
}

static void bodies_beyond_the_memory_budget_are_503_with_a_time_to_come_back(void **state)
{
    (void)state;
    struct house poor;
    struct server_limits limits = house_limits();
    limits.memory_in_flight_bytes = 30000;
    house_open(&poor, &limits, NULL);
    static char body[10002];
    memset(body, 'x', sizeof body - 1);
    for (size_t count = 10000; count <= 10001; count++) {
        char head[128];
        snprintf(head, sizeof head, "POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", count);
        int client = probe_connect(poor.port, NULL);
        probe_say(client, head);
        probe_send(client, body, count);
        probe_reply(client, poor.answer, false);
        assert_int_equal(probe_status(poor.answer), count == 10000 ? 200 : 503);
        close(client);
    }
    assert_non_null(strstr(poor.answer, "\r\nRetry-After: 1\r\n"));
    house_close(&poor);
}

static void *stop_house(void *context)
{
    struct house *stopping = context;
    assert_int_equal(server_stop(stopping->server), 0);
    return NULL;
}

static void stopping_lets_a_slow_reply_out_and_turns_newcomers_away(void **state)
{
    (void)state;
    struct house slow;
    struct server_limits limits = house_limits();
    house_open(&slow, &limits, NULL);
    atomic_store(&slow.slow_ms, 1500);
    int kept = probe_connect(slow.port, NULL), busy = probe_connect(slow.port, NULL);
    assert_true(probe_say(kept, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"));
    probe_reply(kept, slow.answer, false);
    int before = atomic_load(&slow.handled);
    assert_true(probe_say(busy, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"));
    while (atomic_load(&slow.handled) == before)
        usleep(1000);
    pthread_t stopper;
    assert_int_equal(pthread_create(&stopper, NULL, stop_house, &slow), 0);
    usleep(200000);
    assert_true(probe_say(kept, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"));
    probe_drain(kept, slow.answer);
    assert_int_equal(probe_status(slow.answer), 503);
    assert_non_null(strstr(slow.answer, "\r\nConnection: close\r\n"));
    probe_drain(busy, slow.answer);
    assert_int_equal(probe_status(slow.answer), 200);
    assert_non_null(strstr(slow.answer, "slow but sure"));
    pthread_join(stopper, NULL);
    slow.server = NULL;
    close(busy);
    close(kept);
    house_close(&slow);
}

// Never in memory in clear on this side: the pattern is made byte by byte.
static char marker_byte(size_t i)
{
    return (char)('A' + (i * 7 + 3) % 26);
}

enum { MARKER_BYTES = 48 };

static bool is_marker(const char *at)
{
    for (size_t i = 0; i < MARKER_BYTES; i++) {
        if (at[i] != marker_byte(i))
            return false;
    }
    return true;
}

// How often the marker stands in this process's writable memory.
static unsigned count_markers(void)
{
    unsigned count = 0;
    FILE *maps = fopen("/proc/self/maps", "r"), *memory = fopen("/proc/self/mem", "r");
    assert_true(maps != NULL && memory != NULL);
    enum { PIECE = 1 << 20 };
    char *piece = malloc(PIECE), line[512];
    unsigned long start, end;
    while (fgets(line, sizeof line, maps) != NULL) {
        char mode[5];
        if (sscanf(line, "%lx-%lx %4s", &start, &end, mode) != 3 || mode[1] != 'w' || end - start > 1ul << 30)
            continue;
        for (unsigned long at = start; at < end; at += PIECE - MARKER_BYTES) {
            ssize_t got = pread(fileno(memory), piece, at + PIECE < end ? PIECE : end - at, (off_t)at);
            bool own = at <= (unsigned long)piece && (unsigned long)piece < at + PIECE;
            for (ssize_t i = 0; !own && i + MARKER_BYTES <= got; i++)
                count += is_marker(piece + i);
        }
        wipe(piece, PIECE);
    }
    free(piece);
    fclose(maps);
    fclose(memory);
    return count;
}

// Behind a padding, because an allocator overwrites the beginning of what is freed.
#define PADDING "012345678901234567890123"

// Bodies, credentials, captures and replies: 3 requests on a kept connection, one of them pipelined.
static void nothing_a_client_sent_stays_in_memory(void **state)
{
    (void)state;
    static const char *const before[] = {
        "POST /json HTTP/1.1\r\nHost: a\r\nContent-Length: 74\r\n\r\n\"" PADDING, "GET /name/" PADDING,
        "GET /v1/name/x HTTP/1.1\r\nHost: a\r\nX-Vault-Token: " PADDING};
    static const char *const after[] = {
        "\"", " HTTP/1.1\r\nHost: a\r\n\r\nGET /livez HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\n"};
    for (size_t i = 0; i < 3; i++) {
        char marker[MARKER_BYTES + 1] = "", text[512];
        for (size_t j = 0; j < MARKER_BYTES; j++)
            marker[j] = marker_byte(j);
        snprintf(text, sizeof text, "%s%s%s", before[i], marker, after[i]);
        if (i == 0)
            assert_true(count_markers() >= 2); // the search works
        int client = probe_connect(house.port, NULL);
        assert_true(probe_say(client, text));
        wipe(text, sizeof text);
        wipe(marker, sizeof marker);
        probe_reply(client, house.answer, false);
        wipe(house.answer, ANSWER_BYTES);
        shutdown(client, SHUT_WR);
        probe_drain(client, house.answer); // its end is the end of the connection on the other side
        wipe(house.answer, ANSWER_BYTES);
        close(client);
    }
    assert_int_equal(count_markers(), 0);
}

static void rows_that_say_too_little_stop_the_start(void **state)
{
    (void)state;
    static const struct route wrong[] = {
        {HTTP_GET, NULL, PERMISSION_PUBLIC, AUDIT_NONE, 0, MEDIA_NONE, house_echo},
        {HTTP_GET, "/x", 0, AUDIT_NONE, 0, MEDIA_NONE, house_echo},
        {HTTP_GET, "/x", PERMISSION_PUBLIC, AUDIT_NONE, 0, MEDIA_NONE, NULL},
        {HTTP_GET, "/x", PERMISSION_PUBLIC, AUDIT_NONE, 10, MEDIA_NONE, house_echo},
        {HTTP_GET, "/x", PERMISSION_READ, AUDIT_NONE, 0, MEDIA_NONE, house_echo},
        {HTTP_GET, "/x", PERMISSION_PUBLIC, AUDIT_START, 0, MEDIA_NONE, house_echo},
        {0, "/x", PERMISSION_PUBLIC, AUDIT_NONE, 0, MEDIA_NONE, house_echo},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const struct api api = {.name = "wrong", .routes = &wrong[i], .route_count = 1};
        const struct api *const apis[] = {&api};
        const struct server_options options = {.address = "127.0.0.1",
                                               .limits = house_limits(),
                                               .apis = apis,
                                               .api_count = 1,
                                               .clock = clock_system()};
        struct server *server = NULL;
        struct diag diag = {0};
        assert_int_equal(server_start(&options, &server, &diag), ERR_CONFIG);
        assert_string_not_equal(diag.text, "");
        assert_null(server);
    }
}

static void a_port_in_use_is_an_error_in_words(void **state)
{
    (void)state;
    const struct server_options options = {
        .address = "127.0.0.1", .port = house.port, .limits = house_limits(), .clock = clock_system()};
    struct server *server = NULL;
    struct diag diag = {0};
    assert_int_equal(server_start(&options, &server, &diag), ERR_IO);
    assert_non_null(strstr(diag.text, "127.0.0.1"));
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
        cmocka_unit_test(absolute_targets_and_asterisk_reach_nothing),
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
        cmocka_unit_test(a_body_is_read_whole),
        cmocka_unit_test(a_chunked_body_is_read_whole_and_ends_its_connection),
        cmocka_unit_test(malformed_chunks_are_400_and_the_end),
        cmocka_unit_test(a_body_shorter_than_announced_is_400),
        cmocka_unit_test(a_body_without_a_length_is_411),
        cmocka_unit_test(a_body_over_the_limit_is_413_announced_or_not),
        cmocka_unit_test(an_expected_continue_is_sent_before_the_body_is_read),
        cmocka_unit_test(a_refused_request_gets_no_continue),
        cmocka_unit_test(a_body_that_drips_ends_at_the_deadline),
        cmocka_unit_test(a_reader_that_never_reads_frees_its_worker_at_the_deadline),
        cmocka_unit_test(silent_connections_of_one_address_leave_workers_for_others),
        cmocka_unit_test(an_unknown_caller_is_401_and_audited),
        cmocka_unit_test(a_client_of_another_API_is_401),
        cmocka_unit_test(a_known_caller_is_served_by_either_header),
        cmocka_unit_test(a_missing_permission_is_403_before_the_media_type),
        cmocka_unit_test(a_wrong_media_type_is_415),
        cmocka_unit_test(a_signed_body_is_accepted_and_a_changed_one_is_not),
        cmocka_unit_test(a_signed_body_over_64_KiB_is_413_whatever_the_row_allows),
        cmocka_unit_test(an_audited_request_without_a_working_audit_file_is_503),
        cmocka_unit_test(bodies_beyond_the_memory_budget_are_503_with_a_time_to_come_back),
        cmocka_unit_test(stopping_lets_a_slow_reply_out_and_turns_newcomers_away),
        cmocka_unit_test(nothing_a_client_sent_stays_in_memory),
        cmocka_unit_test(rows_that_say_too_little_stop_the_start),
        cmocka_unit_test(a_port_in_use_is_an_error_in_words),
    };
    return cmocka_run_group_tests(tests, open_house, close_house);
}
