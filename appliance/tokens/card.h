// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Card tokens: 48 hex digits that carry PAN and expiry, sealed for one client of one tenant. The record
// is (PAN length - 12, PAN, year, month): 8 x 10^19 x 100 x 13 values in a space of 16^48. Month 0 means
// a card without expiry. Deterministic for one card, client and generation; nothing is stored.
//
// Checks return NULL, or a static text that completes the sentence "<member> ...".
#pragma once

#include "appliance/base/buf.h"
#include "appliance/base/secret.h"
#include "appliance/tokens/format.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    PAN_DIGITS_MIN = 12,
    PAN_DIGITS_MAX = 19,
    CARD_TOKEN_LENGTH = 48,
    CARD_MASK_BYTES = 15, // 14 characters and NUL
};

// The sealed format of card tokens; one for the process.
enum err card_format_new(struct format **out_format);

struct card {
    struct clear pan;     // digits only
    unsigned year, month; // 0..99 and 1..12; both 0 for none
};

// 12..19 ASCII digits and, where asked, a valid Luhn sum (ISO/IEC 7812-1, annex B).
const char *card_check_pan(struct clear pan, bool luhn);
// "YYMM", or "YMM" with a lost leading zero; the month 01..12.
const char *card_parse_expiry(struct slice text, unsigned *out_year, unsigned *out_month);
// First second after the month of expiry, UTC: years are 2000..2099.
int64_t card_keep_until_s(unsigned year, unsigned month);
// First six, four asterisks, last four; PANs under 15 digits show first four and last four.
void card_mask(struct clear pan, char out_mask[CARD_MASK_BYTES]);

// Seals checked cards for a client. out_tokens holds count x CARD_TOKEN_LENGTH characters.
enum err card_seal(const struct format *format, const struct keyring *keyring, unsigned client_id,
                   const struct card *cards, size_t count, char *out_tokens);

// What a token opened to. digits holds the PAN, NUL-terminated; wipe it.
struct card_opening {
    struct slice token;
    const struct generation *generation; // NULL: not genuine for this client
    char digits[PAN_DIGITS_MAX + 1];
    unsigned year, month;
};

// Opens tokens of a client; a record that is not canonical does not open.
enum err card_open(const struct format *format, const struct keyring *keyring, unsigned client_id,
                   struct card_opening *openings, size_t count);
