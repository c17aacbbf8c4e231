// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A whole server: how it starts, stops and forgets.
#include "tests/unit/web/probe.h"

#include <pthread.h>

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
    char expected[128];
    snprintf(expected, sizeof expected, "cannot listen on 127.0.0.1:%u: Address already in use", house.port);
    assert_int_equal(server_start(&options, &server, &diag), ERR_IO);
    assert_string_equal(diag.text, expected);
}

static unsigned ask_over(int client, const char *request)
{
    house.answer[0] = '\0';
    if (!probe_say(client, request))
        return 0;
    probe_reply(client, house.answer, false);
    return probe_status(house.answer);
}

static void assert_turned_away(const char *source)
{
    int client = probe_connect(house.port, source);
    assert_int_equal(probe_drain(client, house.answer), 0);
    close(client);
}

static void connections_per_address_can_be_replaced_and_those_that_stand_stay(void **state)
{
    (void)state;
    static const char get[] = "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n";
    struct server_limits limits = house_limits();
    int first = probe_connect(house.port, "127.0.0.7"), second = probe_connect(house.port, "127.0.0.7");
    assert_int_equal(ask_over(first, get), 200);
    assert_int_equal(ask_over(second, get), 200);
    for (limits.connections_per_address = 2; limits.connections_per_address > 0;
         limits.connections_per_address--) {
        server_reload_limits(house.server, &limits);
        assert_turned_away("127.0.0.7");
        assert_int_equal(ask_over(first, get), 200);
        assert_int_equal(ask_over(second, get), 200);
    }
    limits = house_limits();
    server_reload_limits(house.server, &limits);
    int third = probe_connect(house.port, "127.0.0.7");
    assert_int_equal(ask_over(third, get), 200);
    close(third);
    close(second);
    close(first);
}

static void memory_in_flight_can_be_replaced(void **state)
{
    (void)state;
    static const char post[] = "POST /json HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}";
    struct server_limits limits = house_limits();
    limits.memory_in_flight_bytes = 1;
    server_reload_limits(house.server, &limits);
    int client = probe_connect(house.port, NULL);
    assert_int_equal(ask_over(client, post), 503);
    close(client);
    limits = house_limits();
    server_reload_limits(house.server, &limits);
    client = probe_connect(house.port, NULL);
    assert_int_equal(ask_over(client, post), 200);
    close(client);
}

static void a_drain_timeout_that_was_replaced_holds_at_the_stop(void **state)
{
    (void)state;
    struct house slow;
    struct server_limits limits = house_limits();
    house_open(&slow, &limits, NULL);
    atomic_store(&slow.slow_ms, 4000);
    int busy = probe_connect(slow.port, NULL);
    assert_true(probe_say(busy, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"));
    while (atomic_load(&slow.handled) == 0)
        usleep(1000);
    limits.drain_timeout_s = 1;
    server_reload_limits(slow.server, &limits);
    assert_int_equal(server_stop(slow.server), 1);
    slow.server = NULL;
    close(busy);
    house_close(&slow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stopping_lets_a_slow_reply_out_and_turns_newcomers_away),
        cmocka_unit_test(nothing_a_client_sent_stays_in_memory),
        cmocka_unit_test(rows_that_say_too_little_stop_the_start),
        cmocka_unit_test(a_port_in_use_is_an_error_in_words),
        cmocka_unit_test(connections_per_address_can_be_replaced_and_those_that_stand_stay),
        cmocka_unit_test(memory_in_flight_can_be_replaced),
        cmocka_unit_test(a_drain_timeout_that_was_replaced_holds_at_the_stop),
    };
    return cmocka_run_group_tests(tests, open_house, close_house);
}
