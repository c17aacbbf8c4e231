// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What a failed request leaves behind: a reply that says what happened, and a line in the log that says the
// same. The program's standard error is a file here.
#include "tests/unit/web/probe.h"

#include <fcntl.h>

static char log_path[64];
static int real_stderr = -1;

static void refuse(void *state, struct exchange *exchange)
{
    (void)state;
    exchange->reply.status = 503; // and nothing noted
}

static const struct route routes[] = {
    {HTTP_GET, "/refusal", PERMISSION_PUBLIC, AUDIT_NONE, 0, MEDIA_NONE, refuse},
};
static const struct api guest = {.name = "guest", .routes = routes, .route_count = 1};

static int begin(void **state)
{
    snprintf(log_path, sizeof log_path, "log-%d.txt", (int)getpid());
    real_stderr = dup(STDERR_FILENO);
    house_guest = &guest;
    return open_house(state);
}

static int end(void **state)
{
    close(real_stderr);
    unlink(log_path);
    return close_house(state);
}

static void begin_log(void)
{
    const int file = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    assert_true(file >= 0 && dup2(file, STDERR_FILENO) == STDERR_FILENO);
    close(file);
}

static const char *end_log(void)
{
    static char text[65536];
    assert_int_equal(dup2(real_stderr, STDERR_FILENO), STDERR_FILENO);
    FILE *file = fopen(log_path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

// The line is written before the connection is closed, and house_ask waits for that.
static void a_failed_request_is_logged_with_the_outcome_of_its_failure(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned status;
        const char *outcome;
    } list[] = {
        {"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", 404, "not_found"},
        {"PUT /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 405, "input"},
        {"POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 200001\r\n\r\n", 413, "too_large"},
        {"POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Encoding: br\r\n\r\n{}", 415,
         "input"},
        {"GET /v1/name/x HTTP/1.1\r\nHost: a\r\n\r\n", 401, "credential"},
        {"GET /livez HTTP/1.1\r\n\r\n", 400, "input"},
        {"GET /livez HTTP/1.1\r\nHost:\ta\r\n\r\n", 400, "input"},
        {"GET /refusal HTTP/1.1\r\nHost: a\r\n\r\n", 503, "busy"},
        {"GET /forgetful HTTP/1.1\r\nHost: a\r\n\r\n", 500, "internal"},
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        char expected[64];
        snprintf(expected, sizeof expected, "\"outcome\":\"%s\"}\n", list[i].outcome);
        begin_log();
        const unsigned status = house_ask(&house, list[i].text);
        const char *log = end_log();
        if (status != list[i].status || strstr(log, "\"event\":\"request_failed\"") == NULL ||
            strstr(log, expected) == NULL)
            fail_msg("%s: %u\n%s", list[i].text, status, log);
    }
}

static void an_audit_file_that_cannot_be_written_is_logged_once_and_so_is_its_return(void **state)
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
    begin_log();
    for (int i = 0; i < 3; i++)
        assert_int_equal(house_ask(&broken, text), 503);
    const char *log = end_log();
    assert_int_equal(probe_count(log, "\"event\":\"audit_failed\""), 1);
    assert_int_equal(probe_count(log, "\"reason\":\"Is a directory\""), 1); // as house_break_audit left it
    assert_int_equal(probe_count(log, "\"outcome\":\"io\""), 3);
    assert_int_equal(rmdir(broken.audit_path), 0);
    begin_log();
    for (int i = 0; i < 2; i++)
        assert_int_equal(house_ask(&broken, text), 200);
    assert_int_equal(probe_count(end_log(), "\"event\":\"audit_written_again\""), 1);
    house_close(&broken);
}

// ---- the reply --------------------------------------------------------------------------------------

static void problems_have_the_phrase_of_their_status_and_a_detail(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *expected;
    } list[] = {
        {"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
         "\"title\":\"Not Found\",\"status\":404,\"detail\":\"no"},
        {"PUT /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
         "\"title\":\"Method Not Allowed\",\"status\":405,\"detail\":\"t"},
        {"POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 200001\r\n\r\n",
         "\"title\":\"Content Too Large\",\"status\":413,\"detail\":\"t"},
        {"GET /livez HTTP/1.1\r\n\r\n",
         "\"title\":\"Bad Request\",\"status\":400,\"detail\":\"exactly one Host"},
        {"GET /livez HTTP/1.1\r\nHost:\ta\r\n\r\n",
         "\"title\":\"Bad Request\",\"status\":400,\"detail\":\"t"},
        {"GET /livez HTTP/3.0\r\nHost: a\r\n\r\n",
         "\"title\":\"HTTP Version Not Supported\",\"status\":505,\"detail\":\"only"},
        {"POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
         "\"title\":\"Bad Request\",\"status\":400,\"detail\":\"t"},
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        house_ask(&house, list[i].text);
        if (strstr(house.answer, list[i].expected) == NULL ||
            strstr(house.answer, "\r\nContent-Type: application/problem+json\r\n") == NULL)
            fail_msg("%s: %s", list[i].text, house.answer);
    }
}

static void more_headers_than_anybody_keeps_are_431(void **state)
{
    (void)state;
    char text[2048];
    for (int count = 51; count <= 90; count += 3) {
        size_t len = (size_t)snprintf(text, sizeof text, "GET /livez HTTP/1.1\r\nHost: a\r\n");
        for (int i = 1; i < count; i++)
            len += (size_t)snprintf(text + len, sizeof text - len, "X-%d: y\r\n", i);
        snprintf(text + len, sizeof text - len, "\r\n");
        assert_int_equal(house_ask(&house, text), 431);
    }
}

static unsigned post_coded(const char *path, const char *header)
{
    char text[512];
    snprintf(text, sizeof text,
             "POST %s HTTP/1.1\r\nHost: a\r\nX-Vault-Token: %s\r\nContent-Type: application/json\r\n%s\r\n"
             "Content-Length: 2\r\n\r\n{}",
             path, house.token.text, header);
    return house_ask(&house, text);
}

static void a_coded_body_is_415_in_the_APIs_own_shape(void **state)
{
    (void)state;
    static const char *const coded[] = {"Content-Encoding: gzip", "content-encoding: GZIP",
                                        "Content-Encoding: br", "Content-Encoding: identity, gzip",
                                        "Content-Encoding: identity\r\nContent-Encoding: deflate"};
    for (size_t i = 0; i < sizeof coded / sizeof coded[0]; i++) {
        const int before = atomic_load(&house.handled);
        assert_int_equal(post_coded("/v1/echo/r", coded[i]), 415);
        assert_non_null(strstr(house.answer, "{\"errors\":[\"failure "));
        assert_non_null(strstr(house.answer, "\r\nAccept-Encoding: identity\r\n"));
        assert_int_equal(post_coded("/sink", coded[i]), 415);
        assert_non_null(strstr(house.answer, "\"title\":\"Unsupported Media Type\""));
        assert_int_equal(atomic_load(&house.handled), before);
    }
    assert_int_equal(post_coded("/v1/echo/r", "Content-Encoding: identity"), 200);
    assert_int_equal(post_coded("/v1/echo/r", "Content-Encoding:"), 200);
    assert_int_equal(house_ask(&house, "GET /livez HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\n\r\n"),
                     200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_request_is_logged_with_the_outcome_of_its_failure),
        cmocka_unit_test(an_audit_file_that_cannot_be_written_is_logged_once_and_so_is_its_return),
        cmocka_unit_test(problems_have_the_phrase_of_their_status_and_a_detail),
        cmocka_unit_test(more_headers_than_anybody_keeps_are_431),
        cmocka_unit_test(a_coded_body_is_415_in_the_APIs_own_shape),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
