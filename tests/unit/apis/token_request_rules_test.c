// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "web/apis/token_requests/rules.h"

#include <string.h>

typedef const char *rule(struct slice text);

static struct slice slice_of(const char *text)
{
    return (struct slice){text, strlen(text)};
}

// Texts end with a NULL.
static void assert_all(rule *check, bool right, const char *const *texts)
{
    for (; *texts != NULL; texts++) {
        if ((check(slice_of(*texts)) == NULL) != right)
            fail_msg("\"%s\" is %s", *texts, right ? "refused" : "taken");
    }
}

#define ACCEPTS(check, ...) assert_all(check, true, (const char *const[]){__VA_ARGS__, NULL})
#define REFUSES(check, ...) assert_all(check, false, (const char *const[]){__VA_ARGS__, NULL})

static void amounts_are_plain_decimals(void **state)
{
    (void)state;
    ACCEPTS(rule_amount, "1", "0.01", "25.00", "10000.0001", "999999999999999.9999", "0.0001");
    REFUSES(rule_amount, "", "0", "0.00", "1e9", "-1", "+1", "1.", ".5", "01", "00.5", "1.00001", "1,00",
            " 1", "1 ", "1.0.0", "0x1", "NaN", "1000000000000000", "\xd9\xa1", "1.-1");
}

static void currencies_and_countries_are_listed_codes(void **state)
{
    (void)state;
    ACCEPTS(rule_currency, "EUR", "GBP", "SEK", "AED", "ZWG");
    REFUSES(rule_currency, "", "EU", "EURO", "eur",
            "XX"
            "X",
            "EDA", "UAE", "XAU", "ABC");
    ACCEPTS(rule_country, "DE", "GB", "AD", "ZW");
    REFUSES(rule_country, "", "D", "de", "EU", "UK", "XX", "DEU", "DA");
}

static void dates_are_days_of_the_calendar(void **state)
{
    (void)state;
    ACCEPTS(rule_date, "2023-02-28", "2024-02-29", "2000-02-29", "9999-12-31");
    REFUSES(rule_date, "", "2023-02-29", "1900-02-29", "2023-13-01", "2023-00-01", "2023-01-00", "2023-04-31",
            "0000-01-01", "20230228", "2023-2-28", "2023-02-28T00:00:00Z", "2023/02/28", "28-02-2023",
            "2023-02-2x");
    ACCEPTS(rule_compact_date, "20230228", "2023-02-28");
    REFUSES(rule_compact_date, "20230229", "2023022", "2023-0228", "2023022x");
}

static void an_IBAN_has_its_countrys_length_and_right_check_digits(void **state)
{
    (void)state;
    ACCEPTS(rule_iban, "DE02120300000000202051", "GB29NWBK60161331926819", "NO9386011117947",
            "MT84MALT011000012345MTLCAST001S", "FR1420041010050500013M02606", "AD1200012030200359100100");
    REFUSES(rule_iban, "", "DE", "DE03120300000000202051", "DE02120300000000202015", "DE0212030000000020205",
            "DE021203000000002020510", "de02120300000000202051", "DE02 1203 0000 0000 2020 51",
            "US02120300000000202051", "DEO2120300000000202051", "GB29NWBK6016133192681\xc3");
}

static void other_accounts_have_their_form(void **state)
{
    (void)state;
    ACCEPTS(rule_bic, "BOFIIE2D", "DEUTDEFF500", "1234XK2A");
    REFUSES(rule_bic, "", "BOFIIE2", "BOFIIE2DXX", "bofiie2d", "BOFIZZ2D", "BOFIIE2-");
    ACCEPTS(rule_sort_code, "123456");
    REFUSES(rule_sort_code, "12345", "1234567", "12-34-56", "12345x");
    ACCEPTS(rule_uk_account, "12345678");
    REFUSES(rule_uk_account, "1234567", "123456789");
    ACCEPTS(rule_bankgiro, "1234567", "56781234");
    REFUSES(rule_bankgiro, "123456", "5678-1234");
    ACCEPTS(rule_plusgiro, "12", "67812345");
    REFUSES(rule_plusgiro, "1", "678123456");
    ACCEPTS(rule_phone, "447949123456");
    REFUSES(rule_phone, "+447949123456", "07949123456", "4479");
    ACCEPTS(rule_bban, "NWBK60161331926819");
    REFUSES(rule_bban, "", "NWBK 6016", "1234567890123456789012345678901");
}

static void a_redirect_leads_by_https_or_to_this_machine(void **state)
{
    (void)state;
    ACCEPTS(rule_url, "https://shop.example/cb", "https://shop.example", "https://shop.example?x=1",
            "https://shop.example:8443/a/b?c=d&e=%20", "http://localhost:3000/cb", "http://127.0.0.1/cb",
            "http://[::1]:8080/cb", "https://[2001:db8::1]/", "https://a.b-c.example/~u/(x)");
    REFUSES(rule_url, "", "javascript:alert(1)", "JAVASCRIPT:alert(1)", "shop.example/cb",
            "//shop.example/cb", "/cb", "data:text/html,x", "file:///etc/passwd", "ftp://shop.example/",
            "http://shop.example/cb", "http://127.0.0.1.example/cb", "http://localhost.example/",
            "http://127.1.example/", "https://", "https:///cb", "https://?x", "https://user@shop.example/",
            "https://user:pass@shop.example/", "https://shop.example@evil.example/",
            "http://localhost@evil.example/", "https://shop.example/#part", "https://shop.example/a b",
            "https://shop.example/\"", "https://shop.example/<x>", "https://shop.example\\@evil.example/",
            "https://shop.example:0/", "https://shop.example:65536/", "https://shop.example:/",
            "https://shop.example:x/", "https://sh%6fp.example/", "https://shop.example/%",
            "https://shop.example/%2", "https://shop.example/%2g", "https://sh\xc3\xb6p.example/",
            "https://shop.example/\n", "https://.example/", "https://[::1/", "https://::1]/",
            "https://a_b.example/", "https://[]/", "https://[x]/", "HTTPS://shop.example/");
}

static void origin_and_host_are_taken_from_a_url(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"https://shop.example/cb?x=1", "https://shop.example", "shop.example"},
        {"https://shop.example?x=/", "https://shop.example", "shop.example"},
        {"https://shop.example", "https://shop.example", "shop.example"},
        {"http://localhost:3000/cb", "http://localhost:3000", "localhost"},
        {"http://[::1]:8080/cb", "http://[::1]:8080", "[::1]"},
        {"https://[2001:db8::1]", "https://[2001:db8::1]", "[2001:db8::1]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(slice_is(url_origin(slice_of(cases[i][0])), cases[i][1]));
        assert_true(slice_is(url_host(slice_of(cases[i][0])), cases[i][2]));
    }
}

static void a_member_id_has_20_bytes_and_a_realm(void **state)
{
    (void)state;
    ACCEPTS(rule_member, "m:nP4w3u5y8ddrxDJkjimgSX9e4fZ:5zKtXEAq", "m-nP4w3u5y8ddrxDJkjimgSX9e4fZ-5zKtXEAq");
    REFUSES(rule_member, "", "m", "m:", "m::", "m:nP4w3u5y8ddrxDJkjimgSX9e4fZ",
            "m:nP4w3u5y8ddrxDJkjimgSX9e4fZ:", "m:nP4w3u5y8ddrxDJkjimgSX9e4fZ-5zKtXEAq",
            "m-nP4w3u5y8ddrxDJkjimgSX9e4fZ:5zKtXEAq", "rq:nP4w3u5y8ddrxDJkjimgSX9e4fZ:5zKtXEAq",
            "m:nP4w3u5y8ddrxDJkjimgSX9e40Z:5zKtXEAq", "m:5zKtXEAq:5zKtXEAq",
            "m:nP4w3u5y8ddrxDJkjimgSX9e4fZ:0");
}

static void a_reference_has_35_characters_and_not_bytes(void **state)
{
    (void)state;
    ACCEPTS(rule_reference, "r", "inv-2030-0007", "12345678901234567890123456789012345",
            "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
            "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9");
    REFUSES(rule_reference, "", "123456789012345678901234567890123456");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(amounts_are_plain_decimals),
        cmocka_unit_test(currencies_and_countries_are_listed_codes),
        cmocka_unit_test(dates_are_days_of_the_calendar),
        cmocka_unit_test(an_IBAN_has_its_countrys_length_and_right_check_digits),
        cmocka_unit_test(other_accounts_have_their_form),
        cmocka_unit_test(a_redirect_leads_by_https_or_to_this_machine),
        cmocka_unit_test(origin_and_host_are_taken_from_a_url),
        cmocka_unit_test(a_member_id_has_20_bytes_and_a_realm),
        cmocka_unit_test(a_reference_has_35_characters_and_not_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
