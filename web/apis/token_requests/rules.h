// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What a text in a token request must be. Each rule returns NULL, or what is wrong, as the end of the
// sentence
// "<member> ...". Texts are UTF-8 without control characters and of bounded length before a rule sees them.
// Pure functions.
#pragma once

#include "appliance/base/buf.h"

const char *rule_text(struct slice text);         // not empty
const char *rule_reference(struct slice text);    // refId: 1..35 characters
const char *rule_currency(struct slice text);     // ISO 4217
const char *rule_country(struct slice text);      // ISO 3166-1 alpha-2
const char *rule_amount(struct slice text);       // decimal, more than 0, at most 4 decimals
const char *rule_date(struct slice text);         // YYYY-MM-DD, a day of the calendar
const char *rule_compact_date(struct slice text); // the same, or YYYYMMDD
const char *rule_unix_seconds(struct slice text); // decimal
const char *rule_url(struct slice text);          // where a person is sent back to
const char *rule_member(struct slice text);       // m:<20 bytes>:<realm>, or with '-'
const char *rule_iban(struct slice text);         // ISO 13616: length of its country, check digits
const char *rule_bic(struct slice text);          // ISO 9362: 8 or 11 characters
const char *rule_bban(struct slice text);         // 1..30 letters and digits
const char *rule_account(struct slice text);      // 1..34 letters and digits
const char *rule_uk_account(struct slice text);   // 8 digits
const char *rule_sort_code(struct slice text);    // 6 digits
const char *rule_clearing(struct slice text);     // 3..12 digits
const char *rule_bankgiro(struct slice text);     // 7 or 8 digits
const char *rule_plusgiro(struct slice text);     // 2..8 digits
const char *rule_phone(struct slice text);        // 7..15 digits, country code first
const char *rule_code(struct slice text);         // 1..4 capitals and digits (ISO 20022 external codes)
const char *rule_scheme(struct slice text);       // a scheme of identification; CPAN is spelled so

// scheme://host[:port] of a URL that passes rule_url.
struct slice url_origin(struct slice url);
// Its host, with brackets if it has them.
struct slice url_host(struct slice url);
