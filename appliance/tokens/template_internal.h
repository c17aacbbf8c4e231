// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The rows of the template table, each defined in its own template_*.c, and what they share.
#pragma once

#include "appliance/tokens/template.h"

extern const struct template template_credit_card_number; // template_pan.c
extern const struct template template_pan_first_six;
extern const struct template template_pan_last_four;
extern const struct template template_pan_first_six_last_four;
extern const struct template template_social_security_number; // template_pattern.c
extern const struct template template_regex;
extern const struct template template_card;     // template_card.c
extern const struct template template_giftcard; // template_giftcard.c
extern const struct template template_customer; // template_customer.c

// The fault of a value whose tweak nobody asked for.
extern const char template_takes_no_tweak[];

// A batch of values that carry tweaks: those without a fault so far, their decoded tweaks beside them.
// Made by tweaked_init from items, given back by tweaked_done.
struct tweaked {
    struct token_item **items;
    struct slice *tweaks; // empty, or TEMPLATE_TWEAK_BYTES in `bytes`
    uint8_t (*bytes)[TEMPLATE_TWEAK_BYTES];
    size_t count;
};

// Checks the caller's tweak of each item against the transformation's tweak source, makes generated ones,
// and writes a fault for each item that does not fit. Errors of the random source, ERR_MEMORY.
enum err tweaked_init(struct tweaked *tweaked, const struct transformation *transformation,
                      const struct batch *batch, bool sealing, struct token_item **items, size_t count);
void tweaked_done(struct tweaked *tweaked);
