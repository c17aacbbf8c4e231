// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What pages with forms need of the server: form bodies, long headers, an audit event that the handler knows.
#include "tests/unit/web/probe.h"

#include <stdlib.h>

enum { LONG_BYTES = 5000 };

static void answer_long(void *state, struct exchange *exchange)
{
    (void)state;
    static char value[LONG_BYTES];
    memset(value, 'x', sizeof value);
    memcpy(value, "/a\r\nSet-Cookie: b\x7f", 18);
    exchange->reply.status = 303;
    http_reply_header(&exchange->reply, "Referrer-Policy", "no-referrer");
    http_reply_long_header(&exchange->reply, "Location", (struct slice){value, sizeof value});
    exchange->note.event = AUDIT_TOKEN_REQUEST_REJECT;
}

static const struct route rows[] = {
    {HTTP_POST, "/form", PERMISSION_PUBLIC, AUDIT_TOKEN_REQUEST_APPROVE, 1000, MEDIA_FORM, answer_long},
    {HTTP_POST, "/echo", PERMISSION_PUBLIC, AUDIT_TOKEN_REQUEST_APPROVE, 1000, MEDIA_FORM, house_nothing},
};
static const struct api guest = {.name = "guest", .routes = rows, .route_count = 2, .fail = house_fail};

static unsigned post(const char *path, const char *type)
{
    char text[512];
    snprintf(text, sizeof text, "POST %s HTTP/1.1\r\nHost: a\r\n%s%s%sContent-Length: 3\r\n\r\na=b", path,
             type != NULL ? "Content-Type: " : "", type != NULL ? type : "", type != NULL ? "\r\n" : "");
    return house_ask(&house, text);
}

static void a_long_header_arrives_whole_and_without_control_bytes(void **state)
{
    (void)state;
    assert_int_equal(post("/form", "application/x-www-form-urlencoded"), 303);
    const char *location = strstr(house.answer, "\r\nLocation: /a??Set-Cookie: b?xxx");
    assert_non_null(location);
    assert_int_equal(strcspn(location + 2, "\r"), strlen("Location: ") + LONG_BYTES);
    assert_null(strstr(house.answer, "\nSet-Cookie"));
    assert_non_null(strstr(house.answer, "\r\nReferrer-Policy: no-referrer\r\n"));
}

static void a_long_header_is_not_left_for_the_next_reply(void **state)
{
    (void)state;
    static const char form[] =
        "POST /form HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        "Content-Length: 3\r\n\r\na=b";
    int client = probe_connect(house.port, NULL);
    probe_say(client, form);
    probe_say(client, "GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    probe_drain(client, house.answer);
    close(client);
    assert_int_equal(probe_count(house.answer, "HTTP/1.1 "), 2);
    assert_int_equal(probe_count(house.answer, "Location: "), 1);
}

static void a_form_is_a_form_and_at_most_in_UTF_8(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        unsigned status;
    } types[] = {
        {"application/x-www-form-urlencoded", 204},
        {"Application/X-WWW-Form-URLencoded; charset=UTF-8", 204},
        {"application/x-www-form-urlencoded; charset=latin1", 415},
        {"application/x-www-form-urlencodedx", 415},
        {"multipart/form-data; boundary=x", 415},
        {"text/plain", 415},
        {"application/json", 415},
        {NULL, 415},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (post("/echo", types[i].type) != types[i].status)
            fail_msg("%s: %s", types[i].type, house.answer);
    }
}

static size_t audited(const char *event)
{
    static char lines[1 << 16];
    FILE *file = fopen(house.audit_path, "r");
    assert_non_null(file);
    lines[fread(lines, 1, sizeof lines - 1, file)] = '\0';
    fclose(file);
    return probe_count(lines, event);
}

static void a_handler_may_say_what_a_request_turned_out_to_be(void **state)
{
    (void)state;
    const size_t approved = audited("\"token_request_approve\""),
                 rejected = audited("\"token_request_reject\"");
    assert_int_equal(post("/form", "application/x-www-form-urlencoded"), 303);
    assert_int_equal(post("/echo", "application/x-www-form-urlencoded"), 204);
    assert_int_equal(audited("\"token_request_approve\""), approved + 1);
    assert_int_equal(audited("\"token_request_reject\""), rejected + 1);
}

static int open_with_guest(void **state)
{
    house_guest = &guest;
    return open_house(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_header_arrives_whole_and_without_control_bytes),
        cmocka_unit_test(a_long_header_is_not_left_for_the_next_reply),
        cmocka_unit_test(a_form_is_a_form_and_at_most_in_UTF_8),
        cmocka_unit_test(a_handler_may_say_what_a_request_turned_out_to_be),
    };
    return cmocka_run_group_tests(tests, open_with_guest, close_house);
}
