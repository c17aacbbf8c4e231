// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/web/probe.h"

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

static void a_request_is_answered(void **state)
{
    (void)state;
    assert_int_equal(house_ask(&house, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    assert_non_null(strstr(house.answer, "\r\nContent-Length: 11\r\n"));
    assert_non_null(strstr(house.answer, "{\"bytes\":0}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_answered),
    };
    return cmocka_run_group_tests(tests, open_house, close_house);
}
