// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Texts on a page: escaped, and without card numbers where people may have written one.
#include "web/apis/token_requests/internal.h"

#include "appliance/base/luhn.h"

enum { CARD_DIGITS_MIN = 12, CARD_DIGITS_MAX = 19, CARD_DIGITS_SHOWN = 4 };

void html_text(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        switch (text.at[i]) {
        case '&':
            buf_text(out, "&amp;");
            break;
        case '<':
            buf_text(out, "&lt;");
            break;
        case '>':
            buf_text(out, "&gt;");
            break;
        case '"':
            buf_text(out, "&quot;");
            break;
        case '\'':
            buf_text(out, "&#39;");
            break;
        default:
            buf_byte(out, text.at[i]);
        }
    }
}

// ---- card numbers in free text ----------------------------------------------------------------------------

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// In a card number as people write it.
static bool is_between(char c)
{
    return c == ' ' || c == '-';
}

static bool passes_luhn(struct slice number)
{
    uint16_t digits[CARD_DIGITS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < number.len; i++) {
        if (is_digit(number.at[i]))
            digits[count++] = (uint16_t)(number.at[i] - '0');
    }
    return luhn_sum(digits, count) == 0;
}

// How much of the text, which begins with a digit, is a card number: groups of digits with spaces or hyphens
// between them, the longest that could be one. 0: none.
static size_t card_length(struct slice text)
{
    size_t digits = 0, longest = 0;
    for (size_t i = 0; i < text.len && (is_digit(text.at[i]) || is_between(text.at[i])); i++) {
        if (!is_digit(text.at[i]))
            continue;
        if (++digits > CARD_DIGITS_MAX)
            break;
        const bool ends_group = i + 1 == text.len || !is_digit(text.at[i + 1]);
        if (ends_group && digits >= CARD_DIGITS_MIN && passes_luhn((struct slice){text.at, i + 1}))
            longest = i + 1;
    }
    return longest;
}

static void write_masked(struct buf *out, struct slice number)
{
    size_t left = 0;
    for (size_t i = 0; i < number.len; i++)
        left += is_digit(number.at[i]);
    for (size_t i = 0; i < number.len; i++) {
        if (is_digit(number.at[i]) && left-- > CARD_DIGITS_SHOWN)
            buf_text(out, "•");
        else
            buf_byte(out, number.at[i]);
    }
}

void html_free_text(struct buf *out, struct slice text)
{
    size_t plain = 0;
    for (size_t i = 0; i < text.len;) {
        const bool begins_group = is_digit(text.at[i]) && (i == 0 || !is_digit(text.at[i - 1]));
        const struct slice rest = {text.at + i, text.len - i};
        const size_t card = begins_group ? card_length(rest) : 0;
        if (card == 0) {
            i++;
            continue;
        }
        html_text(out, (struct slice){text.at + plain, i - plain});
        write_masked(out, (struct slice){rest.at, card});
        plain = i += card;
    }
    html_text(out, (struct slice){text.at + plain, text.len - plain});
}
