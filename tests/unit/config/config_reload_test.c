// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Which differences between two files a running appliance takes over, and which it refuses.
#include "config/reload.h"
#include "tests/unit/config/config_fixture.h"

#include <stdbool.h>

static struct config *load_with(int line, const char *text)
{
    write_with(line, text);
    return load_good();
}

// Whether going from one file to another needs a restart; *out_diag is what was said without the path.
static bool needs_restart(const struct config *running, const struct config *next, struct diag *out_diag)
{
    struct diag diag = {0};
    const bool needed = config_needs_restart(running, next, &diag);
    assert_int_equal(needed, diag.text[0] != '\0');
    size_t len = 0;
    for (const char *from = diag.text; *from != '\0'; from++) {
        if (strncmp(from, path, strlen(path)) == 0)
            from += strlen(path);
        out_diag->text[len++] = *from;
    }
    out_diag->text[len] = '\0';
    return needed;
}

static void assert_needs_restart(int line, const char *text, const char *expected)
{
    struct diag diag;
    struct config *running = load_with(0, ""), *next = load_with(line, text);
    assert_true(needs_restart(running, next, &diag));
    assert_string_equal(diag.text, expected);
    config_free(next);
    config_free(running);
}

static void assert_reloads(int line, const char *text)
{
    struct diag diag;
    struct config *running = load_with(0, ""), *next = load_with(line, text);
    if (needs_restart(running, next, &diag))
        fail_msg("%s: %s", text, diag.text);
    config_free(next);
    config_free(running);
}

static void what_lasts_as_long_as_the_process_needs_a_restart(void **state)
{
    (void)state;
    static const struct wrong rows[] = {
        {TOP, "listen = \"127.0.0.2:8443\"", ":10: listen changes with a restart only"},
        {TOP, "listen = \"127.0.0.1:9000\"\noperations_listen = \"127.0.0.1:8444\"",
         ":10: listen changes with a restart only"},
        {TOP, "operations_listen = \"127.0.0.1:9000\"", ":10: operations_listen changes with a restart only"},
        {TLS, "plain_http = true\ntls { certificate = \"t.pem\" }",
         ":1: plain_http changes with a restart only"},
        {TOP, "connections = 7", ":10: connections changes with a restart only"},
        {TOP, "header_timeout = 6", ":10: header_timeout changes with a restart only"},
        {TOP, "idle_timeout = 6", ":10: idle_timeout changes with a restart only"},
        {TOP, "body_limit = 2048", ":10: body_limit changes with a restart only"},
        {TLS, "tls { certificate = \"t.pem\"\nkey = \"other\" }", ":2: tls key changes with a restart only"},
        {AUDIT, "audit {\nfile = \"b.log\" }", ":3: audit file changes with a restart only"},
        {AUDIT, "audit { file = \"a.log\"\nsync = \"always\" }",
         ":3: audit sync changes with a restart only"},
        {TOP, "store {\nfile = \"s\" }", ":11: store file changes with a restart only"},
        {TOP, "serial { min_digits = 4 }", ":10: serial (but for session_idle) changes with a restart only"},
        {TOP, "requests {\nrealm = \"b\" }", ":11: requests realm changes with a restart only"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_needs_restart(rows[i].line, rows[i].text, rows[i].report);
}

static void every_option_of_a_slot_needs_a_restart(void **state)
{
    (void)state;
    static const char *const slots[] = {
        "module = \"/n.so\" token = \"t\" pin_file = \"pin\"",
        "module = \"/m.so\" token = \"u\" pin_file = \"pin\"",
        "module = \"/m.so\" token = \"t\" pin_file = \"pin2\"",
        "module = \"/m.so\" token = \"t\" pin_file = \"pin\" serial = \"7\"",
        "module = \"/m.so\" token = \"t\" pin_file = \"pin\" arguments = \"a\"",
        "module = \"/m.so\" token = \"t\" pin_file = \"pin\" lanes = 2",
        "module = \"/m.so\" token = \"t\" pin_file = \"pin\" priority = 2",
        "module = \"/m.so\" token = \"t\" pin_file = \"pin\" call_timeout = 5.001",
        "module = \"/m.so\" token = \"t\" pin_file = \"pin\" replica = true",
        "module = \"/m.so\" token = \"t\" pin_file = \"pin\" isolate = true",
    };
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
        char line[160];
        snprintf(line, sizeof line, "slot \"main\" { %s }", slots[i]);
        assert_needs_restart(SLOT, line, ":3: slot main changes with a restart only");
    }
}

static void slots_are_told_by_name_and_not_by_place(void **state)
{
    (void)state;
    static const char a[] = "slot \"a\" { module = \"/a.so\" token = \"t\" pin_file = \"pin\" }\n",
                      b[] = "slot \"b\" { module = \"/b.so\" token = \"t\" pin_file = \"pin\" }\n";
    char both[200], swapped[200];
    snprintf(both, sizeof both, "%s%s", a, b);
    snprintf(swapped, sizeof swapped, "%s%s", b, a);
    struct diag diag;
    struct config *running = load_with(SLOT, both), *same = load_with(SLOT, swapped),
                  *one = load_with(SLOT, a);
    assert_false(needs_restart(running, same, &diag));
    assert_true(needs_restart(running, one, &diag));
    assert_string_equal(diag.text, ": removing slot b changes with a restart only");
    assert_true(needs_restart(one, running, &diag));
    assert_string_equal(diag.text, ":4: slot b changes with a restart only");
    config_free(one);
    config_free(same);
    config_free(running);
}

static void everything_that_needs_a_restart_is_told_at_once(void **state)
{
    (void)state;
    assert_needs_restart(TOP,
                         "listen = \"127.0.0.1:9000\"\nstore { file = \"s\" }\n"
                         "slot \"b\" { module = \"/b.so\" token = \"t\" pin_file = \"pin\" }",
                         ":10: listen changes with a restart only\n"
                         ": operations_listen changes with a restart only\n" // its default follows listen
                         ":11: store file changes with a restart only\n"
                         ":12: slot b changes with a restart only");
}

static void what_requests_look_at_is_taken_over(void **state)
{
    (void)state;
    static const struct {
        int line;
        const char *text;
    } rows[] = {
        {0, ""},
        {TOP, "# a remark"},
        {TOP, "listen = \"127.0.0.1:8443\""}, // what it was by default
        {TOP, "connections_per_address = 3 drain_timeout = 8\n"
              "memory_in_flight = 8388608 log_level = \"debug\""},
        {TLS, "tls { certificate = \"u.pem\" client_ca = \"ca.pem\" require_client_certificate = true }"},
        {TOP, "serial { session_idle = 60 }"},
        {TOP, "customers { issuer = \"https://a.example\" token_life = 60 }"},
        {TOP, "requests { public_url = \"https://a.example\" lifetime = 60 }"},
        {TENANT, "tenant \"demonstration\" { id = 7"},
        {KEYS, "keys 2 { state = \"current\" check_value = \"00FF00\" } keys 1 { state = \"retired\" }"},
        {CLIENT, "client \"other\" { id = 12 apis = {\"card\"} }\naccount T00000001 { }"},
        {TRANSFORMATION, "transformation \"cc\" { id = 2 template = \"pan-last-four\" }"},
        {TOP, "tenant \"two\" { id = 2 keys 1 { state = \"current\" } }"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_reloads(rows[i].line, rows[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lasts_as_long_as_the_process_needs_a_restart),
        cmocka_unit_test(every_option_of_a_slot_needs_a_restart),
        cmocka_unit_test(slots_are_told_by_name_and_not_by_place),
        cmocka_unit_test(everything_that_needs_a_restart_is_told_at_once),
        cmocka_unit_test(what_requests_look_at_is_taken_over),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
