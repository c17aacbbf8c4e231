// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What a tenant may say about formats of tokens: alphabets, issuer ranges, patterns, pinned generations.
#include "tests/unit/config/config_fixture.h"

#include <stdint.h>

#define NOT_ASCII ": only ASCII text, tabs and line feeds may stand outside comments\n"
#define NO_NAME                                                                                              \
    "the title is no name: letters, digits, '.', '_', '-', at most 63, the first a letter or digit\n"

// Rows of tables that add a block to the tenant, from line 6 on; or something to a client of the gift-card
// API, from line 8 on.
#define KEYS_AND(text) KEYS, "keys 1 { state = \"current\" }\n" text
#define GIFT                                                                                                 \
    "client \"shop\" { id = 11 apis = {\"transform\"} roles = {\"pan\"} }\n"                                 \
    "client \"gift\" { id = 12 apis = {\"giftcard\"}\n"
#define GIFT_CLIENT(text) CLIENT, GIFT text " }"
// The transformation on line 7.
#define TEMPLATE(name) TRANSFORMATION, "transformation \"cc\" { id = 1 template = \"" name "\" "

static void strings_in_single_quotes_end_and_are_ascii(void **state)
{
    (void)state;
    static const struct wrong table[] = {
        {TLS, "tls { certificate = 't.pem }", "1: the string does not end on its line\n"},
        {TLS, "tls { certificate = 't.pem\\' }", "1: the string does not end on its line\n"},
        {TLS, "tls { certificate = 't\\\n' }", "1: the string does not end on its line\n"},
        {TLS, "tls { certificate = '\xc3\xa9' }", "1: unexpected byte 0xc3" NOT_ASCII},
        {TLS, "tls { certificate = '\t' }", "1: unexpected byte 0x09" NOT_ASCII},
        {TENANT, "tenant 'demo' { id = 1", "4: titles stand in double quotes or in none\n"},
        {TENANT, "tenant 'de\\'mo' { id = 1",
         "1: tenant \"de'mo\": " NO_NAME "4: titles stand in double quotes or in none\n"},
        {TEMPLATE("regex") "generation = 1 alphabet = \"builtin/numeric\"\npattern = \"([0-9]{7})$\" }",
         "8: unexpected character '$': environment variables are not expanded; to mean the character, use "
         "single quotes\n"},
        {TEMPLATE("regex") "generation = 1 alphabet = \"builtin/numeric\"\npattern = \"\\.([0-9]{7})\" }",
         "8: unexpected character '\\': there are no escape sequences; to mean the character, use single "
         "quotes\n"},
    };
    ASSERT_REFUSED(table);
}

static void alphabets_are_characters_of_utf_8_that_differ(void **state)
{
    (void)state;
    static const struct wrong table[] = {
        {KEYS_AND("alphabet \"a\" { }"), "6: alphabet \"a\": characters is missing\n"},
        {KEYS_AND("alphabet \"a\" {\ncharacters = \"\" }"), "7: alphabet \"a\": characters is empty\n"},
        {KEYS_AND("alphabet \"a\" {\ncharacters = \"A\" }"),
         "7: alphabet \"a\": characters must be 2..65536, not 1\n"},
        {KEYS_AND("alphabet \"a\" {\ncharacters = \"ABA\" }"),
         "7: alphabet \"a\": characters: U+0041 stands twice\n"},
        {KEYS_AND("alphabet \"a\" {\ncharacters = \"\xf0\x9f\x98\x80 \xf0\x9f\x98\x80\" }"),
         "7: alphabet \"a\": characters: U+1F600 stands twice\n"},
        {KEYS_AND("alphabet \"a\" {\ncharacters = \"A\xc2\x85\" }"),
         "7: alphabet \"a\": characters: U+0085 is a control character\n"},
        {KEYS_AND("alphabet \"a\" {\ncharacters = \"A\tB\" }"), "7: unexpected byte 0x09" NOT_ASCII},
        {KEYS_AND("alphabet \"a\" {\ncharacters = \"A\x7f\" }"), "7: unexpected byte 0x7f" NOT_ASCII},
        {KEYS_AND("alphabet \"\xc3\xa9\" { characters = \"AB\" }"), "6: unexpected byte 0xc3" NOT_ASCII},
        {KEYS_AND("alphabet \"a\" { characters = \"\xc3\xa9z\" }\nalphabet \"\xc3\" { }"),
         "7: unexpected byte 0xc3" NOT_ASCII},
        {KEYS_AND("alphabet \"a\" { characters = \"AB\" }\nalphabet \"a\" { characters = \"AB\" }"),
         "7: alphabet \"a\" is already set on line 6\n"},
        {KEYS_AND("alphabet \"builtin/a\" { characters = \"AB\" }"), "6: alphabet \"builtin/a\": " NO_NAME},
    };
    ASSERT_REFUSED(table);
}

static void malformed_utf_8_is_refused_with_its_place(void **state)
{
    (void)state;
    static const char *const malformed[] = {
        "\x80",             // a continuation alone
        "\xc3",             // cut short
        "\xe2\x82",         // cut short
        "\xf0\x9f\x98",     // cut short
        "\xc1\x81",         // "A", too long
        "\xe0\x81\x81",     // "A", too long
        "\xf0\x80\x81\x81", // "A", too long
        "\xed\xa0\x80",     // a surrogate
        "\xf4\x90\x80\x80", // U+110000
        "\xf7\xbf\xbf\xbf", // U+1FFFFF
        "\xf8\x88\x80\x80\x80",
        "\xff",
    };
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        char line[100];
        snprintf(line, sizeof line,
                 "keys 1 { state = \"current\" }\nalphabet \"a\" { characters = \"xy%s\" }", malformed[i]);
        write_with(KEYS, line);
        assert_file_refused("6: alphabet \"a\": characters must be UTF-8: character 3 is not\n");
    }
}

// The code points from U+10000 on, four bytes each.
static void write_large_alphabet(uint32_t count)
{
    BUF line = {0};
    buf_text(&line, "keys 1 { state = \"current\" }\nalphabet \"a\" { characters = \"");
    for (uint32_t value = 0x10000; value < 0x10000 + count; value++)
        buf_printf(&line, "\xf0%c%c%c", (int)(0x80 | (value >> 12 & 0x3f)), (int)(0x80 | (value >> 6 & 0x3f)),
                   (int)(0x80 | (value & 0x3f)));
    buf_text(&line, "\" }");
    buf_byte(&line, '\0');
    assert_int_equal(line.error, OK);
    write_with(KEYS, line.at);
}

static void an_alphabet_of_65537_characters_is_refused_and_one_of_65536_is_not(void **state)
{
    (void)state;
    write_large_alphabet(65536);
    struct config *config = load_good();
    assert_int_equal(strlen(config->tenants[0].alphabets[0].characters), 4 * 65536);
    config_free(config);
    write_large_alphabet(65537);
    assert_file_refused("6: alphabet \"a\": characters must be 2..65536, not 65537\n");
}

static void prefixes_of_issuer_ranges_are_1_to_18_digits(void **state)
{
    (void)state;
    static const char *const prefixes[] = {"", "6x", "60 35", "6035.1", "-603571", "1234567890123456789"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        char line[240], expected[160];
        snprintf(line, sizeof line, GIFT "issuer_range \"%s\" { digits = 19 } }", prefixes[i]);
        write_with(CLIENT, line);
        snprintf(expected, sizeof expected,
                 "8: issuer_range \"%s\": the title must be the first digits of the card numbers, 1..18 of "
                 "them\n",
                 prefixes[i]);
        assert_file_refused(expected);
    }
}

static void issuer_ranges_are_sane(void **state)
{
    (void)state;
    static const char digits[] = "9: issuer_range \"603571\": digits must be 12..19\n",
                      code[] = "9: issuer_range \"603571\": code must be 0..8\n",
                      token_digits[] = "9: issuer_range \"603571\": token_digits must be 16..40, or 0 for as "
                                       "many as needed\n";
    static const struct wrong table[] = {
        {GIFT_CLIENT("issuer_range 603571 {\ndigits = 11 }"), digits},
        {GIFT_CLIENT("issuer_range 603571 {\ndigits = 20 }"), digits},
        {GIFT_CLIENT("issuer_range 603571123456 {\ndigits = 13 }"),
         "9: issuer_range \"603571123456\": digits must be at least 14, or the range has a single card\n"},
        {GIFT_CLIENT("issuer_range 603571123456 { luhn = false\ndigits = 12 }"),
         "9: issuer_range \"603571123456\": digits must be at least 13, or the range has a single card\n"},
        {GIFT_CLIENT("issuer_range 603571123456789 { }"),
         "8: issuer_range \"603571123456789\": digits must be at least 17, or the range has a single card\n"},
        {GIFT_CLIENT("issuer_range 603571 {\ncode = 9 }"), code},
        {GIFT_CLIENT("issuer_range 603571 {\ncode = -1 }"), code},
        {GIFT_CLIENT("issuer_range 603571 {\ntoken_digits = 15 }"), token_digits},
        {GIFT_CLIENT("issuer_range 603571 {\ntoken_digits = 41 }"), token_digits},
        {GIFT_CLIENT("issuer_range 603571 {\ntoken_digits = -16 }"), token_digits},
        {GIFT_CLIENT("issuer_range 603571 {\ntoken_digits = 4294967312 }"), token_digits}, // 2^32 + 16
    };
    ASSERT_REFUSED(table);
}

static void issuer_ranges_of_one_title_differ_and_keep_their_lines(void **state)
{
    (void)state;
    static const struct wrong table[] = {
        {GIFT_CLIENT("issuer_range 603571 { code = 4 luhn = true }\n"
                     "issuer_range 603571 { code = 3 }\n"
                     "issuer_range 60357 { code = 4 }\n"
                     "issuer_range 603571 { code = 4 digits = 17 }\n"
                     "issuer_range \"603571\" { code = 4 luhn = false }"),
         "12: issuer_range \"603571\": the range on line 8 has the same prefix, digits and code\n"},
        {GIFT_CLIENT("issuer_range 603571 { code = 4 code = 4 }\nissuer_range 603571 { code = 0 code = 0 }"),
         "8: code is already set on line 8\n9: code is already set on line 9\n"},
        {GIFT_CLIENT("issuer_range 603571 {\ncode = 9 }\nissuer_range 603571 { code = 1\ndigits = 3 }"),
         "9: issuer_range \"603571\": code must be 0..8\n"
         "11: issuer_range \"603571\": digits must be 12..19\n"},
        {GIFT_CLIENT("issuer_range 603571 { }\nissuer_range 603571 { code = 1\npin = 4 }"),
         "10: no such option 'pin'\n"},
    };
    ASSERT_REFUSED(table);
}

static void gift_card_options_are_for_the_api_giftcard_and_in_range(void **state)
{
    (void)state;
    static const char odds[] = "8: client \"gift\": forgery_odds must be above 0 and at most 0.01\n";
    static const struct wrong table[] = {
        {GIFT_CLIENT("forgery_odds = 0"), odds},
        {GIFT_CLIENT("forgery_odds = 0.0"), odds},
        {GIFT_CLIENT("forgery_odds = -0.001"), odds},
        {GIFT_CLIENT("forgery_odds = 0.0100001"), odds},
        {GIFT_CLIENT("forgery_odds = nan"), odds},
        {GIFT_CLIENT("forgery_odds = inf"), odds},
        {GIFT_CLIENT("forgery_odds = 1e-400"),
         "8: floating point value for option 'forgery_odds' is out of range\n"},
        {GIFT_CLIENT("forgery_odds = low"), "8: invalid floating point value for option 'forgery_odds'\n"},
        {GIFT_CLIENT("forgery_odds = 0x1p-9"), "8: 0x1p-9: numbers are decimal, without leading zeros\n"},
        {CLIENT,
         "client \"shop\" { id = 11 apis = {\"transform\"} roles = {\"pan\"}\nforgery_odds = 0.001\n"
         "other_cards = true\nissuer_range 603571 { } }",
         "7: client \"shop\": forgery_odds is only for the API giftcard\n"
         "8: client \"shop\": other_cards is only for the API giftcard\n"
         "9: client \"shop\": issuer_range \"603571\" is only for the API giftcard\n"},
    };
    ASSERT_REFUSED(table);
}

static void templates_say_what_they_need(void **state)
{
    (void)state;
    static const struct wrong table[] = {
        {TEMPLATE("pan-first-six-last-four") "}",
         "7: transformation \"cc\": generation is missing: template \"pan-first-six-last-four\" needs the "
         "number of keys\n"},
        {TEMPLATE("builtin/socialsecuritynumber") "}",
         "7: transformation \"cc\": generation is missing: template \"builtin/socialsecuritynumber\" needs "
         "the number of keys\n"},
        {TEMPLATE("regex") "}",
         "7: transformation \"cc\": generation is missing: template \"regex\" needs the number of keys\n"
         "7: transformation \"cc\": pattern is missing: template \"regex\" needs one\n"
         "7: transformation \"cc\": alphabet is missing: template \"regex\" needs one\n"},
        {TEMPLATE("regex") "generation = 1 alphabet = \"builtin/numeric\"\npattern = '' }",
         "8: transformation \"cc\": pattern is missing: template \"regex\" needs one\n"},
        {TEMPLATE("giftcard") "}",
         "7: transformation \"cc\": of is missing: template \"giftcard\" needs a client\n"},
    };
    ASSERT_REFUSED(table);
}

static void templates_refuse_what_is_not_for_them(void **state)
{
    (void)state;
    static const struct wrong table[] = {
        {TEMPLATE("pan-first-six") "\ngeneration = 1 }",
         "8: transformation \"cc\": generation is not for template \"pan-first-six\"\n"},
        {TEMPLATE("builtin/creditcardnumber") "\ngeneration = 1 }",
         "8: transformation \"cc\": generation is not for template \"builtin/creditcardnumber\"\n"},
        {TEMPLATE("pan-last-four") "\npattern = \"(.*)\"\nalphabet = \"builtin/numeric\" }",
         "8: transformation \"cc\": pattern is not for template \"pan-last-four\"\n"
         "9: transformation \"cc\": alphabet is not for template \"pan-last-four\"\n"},
        {TEMPLATE("builtin/socialsecuritynumber") "generation = 1\nalphabet = \"builtin/numeric\" }",
         "8: transformation \"cc\": alphabet is not for template \"builtin/socialsecuritynumber\"\n"},
        {TEMPLATE(
             "regex") "generation = 1 pattern = \"(.*)\" alphabet = \"builtin/numeric\"\nof = \"shop\" }",
         "8: transformation \"cc\": of is not for template \"regex\"\n"},
        {CLIENT,
         GIFT "}\ntransformation \"g\" { id = 2 template = \"giftcard\" of = \"gift\"\n"
              "tweak_source = \"generated\"\ngeneration = 1 }",
         "10: transformation \"g\": template \"giftcard\" takes no tweak: tweak_source must be internal\n"
         "11: transformation \"g\": generation is not for template \"giftcard\"\n"},
    };
    ASSERT_REFUSED(table);
}

static void owners_generations_and_alphabets_exist(void **state)
{
    (void)state;
    static const struct wrong table[] = {
        {TEMPLATE("giftcard") "of = \"shop\" }",
         "7: transformation \"cc\": client \"shop\" does not have the API giftcard\n"},
        {TEMPLATE("giftcard") "of = \"gift\" }",
         "7: transformation \"cc\": tenant \"demo\" has no client \"gift\"\n"},
        {CLIENT, GIFT "}\ntransformation \"c\" { id = 2 template = \"card\" of = \"gift\" }",
         "9: transformation \"c\": client \"gift\" does not have the API card\n"},
        {TEMPLATE("builtin/socialsecuritynumber") "\ngeneration = 0 }",
         "8: transformation \"cc\": generation must be 1..65535\n"},
        {TEMPLATE("builtin/socialsecuritynumber") "\ngeneration = 65537 }",
         "8: transformation \"cc\": generation must be 1..65535\n"},
        {TEMPLATE("builtin/socialsecuritynumber") "generation = 2 }",
         "7: transformation \"cc\": tenant \"demo\" has no keys \"2\"\n"},
        {TEMPLATE("regex") "generation = 1 pattern = \"([0-9]{9})\" alphabet = \"builtin/octal\" }",
         "7: transformation \"cc\": tenant \"demo\" has no alphabet \"builtin/octal\"\n"},
    };
    ASSERT_REFUSED(table);
}

static void keys_and_alphabets_of_another_tenant_do_not_count(void **state)
{
    (void)state;
    write_with(TOP, "tenant \"two\" { id = 2 keys 2 { state = \"current\" }\n"
                    "alphabet \"a\" { characters = \"ab\" } }\n"
                    "tenant \"three\" { id = 3 keys 3 { state = \"current\" }\n"
                    "transformation \"r\" { id = 1 template = \"regex\" pattern = \"([ab]{20})\"\n"
                    "alphabet = \"a\" generation = 2 } }");
    assert_file_refused("13: transformation \"r\": tenant \"three\" has no keys \"2\"\n"
                        "13: transformation \"r\": tenant \"three\" has no alphabet \"a\"\n");
}

static void a_pattern_of_4097_bytes_is_refused_and_one_of_4096_is_not(void **state)
{
    (void)state;
    char line[4400];
    for (int bytes = 4096; bytes <= 4097; bytes++) {
        snprintf(line, sizeof line,
                 "transformation \"cc\" { id = 1 template = \"regex\" generation = 1\n"
                 "alphabet = \"builtin/numeric\"\npattern = \"%0*d\" }",
                 bytes, 0);
        write_with(TRANSFORMATION, line);
        if (bytes == 4096)
            config_free(load_good());
        else
            assert_file_refused("9: transformation \"cc\": pattern must be 1..4096 bytes\n");
    }
}

// ---- what is accepted -----------------------------------------------------------------------------

static void single_quotes_keep_all_but_two_escape_sequences(void **state)
{
    (void)state;
    static const struct {
        const char *written, *kept;
    } table[] = {
        {"([A-Z]{3})-([0-9]{4})$", "([A-Z]{3})-([0-9]{4})$"},
        {"\\.${HOME}\\n\\x41\\$ # // /* \"", "\\.${HOME}\\n\\x41\\$ # // /* \""},
        {"it\\'s \\\\ \\\\\\\\", "it's \\ \\\\"},
        {"end\\\\", "end\\"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char line[200];
        snprintf(line, sizeof line,
                 "transformation \"cc\" { id = 1 template = \"regex\" generation = 1\n"
                 "pattern = '%s'\nalphabet = \"builtin/alphanumeric\" }",
                 table[i].written);
        write_with(TRANSFORMATION, line);
        struct config *config = load_good();
        assert_string_equal(config->tenants[0].transformations[0].pattern, table[i].kept);
        config_free(config);
    }
}

static void gift_card_options_have_the_documented_defaults(void **state)
{
    (void)state;
    write_with(CLIENT, GIFT "issuer_range 6 { } }");
    struct config *config = load_good();
    const struct config_client *client = &config->tenants[0].clients[1];
    assert_true(client->forgery_odds == 0.00001);
    assert_true(client->other_cards);
    assert_int_equal(client->range_count, 1);
    const struct config_issuer_range *range = &client->ranges[0];
    assert_string_equal(range->prefix, "6");
    assert_int_equal(range->digits, 16);
    assert_true(range->luhn);
    assert_int_equal(range->code_digits, 0);
    assert_int_equal(range->token_digits, 0);
    assert_int_equal(range->line, 8);
    assert_int_equal(config->tenants[0].clients[0].range_count, 0);
    config_free(config);
}

static void ranges_of_one_title_all_arrive(void **state)
{
    (void)state;
    write_with(CLIENT, GIFT "forgery_odds = 1e-9 other_cards = false\n"
                            "issuer_range 603571 { code = 4 token_digits = 22 }\n"
                            "issuer_range \"60357100\" { digits = 19 luhn = false }\n"
                            "issuer_range \"603571\" { code = 8 token_digits = 40 }\n"
                            "issuer_range 603571 { } }\n"
                            "client \"more\" { id = 13 apis = {\"card\", \"giftcard\"} forgery_odds = 0.01\n"
                            "issuer_range 603571 { code = 1 } }");
    struct config *config = load_good();
    const struct config_client *client = &config->tenants[0].clients[1];
    assert_true(client->forgery_odds == 1e-9);
    assert_false(client->other_cards);
    assert_int_equal(client->range_count, 4);
    static const unsigned digits[] = {16, 19, 16, 16}, codes[] = {4, 0, 8, 0}, tokens[] = {22, 0, 40, 0};
    for (size_t i = 0; i < 4; i++) {
        const struct config_issuer_range *range = &client->ranges[i];
        assert_string_equal(range->prefix, i == 1 ? "60357100" : "603571");
        assert_int_equal(range->digits, digits[i]);
        assert_int_equal(range->luhn, i != 1);
        assert_int_equal(range->code_digits, codes[i]);
        assert_int_equal(range->token_digits, tokens[i]);
        assert_int_equal(range->line, 9 + (int)i);
    }
    assert_string_equal(client[1].ranges[0].prefix, "603571");
    assert_int_equal(client[1].ranges[0].code_digits, 1);
    assert_int_equal(client[1].ranges[0].line, 14);
    config_free(config);
}

static void patterns_alphabets_and_generations_arrive(void **state)
{
    (void)state;
    write_with(KEYS,
               "keys 1 { state = \"current\" }\nkeys 2 { state = \"retired\" }\n"
               "alphabet \"odd\" { characters = ' !\"#$%&\\'()\\\\\xc3\xa9\xf0\x9f\x98\x80' }\n"
               "transformation \"p\" { id = 3 template = \"regex\" pattern = \"(.{9})\" generation = 2\n"
               "alphabet = \"odd\" tweak_source = \"supplied\" }\n"
               "transformation \"s\" { id = 4 template = \"builtin/socialsecuritynumber\"\n"
               "generation = 1 tweak_source = \"generated\" }");
    struct config *config = load_good();
    const struct config_tenant *tenant = &config->tenants[0];
    assert_int_equal(tenant->alphabet_count, 1);
    assert_string_equal(tenant->alphabets[0].name, "odd");
    assert_string_equal(tenant->alphabets[0].characters, " !\"#$%&'()\\\xc3\xa9\xf0\x9f\x98\x80");
    assert_int_equal(tenant->alphabets[0].line, 7);
    const struct config_transformation *row = tenant->transformations;
    assert_string_equal(row[0].pattern, "(.{9})");
    assert_string_equal(row[0].alphabet, "odd");
    assert_int_equal(row[0].generation, 2);
    assert_int_equal(row[0].tweak_source, CONFIG_TWEAK_SUPPLIED);
    assert_int_equal(row[1].generation, 1);
    assert_null(row[1].pattern);
    assert_null(row[1].alphabet);
    assert_int_equal(row[2].generation, 0);
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_in_single_quotes_end_and_are_ascii),
        cmocka_unit_test(alphabets_are_characters_of_utf_8_that_differ),
        cmocka_unit_test(malformed_utf_8_is_refused_with_its_place),
        cmocka_unit_test(an_alphabet_of_65537_characters_is_refused_and_one_of_65536_is_not),
        cmocka_unit_test(prefixes_of_issuer_ranges_are_1_to_18_digits),
        cmocka_unit_test(issuer_ranges_are_sane),
        cmocka_unit_test(issuer_ranges_of_one_title_differ_and_keep_their_lines),
        cmocka_unit_test(gift_card_options_are_for_the_api_giftcard_and_in_range),
        cmocka_unit_test(templates_say_what_they_need),
        cmocka_unit_test(templates_refuse_what_is_not_for_them),
        cmocka_unit_test(owners_generations_and_alphabets_exist),
        cmocka_unit_test(keys_and_alphabets_of_another_tenant_do_not_count),
        cmocka_unit_test(a_pattern_of_4097_bytes_is_refused_and_one_of_4096_is_not),
        cmocka_unit_test(single_quotes_keep_all_but_two_escape_sequences),
        cmocka_unit_test(gift_card_options_have_the_documented_defaults),
        cmocka_unit_test(ranges_of_one_title_all_arrive),
        cmocka_unit_test(patterns_alphabets_and_generations_arrive),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
