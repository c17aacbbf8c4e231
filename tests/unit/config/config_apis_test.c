// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What the customer-token and token-request APIs bring: accounts, members, URLs.
#include "tests/unit/config/config_fixture.h"

#include <stdint.h>

#define STORE "store { file = \"s\" }\n"
// Rows of tables whose text replaces the client, from line 6 on, and adds to the tenant.
#define SHOP             "client \"shop\" { id = 11 apis = {\"transform\"} roles = {\"pan\"} }\n"
#define TENANT_HAS(text) CLIENT, SHOP text
#define NAME_RULE        " characters of UTF-8, without control characters and without spaces at the ends\n"

static void accounts_are_p_or_t_and_eight_digits(void **state)
{
    (void)state;
    static const char *const ids[] = {"X12345678", "p12345678", "P1234567", "T123456789", "T1234567a",
                                      "T 2345678", "12345678",  "",         "T-1234567"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        char line[160], expected[160];
        snprintf(line, sizeof line, SHOP "account \"%s\" { }", ids[i]);
        write_with(CLIENT, line);
        snprintf(expected, sizeof expected, "7: account \"%s\": the title must be P or T and eight digits\n",
                 ids[i]);
        assert_file_refused(expected);
    }
}

static void an_account_belongs_to_one_tenant(void **state)
{
    (void)state;
    static const struct wrong table[] = {
        {TENANT_HAS("account \"T00000001\" { }\naccount \"T00000001\" { }"),
         "8: account \"T00000001\" is already set on line 7\n"},
    };
    ASSERT_REFUSED(table);
    write_with(TOP, "tenant \"two\" { id = 2 keys 1 { state = \"current\" }\naccount T00000001 { } }\n"
                    "tenant \"three\" { id = 3 keys 1 { state = \"current\" }\naccount T00000001 { } }");
    assert_file_refused("13: account \"T00000001\": tenant \"two\" has it on line 11\n");
}

static void customers_of_an_account_are_names_and_not_for_automatic_ones(void **state)
{
    (void)state;
    static const struct wrong table[] = {
        {TENANT_HAS("account T00000001 {\ncustomers = {\"a\"} }"),
         "8: account \"T00000001\": customers are only for auto_customer = false\n"},
        {TENANT_HAS("account T00000001 { auto_customer = false\ncustomers = {\"a\", \"b\", \"a\"} }"),
         "8: account \"T00000001\": customers: \"a\" is listed twice\n"},
        {TENANT_HAS("account T00000001 { auto_customer = false\ncustomers = {\"a \"} }"),
         "8: account \"T00000001\": customers must be 1..255" NAME_RULE},
        {TENANT_HAS("account T00000001 { auto_customer = false\ncustomers = {\"\"} }"),
         "8: account \"T00000001\": customers must be 1..255" NAME_RULE},
        {TENANT_HAS("account T00000001 { auto_customer = false\ncustomers = {\"\xc3\"} }"),
         "8: account \"T00000001\": customers must be 1..255" NAME_RULE},
        {TENANT_HAS("account T00000001 { auto_customer = false\ncustomers = {\"\xc2\x85\"} }"),
         "8: account \"T00000001\": customers must be 1..255" NAME_RULE},
    };
    ASSERT_REFUSED(table);
}

static void a_customer_of_256_characters_is_refused_and_one_of_255_is_not(void **state)
{
    (void)state;
    for (int count = 255; count <= 256; count++) {
        BUF line = {0};
        buf_text(&line, SHOP "account T00000001 { auto_customer = false customers = {\"");
        for (int i = 0; i < count; i++)
            buf_text(&line, "\xc3\xa9");
        buf_text(&line, "\"} }");
        buf_byte(&line, '\0');
        write_with(CLIENT, line.at);
        if (count == 255)
            config_free(load_good());
        else
            assert_file_refused("7: account \"T00000001\": customers must be 1..255" NAME_RULE);
    }
}

static void events_expire_after_a_stated_time(void **state)
{
    (void)state;
    static const struct wrong table[] = {
        {TENANT_HAS("account T00000001 {\nevent_expiry PENDING { } }"),
         "8: event_expiry \"PENDING\": seconds is missing\n"},
        {TENANT_HAS("account T00000001 {\nevent_expiry PENDING { seconds = 0 } }"),
         "8: event_expiry \"PENDING\": seconds must be 1..316224000\n"},
        {TENANT_HAS("account T00000001 {\nevent_expiry PENDING { seconds = 316224001 } }"),
         "8: event_expiry \"PENDING\": seconds must be 1..316224000\n"},
        {TENANT_HAS("account T00000001 {\nevent_expiry \"\" { seconds = 1 } }"),
         "8: event_expiry \"\": the title must be 1..64" NAME_RULE},
        {TENANT_HAS("account T00000001 {\nevent_expiry A { seconds = 1 }\nevent_expiry A { seconds = 2 } }"),
         "9: event_expiry \"A\" is already set on line 8\n"},
    };
    ASSERT_REFUSED(table);
}

static void the_api_customers_needs_a_store_and_accounts_of_its_tenant(void **state)
{
    (void)state;
    static const struct wrong table[] = {
        {TENANT_HAS("client \"c\" { id = 12 apis = {\"customers\"} }"),
         "7: client \"c\": api customers needs a store block with a file\n"
         "7: client \"c\": the API customers needs accounts\n"},
        {TENANT_HAS("client \"c\" { id = 12 apis = {\"card\"} accounts = {\"T00000001\"} }\n"
                    "account T00000001 { }"),
         "7: client \"c\": accounts are only for the API customers\n"},
        {AUDIT,
         "audit { file = \"a.log\" } " STORE "tenant \"two\" { id = 2 keys 1 { state = \"current\" }\n"
         "account T00000001 { } }\ntenant \"three\" { id = 3 keys 1 { state = \"current\" }\n"
         "client \"c\" { id = 12 apis = {\"customers\"} accounts = {\"T00000001\", \"T00000002\"} } }",
         "6: client \"c\": tenant \"three\" has no account \"T00000001\"\n"
         "6: client \"c\": tenant \"three\" has no account \"T00000002\"\n"},
    };
    ASSERT_REFUSED(table);
}

static void the_api_requests_needs_a_store_and_alone_has_members(void **state)
{
    (void)state;
    static const struct wrong table[] = {
        {TENANT_HAS("client \"c\" { id = 12 apis = {\"requests\"} }"),
         "7: client \"c\": api requests needs a store block with a file\n"},
        {TENANT_HAS(
             "client \"c\" { id = 12 apis = {\"card\"}\npublic_keys = {\"k.pem\"}\ndisplay_name = \"C\" }"),
         "8: client \"c\": public_keys is only for the API requests\n"
         "9: client \"c\": display_name is only for the API requests\n"},
        {TENANT_HAS("client \"c\" { id = 12 apis = {\"card\"}\nrate = -1 }"),
         "8: client \"c\": rate must be 0..1000000\n"},
        {TENANT_HAS("client \"c\" { id = 12 apis = {\"card\"}\nrate = 1000001 }"),
         "8: client \"c\": rate must be 0..1000000\n"},
    };
    ASSERT_REFUSED(table);
    write_with(TOP, STORE "tenant \"two\" { id = 2 keys 1 { state = \"current\" }\n"
                          "client \"c\" { id = 12 apis = {\"requests\"}\ndisplay_name = \" C\" } }");
    assert_file_refused("13: client \"c\": display_name must be 1..70" NAME_RULE);
}

static void a_public_key_listed_twice_or_without_a_name_is_refused(void **state)
{
    (void)state;
    char expected[200];
    write_with(TOP,
               STORE "tenant \"two\" { id = 2 keys 1 { state = \"current\" }\n"
                     "client \"c\" { id = 12 apis = {\"requests\"}\npublic_keys = {\"k\", \"l\", \"k\"} } }");
    snprintf(expected, sizeof expected, "13: client \"c\": public_keys: \"%s/k\" is listed twice\n", folder);
    assert_file_refused(expected);
    write_with(TOP, STORE "tenant \"two\" { id = 2 keys 1 { state = \"current\" }\n"
                          "client \"c\" { id = 12 apis = {\"requests\"}\npublic_keys = {\"\"} } }");
    assert_file_refused("13: client \"c\": public_keys: a path is empty\n");
}

static void urls_are_https_or_lead_to_this_machine(void **state)
{
    (void)state;
    static const char shape[] =
        "must be https://HOST[:PORT][/PATH], without query and without a slash at the end";
    static const char scheme[] = "must be https://, unless the host is a loopback address";
    static const struct {
        const char *url, *fault; // NULL: none
    } rows[] = {
        {"tokens.example", shape},
        {"ftp://tokens.example", shape},
        {"HTTPS://tokens.example", shape},
        {"https://", shape},
        {"https:///x", shape},
        {"https://tokens.example/", shape},
        {"https://tokens.example/a/", shape},
        {"https://tokens.example?x", shape},
        {"https://tokens.example/#x", shape},
        {"https://user@tokens.example", shape},
        {"https://tokens.example:0", shape},
        {"https://tokens.example:65536", shape},
        {"https://tokens.example:", shape},
        {"https://tokens.example:8443x", shape},
        {"https://-x", shape},
        {"https://.x", shape},
        {"https://[::1", shape},
        {"https://[::g]", shape},
        {"https://::1", shape},
        {"https://tokens example", shape},
        {"https://tokens.example/%2e%2e", shape},
        {"http://tokens.example", scheme},
        {"http://127.evil.example", scheme},
        {"http://127.0.0.1.evil.example", scheme},
        {"http://localhost.evil.example", scheme},
        {"http://[::2]", scheme},
        {"https://tokens.example", NULL},
        {"https://tokens.example:8443/a/b-c_d~e.f", NULL},
        {"https://[2001:db8::1]:8443", NULL},
        {"http://127.0.0.1:8443", NULL},
        {"http://127.1.2.3", NULL},
        {"http://[::1]:8443", NULL},
        {"http://localhost:8443", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char line[160], expected[300];
        snprintf(line, sizeof line, "customers {\nissuer = \"%s\" }\nrequests {\npublic_url = \"%s\" }",
                 rows[i].url, rows[i].url);
        write_with(TOP, line);
        if (rows[i].fault != NULL) {
            snprintf(expected, sizeof expected, "11: customers: issuer %s\n13: requests: public_url %s\n",
                     rows[i].fault, rows[i].fault);
            assert_file_refused(expected);
            continue;
        }
        struct config *config = load_good();
        assert_string_equal(config->customers.issuer, rows[i].url);
        assert_string_equal(config->requests.public_url, rows[i].url);
        config_free(config);
    }
}

static void a_host_of_254_bytes_is_refused(void **state)
{
    (void)state;
    char line[400];
    for (int bytes = 253; bytes <= 254; bytes++) {
        snprintf(line, sizeof line, "requests { public_url = \"https://%0*d\" }", bytes, 1);
        write_with(TOP, line);
        if (bytes == 253)
            config_free(load_good());
        else
            assert_file_refused(
                "10: requests: public_url must be https://HOST[:PORT][/PATH], without query and "
                "without a slash at the end\n");
    }
}

static void realms_and_lives_are_sane(void **state)
{
    (void)state;
    static const char realm[] = "10: requests: realm must be 1..16 of a-z, 0-9 and '-'\n";
    static const struct wrong table[] = {
        {TOP, "requests { realm = \"Symbolon\" }", realm},
        {TOP, "requests { realm = \"a:b\" }", realm},
        {TOP, "requests { realm = \"a.b\" }", realm},
        {TOP, "requests { realm = \"0123456789abcdefg\" }", realm},
        {TOP, "requests { realm = \"\" }", "10: requests: realm is empty\n"},
        {TOP, "requests { lifetime = 59 }", "10: requests: lifetime must be 60..31622400\n"},
        {TOP, "requests { lifetime = 31622401 }", "10: requests: lifetime must be 60..31622400\n"},
        {TOP, "customers { token_life = 59 }", "10: customers: token_life must be 60..2592000\n"},
        {TOP, "customers { token_life = 2592001 }", "10: customers: token_life must be 60..2592000\n"},
    };
    ASSERT_REFUSED(table);
}

static void the_template_customer_names_an_account(void **state)
{
    (void)state;
#define CUSTOMER "transformation \"cu\" { id = 2 template = \"customer\" "
    static const struct wrong table[] = {
        {TENANT_HAS(CUSTOMER "}"),
         "7: transformation \"cu\": of is missing: template \"customer\" needs an account\n"},
        {TENANT_HAS(CUSTOMER "of = \"shop\" }"),
         "7: transformation \"cu\": tenant \"demo\" has no account \"shop\"\n"},
        {TENANT_HAS("account T00000001 { }\n" CUSTOMER
                    "of = \"T00000001\"\ntweak_source = \"supplied\"\ngeneration = 1 }"),
         "9: transformation \"cu\": template \"customer\" takes no tweak: tweak_source must be internal\n"
         "10: transformation \"cu\": generation is not for template \"customer\"\n"},
        {TENANT_HAS(
             "account T00000001 { }\ntransformation \"c\" { id = 2 template = \"card\" of = \"T00000001\" }"),
         "8: transformation \"c\": tenant \"demo\" has no client \"T00000001\"\n"},
    };
    ASSERT_REFUSED(table);
}

static void everything_that_is_written_arrives(void **state)
{
    (void)state;
    write_with(TOP, STORE "customers { issuer = \"https://a.example\" token_life = 60 }\n"
                          "requests { public_url = \"https://b.example\" realm = \"a-0\" lifetime = 61 }\n"
                          "tenant \"two\" { id = 2 keys 1 { state = \"current\" }\n"
                          "account \"P12345678\" { auto_customer = false customers = {\"\xc3\xa9\", \"b\"}\n"
                          "event_expiry \"IN DOUBT\" { seconds = 7 } event_expiry PENDING { seconds = 8 } }\n"
                          "account T00000002 { }\n"
                          "client \"c\" { id = 12 apis = {\"requests\", \"customers\"} accounts = "
                          "{\"T00000002\", \"P12345678\"}\n"
                          "public_keys = {\"k.pem\", \"/l.pem\"} display_name = \"Caf\xc3\xa9\" rate = 9 }\n"
                          "transformation \"t\" { id = 1 template = \"customer\" of = \"P12345678\" } }");
    struct config *config = load_good();
    char expected[128];
    assert_string_equal(config->customers.issuer, "https://a.example");
    assert_int_equal(config->customers.token_life_s, 60);
    assert_string_equal(config->requests.public_url, "https://b.example");
    assert_string_equal(config->requests.realm, "a-0");
    assert_int_equal(config->requests.lifetime_s, 61);
    const struct config_tenant *tenant = &config->tenants[1];
    assert_int_equal(tenant->account_count, 2);
    const struct config_account *account = &tenant->accounts[0];
    assert_string_equal(account->id, "P12345678");
    assert_false(account->auto_customer);
    assert_int_equal(account->customer_count, 2);
    assert_string_equal(account->customers[0], "\xc3\xa9");
    assert_int_equal(account->expiry_count, 2);
    assert_string_equal(account->expiries[0].status, "IN DOUBT");
    assert_int_equal(account->expiries[1].seconds, 8);
    assert_int_equal(account->line, 14);
    assert_true(tenant->accounts[1].auto_customer);
    assert_int_equal(tenant->accounts[1].line, 16);
    const struct config_client *client = &tenant->clients[0];
    assert_int_equal(client->account_count, 2);
    assert_string_equal(client->accounts[1], "P12345678");
    assert_int_equal(client->public_key_count, 2);
    snprintf(expected, sizeof expected, "%s/k.pem", folder);
    assert_string_equal(client->public_keys[0], expected);
    assert_string_equal(client->public_keys[1], "/l.pem");
    assert_string_equal(client->display_name, "Caf\xc3\xa9");
    assert_int_equal(client->rate, 9);
    assert_string_equal(tenant->transformations[0].of, "P12345678");
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accounts_are_p_or_t_and_eight_digits),
        cmocka_unit_test(an_account_belongs_to_one_tenant),
        cmocka_unit_test(customers_of_an_account_are_names_and_not_for_automatic_ones),
        cmocka_unit_test(a_customer_of_256_characters_is_refused_and_one_of_255_is_not),
        cmocka_unit_test(events_expire_after_a_stated_time),
        cmocka_unit_test(the_api_customers_needs_a_store_and_accounts_of_its_tenant),
        cmocka_unit_test(the_api_requests_needs_a_store_and_alone_has_members),
        cmocka_unit_test(a_public_key_listed_twice_or_without_a_name_is_refused),
        cmocka_unit_test(urls_are_https_or_lead_to_this_machine),
        cmocka_unit_test(a_host_of_254_bytes_is_refused),
        cmocka_unit_test(realms_and_lives_are_sane),
        cmocka_unit_test(the_template_customer_names_an_account),
        cmocka_unit_test(everything_that_is_written_arrives),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
