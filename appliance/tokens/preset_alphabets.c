// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/preset_alphabets.h"

#include "appliance/fpe/alphabet.h"

static const struct preset_alphabet presets[] = {
    {"BASE16", ALPHABET_LOWER_HEX},
    {"BASE60", "23456789" ALPHABET_UPPER ALPHABET_LOWER},
    {"BASE62", ALPHABET_ALNUM},
    {"DECIMAL", ALPHABET_DECIMAL},
    {"DICE", "\u2680\u2681\u2682\u2683\u2684\u2685"},
    {"LOWER_HEX", ALPHABET_LOWER_HEX},
    {"LOWER_LATIN", ALPHABET_LOWER},
    {"UPPER_EPCG30", "0123456789ABCDEFGHKMNPRSTVWXYZ"},
    {"UPPER_HEX", ALPHABET_UPPER_HEX},
    {"UPPER_LATIN", ALPHABET_UPPER},
    {"UPPER_VOWELS", "AEIOU"},
};

size_t preset_alphabet_count(void)
{
    return sizeof presets / sizeof presets[0];
}

const struct preset_alphabet *preset_alphabet_at(size_t index)
{
    return &presets[index];
}
