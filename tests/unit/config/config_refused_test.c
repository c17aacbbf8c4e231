// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/config/config_fixture.h"

static void text_that_libconfuse_would_take_silently_is_refused(void **state)
{
    (void)state;
    static const struct wrong table[] = {
        {TLS, "tls { certificate = \"${HOME}/t.pem\" }",
         "1: unexpected character '$': environment variables are not expanded; to mean the character, use "
         "single quotes\n"},
        {TLS, "tls { certificate = ${HOME} }",
         "1: unexpected character '$': environment variables are not expanded; to mean the character, use "
         "single quotes\n"},
        {TOP, "\n\ninclude(\"/etc/passwd\")", "12: unexpected character '(': use plain words and \"...\"\n"},
        {TLS, "tls { certificate = \"t\\x00.pem\" }",
         "1: unexpected character '\\': there are no escape sequences; to mean the character, use single "
         "quotes\n"},
        {TLS, "tls { certificate = \"t.pem }", "1: the string does not end on its line\n"},
        {TOP, "/* no */", "10: unexpected character '/': use plain words and \"...\"\n"},
        {TOP, "connections = +5", "10: unexpected character '+': use plain words and \"...\"\n"},
        {TOP, "connections = 5*", "10: unexpected character '*': use plain words and \"...\"\n"},
        {TOP, "connections = 5\r",
         "10: unexpected byte 0x0d: only ASCII text, tabs and line feeds may stand outside comments\n"},
        {AUDIT, "audit { file = \"\xc3\xa9\" }",
         "2: unexpected byte 0xc3: only ASCII text, tabs and line feeds may stand outside comments\n"},
        {TOP, "connections = 010", "10: 010: numbers are decimal, without leading zeros\n"},
        {TOP, "connections = 0x10", "10: 0x10: numbers are decimal, without leading zeros\n"},
        {TOP, "connections = \"010\"", "10: connections: numbers stand without quotes\n"},
        {KEYS, "keys \"1\" { state = \"current\" }\nclient \"a\" {\nid = '12' apis = {\"card\"} }",
         "7: client \"a\": id: numbers stand without quotes\n"},
        {KEYS,
         "keys 1 { state = \"current\" }\nclient \"a\" { id = 12 apis = {\"giftcard\"}\nforgery_odds = "
         "\"0x1p-9\" }",
         "7: client \"a\": forgery_odds: numbers stand without quotes\n"},
        {TENANT_END, "", "4: the block tenant is not closed\n"},
        {TOP, "\"listen\" = \"127.0.0.1:1\"", "10: syntax error\n"},
    };
    ASSERT_REFUSED(table);
}

static void syntax_errors_and_unknown_names_stop_at_the_first_with_their_line(void **state)
{
    (void)state;
    static const struct wrong table[] = {
        {TOP, "\nlisten_on = \"127.0.0.1:1\"\nfoo = 1", "11: no such option 'listen_on'\n"},
        {CLIENT, "# remark\nclient \"a\" { # remark\nid = 1\npassword = \"x\" }",
         "9: no such option 'password'\n"},
        {TOP, "vault \"x\" { }", "10: no such option 'vault'\n"},
        {TOP, "connections = \"many\"", "10: invalid integer value for option 'connections'\n"},
        {TOP, "connections = 99999999999999999999",
         "10: integer value for option 'connections' is out of range\n"},
        {TOP, "plain_http = maybe", "10: invalid boolean value for option 'plain_http'\n"},
        {TOP, "listen \"x\"", "10: missing equal sign after option 'listen'\n"},
        {TOP, "listen = {\"x\"}", "10: unexpected token '{'\n"},
        {TOP, "listen =", "11: premature end of file\n"},
        {TOP, "}", "10: unexpected closing brace\n"},
        {TOP, "tenant { id = 3 }", "10: missing title for section 'tenant'\n"},
        {TOP, "tls = 3", "10: missing opening brace for section 'tls'\n"},
    };
    ASSERT_REFUSED(table);
}

static void nothing_may_be_set_twice(void **state)
{
    (void)state;
    static const struct wrong table[] = {
        {TOP, "connections = 7\n\nconnections = 7", "12: connections is already set on line 10\n"},
        {TOP, "tls { client_ca = \"x\" }", "10: tls is already set on line 1\n"},
        {KEYS, "keys 1 { state = \"current\" }\nkeys 1 { state = \"current\" }",
         "6: keys \"1\" is already set on line 5\n"},
        {ROLE, "role \"pan\" { transformations = {\"cc\"} transformations = {\"cc\"} }",
         "8: transformations is already set on line 8\n"},
        {TOP, "slot \"main\" { module = \"/m.so\" token = \"t\" pin_file = \"pin\" }",
         "10: slot \"main\" is already set on line 3\n"},
    };
    ASSERT_REFUSED(table);
}

static void all_complaints_are_collected_in_the_order_of_the_file(void **state)
{
    (void)state;
    write_with(CLIENT,
               "client \"shop\" {\n apis = {\"card\", \"fax\"}\n generation = 0\n permissions = {\"root\"}\n"
               " roles = {\"pan\", \"pin\", \"pan\"}\n id = 70000\n id = 70000\n}");
    assert_file_refused(
        "6: client \"shop\": roles are only for the API transform\n"
        "6: client \"shop\": tenant \"demo\" has no role \"pin\"\n"
        "7: client \"shop\": apis: \"fax\" is none of: card, giftcard, transform, serial, "
        "customers, requests, operations\n"
        "8: client \"shop\": generation must be 1..65535\n"
        "9: client \"shop\": permissions: \"root\" is none of: tokenize, detokenize, produce, "
        "read, approve, admin\n"
        "10: client \"shop\": roles: \"pan\" is listed twice\n"
        "12: id is already set on line 11\n"
        "12: client \"shop\": id must be 1..65535\n");
}

static void an_empty_file_lacks_everything_that_has_no_default(void **state)
{
    (void)state;
    write_file("", 0);
    assert_file_refused("1: tls: certificate is missing\n"
                        "1: audit: file is missing\n"
                        "1: there is no slot block\n"
                        "1: there is no tenant block\n");
}

static void addresses_are_numeric_with_different_ports(void **state)
{
    (void)state;
    static const char shape[] =
        "10: listen must be a numeric address and a port: 127.0.0.1:8443 or [::1]:8443\n";
    static const struct wrong table[] = {
        {TOP, "listen = \"localhost:8443\"", shape},
        {TOP, "listen = \"8443\"", shape},
        {TOP, "listen = \":8443\"", shape},
        {TOP, "listen = \"127.0.0.1:\"", shape},
        {TOP, "listen = \"127.0.0.1:0\"", shape},
        {TOP, "listen = \"127.0.0.1:65536\"", shape},
        {TOP, "listen = \"127.0.0.1:+80\"", shape},
        {TOP, "listen = \"127.0.0.1:080\"", shape},
        {TOP, "listen = \"::1:8443\"", shape},
        {TOP, "listen = \"[127.0.0.1]:8443\"", shape},
        {TOP, "listen = \"[::1\"", shape},
        {TOP, "listen = \"[::1:8443\"", shape},
        {TOP, "listen = \"\"", "10: listen is empty\n"},
        {TOP, "listen = \"127.0.0.1:65535\"",
         "10: operations_listen is missing: there is no port after 65535\n"},
        {TOP, "operations_listen = \"10.0.0.1:8443\"",
         "10: operations_listen and listen must have different ports\n"},
        {TOP, "plain_http = true\nlisten = \"0.0.0.0:8443\"",
         "11: listen must be a loopback address when plain_http is on\n"},
        {TOP, "plain_http = true\noperations_listen = \"[::]:9000\"",
         "11: operations_listen must be a loopback address when plain_http is on\n"},
    };
    ASSERT_REFUSED(table);
}

static void limits_must_be_sane(void **state)
{
    (void)state;
    static const struct wrong table[] = {
        {TOP, "connections = 0", "10: connections must be 1..16384\n"},
        {TOP, "connections = -1", "10: connections must be 1..16384\n"},
        {TOP, "connections = 16385", "10: connections must be 1..16384\n"},
        {TOP, "connections_per_address = 0", "10: connections_per_address must be 1..16384\n"},
        {TOP, "header_timeout = 301", "10: header_timeout must be 1..300\n"},
        {TOP, "idle_timeout = 3601", "10: idle_timeout must be 1..3600\n"},
        {TOP, "drain_timeout = 0", "10: drain_timeout must be 1..3600\n"},
        {TOP, "body_limit = 1023", "10: body_limit must be 1024..1073741824\n"},
        {TOP, "memory_in_flight = 68719476737", "10: memory_in_flight must be 1024..68719476736\n"},
        {TOP, "memory_in_flight = 8388607", "10: memory_in_flight must not be less than body_limit\n"},
        {TOP, "log_level = \"loud\"", "10: log_level: \"loud\" is none of: error, warning, info, debug\n"},
    };
    ASSERT_REFUSED(table);
}

static void tls_audit_and_slots_name_what_they_need(void **state)
{
    (void)state;
    static const struct wrong table[] = {
        {TLS, "tls { key = \"k\" }", "1: tls: certificate is missing\n"},
        {TLS, "tls { certificate = \"t\"\nkey = \"\" }", "2: tls: key is empty\n"},
        {TLS, "tls { certificate = \"t\"\nrequire_client_certificate = true }",
         "2: tls: require_client_certificate needs client_ca\n"},
        {AUDIT, "audit { file = \"\" }", "2: audit: file is empty\n"},
        {AUDIT, "audit { file = \"f\"\nsync = \"never\" }",
         "3: audit: sync: \"never\" is none of: interval, always\n"},
        {SLOT, "slot \"main\" { module = \"m.so\" token = \"t\" pin_file = \"pin\" }",
         "3: slot \"main\": module must be an absolute path\n"},
        {SLOT, "slot \"main\" { }",
         "3: slot \"main\": module is missing\n3: slot \"main\": token is missing\n"
         "3: slot \"main\": pin_file is missing\n"},
        {SLOT,
         "slot \"main\" { module = \"/m.so\" token = \"t\" pin_file = \"pin\"\nlanes = 65\npriority = 0 }",
         "4: slot \"main\": lanes must be 1..64\n5: slot \"main\": priority must be 1..100\n"},
        {SLOT, "slot \"main\" { module = \"/m.so\" token = \"t\" pin_file = \"pin\"\ncall_timeout = 0.0999 }",
         "4: slot \"main\": call_timeout must be 0.1..600 seconds\n"},
        {SLOT, "slot \"main\" { module = \"/m.so\" token = \"t\" pin_file = \"pin\"\ncall_timeout = 601 }",
         "4: slot \"main\": call_timeout must be 0.1..600 seconds\n"},
        {SLOT, "slot \"main\" { module = \"/m.so\" token = \"t\" pin_file = \"pin\"\ncall_timeout = nan }",
         "4: slot \"main\": call_timeout must be 0.1..600 seconds\n"},
        {SLOT, "slot \"ma in\" { module = \"/m.so\" token = \"t\" pin_file = \"pin\" }",
         "3: slot \"ma in\": the title is no name: letters, digits, '.', '_', '-', at most 63, the first a "
         "letter or digit\n"},
    };
    ASSERT_REFUSED(table);
}

static void no_two_slots_are_the_same_token(void **state)
{
    (void)state;
    static const char same[] = "10: slot \"b\": slot \"main\" on line 3 is the same token of the same "
                               "module; serial tells tokens of "
                               "one label apart\n";
    static const struct wrong table[] = {
        {TOP, "slot \"b\" { module = \"/m.so\" token = \"t\" pin_file = \"other\" priority = 2 }", same},
        {TOP, "slot \"b\" { module = \"/m.so\" token = \"t\" serial = \"7\" pin_file = \"pin\" }", same},
        {TOP,
         "slot \"b\" { module = \"/n.so\" token = \"t\" serial = \"7\" pin_file = \"pin\" }\n"
         "slot \"c\" { module = \"/n.so\" token = \"t\" serial = \"8\" pin_file = \"pin\" }\n"
         "slot \"d\" { module = \"/n.so\" token = \"t\" serial = \"7\" pin_file = \"pin\" }",
         "12: slot \"d\": slot \"b\" on line 10 is the same token of the same module; serial tells tokens of "
         "one label apart\n"},
    };
    ASSERT_REFUSED(table);
}

static void generations_of_a_tenant_fit_together(void **state)
{
    (void)state;
    static const struct wrong table[] = {
        {KEYS, "", "4: tenant \"demo\": no keys are current\n"},
        {KEYS, "keys 1 { state = \"new\" }", "4: tenant \"demo\": no keys are current\n"},
        {KEYS, "keys 1 { state = \"current\" }\nkeys 2 { state = \"current\" }",
         "6: keys \"2\": keys \"1\" on line 5 are current already\n"},
        {KEYS, "keys 1 { state = \"current\" }\nkeys 10 { state = \"retired\" }",
         "6: keys \"10\": PAN tokens could not tell them from keys \"1\" on line 5: numbers of live "
         "generations "
         "must differ modulo 9\n"},
        {KEYS, "keys 1 { state = \"current\" }\nkeys 0 { state = \"new\" }",
         "6: keys \"0\": the title must be the number of the generation, 1..65535\n"},
        {KEYS, "keys 1 { state = \"current\" }\nkeys 02 { state = \"new\" }",
         "6: keys \"02\": the title must be the number of the generation, 1..65535\n"},
        {KEYS, "keys 1 { state = \"current\" }\nkeys 65536 { state = \"new\" }",
         "6: keys \"65536\": the title must be the number of the generation, 1..65535\n"},
        {KEYS, "keys 1 { state = \"current\" }\nkeys 2 { }", "6: keys \"2\": state is missing\n"},
        {KEYS, "keys 1 { state = \"current\" }\nkeys 2 {\nstate = \"old\" }",
         "7: keys \"2\": state: \"old\" is none of: new, current, retired\n"},
        {KEYS, "keys 1 { state = \"current\"\ncheck_value = \"A1B2C\" }",
         "6: keys \"1\": check_value must be 6 hexadecimal digits\n"},
        {KEYS, "keys 1 { state = \"current\"\ncheck_value = \"A1B2C3D\" }",
         "6: keys \"1\": check_value must be 6 hexadecimal digits\n"},
        {KEYS, "keys 1 { state = \"current\"\ncheck_value = \"A1B2G3\" }",
         "6: keys \"1\": check_value must be 6 hexadecimal digits\n"},
    };
    ASSERT_REFUSED(table);
}

static void ids_and_names_are_unique(void **state)
{
    (void)state;
    static const struct wrong table[] = {
        {TOP, "tenant \"two\" { id = 1\nkeys 1 { state = \"current\" } }",
         "10: tenant \"two\": id 1 is already that of \"demo\" on line 4\n"},
        {TOP,
         "tenant \"two\" { id = 2 keys 1 { state = \"current\" }\nclient \"b\" { id = 11 apis = {\"card\"} } "
         "}",
         "11: client \"b\": id 11 is already that of \"shop\" on line 6\n"},
        {TOP,
         "tenant \"two\" { id = 2 keys 1 { state = \"current\" }\nclient \"shop\" { id = 12 apis = "
         "{\"card\"} } }",
         "11: client \"shop\": tenant \"demo\" has one of this name on line 6\n"},
        {TRANSFORMATION,
         "transformation \"cc\" { id = 1 template = \"builtin/creditcardnumber\" }\n"
         "transformation \"c2\" { id = 1 template = \"builtin/creditcardnumber\" }",
         "8: transformation \"c2\": id 1 is already that of \"cc\" on line 7\n"},
        {TENANT, "tenant \"demo\" {", "4: tenant \"demo\": id is missing\n"},
        {TENANT, "tenant \"demo\" { id = 65536", "4: tenant \"demo\": id must be 1..65535\n"},
        {TENANT, "tenant \"-demo\" { id = 1",
         "4: tenant \"-demo\": the title is no name: letters, digits, '.', '_', '-', at most 63, the first a "
         "letter or digit\n"},
    };
    ASSERT_REFUSED(table);
}

static void clients_are_complete_and_their_references_lead_somewhere(void **state)
{
    (void)state;
    static const struct wrong table[] = {
        {CLIENT, "client \"shop\" { apis = {\"card\"} }", "6: client \"shop\": id is missing\n"},
        {CLIENT, "client \"shop\" { id = 11 }", "6: client \"shop\": apis must name at least one API\n"},
        {CLIENT, "client \"shop\" { id = 11\napis = {} }",
         "7: client \"shop\": apis must name at least one API\n"},
        {CLIENT, "client \"shop\" { id = 11 apis = {\"card\"} roles = {\"pan\"} }",
         "6: client \"shop\": roles are only for the API transform\n"},
        {CLIENT, "client \"shop\" { id = 11 apis = {\"transform\"} roles = {\"pin\"} }",
         "6: client \"shop\": tenant \"demo\" has no role \"pin\"\n"},
        {CLIENT, "client \"shop\" { id = 11 apis = {\"card\"}\naccept_previous = true }",
         "7: client \"shop\": accept_previous needs a generation above 1\n"},
    };
    ASSERT_REFUSED(table);
}

static void transformations_and_roles_are_complete_and_lead_somewhere(void **state)
{
    (void)state;
    static const struct wrong table[] = {
        {TRANSFORMATION, "transformation \"cc\" { id = 1 template = \"ssn\" }",
         "7: transformation \"cc\": there is no template \"ssn\"\n"},
        {TRANSFORMATION, "transformation \"cc\" { id = 1 }",
         "7: transformation \"cc\": template is missing\n"},
        {TRANSFORMATION, "transformation \"cc\" { id = 1 template = \"card\" }",
         "7: transformation \"cc\": of is missing: template \"card\" needs a client\n"},
        {TRANSFORMATION, "transformation \"cc\" { id = 1 template = \"card\" of = \"shoe\" }",
         "7: transformation \"cc\": tenant \"demo\" has no client \"shoe\"\n"},
        {TRANSFORMATION,
         "transformation \"cc\" { id = 1 template = \"builtin/creditcardnumber\"\nof = \"shop\" }",
         "8: transformation \"cc\": of is not for template \"builtin/creditcardnumber\"\n"},
        {TRANSFORMATION,
         "transformation \"cc\" { id = 1 template = \"card\" of = \"shop\"\ntweak_source = \"supplied\" }",
         "8: transformation \"cc\": template \"card\" takes no tweak: tweak_source must be internal\n"},
        {TRANSFORMATION,
         "transformation \"cc\" { id = 1 template = \"builtin/creditcardnumber\"\ntweak_source = \"random\" "
         "}",
         "8: transformation \"cc\": tweak_source: \"random\" is none of: internal, supplied, generated\n"},
        {ROLE, "role \"pan\" { }", "8: role \"pan\": transformations must name at least one\n"},
        {ROLE, "role \"pan\" { transformations = {\"cc\", \"dd\"} }",
         "8: role \"pan\": tenant \"demo\" has no transformation \"dd\"\n"},
        {ROLE, "role \"pan\" { transformations = {\"cc\", \"cc\"} }",
         "8: role \"pan\": transformations: \"cc\" is listed twice\n"},
    };
    ASSERT_REFUSED(table);
}

static void a_name_of_64_bytes_is_refused_and_one_of_63_is_not(void **state)
{
    (void)state;
    char line[240];
    snprintf(line, sizeof line,
             "role \"%064d\" { transformations = {\"cc\"} }\nrole \"pan\" { transformations = "
             "{\"cc\"} }",
             1);
    write_with(ROLE, line);
    snprintf(line, sizeof line,
             "8: role \"%063d\": the title is no name: letters, digits, '.', '_', '-', at most 63, "
             "the first a letter or digit\n",
             0); // it is cut where it is repeated
    assert_file_refused(line);
    snprintf(line, sizeof line,
             "role \"%063d\" { transformations = {\"cc\"} }\nrole \"pan\" { transformations = "
             "{\"cc\"} }",
             1);
    write_with(ROLE, line);
    config_free(load_good());
}

static void a_nul_byte_is_refused_with_its_line(void **state)
{
    (void)state;
    write_file("# one\n# two\n# \0three\n", 22);
    assert_file_refused("3: the file holds a NUL byte\n");
}

static void a_file_over_one_mebibyte_is_refused(void **state)
{
    (void)state;
    enum { LIMIT = 1024 * 1024 };
    char *spaces = malloc(LIMIT + 1);
    memset(spaces, ' ', LIMIT + 1);
    write_file(spaces, LIMIT + 1);
    assert_file_refused(" the file is larger than 1048576 bytes\n");
    write_file(spaces, LIMIT);
    free(spaces);
    struct config *config;
    char *report;
    assert_int_equal(load(&config, &report), ERR_CONFIG);
    assert_non_null(strstr(report, "there is no slot block"));
    free(report);
}

static void a_file_that_cannot_be_read_says_why(void **state)
{
    (void)state;
    unlink(path);
    struct config *config;
    char *report;
    assert_int_equal(load(&config, &report), ERR_IO);
    assert_string_equal(report, " cannot be read: No such file or directory\n");
    free(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_that_libconfuse_would_take_silently_is_refused),
        cmocka_unit_test(syntax_errors_and_unknown_names_stop_at_the_first_with_their_line),
        cmocka_unit_test(nothing_may_be_set_twice),
        cmocka_unit_test(all_complaints_are_collected_in_the_order_of_the_file),
        cmocka_unit_test(an_empty_file_lacks_everything_that_has_no_default),
        cmocka_unit_test(addresses_are_numeric_with_different_ports),
        cmocka_unit_test(limits_must_be_sane),
        cmocka_unit_test(tls_audit_and_slots_name_what_they_need),
        cmocka_unit_test(no_two_slots_are_the_same_token),
        cmocka_unit_test(generations_of_a_tenant_fit_together),
        cmocka_unit_test(ids_and_names_are_unique),
        cmocka_unit_test(clients_are_complete_and_their_references_lead_somewhere),
        cmocka_unit_test(transformations_and_roles_are_complete_and_lead_somewhere),
        cmocka_unit_test(a_name_of_64_bytes_is_refused_and_one_of_63_is_not),
        cmocka_unit_test(a_nul_byte_is_refused_with_its_line),
        cmocka_unit_test(a_file_over_one_mebibyte_is_refused),
        cmocka_unit_test(a_file_that_cannot_be_read_says_why),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
