// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "config/characters.h"

#include <stdint.h>
#include <stdlib.h>

enum { CODE_POINTS = 0x110000, CHARACTERS_MIN = 2, CHARACTERS_MAX = 65536 };

// Reads one code point and moves on; CODE_POINTS when there is no well-formed one.
static uint32_t take_code_point(const unsigned char **at)
{
    static const uint32_t smallest[] = {0, 0x80, 0x800, 0x10000}; // by number of continuation bytes
    unsigned lead = *(*at)++;
    if (lead < 0x80)
        return lead;
    if (lead < 0xc0 || lead >= 0xf8)
        return CODE_POINTS;
    size_t more = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    uint32_t value = lead & (0x3fU >> more);
    for (size_t i = 0; i < more; i++) {
        if ((**at & 0xc0) != 0x80)
            return CODE_POINTS;
        value = value << 6 | (*(*at)++ & 0x3f);
    }
    bool surrogate = value >= 0xd800 && value <= 0xdfff;
    return value < smallest[more] || surrogate || value >= CODE_POINTS ? CODE_POINTS : value;
}

static bool is_control(uint32_t code_point)
{
    return code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0);
}

// `seen` has a bit for every code point.
static void check(const struct block *block, const char *option, const char *text, uint8_t *seen)
{
    size_t count = 0;
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; count++) {
        uint32_t value = take_code_point(&at);
        if (value == CODE_POINTS) {
            block_complain(block, option, "%s must be UTF-8: character %zu is not", option, count + 1);
            return;
        }
        if (is_control(value)) {
            block_complain(block, option, "%s: U+%04X is a control character", option, value);
            return;
        }
        uint8_t bit = (uint8_t)(1 << value % 8);
        if ((seen[value / 8] & bit) != 0) {
            block_complain(block, option, "%s: U+%04X stands twice", option, value);
            return;
        }
        seen[value / 8] |= bit;
    }
    if (count < CHARACTERS_MIN || count > CHARACTERS_MAX)
        block_complain(block, option, "%s must be %d..%d, not %zu", option, CHARACTERS_MIN, CHARACTERS_MAX,
                       count);
}

void characters_check(const struct block *block, const char *option, const char *text)
{
    uint8_t *seen = calloc(CODE_POINTS / 8, 1);
    if (seen == NULL)
        block->report->error = ERR_MEMORY;
    else
        check(block, option, text, seen);
    free(seen);
}
