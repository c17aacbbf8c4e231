// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A whole server, asked over raw sockets: bodies, deadlines, limits.
#include "tests/unit/web/probe.h"

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

static void bodies_beyond_the_memory_budget_are_503_with_a_time_to_come_back(void **state)
{
    (void)state;
    struct house poor;
    struct server_limits limits = house_limits();
    limits.memory_in_flight_bytes = 100000;
    house_open(&poor, &limits, NULL);
    static char body[100001];
    memset(body, 'x', sizeof body - 1);
    for (size_t count = 10000; count <= 100000; count *= 10) {
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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
        cmocka_unit_test(bodies_beyond_the_memory_budget_are_503_with_a_time_to_come_back),
    };
    return cmocka_run_group_tests(tests, open_house, close_house);
}
