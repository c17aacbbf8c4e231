// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/apis/token_requests/rules.h"

#include "appliance/tokens/base58.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

// ---- characters -------------------------------------------------------------------------------------------

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_capital(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_capital_or_digit(char c)
{
    return is_capital(c) || is_digit(c);
}

static bool is_letter_or_digit(char c)
{
    return is_capital_or_digit(c) || (c >= 'a' && c <= 'z');
}

static bool all(struct slice text, bool (*is)(char))
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is(text.at[i]))
            return false;
    }
    return true;
}

static bool is_made_of(struct slice text, bool (*is)(char), size_t at_least, size_t at_most)
{
    return text.len >= at_least && text.len <= at_most && all(text, is);
}

static struct slice part(struct slice text, size_t at, size_t len)
{
    return (struct slice){text.at + at, len};
}

const char *rule_text(struct slice text)
{
    return text.len == 0 ? "must not be empty" : NULL;
}

const char *rule_reference(struct slice text)
{
    enum { REFERENCE_MAX = 35 };
    if (text.len == 0)
        return "must not be empty";
    size_t characters = 0;
    for (size_t i = 0; i < text.len; i++)
        characters += ((unsigned char)text.at[i] & 0xc0) != 0x80; // not a continuation
    return characters > REFERENCE_MAX ? "must not be longer than 35 characters" : NULL;
}

// ---- lists of codes ---------------------------------------------------------------------------------------

// ISO 4217, list one: what money is counted in (no metals, no units of account).
static const char currencies[] =
    "AEDAFNALLAMDANGAOAARSAUDAWGAZNBAMBBDBDTBGNBHDBIFBMDBNDBOBBOVBRLBSDBTNBWPBYNBZDCADCDFCHECHFCHWCLFCLPCNYCO"
    "P"
    "COUCRCCUPCVECZKDJFDKKDOPDZDEGPERNETBEURFJDFKPGBPGELGHSGIPGMDGNFGTQGYDHKDHNLHTGHUFIDRILSINRIQDIRRISKJMDJO"
    "D"
    "JPYKESKGSKHRKMFKPWKRWKWDKYDKZTLAKLBPLKRLRDLSLLYDMADMDLMGAMKDMMKMNTMOPMRUMURMVRMWKMXNMXVMYRMZNNADNGNNIONO"
    "K"
    "NPRNZDOMRPABPENPGKPHPPKRPLNPYGQARRONRSDRUBRWFSARSBDSCRSDGSEKSGDSHPSLESOSSRDSSPSTNSVCSYPSZLTHBTJSTMTTNDTO"
    "P"
    "TRYTTDTWDTZSUAHUGXUSDUSNUYIUYUUYWUZSVEDVESVNDVUVWSTXAFXCDXCGXOFXPFYERZARZMWZWG";

// ISO 3166-1 alpha-2, officially assigned.
static const char countries[] =
    "ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZCACCCDCFCGCHCICKCLCMCNCOCRCUCV"
    "CWCXCYCZDEDJDKDMDODZECEEEGEHERESETFIFJFKFMFOFRGAGBGDGEGFGGGHGIGLGMGNGPGQGRGSGTGUGWGYHKHMHNHRHTHUIDIEILIM"
    "INIOIQIRISITJEJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMW"
    "MXMYMZNANCNENFNGNINLNONPNRNUNZOMPAPEPFPGPHPKPLPMPNPRPSPTPWPYQARERORSRURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSS"
    "STSVSXSYSZTCTDTFTGTHTJTKTLTMTNTOTRTTTVTWTZUAUGUMUSUYUZVAVCVEVGVIVNVUWFWSYEYTZAZMZW";

static bool is_listed(const char *list, struct slice code, size_t code_len)
{
    for (const char *at = list; code.len == code_len && *at != '\0'; at += code_len) {
        if (memcmp(at, code.at, code_len) == 0)
            return true;
    }
    return false;
}

const char *rule_currency(struct slice text)
{
    return is_listed(currencies, text, 3) ? NULL : "must be a currency code of ISO 4217";
}

const char *rule_country(struct slice text)
{
    return is_listed(countries, text, 2) ? NULL : "must be a country code of ISO 3166-1 alpha-2";
}

// ---- numbers and days -------------------------------------------------------------------------------------

const char *rule_amount(struct slice text)
{
    enum { WHOLE_MAX = 15, DECIMALS_MAX = 4 };
    const char *point = text.len > 0 ? memchr(text.at, '.', text.len) : NULL;
    const size_t whole = point != NULL ? (size_t)(point - text.at) : text.len;
    const struct slice decimals = part(text, whole + (point != NULL), text.len - whole - (point != NULL));
    if (!is_made_of(part(text, 0, whole), is_digit, 1, WHOLE_MAX) || (whole > 1 && text.at[0] == '0') ||
        (point != NULL && !is_made_of(decimals, is_digit, 1, text.len)))
        return "must be a decimal number such as \"25.00\", of at most 15 digits before the point";
    if (decimals.len > DECIMALS_MAX)
        return "must have at most 4 decimals";
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] != '0' && text.at[i] != '.')
            return NULL;
    }
    return "must be more than 0";
}

static unsigned number_of(struct slice digits)
{
    unsigned number = 0;
    for (size_t i = 0; i < digits.len; i++)
        number = number * 10 + (unsigned)(digits.at[i] - '0');
    return number;
}

// In the Gregorian calendar.
static bool is_day(unsigned year, unsigned month, unsigned day)
{
    static const unsigned char lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return year >= 1 && month >= 1 && month <= 12 && day >= 1 &&
           day <= lengths[month - 1] + (unsigned)(leap && month == 2);
}

const char *rule_date(struct slice text)
{
    static const char fault[] = "must be a date of ISO 8601, YYYY-MM-DD";
    if (text.len != 10 || text.at[4] != '-' || text.at[7] != '-')
        return fault;
    const struct slice year = part(text, 0, 4), month = part(text, 5, 2), day = part(text, 8, 2);
    if (!all(year, is_digit) || !all(month, is_digit) || !all(day, is_digit))
        return fault;
    return is_day(number_of(year), number_of(month), number_of(day)) ? NULL : "must be a day of the calendar";
}

const char *rule_compact_date(struct slice text)
{
    if (text.len != 8)
        return rule_date(text);
    if (!all(text, is_digit))
        return "must be a date of ISO 8601, YYYY-MM-DD or YYYYMMDD";
    const bool fits =
        is_day(number_of(part(text, 0, 4)), number_of(part(text, 4, 2)), number_of(part(text, 6, 2)));
    return fits ? NULL : "must be a day of the calendar";
}

const char *rule_unix_seconds(struct slice text)
{
    return is_made_of(text, is_digit, 1, 12) ? NULL : "must be Unix seconds, as a string of digits";
}

// ---- where to go back -------------------------------------------------------------------------------------

static bool is_url_character(char c)
{
    return is_letter_or_digit(c) || (c != '\0' && strchr("-._~:/?[]@!$&'()*+,;=%", c) != NULL);
}

static bool has_broken_escape(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] != '%')
            continue;
        if (i + 2 >= text.len)
            return true;
        for (size_t digit = i + 1; digit <= i + 2; digit++) {
            const char c = text.at[digit];
            if (!is_digit(c) && !(c >= 'A' && c <= 'F') && !(c >= 'a' && c <= 'f'))
                return true;
        }
    }
    return false;
}

static const char https[] = "https://", http[] = "http://";

static size_t scheme_length(struct slice url)
{
    if (url.len >= sizeof https - 1 && memcmp(url.at, https, sizeof https - 1) == 0)
        return sizeof https - 1;
    if (url.len >= sizeof http - 1 && memcmp(url.at, http, sizeof http - 1) == 0)
        return sizeof http - 1;
    return 0;
}

struct slice url_origin(struct slice url)
{
    size_t len = scheme_length(url);
    while (len < url.len && url.at[len] != '/' && url.at[len] != '?')
        len++;
    return part(url, 0, len);
}

// The authority's host: up to the colon of a port, which an IPv6 address in brackets has behind them.
struct slice url_host(struct slice url)
{
    const size_t scheme = scheme_length(url);
    const struct slice authority = part(url, scheme, url_origin(url).len - scheme);
    const char *bracket = authority.len > 0 ? memchr(authority.at, ']', authority.len) : NULL;
    size_t len = bracket != NULL ? (size_t)(bracket - authority.at) + 1 : 0;
    while (len < authority.len && authority.at[len] != ':')
        len++;
    return part(authority, 0, len);
}

static bool is_host_character(char c)
{
    return is_letter_or_digit(c) || c == '-' || c == '.';
}

static bool is_address_character(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' || c == '.';
}

static bool is_host(struct slice host)
{
    enum { HOST_MAX = 253 };
    if (host.len > 2 && host.at[0] == '[')
        return host.at[host.len - 1] == ']' && all(part(host, 1, host.len - 2), is_address_character);
    return is_made_of(host, is_host_character, 1, HOST_MAX) && host.at[0] != '.' && host.at[0] != '-';
}

// Nothing, or a colon and 1..65535.
static bool is_port(struct slice text)
{
    if (text.len == 0)
        return true;
    const struct slice digits = part(text, 1, text.len - 1);
    return text.at[0] == ':' && is_made_of(digits, is_digit, 1, 5) && digits.at[0] != '0' &&
           number_of(digits) <= UINT16_MAX;
}

// Four numbers, the first of them 127: "127.example" is a name of somebody's.
static bool is_loopback(struct slice host)
{
    unsigned dots = 0;
    if (slice_is(host, "localhost") || slice_is(host, "[::1]"))
        return true;
    for (size_t i = 0; i < host.len; i++) {
        if (host.at[i] != '.' && !is_digit(host.at[i]))
            return false;
        dots += host.at[i] == '.';
    }
    return dots == 3 && host.len > 4 && memcmp(host.at, "127.", 4) == 0;
}

const char *rule_url(struct slice text)
{
    const size_t scheme = scheme_length(text);
    if (scheme == 0)
        return "must be an https URL";
    if (!all(text, is_url_character) || has_broken_escape(text))
        return "must be a URL of RFC 3986 without a fragment";
    const struct slice origin = url_origin(text), host = url_host(text);
    const size_t host_end = scheme + host.len;
    if (memchr(origin.at, '@', origin.len) != NULL)
        return "must not have user information";
    if (!is_host(host) || !is_port(part(text, host_end, origin.len - host_end)))
        return "must have a host name, and a port of 1..65535 if any";
    if (scheme == sizeof http - 1 && !is_loopback(host))
        return "must be an https URL (http is for loopback addresses only)";
    return NULL;
}

// ---- members and accounts ---------------------------------------------------------------------------------

const char *rule_member(struct slice text)
{
    enum { MEMBER_BYTES = 20, REALM_BYTES_MIN = 3, REALM_BYTES_MAX = 18 };
    static const char fault[] = "must be a member id, m:...:...";
    uint8_t bytes[BASE58_BYTES_MAX];
    if (text.len < 2 || text.at[0] != 'm' || (text.at[1] != ':' && text.at[1] != '-'))
        return fault;
    const char *middle = memchr(text.at + 2, text.at[1], text.len - 2);
    if (middle == NULL)
        return fault;
    const struct slice body = {text.at + 2, (size_t)(middle - text.at - 2)};
    const struct slice realm = {middle + 1, text.len - body.len - 3};
    bool good = false;
    for (size_t count = REALM_BYTES_MIN; count <= REALM_BYTES_MAX && !good; count++)
        good = base58_decode(realm, bytes, count);
    return good && base58_decode(body, bytes, MEMBER_BYTES) ? NULL : fault;
}

// The IBAN registry: country and length.
static const char iban_lengths[] =
    "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18"
    "FR27GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27"
    "MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27"
    "SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30";

static size_t iban_length(struct slice iban)
{
    for (const char *at = iban_lengths; iban.len >= 2 && *at != '\0'; at += 4) {
        if (memcmp(at, iban.at, 2) == 0)
            return number_of((struct slice){at + 2, 2});
    }
    return 0;
}

// ISO 7064 MOD 97-10 over the account, then country and check digits, letters as 10..35.
static unsigned iban_remainder(struct slice iban)
{
    unsigned remainder = 0;
    for (size_t i = 0; i < iban.len; i++) {
        const char c = iban.at[(i + 4) % iban.len];
        remainder =
            is_digit(c) ? remainder * 10 + (unsigned)(c - '0') : remainder * 100 + (unsigned)(c - 'A') + 10;
        remainder %= 97;
    }
    return remainder;
}

const char *rule_iban(struct slice text)
{
    const size_t length = iban_length(text);
    if (length == 0)
        return "must be an IBAN of a country that has them, in capitals and without spaces";
    if (text.len != length)
        return "must be an IBAN of its country's length, without spaces";
    if (!all(text, is_capital_or_digit) || !is_digit(text.at[2]) || !is_digit(text.at[3]))
        return "must be an IBAN: capitals and digits";
    return iban_remainder(text) == 1 ? NULL : "must be an IBAN whose check digits are right";
}

const char *rule_bic(struct slice text)
{
    static const char fault[] = "must be a BIC of ISO 9362: 8 or 11 capitals and digits";
    if ((text.len != 8 && text.len != 11) || !all(text, is_capital_or_digit))
        return fault;
    const struct slice country = part(text, 4, 2);
    return rule_country(country) == NULL || slice_is(country, "XK") ? NULL : fault;
}

const char *rule_bban(struct slice text)
{
    return is_made_of(text, is_letter_or_digit, 1, 30) ? NULL : "must be 1..30 letters and digits";
}

const char *rule_account(struct slice text)
{
    return is_made_of(text, is_letter_or_digit, 1, 34) ? NULL : "must be 1..34 letters and digits";
}

const char *rule_uk_account(struct slice text)
{
    return is_made_of(text, is_digit, 8, 8) ? NULL : "must be 8 digits";
}

const char *rule_sort_code(struct slice text)
{
    return is_made_of(text, is_digit, 6, 6) ? NULL : "must be 6 digits";
}

const char *rule_clearing(struct slice text)
{
    return is_made_of(text, is_digit, 3, 12) ? NULL : "must be 3..12 digits";
}

const char *rule_bankgiro(struct slice text)
{
    return is_made_of(text, is_digit, 7, 8) ? NULL : "must be 7 or 8 digits";
}

const char *rule_plusgiro(struct slice text)
{
    return is_made_of(text, is_digit, 2, 8) ? NULL : "must be 2..8 digits";
}

const char *rule_phone(struct slice text)
{
    const bool fits = is_made_of(text, is_digit, 7, 15) && text.at[0] != '0';
    return fits ? NULL : "must be 7..15 digits, the country code first, without + and 0";
}

const char *rule_code(struct slice text)
{
    return is_made_of(text, is_capital_or_digit, 1, 4) ? NULL : "must be a code of 1..4 capitals and digits";
}

const char *rule_scheme(struct slice text)
{
    static const char cards[] = "CPAN"; // other spellings would hide a card number
    const bool is_cards = text.len == sizeof cards - 1 && strncasecmp(text.at, cards, text.len) == 0;
    return !is_cards || slice_is(text, cards) ? NULL
                                              : "must be CPAN in capitals where card numbers are meant";
}
