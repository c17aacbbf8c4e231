// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The layouts of a client's gift-card tokens: which cards each takes, how long its tokens are, and how a card
// becomes a record. Private to giftcard*.c.
#pragma once

#include "appliance/tokens/giftcard.h"

enum {
    EPOCH_S = 1000,
    AGE_MIN_S = -5, // clocks of nodes differ
    AGE_MAX_S = GIFTCARD_LIFE_S - 1,
    AGES = AGE_MAX_S - AGE_MIN_S + 1, // 605 issue seconds are acceptable at any time
    LAYOUTS_MAX = 64,
};

enum { FIELD_CARD, FIELD_CODE, FIELD_SECOND, FIELD_COUNT };

struct layout {
    char prefix[PAN_DIGITS_MAX + 1];
    size_t prefix_digits;
    size_t digits; // of a card; 0: any of 12..19
    bool luhn;
    unsigned code_digits;
    size_t token_digits;
    double odds;
    struct format *format; // over token_digits - 1 digits
};

struct giftcards {
    unsigned client_id;
    size_t count;
    struct layout layouts[LAYOUTS_MAX]; // longest prefix first, other cards last
};

// The first layout that takes the card with this code, or NULL.
const struct layout *layout_for(const struct giftcards *giftcards, const struct giftcard_sealing *sealing);
// The card of a sealing issued at a second, as a record of its layout.
struct record layout_record(const struct layout *layout, const struct giftcard_sealing *sealing,
                            int64_t at_s);
// Card and code of a record.
void layout_read(const struct layout *layout, const struct record *record, struct giftcard_opening *opening);
