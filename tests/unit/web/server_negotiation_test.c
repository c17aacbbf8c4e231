// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A whole server with an API that speaks JSON:API, and whose rows name different credentials.
#include "tests/unit/web/probe.h"

#define JSON_API "application/vnd.api+json"
#define KEY      "5b0f7c1e-1d7a-4c55-9a52-0c6a3b8f2e11"

static void echo_query(void *state, struct exchange *exchange)
{
    (void)state;
    struct slice name, value;
    struct buf *body = &exchange->reply.body;
    exchange->reply.status = 200;
    exchange->reply.content_type = "text/plain";
    for (size_t position = 0; http_query_next(&exchange->request, &position, &name, &value);) {
        buf_byte(body, ';');
        buf_append(body, name.at, name.len);
        buf_byte(body, '=');
        buf_append(body, value.at, value.len);
    }
    buf_byte(body, '|'); // the capture has survived the query
    buf_append(body, exchange->request.params[0].at, exchange->request.params[0].len);
}

static const struct route open_rows[] = {
    {HTTP_GET | HTTP_POST | HTTP_DELETE, "/api/{x}", PERMISSION_PUBLIC, AUDIT_NONE, 1000, MEDIA_JSON_API,
     echo_query},
    {HTTP_GET, "/api/keyed/{x}", PERMISSION_CALLER, AUDIT_NONE, 0, MEDIA_JSON_API, echo_query,
     CREDENTIAL_API_KEY},
    {HTTP_GET, "/api/session/{x}", PERMISSION_CALLER, AUDIT_NONE, 0, MEDIA_JSON_API, echo_query,
     CREDENTIAL_TOKEN},
};
static const struct api guest = {.name = "guest",
                                 .client_api = CLIENT_API_TRANSFORM,
                                 .credential = CREDENTIAL_SESSION_KEY,
                                 .routes = open_rows,
                                 .route_count = 3,
                                 .fail = house_fail};

static unsigned ask(const char *line, const char *headers)
{
    char text[1024];
    snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: a\r\n%s\r\n", line, headers);
    return house_ask(&house, text);
}

static void the_whole_conversation_is_JSON_API_or_there_is_none(void **state)
{
    (void)state;
    static const struct {
        const char *line, *headers;
        unsigned status;
    } cases[] = {
        {"GET /api/x", "", 200},
        {"GET /api/x", "Content-Type: text/plain\r\n", 200},
        {"GET /api/x", "Accept: " JSON_API "\r\n", 200},
        {"GET /api/x", "Accept: " JSON_API ";ext=x\r\n", 406},
        {"GET /api/x", "Accept: " JSON_API ";ext=x\r\nAccept: " JSON_API "\r\n", 200},
        {"HEAD /api/x", "Accept: " JSON_API ";charset=utf-8\r\n", 406},
        {"DELETE /api/x", "", 200},
        {"DELETE /api/x", "Accept: " JSON_API ";charset=utf-8\r\n", 406},
        {"POST /api/x", "Content-Type: " JSON_API "\r\nContent-Length: 2\r\n\r\n{}", 200},
        {"POST /api/x", "Content-Type: " JSON_API ";charset=utf-8\r\nContent-Length: 2\r\n\r\n{}", 415},
        {"POST /api/x", "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", 415},
        {"POST /api/x", "Content-Length: 2\r\n\r\n{}", 415},
        {"POST /api/x", "Accept: " JSON_API ";ext=x\r\nContent-Length: 2\r\n\r\n{}", 415},
        {"POST /api/x",
         "Accept: " JSON_API ";ext=x\r\nContent-Type: " JSON_API "\r\nContent-Length: 2\r\n\r\n{}", 406},
        {"GET /livez", "Accept: " JSON_API ";ext=x\r\n", 200},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (ask(cases[i].line, cases[i].headers) != cases[i].status)
            fail_msg("case %zu: %s", i, house.answer);
    }
}

static void a_caller_is_known_before_what_it_accepts_is_looked_at(void **state)
{
    (void)state;
    assert_int_equal(ask("GET /api/keyed/x", "Accept: " JSON_API ";ext=x\r\n"), 401);
}

// Of the API's own scheme and of two rows' schemes, only the row's counts.
static void a_row_looks_for_its_own_credential_only(void **state)
{
    (void)state;
    char token[256];
    snprintf(token, sizeof token, "X-Vault-Token: %s\r\n", house.token.text);
    assert_int_equal(ask("GET /api/session/x", token), 200);
    assert_int_equal(ask("GET /api/keyed/x", token), 401);
    assert_int_equal(ask("GET /api/session/x", "Api-Key: " KEY "\r\n"), 401);
    assert_int_equal(ask("GET /api/session/x", "Session-Key: " KEY "\r\n"), 401);
}

static void queries_arrive_decoded_beside_the_captures(void **state)
{
    (void)state;
    assert_int_equal(ask("GET /api/%41bc?filter[chars]=A%45&filter%5Blength%5D=16&x", ""), 200);
    assert_non_null(strstr(house.answer, "\r\n\r\n;filter[chars]=AE;filter[length]=16;x=|Abc"));
    assert_int_equal(ask("GET /api/x?", ""), 200);
    assert_non_null(strstr(house.answer, "\r\n\r\n|x"));
}

static int open_with_guest(void **state)
{
    house_guest = &guest;
    return open_house(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_whole_conversation_is_JSON_API_or_there_is_none),
        cmocka_unit_test(a_caller_is_known_before_what_it_accepts_is_looked_at),
        cmocka_unit_test(a_row_looks_for_its_own_credential_only),
        cmocka_unit_test(queries_arrive_decoded_beside_the_captures),
    };
    return cmocka_run_group_tests(tests, open_with_guest, close_house);
}
