// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A whole server that makes bodies while it sends them.
#include "tests/unit/web/stream_house.h"

static void a_body_of_a_known_length_arrives_whole_and_its_connection_stays(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {0, 1, 65536, 1000003};
    int client = probe_connect(house.port, NULL);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        ask_for(client, GET, &(struct plan){.made = lengths[i], .has_length = true, .length = lengths[i]});
        assert_int_equal(probe_status(house.answer), 200);
        assert_int_equal(announced_length(), (int64_t)lengths[i]);
        assert_non_null(strstr(house.answer, "\r\nContent-Type: text/x-test\r\n"));
        assert_non_null(strstr(house.answer, "\r\nConnection: keep-alive\r\n"));
        assert_null(strstr(house.answer, "Transfer-Encoding"));
        assert_int_equal(read_made(client, 0, lengths[i]), lengths[i]);
        assert_ended_once();
    }
    assert_still_serves(client);
}

static void a_body_of_unknown_length_is_chunked_and_its_connection_stays(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {0, 1, 65536, 1000003};
    int client = probe_connect(house.port, NULL);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        bool whole;
        ask_for(client, GET, &(struct plan){.made = lengths[i]});
        assert_non_null(strstr(house.answer, "\r\nTransfer-Encoding: chunked\r\n"));
        assert_int_equal(announced_length(), -1);
        assert_int_equal(read_chunks(client, &whole), lengths[i]);
        assert_true(whole);
        assert_ended_once();
    }
    assert_still_serves(client);
}

static void HTTP_1_0_gets_a_length_or_the_end_of_the_connection(void **state)
{
    (void)state;
    int client = probe_connect(house.port, NULL);
    ask_for(client, GET_1_0, &(struct plan){.made = 100000});
    assert_null(strstr(house.answer, "Transfer-Encoding"));
    assert_int_equal(announced_length(), -1);
    assert_non_null(strstr(house.answer, "\r\nConnection: close\r\n"));
    assert_int_equal(read_made(client, 0, UINT64_MAX), 100000);
    assert_ended_once();
    close(client);
    client = probe_connect(house.port, NULL);
    ask_for(client, GET_1_0, &(struct plan){.made = 100000, .has_length = true, .length = 100000});
    assert_int_equal(announced_length(), 100000);
    assert_non_null(strstr(house.answer, "\r\nConnection: keep-alive\r\n"));
    assert_int_equal(read_made(client, 0, 100000), 100000);
    assert_ended_once();
    assert_still_serves(client);
}

static void HEAD_tells_the_length_and_makes_nothing(void **state)
{
    (void)state;
    int client = probe_connect(house.port, NULL);
    ask_for(client, HEAD, &(struct plan){.made = 5000, .has_length = true, .length = 123456789012});
    assert_int_equal(probe_status(house.answer), 200);
    assert_int_equal(announced_length(), 123456789012);
    assert_non_null(strstr(house.answer, "\r\nContent-Type: text/x-test\r\n"));
    assert_ended_once();
    ask_for(client, HEAD, &(struct plan){.made = 5000});
    assert_int_equal(announced_length(), -1);
    assert_ended_once();
    assert_int_equal(atomic_load(&calls), 0);
    assert_still_serves(client);
}

static void a_status_without_a_body_makes_nothing(void **state)
{
    (void)state;
    int client = probe_connect(house.port, NULL);
    ask_for(client, GET, &(struct plan){.made = 5000, .status = 304});
    assert_int_equal(probe_status(house.answer), 304);
    assert_ended_once();
    assert_int_equal(atomic_load(&calls), 0);
    assert_still_serves(client);
}

// Before the next request is answered, whose reply would be taken for the rest.
static void a_body_shorter_than_announced_ends_its_connection(void **state)
{
    (void)state;
    static const uint64_t made[] = {0, 1, 65536, 999999};
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        int client = probe_connect(house.port, NULL);
        ask_for(client, GET GET, &(struct plan){.made = made[i], .has_length = true, .length = 1000000});
        assert_int_equal(read_made(client, 0, UINT64_MAX), made[i]);
        assert_ended_once();
        close(client);
    }
}

static void a_body_longer_than_announced_never_shows_a_byte_of_it(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {0, 1, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        int client = probe_connect(house.port, NULL);
        const uint64_t whole_pieces = lengths[i] / PIECE * PIECE;
        ask_for(client, GET, &(struct plan){.made = 9 * PIECE, .has_length = true, .length = lengths[i]});
        assert_int_equal(announced_length(), (int64_t)lengths[i]);
        assert_int_equal(read_made(client, 0, UINT64_MAX), whole_pieces); // and then the end
        assert_ended_once();
        close(client);
    }
}

static void a_producer_that_fails_cuts_the_body(void **state)
{
    (void)state;
    static const uint64_t made[] = {0, PIECE, 500000};
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        bool whole;
        int client = probe_connect(house.port, NULL);
        ask_for(client, GET,
                &(struct plan){.made = made[i], .fails = true, .has_length = true, .length = made[i] + 1});
        assert_int_equal(read_made(client, 0, UINT64_MAX), made[i]);
        assert_ended_once();
        close(client);
        client = probe_connect(house.port, NULL);
        ask_for(client, GET GET, &(struct plan){.made = made[i], .fails = true});
        assert_int_equal(read_chunks(client, &whole), made[i]);
        assert_false(whole);
        assert_ended_once();
        close(client);
    }
}

static void a_reply_with_a_body_of_both_kinds_is_a_500(void **state)
{
    (void)state;
    int client = probe_connect(house.port, NULL);
    ask_for(client, GET, &(struct plan){.made = 1000, .and_body = true});
    assert_int_equal(probe_status(house.answer), 500);
    assert_ended_once();
    assert_int_equal(atomic_load(&calls), 0);
    close(client);
}

static void no_byte_leaves_before_the_audit_line(void **state)
{
    (void)state;
    struct server_limits limits = house_limits();
    struct house broken;
    house_open(&broken, &limits, NULL);
    house_break_audit(&broken);
    set_plan(&(struct plan){.made = 1000});
    assert_int_equal(house_ask(&broken, "GET /audited HTTP/1.1\r\nHost: a\r\n\r\n"), 503);
    assert_null(strstr(broken.answer, "text/x-test"));
    assert_ended_once();
    assert_int_equal(atomic_load(&calls), 0);
    house_close(&broken);
}

static void pieces_are_wiped_before_the_next_is_made(void **state)
{
    (void)state;
    int client = probe_connect(house.port, NULL);
    ask_for(client, GET, &(struct plan){.made = 1000000, .looks_for_leftovers = true});
    bool whole;
    assert_int_equal(read_chunks(client, &whole), 1000000);
    assert_true(whole);
    assert_ended_once();
    close(client);
}

static void headers_of_the_handler_are_sent_and_its_Cache_Control_is_the_only_one(void **state)
{
    (void)state;
    int client = probe_connect(house.port, NULL);
    ask_for(client, GET, &(struct plan){.made = 10, .status = 206, .cache_control = "no-cache"});
    assert_non_null(strstr(house.answer, "HTTP/1.1 206 Partial Content\r\n"));
    assert_non_null(strstr(house.answer, "\r\nCache-Control: no-cache\r\n"));
    assert_int_equal(probe_count(house.answer, "Cache-Control"), 1);
    close(client);
    assert_ended_once();
}

// The largest resident set since it was last forgotten.
static long peak_kib(bool forget)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (forget && file != NULL)
        fputs("5", file);
    fclose(file);
    char line[128];
    long kib = -1;
    file = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, file) != NULL)
        sscanf(line, "VmHWM: %ld", &kib);
    fclose(file);
    return kib;
}

static void a_hundred_megabytes_pass_through_flat_memory(void **state)
{
    (void)state;
    const uint64_t length = 100 * 1000 * 1000;
    int client = probe_connect(house.port, NULL);
    for (int turn = 0; turn < 2; turn++) {
        const bool chunked = turn == 1;
        const long before = peak_kib(true);
        bool whole = true;
        ask_for(client, GET, &(struct plan){.made = length, .has_length = !chunked, .length = length});
        assert_int_equal(chunked ? read_chunks(client, &whole) : read_made(client, 0, length), length);
        assert_true(whole);
        assert_ended_once();
        assert_in_range(peak_kib(false) - before, 0, 8 * 1024);
    }
    close(client);
}

static void two_streams_do_not_disturb_each_other(void **state)
{
    (void)state;
    set_plan(&(struct plan){.made = 5000000, .has_length = true, .length = 5000000});
    int clients[2];
    for (size_t i = 0; i < 2; i++) {
        clients[i] = probe_connect(house.port, NULL);
        assert_true(probe_say(clients[i], GET));
        read_head(clients[i]);
    }
    for (uint64_t at = 0; at < 5000000; at += 100000) {
        for (size_t i = 0; i < 2; i++)
            assert_int_equal(read_made(clients[i], at, 100000), 100000);
    }
    for (size_t i = 0; i < 2; i++)
        close(clients[i]);
    assert_ended(2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_of_a_known_length_arrives_whole_and_its_connection_stays),
        cmocka_unit_test(a_body_of_unknown_length_is_chunked_and_its_connection_stays),
        cmocka_unit_test(HTTP_1_0_gets_a_length_or_the_end_of_the_connection),
        cmocka_unit_test(HEAD_tells_the_length_and_makes_nothing),
        cmocka_unit_test(a_status_without_a_body_makes_nothing),
        cmocka_unit_test(a_body_shorter_than_announced_ends_its_connection),
        cmocka_unit_test(a_body_longer_than_announced_never_shows_a_byte_of_it),
        cmocka_unit_test(a_producer_that_fails_cuts_the_body),
        cmocka_unit_test(a_reply_with_a_body_of_both_kinds_is_a_500),
        cmocka_unit_test(no_byte_leaves_before_the_audit_line),
        cmocka_unit_test(pieces_are_wiped_before_the_next_is_made),
        cmocka_unit_test(headers_of_the_handler_are_sent_and_its_Cache_Control_is_the_only_one),
        cmocka_unit_test(a_hundred_megabytes_pass_through_flat_memory),
        cmocka_unit_test(two_streams_do_not_disturb_each_other),
    };
    return cmocka_run_group_tests(tests, open_stream_house, close_house);
}
