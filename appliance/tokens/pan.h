// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// PAN tokens: as many digits as the PAN, separators kept in place. A format may keep the first or last
// digits in clear; of the rest, the last is the slot, which a Luhn-valid PAN makes redundant, and FF1 runs
// over the others. The slot digit of the token is chosen so that the token's Luhn sum is the generation's
// slot number 1..9: a token therefore always fails the Luhn check, can never be taken for a card, and
// names the generation that opens it.
//
// A PAN token carries no authenticity. One mistyped digit always changes the Luhn sum, so the token is
// refused while one generation is live, and opens as another card in 11 % of cases with two live
// generations, 89 % with nine.
//
// A format may be pinned to one generation for life and then has no slot: FF1 runs over all digits that are
// not kept, and its tokens cannot be told from PANs by looking at them. First six and last four of 16 digits
// is possible only so.
//
// The tweak: purpose "pan", tenant, then transformation id (two bytes), kept digits (ASCII, in order), the
// caller's tweak (any bytes).
#pragma once

#include "appliance/base/secret.h"
#include "appliance/tokens/card.h"
#include "appliance/tokens/fields.h"
#include "appliance/tokens/keyring.h"

#include <stddef.h>

struct pan_format;

struct pan_format_options {
    unsigned transformation_id;
    unsigned keep_first, keep_last; // digits left in clear, 0..12 each
    unsigned pinned_generation;     // 0: the token names its generation in a slot
};

// Prepares a shape for every PAN length whose free digits, less the slot, are six or more; ERR_DOMAIN when
// there is none.
enum err pan_format_new(const struct pan_format_options *options, struct pan_format **out_format);
void pan_format_free(struct pan_format *format);
// The shortest PAN that the format takes, in digits.
size_t pan_format_shortest(const struct pan_format *format);

// One PAN or token in a batch; text is rewritten where it stands, digits only.
struct pan_item {
    char *text; // digits, spaces and hyphens
    size_t len;
    struct slice tweak;  // the caller's, or empty
    const char *fault;   // out: NULL, or static text that completes "value ..."; text is then unchanged
    unsigned generation; // out: the generation used
};

// Tokenizes under the current generation, or the pinned one: 12..19 digits that pass Luhn. Errors of the
// cipher, after which the texts are unspecified.
enum err pan_seal(const struct pan_format *format, const struct keyring *keyring, struct pan_item *items,
                  size_t count);
// Opens each under the generation that its Luhn sum names.
enum err pan_open(const struct pan_format *format, const struct keyring *keyring, struct pan_item *items,
                  size_t count);
