// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A whole server, asked over raw sockets: who may do what, and what is written down.
#include "tests/unit/web/probe.h"

#include "appliance/base/codec.h"

#include <openssl/evp.h>
#include <time.h>

// A request with a good token, an open connection wish, and what the caller adds.
static const char *authorized(const char *request_line, const char *more)
{
    static char text[400000];
    snprintf(text, sizeof text, "%s\r\nHost: a\r\nX-Vault-Token: %s\r\n%s", request_line, house.token.text,
             more);
    return text;
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

// More guessers at once than may wait: some are turned away, and who has a credential is served meanwhile.
static void guessers_beyond_the_waiting_room_are_429(void **state)
{
    (void)state;
    enum { GUESSERS = 60, GUESSES = 12 };
    struct house large;
    struct server_limits limits = house_limits();
    limits.connections = GUESSERS + 4;
    house_open(&large, &limits, NULL);
    BUF guesses = {0};
    for (size_t i = 0; i < GUESSES; i++)
        buf_text(&guesses, "GET /v1/name/x HTTP/1.1\r\nHost: a\r\nX-Vault-Token: guess\r\n\r\n");
    int guesser[GUESSERS];
    for (size_t i = 0; i < GUESSERS; i++) {
        guesser[i] = probe_connect(large.port, NULL);
        assert_true(probe_send(guesser[i], guesses.at, guesses.len));
        shutdown(guesser[i], SHUT_WR);
    }
    assert_int_equal(house_ask(&large, authorized("GET /livez HTTP/1.1", "\r\n")), 200);
    unsigned throttled = 0, refused = 0;
    for (size_t i = 0; i < GUESSERS; i++) {
        probe_drain(guesser[i], large.answer);
        throttled += probe_count(large.answer, "HTTP/1.1 429 ");
        refused += probe_count(large.answer, "HTTP/1.1 401 ");
        assert_int_equal(probe_count(large.answer, "HTTP/1.1 429 "),
                         probe_count(large.answer, "\r\nRetry-After: 1\r\n"));
        close(guesser[i]);
    }
    assert_true(throttled > 0 && refused > 0);
    assert_int_equal(throttled + refused, GUESSERS * GUESSES);
    house_close(&large);
}

static int64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * (int64_t)1000000000 + now.tv_nsec;
}

// However long the machine takes for them: no more than the rate and one burst are served.
static void a_client_over_its_rate_is_429_and_no_other_client_notices(void **state)
{
    (void)state;
    enum { REQUESTS = 60, RATE = 2 };
    BUF requests = {0};
    for (size_t i = 0; i < REQUESTS; i++)
        buf_printf(&requests, "GET /v1/name/x HTTP/1.1\r\nHost: a\r\nX-Vault-Token: %s\r\n\r\n",
                   house.slow_token.text);
    const int64_t started_ns = clock_ns();
    house_ask_bytes(&house, requests.at, requests.len);
    const int64_t seconds = (clock_ns() - started_ns) / 1000000000 + 1;
    const unsigned served = probe_count(house.answer, "HTTP/1.1 200 "),
                   refused = probe_count(house.answer, "HTTP/1.1 429 ");
    assert_int_equal(served + refused, REQUESTS);
    assert_true(served >= RATE && served <= (seconds + 1) * RATE);
    assert_int_equal(refused, probe_count(house.answer, "\r\nRetry-After: 1\r\n"));
    assert_int_equal(refused, probe_count(house.answer, "{\"errors\":[\"failure"));
    assert_int_equal(house_ask(&house, authorized("GET /v1/name/x HTTP/1.1", "\r\n")), 200);
}

static void what_a_client_may_not_do_does_not_count_against_its_rate(void **state)
{
    (void)state;
    char text[512];
    snprintf(text, sizeof text,
             "POST /v1/open/r HTTP/1.1\r\nHost: a\r\nX-Vault-Token: %s\r\nContent-Length: 2\r\n\r\n{}",
             house.slow_token.text);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(house_ask(&house, text), 403);
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
                 {"Content-Type: application/json\r\nContent-Type: application/json\r\n", 400},
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
    house_break_audit(&broken);
    char text[512];
    snprintf(text, sizeof text,
             "POST /v1/echo/r HTTP/1.1\r\nHost: a\r\nX-Vault-Token: %s\r\nContent-Type: application/json\r\n"
             "Content-Length: 2\r\n\r\n{}",
             broken.token.text);
    assert_int_equal(house_ask(&broken, text), 503);
    assert_non_null(strstr(broken.answer, "failure 14"));
    assert_null(strstr(broken.answer, "bytes"));
    house_close(&broken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_caller_is_401_and_audited),
        cmocka_unit_test(guessers_beyond_the_waiting_room_are_429),
        cmocka_unit_test(a_client_over_its_rate_is_429_and_no_other_client_notices),
        cmocka_unit_test(what_a_client_may_not_do_does_not_count_against_its_rate),
        cmocka_unit_test(a_client_of_another_API_is_401),
        cmocka_unit_test(a_known_caller_is_served_by_either_header),
        cmocka_unit_test(a_missing_permission_is_403_before_the_media_type),
        cmocka_unit_test(a_wrong_media_type_is_415),
        cmocka_unit_test(a_signed_body_is_accepted_and_a_changed_one_is_not),
        cmocka_unit_test(a_signed_body_over_64_KiB_is_413_whatever_the_row_allows),
        cmocka_unit_test(an_audited_request_without_a_working_audit_file_is_503),
    };
    return cmocka_run_group_tests(tests, open_house, close_house);
}
