// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Gift-card tokens: decimal, alive for 600 seconds, with no table to remember them. A token carries its
// card, the code of a closed-loop card, and its issue second modulo 1000, sealed under an epoch of 1000
// seconds for one client. Its last digit is the key slot: it always fails the Luhn check and names its
// generation.
//
// A client has issuer ranges (prefix, card length, whether Luhn holds, code length) and may take any other
// card of 12..19 digits, without a code: PCI DSS 3.3.1 forbids keeping the codes of payment cards. Each is a
// layout; a token is as long as the client's forgery odds demand, 16 digits or more, so that the sum of
// cards x codes x 605 / 10^(length - 1) over all layouts of one length stays under them.
//
// Opening accepts ages of -5..599 s (nodes' clocks differ) and refuses a token that two layouts or epochs
// could have made; issuing looks for that first and takes the second before.
#pragma once

#include "appliance/base/secret.h"
#include "appliance/tokens/card.h"
#include "appliance/tokens/format.h"

enum {
    GIFTCARD_CODE_DIGITS_MAX = 8,
    GIFTCARD_TOKEN_DIGITS_MIN = 16,
    GIFTCARD_TOKEN_DIGITS_MAX = 40,
    GIFTCARD_LIFE_S = 600,
};

struct giftcard_range {
    const char *where;     // "FILE:LINE" of its definition, for messages
    const char *prefix;    // 1..18 digits
    unsigned digits;       // of a card, 12..19
    bool luhn;             // the last digit is a Luhn check digit
    unsigned code_digits;  // 0..8; a card whose code has another length is outside the range
    unsigned token_digits; // 0: as many as forgery_odds demand
};

struct giftcards_options {
    unsigned client_id;
    const char *where;   // of the client
    double forgery_odds; // above 0, at most 0.01
    const struct giftcard_range *ranges;
    size_t range_count;
    bool other_cards; // cards outside every range are taken, without their code
};

struct giftcards;

// ERR_INPUT: a range that contradicts itself; ERR_CONFLICT: token_digits too few for forgery_odds, or a
// range given twice; ERR_DOMAIN. diag names the range.
enum err giftcards_new(const struct giftcards_options *options, struct giftcards **out_giftcards,
                       struct diag *diag);
void giftcards_free(struct giftcards *giftcards);

// One layout, for `symbolon formats`.
struct giftcard_layout_facts {
    const char *prefix; // "" for other cards
    unsigned code_digits, token_digits;
    double space_bits, odds, cards; // cards: that the layout takes
};
size_t giftcards_layout_count(const struct giftcards *giftcards);
void giftcards_describe(const struct giftcards *giftcards, size_t index,
                        struct giftcard_layout_facts *out_facts);

// A card number without spaces and hyphens: false unless 12..19 digits remain.
bool giftcard_strip(struct clear text, char out_digits[PAN_DIGITS_MAX + 1]);
// 0..8 digits.
bool giftcard_code_is_well_formed(struct clear code);

struct giftcard_sealing {
    char digits[PAN_DIGITS_MAX + 1];           // of giftcard_strip
    char code[GIFTCARD_CODE_DIGITS_MAX + 1];   // well formed
    bool refused;                              // out: outside every range, and other cards are not taken
    char token[GIFTCARD_TOKEN_DIGITS_MAX + 1]; // out
    int64_t expires_s;                         // out: Unix second at which the token ceases to be valid
};

// Seals under the current generation. Errors of the cipher.
enum err giftcards_seal(const struct giftcards *giftcards, const struct keyring *keyring, int64_t now_s,
                        struct giftcard_sealing *sealings, size_t count);

struct giftcard_opening {
    struct slice token;
    const struct generation *generation; // out; NULL: expired, foreign, ambiguous and made-up alike
    char digits[PAN_DIGITS_MAX + 1];
    char code[GIFTCARD_CODE_DIGITS_MAX + 1]; // "" when the layout carries none
    int64_t expires_s;
};

// Opens tokens; wipe the openings. Errors of the cipher.
enum err giftcards_open(const struct giftcards *giftcards, const struct keyring *keyring, int64_t now_s,
                        struct giftcard_opening *openings, size_t count);
