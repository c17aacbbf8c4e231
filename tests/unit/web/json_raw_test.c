// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/json_raw.h"

#include "web/json_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
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

static void assert_walk(const char *text, char bracket, const char *const *expected, size_t count)
{
    struct json_raw_walk walk;
    struct json_fault fault;
    struct slice name = {"", 0}, value;
    char said[256];
    size_t i = 0;
    assert_int_equal(json_raw_accept(slice(text), &fault), OK);
    assert_true(json_raw_open(slice(text), bracket, &walk));
    for (; json_raw_next(&walk, &name, &value); i++) {
        assert_true(i < count);
        snprintf(said, sizeof said, "%.*s=%.*s", (int)name.len, name.at, (int)value.len, value.at);
        assert_string_equal(said, expected[i]);
    }
    assert_int_equal(i, count);
    assert_false(json_raw_next(&walk, &name, &value));
}
#define WALKS(text, bracket, ...)                                                                            \
    assert_walk(text, bracket, (const char *const[]){__VA_ARGS__},                                           \
                sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static void members_and_elements_come_one_after_the_other(void **state)
{
    (void)state;
    WALKS("{\"a\":1,\"b\":\"x,}\",\"c\":{\"d\":[2]},\"e\":[],\"f\":null}", '{', "a=1", "b=\"x,}\"",
          "c={\"d\":[2]}", "e=[]", "f=null");
    WALKS(" { \"a\\\"\" : -1e2 ,\n\"\" : \"\" } ", '{', "a\\\"=-1e2", "=\"\"");
    WALKS("[1,\"]\",[[]],{\"a\":\"}\"},true]", '[', "=1", "=\"]\"", "=[[]]", "={\"a\":\"}\"}", "=true");
    assert_walk("{}", '{', NULL, 0);
    assert_walk(" [ \t] ", '[', NULL, 0);
}

static void what_is_something_else_is_not_walked(void **state)
{
    (void)state;
    struct json_raw_walk walk;
    assert_false(json_raw_open(slice("[1]"), '{', &walk));
    assert_false(json_raw_open(slice("{}"), '[', &walk));
    assert_false(json_raw_open(slice("\"{\""), '{', &walk));
    assert_false(json_raw_open(slice(" "), '{', &walk));
}

static void a_long_array_is_walked_where_it_begins(void **state)
{
    (void)state;
    struct slice rest, value;
    struct json_raw_walk walk;
    const char *text = "{\"x\":[9],\"list\":[1,2],\"y\":[3]}";
    assert_true(json_raw_find(slice(text), "list", &rest));
    assert_true(json_raw_open(rest, '[', &walk));
    for (char digit = '1'; digit <= '2'; digit++) {
        assert_true(json_raw_next(&walk, NULL, &value));
        assert_true(value.len == 1 && value.at[0] == digit);
    }
    assert_false(json_raw_next(&walk, NULL, &value));
    assert_false(json_raw_find(slice(text), "lis", &rest));
}

static void only_a_string_without_escapes_stands_for_itself(void **state)
{
    (void)state;
    struct slice text;
    assert_true(json_raw_text(slice("\"caf\xc3\xa9 {\""), &text) && slice_is(text, "caf\xc3\xa9 {"));
    assert_true(json_raw_text(slice("\"\""), &text) && text.len == 0 && text.at != NULL);
    assert_false(json_raw_text(slice("\"a\\n\""), &text));
    assert_false(json_raw_text(slice("1"), &text));
    assert_false(json_raw_text(slice("{\"a\":\"b\"}"), &text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_is_found_as_it_was_sent),
        cmocka_unit_test(brackets_and_names_within_strings_and_deeper_objects_fool_nobody),
        cmocka_unit_test(what_is_not_there_is_not_found),
        cmocka_unit_test(a_name_may_be_sent_with_escapes),
        cmocka_unit_test(members_and_elements_come_one_after_the_other),
        cmocka_unit_test(what_is_something_else_is_not_walked),
        cmocka_unit_test(a_long_array_is_walked_where_it_begins),
        cmocka_unit_test(only_a_string_without_escapes_stands_for_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
