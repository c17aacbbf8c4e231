// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/json_raw.h"

#include "web/json_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct slice slice(const char *text)
{
    return (struct slice){text, strlen(text)};
}

static void assert_raw(const char *text, const char *expected)
{
    struct slice found;
    JSON_DOCUMENT *document = NULL;
    struct json_fault fault;
    assert_int_equal(json_read(slice(text), &document, &fault), OK); // only such texts are looked at
    if (json_raw_member(slice(text), "metadata", &found) != (expected != NULL))
        fail_msg("%s", text);
    if (expected != NULL && !slice_is(found, expected))
        fail_msg("%s: %.*s", text, (int)found.len, found.at);
}

static void a_member_is_found_as_it_was_sent(void **state)
{
    (void)state;
    assert_raw("{\"metadata\":{\"a\":1}}", "{\"a\":1}");
    assert_raw(" { \"a\" : 1 ,\n\t\"metadata\" : { \"a\" : [ 1 , {} ] } , \"z\" : 2 } ",
               "{ \"a\" : [ 1 , {} ] }");
    assert_raw("{\"metadata\":{}}", "{}");
    assert_raw("{\"metadata\":-1.5e+3 }", "-1.5e+3");
    assert_raw("{\"metadata\":true}", "true");
    assert_raw("{\"metadata\":null,\"a\":1}", "null");
    assert_raw("{\"metadata\":\"a\\\"}\\\\\",\"a\":1}", "\"a\\\"}\\\\\"");
    assert_raw("{\"metadata\":[[],[\"]\"]]}", "[[],[\"]\"]]");
}

static void brackets_and_names_within_strings_and_deeper_objects_fool_nobody(void **state)
{
    (void)state;
    assert_raw("{\"x\":\"\\\"metadata\\\":1\",\"metadata\":2}", "2");
    assert_raw("{\"x\":{\"metadata\":1},\"metadata\":2}", "2");
    assert_raw("{\"x\":[{\"metadata\":1}],\"metadata\":2}", "2");
    assert_raw("{\"x\":\"}{][,\",\"metadata\":\"}{][,\"}", "\"}{][,\"");
    assert_raw("{\"\\\\\":\"\\\\\",\"metadata\":2}", "2");
    assert_raw("{\"x\":\"metadata\",\"metadata\":2}", "2");
    assert_raw("{\"metadata \":1,\"metadat\":3,\"metadataa\":4,\"metadata\":2}", "2");
}

static void what_is_not_there_is_not_found(void **state)
{
    (void)state;
    assert_raw("{}", NULL);
    assert_raw("[]", NULL);
    assert_raw("[{\"metadata\":1}]", NULL);
    assert_raw("\"metadata\"", NULL);
    assert_raw("{\"x\":{\"metadata\":1}}", NULL);
    assert_raw("{\"Metadata\":1}", NULL);
    assert_raw("{\"\":1}", NULL);
}

static void a_name_may_be_sent_with_escapes(void **state)
{
    (void)state;
    assert_raw("{\"metad\\u0061ta\":1}", "1");
    assert_raw("{\"\\u006D\\u0065\\u0074\\u0061\\u0064\\u0061\\u0074\\u0061\":1}", "1");
    assert_raw("{\"metad\\u0062ta\":1}", NULL);
    assert_raw("{\"metadata\\u0061\":1}", NULL);
    assert_raw("{\"metadat\\\\\":1}", NULL);
    assert_raw("{\"metadat\\u00e1\":1}", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_is_found_as_it_was_sent),
        cmocka_unit_test(brackets_and_names_within_strings_and_deeper_objects_fool_nobody),
        cmocka_unit_test(what_is_not_there_is_not_found),
        cmocka_unit_test(a_name_may_be_sent_with_escapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
