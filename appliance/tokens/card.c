// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/card.h"

#include "appliance/base/clock.h"
#include "appliance/base/luhn.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { FIELD_LENGTH, FIELD_PAN, FIELD_YEAR, FIELD_MONTH, FIELD_COUNT };

static const uint64_t ten_to_the_19 = 10000000000000000000u;

enum err card_format_new(struct format **out_format)
{
    static const struct format_options options = {
        .name = "card",
        .alphabet = "0123456789abcdef",
        .length = CARD_TOKEN_LENGTH,
        .cardinality =
            {
                [FIELD_LENGTH] = PAN_DIGITS_MAX - PAN_DIGITS_MIN + 1,
                [FIELD_PAN] = ten_to_the_19,
                [FIELD_YEAR] = 100,
                [FIELD_MONTH] = 13,
            },
        .field_count = FIELD_COUNT,
    };
    return format_new(&options, out_format);
}

const char *card_check_pan(struct clear pan, bool luhn)
{
    uint16_t digits[PAN_DIGITS_MAX];
    WIPE_AT_EXIT(digits);
    if (pan.len < PAN_DIGITS_MIN || pan.len > PAN_DIGITS_MAX)
        return "must be 12 to 19 digits";
    for (size_t i = 0; i < pan.len; i++) {
        if (pan.text[i] < '0' || pan.text[i] > '9')
            return "must be 12 to 19 digits";
        digits[i] = (uint16_t)(pan.text[i] - '0');
    }
    return luhn && luhn_sum(digits, pan.len) != 0 ? "fails the Luhn check" : NULL;
}

const char *card_parse_expiry(struct slice text, unsigned *out_year, unsigned *out_month)
{
    unsigned value = 0;
    if (text.len < 3 || text.len > 4)
        return "must be YYMM";
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return "must be YYMM";
        value = value * 10 + (unsigned)(text.at[i] - '0');
    }
    if (value % 100 < 1 || value % 100 > 12)
        return "has a month outside 01 to 12";
    *out_year = value / 100;
    *out_month = value % 100;
    return NULL;
}

int64_t card_keep_until_s(unsigned year, unsigned month)
{
    return clock_month_start_s(2000 + (int)year, (int)month + 1);
}

void card_mask(struct clear pan, char out_mask[CARD_MASK_BYTES])
{
    const size_t head = pan.len >= 15 ? 6 : 4;
    assert(pan.len >= PAN_DIGITS_MIN);
    memcpy(out_mask, pan.text, head);
    memcpy(out_mask + head, "****", 4);
    memcpy(out_mask + head + 4, pan.text + pan.len - 4, 4);
    out_mask[head + 8] = '\0';
}

static enum err client_tweak(const struct format *format, const struct keyring *keyring, unsigned client_id,
                             uint8_t out_tweak[TWEAK_BYTES])
{
    const struct field_u16 client = field_u16(client_id);
    return format_tweak(format, keyring_tenant_id(keyring), FIELD_ARRAY(client.bytes), NULL, out_tweak);
}

static uint64_t pan_number(struct clear pan)
{
    uint64_t number = 0;
    for (size_t i = 0; i < pan.len; i++)
        number = number * 10 + (uint64_t)(pan.text[i] - '0');
    return number;
}

enum err card_seal(const struct format *format, const struct keyring *keyring, unsigned client_id,
                   const struct card *cards, size_t count, char *out_tokens)
{
    enum err rc = OK;
    uint8_t tweak[TWEAK_BYTES];
    struct record *records = calloc(count + 1, sizeof *records);
    if (records == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        records[i].field[FIELD_LENGTH] = cards[i].pan.len - PAN_DIGITS_MIN;
        records[i].field[FIELD_PAN] = pan_number(cards[i].pan);
        records[i].field[FIELD_YEAR] = cards[i].year;
        records[i].field[FIELD_MONTH] = cards[i].month;
    }
    TRY(client_tweak(format, keyring, client_id, tweak));
    TRY(format_seal(format, keyring_at(keyring, 0), tweak, records, count, out_tokens));
out:
    wipe(records, count * sizeof *records);
    free(records);
    return rc;
}

// false when the PAN has more digits than its length says, or a year stands without a month.
static bool unpack(const struct record *record, struct card_opening *out_opening)
{
    const size_t length = PAN_DIGITS_MIN + record->field[FIELD_LENGTH];
    uint64_t rest = record->field[FIELD_PAN];
    for (size_t i = length; i-- > 0; rest /= 10)
        out_opening->digits[i] = (char)('0' + rest % 10);
    out_opening->digits[length] = '\0';
    out_opening->year = (unsigned)record->field[FIELD_YEAR];
    out_opening->month = (unsigned)record->field[FIELD_MONTH];
    return rest == 0 && (out_opening->month != 0 || out_opening->year == 0);
}

static void take_opened(const struct opening *opened, size_t count, struct card_opening *openings)
{
    for (size_t i = 0, j = 0; i < count; i++) {
        openings[i].generation = NULL;
        if (openings[i].token.len != CARD_TOKEN_LENGTH)
            continue;
        const struct opening *from = &opened[j++];
        if (from->generation != NULL && unpack(&from->record, &openings[i]))
            openings[i].generation = from->generation;
        else
            wipe(openings[i].digits, sizeof openings[i].digits);
    }
}

enum err card_open(const struct format *format, const struct keyring *keyring, unsigned client_id,
                   struct card_opening *openings, size_t count)
{
    enum err rc = OK;
    uint8_t tweak[TWEAK_BYTES];
    size_t candidates = 0;
    struct opening *opened = calloc(count + 1, sizeof *opened);
    if (opened == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        if (openings[i].token.len == CARD_TOKEN_LENGTH)
            opened[candidates++].token = openings[i].token.at;
    }
    TRY(client_tweak(format, keyring, client_id, tweak));
    TRY(format_open(keyring, &(struct format_job){format, tweak, opened, candidates}));
    take_opened(opened, count, openings);
out:
    wipe(opened, count * sizeof *opened);
    free(opened);
    return rc;
}
