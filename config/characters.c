// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "config/characters.h"

#include "appliance/base/utf8.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { CODE_POINTS = 0x110000, CHARACTERS_MIN = 2, CHARACTERS_MAX = 65536 };

// `seen` has a bit for every code point.
static void check(const struct block *block, const char *option, const char *text, uint8_t *seen)
{
    size_t count = 0;
    size_t left = strlen(text);
    for (size_t step; left > 0; text += step, left -= step, count++) {
        uint32_t value = 0;
        step = utf8_next(text, left, &value);
        if (step == 0) {
            block_complain(block, option, "%s must be UTF-8: character %zu is not", option, count + 1);
            return;
        }
        if (utf8_is_control(value)) {
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

void characters_check_name(const struct block *block, const char *option, const char *text, size_t most)
{
    const char *what = option[0] == '\0' ? "the title" : option;
    size_t count = 0, len = strlen(text);
    bool is_good = len > 0 && text[0] != ' ' && text[len - 1] != ' ';
    for (size_t at = 0, step; at < len && is_good; at += step, count++) {
        uint32_t value = 0;
        step = utf8_next(text + at, len - at, &value);
        is_good = step != 0 && !utf8_is_control(value);
    }
    if (!is_good || count > most)
        block_complain(block, option,
                       "%s must be 1..%zu characters of UTF-8, without control characters and without spaces "
                       "at the ends",
                       what, most);
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
