// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "config/schema.h"
#include "tests/unit/config/config_fixture.h"

#include "appliance/tokens/client.h"

static void a_small_file_loads_with_the_documented_defaults(void **state)
{
    (void)state;
    write_with(0, "");
    struct config *config = load_good();
    assert_string_equal(config->file, path);
    assert_string_equal(config->listen.host, "127.0.0.1");
    assert_int_equal(config->listen.port, 8443);
    assert_string_equal(config->operations_listen.host, "127.0.0.1");
    assert_int_equal(config->operations_listen.port, 8444);
    assert_false(config->plain_http);
    assert_int_equal(config->connections, 512);
    assert_int_equal(config->connections_per_address, 64);
    assert_int_equal(config->header_timeout_s, 5);
    assert_int_equal(config->idle_timeout_s, 15);
    assert_int_equal(config->drain_timeout_s, 30);
    assert_int_equal(config->body_limit_bytes, 8388608);
    assert_int_equal(config->memory_in_flight_bytes, 268435456);
    assert_string_equal(config->log_level, "info");
    assert_string_equal(config->tls_key, "symbolon:0:tls:1");
    assert_null(config->client_ca_file);
    assert_false(config->require_client_certificate);
    assert_false(config->audit_always);
    const struct config_slot *slot = &config->slots[0];
    assert_null(slot->serial);
    assert_int_equal(slot->lanes, 1);
    assert_int_equal(slot->priority, 1);
    assert_null(slot->arguments);
    assert_int_equal(slot->call_timeout_ms, 5000);
    assert_false(slot->replica);
    assert_false(slot->isolate);
    assert_int_equal(slot->line, SLOT);
    const struct config_client *client = &config->tenants[0].clients[0];
    assert_int_equal(client->generation, 1);
    assert_false(client->accept_previous);
    assert_true(client->luhn);
    assert_int_equal(client->permissions, PERMISSION_TOKENIZE);
    assert_int_equal(client->apis, CLIENT_API_CARD | CLIENT_API_TRANSFORM);
    assert_int_equal(client->rate, 0);
    assert_null(client->display_name);
    assert_int_equal(client->account_count + client->public_key_count, 0);
    assert_null(config->customers.issuer);
    assert_int_equal(config->customers.token_life_s, 86400);
    assert_null(config->requests.public_url);
    assert_string_equal(config->requests.realm, "symbolon");
    assert_int_equal(config->requests.lifetime_s, 86400);
    assert_false(config->tenants[0].generations[0].has_check_value);
    assert_int_equal(config->tenants[0].transformations[0].tweak_source, CONFIG_TWEAK_INTERNAL);
    config_free(config);
}

static void relative_paths_start_at_the_folder_of_the_file(void **state)
{
    (void)state;
    write_with(TLS, "tls { certificate = \"t.pem\" client_ca = \"/ca.pem\" }");
    char before[4096], expected[128];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder), 0);
    struct config *config = NULL;
    BUF report = {0};
    assert_int_equal(config_load("c", &config, &report), OK); // a relative name of the file itself
    assert_int_equal(chdir(before), 0);
    snprintf(expected, sizeof expected, "%s/t.pem", folder);
    assert_string_equal(config->certificate_file, expected);
    assert_string_equal(config->client_ca_file, "/ca.pem");
    snprintf(expected, sizeof expected, "%s/a.log", folder);
    assert_string_equal(config->audit_file, expected);
    snprintf(expected, sizeof expected, "%s/pin", folder);
    assert_string_equal(config->slots[0].pin_file, expected);
    config_free(config);
}

static void plain_http_on_loopback_needs_no_certificate(void **state)
{
    (void)state;
    write_with(TLS, "plain_http = true listen = \"[::1]:80\" operations_listen = \"127.1.2.3:81\"");
    struct config *config = load_good();
    assert_true(config->plain_http);
    assert_string_equal(config->listen.host, "::1");
    assert_int_equal(config->listen.port, 80);
    assert_string_equal(config->operations_listen.host, "127.1.2.3");
    assert_null(config->certificate_file);
    config_free(config);
}

static void comments_may_hold_anything(void **state)
{
    (void)state;
    write_with(
        ROLE,
        "role \"pan\" { # \"${HOME}\" '\\ {{{ \xc3\xa9\n transformations = { # why\n \"cc\", # not\n } }\n"
        "# include(\"x\")");
    struct config *config = load_good();
    assert_int_equal(config->tenants[0].roles[0].transformation_count, 1);
    config_free(config);
}

static void detokenize_is_never_implied(void **state)
{
    (void)state;
    for (const struct schema_word *word = schema_permissions; word->name != NULL; word++) {
        char line[160];
        snprintf(line, sizeof line,
                 "client \"shop\" { id = 11 apis = {\"operations\"} permissions = {\"%s\"} }", word->name);
        write_with(CLIENT, line);
        struct config *config = load_good();
        assert_int_equal(config->tenants[0].clients[0].permissions, word->value);
        config_free(config);
    }
    write_with(CLIENT, "client \"shop\" { id = 11 apis = {\"card\"} permissions = {} }");
    struct config *config = load_good();
    assert_int_equal(config->tenants[0].clients[0].permissions, 0);
    config_free(config);
}

static void everything_that_is_written_arrives(void **state)
{
    (void)state;
    write_with(TOP,
               "tenant \"two\" { id = 65535\n"
               "keys 9 { state = \"retired\" check_value = \"00ffAb\" }\n"
               "keys 10 { state = \"current\" }\n"
               "keys 11 { state = \"new\" }\n"
               "client \"c\" { id = 65535 generation = 3 accept_previous = true apis = {\"card\"}\n"
               "luhn = false permissions = {\"tokenize\", \"detokenize\"} }\n"
               "transformation \"t\" { id = 65535 template = \"card\" of = \"c\" }\n"
               "transformation \"u\" { id = 3 template = \"builtin/creditcardnumber\" "
               "tweak_source = \"generated\" }\n"
               "role \"r\" { transformations = {\"u\", \"t\"} } }\n"
               "slot \"b\" { module = \"/b\" token = \"B\" serial = \"77\" pin_file = \"/p\" lanes = 64\n"
               "priority = 2 replica = true isolate = true call_timeout = 0.25 arguments = 'a=\"$b\"' }");
    struct config *config = load_good();
    assert_int_equal(config->tenant_count, 2);
    const struct config_tenant *tenant = &config->tenants[1];
    assert_string_equal(tenant->name, "two");
    assert_int_equal(tenant->id, 65535);
    assert_int_equal(tenant->line, 10);
    assert_int_equal(tenant->generation_count, 3);
    assert_int_equal(tenant->generations[0].number, 9);
    assert_int_equal(tenant->generations[0].state, CONFIG_KEY_RETIRED);
    assert_true(tenant->generations[0].has_check_value);
    assert_memory_equal(tenant->generations[0].check_value, "\x00\xff\xab", 3);
    assert_int_equal(tenant->generations[1].state, CONFIG_KEY_CURRENT);
    assert_int_equal(tenant->generations[2].state, CONFIG_KEY_NEW);
    assert_int_equal(tenant->generations[2].line, 13);
    const struct config_client *client = &tenant->clients[0];
    assert_int_equal(client->id, 65535);
    assert_int_equal(client->generation, 3);
    assert_true(client->accept_previous);
    assert_false(client->luhn);
    assert_int_equal(client->permissions, PERMISSION_TOKENIZE | PERMISSION_DETOKENIZE);
    assert_int_equal(client->line, 14);
    assert_string_equal(tenant->transformations[0].of, "c");
    assert_null(tenant->transformations[1].of);
    assert_int_equal(tenant->transformations[1].tweak_source, CONFIG_TWEAK_GENERATED);
    assert_int_equal(tenant->roles[0].transformation_count, 2);
    assert_string_equal(tenant->roles[0].transformations[0], "u");
    assert_int_equal(config->slot_count, 2);
    assert_string_equal(config->slots[1].serial, "77");
    assert_string_equal(config->slots[1].pin_file, "/p");
    assert_int_equal(config->slots[1].lanes, 64);
    assert_int_equal(config->slots[1].priority, 2);
    assert_true(config->slots[1].replica);
    assert_true(config->slots[1].isolate);
    assert_int_equal(config->slots[1].call_timeout_ms, 250);
    assert_string_equal(config->slots[1].arguments, "a=\"$b\"");
    config_free(config);
}

static void a_failed_load_does_not_spoil_the_next(void **state)
{
    (void)state;
    write_with(TOP, "listen = \"");
    assert_file_refused("10: the string does not end on its line\n");
    write_with(TOP, "listen = {");
    struct config *config;
    char *report;
    assert_int_equal(load(&config, &report), ERR_CONFIG);
    free(report);
    write_with(0, "");
    config_free(load_good());
}

static void the_example_file_loads(void **state)
{
    (void)state;
    struct config *config = NULL;
    BUF report = {0};
    enum err rc = config_load(TEST_SOURCE_DIR "/../config/symbolon.conf.example", &config, &report);
    if (rc != OK)
        fail_msg("%.*s", (int)report.len, report.at);
    assert_int_equal(config->slot_count, 1);
    assert_int_equal(config->tenants[0].client_count, 5);
    assert_int_equal(config->tenants[0].clients[1].permissions, PERMISSION_TOKENIZE | PERMISSION_DETOKENIZE);
    assert_int_equal(config->tenants[0].clients[2].range_count, 2);
    assert_int_equal(config->tenants[0].transformation_count, 7);
    assert_int_equal(config->tenants[0].accounts[0].customer_count, 2);
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_file_loads_with_the_documented_defaults),
        cmocka_unit_test(relative_paths_start_at_the_folder_of_the_file),
        cmocka_unit_test(plain_http_on_loopback_needs_no_certificate),
        cmocka_unit_test(comments_may_hold_anything),
        cmocka_unit_test(detokenize_is_never_implied),
        cmocka_unit_test(everything_that_is_written_arrives),
        cmocka_unit_test(a_failed_load_does_not_spoil_the_next),
        cmocka_unit_test(the_example_file_loads),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
