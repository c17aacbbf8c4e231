// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/giftcard_layout.h"

#include "appliance/base/luhn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- building --------------------------------------------------------------------------------------

static uint64_t power_of_ten(size_t exponent)
{
    uint64_t power = 1;
    while (exponent-- > 0)
        power *= 10;
    return power;
}

// Cards of fewer digits than `digits`, over all lengths from PAN_DIGITS_MIN on.
static uint64_t shorter_cards(size_t digits)
{
    uint64_t cards = 0;
    for (size_t length = PAN_DIGITS_MIN; length < digits; length++)
        cards += power_of_ten(length);
    return cards;
}

static uint64_t card_count(const struct layout *layout)
{
    if (layout->digits == 0)
        return shorter_cards(PAN_DIGITS_MAX + 1);
    return power_of_ten(layout->digits - layout->prefix_digits - layout->luhn);
}

static double odds_of(const struct layout *layout, size_t token_digits)
{
    const double records = (double)card_count(layout) * (double)power_of_ten(layout->code_digits);
    return records * AGES / pow(10, (double)token_digits - 1);
}

// The odds that a random token of this length opens in a layout that is there already: all layouts of a
// length are tried.
static double odds_so_far(const struct giftcards *giftcards, size_t token_digits)
{
    double odds = 0;
    for (size_t i = 0; i < giftcards->count; i++) {
        if (giftcards->layouts[i].token_digits == token_digits)
            odds += giftcards->layouts[i].odds;
    }
    return odds;
}

static enum err choose_length(const struct giftcards *giftcards, struct layout *layout, unsigned wanted,
                              double limit, struct diag *diag)
{
    size_t digits = wanted != 0 ? wanted : GIFTCARD_TOKEN_DIGITS_MIN;
    while (wanted == 0 && odds_of(layout, digits) + odds_so_far(giftcards, digits) > limit &&
           digits < GIFTCARD_TOKEN_DIGITS_MAX)
        digits++;
    if (digits < GIFTCARD_TOKEN_DIGITS_MIN || digits > GIFTCARD_TOKEN_DIGITS_MAX)
        return diag_set(diag, ERR_INPUT, "token_digits must be %d..%d", GIFTCARD_TOKEN_DIGITS_MIN,
                        GIFTCARD_TOKEN_DIGITS_MAX);
    layout->token_digits = digits;
    layout->odds = odds_of(layout, digits);
    const double together = layout->odds + odds_so_far(giftcards, digits);
    if (together > limit)
        return diag_set(diag, ERR_CONFLICT,
                        "%zu digits make the odds that a made-up token of that length opens %.2g, over "
                        "forgery_odds %.2g",
                        digits, fmin(together, 1), limit);
    return OK;
}

static enum err build_format(struct layout *layout)
{
    const struct field_u16 digits = field_u16((unsigned)layout->digits), luhn = field_u16(layout->luhn),
                           code = field_u16(layout->code_digits);
    const struct field shape[] = {
        {layout->prefix, layout->prefix_digits},
        FIELD_ARRAY(digits.bytes),
        FIELD_ARRAY(luhn.bytes),
        FIELD_ARRAY(code.bytes),
    };
    const struct format_options options = {
        .name = "giftcard",
        .alphabet = "0123456789",
        .length = layout->token_digits - 1,
        .cardinality =
            {
                [FIELD_CARD] = card_count(layout),
                [FIELD_CODE] = power_of_ten(layout->code_digits),
                [FIELD_SECOND] = EPOCH_S,
            },
        .field_count = FIELD_COUNT,
        .shape = shape,
        .shape_count = sizeof shape / sizeof shape[0],
    };
    return format_new(&options, &layout->format);
}

static enum err check_range(const struct giftcard_range *range, struct diag *diag)
{
    const size_t prefix = strlen(range->prefix);
    if (prefix == 0 || strspn(range->prefix, "0123456789") != prefix)
        return diag_set(diag, ERR_INPUT, "a prefix is 1 to 18 digits");
    if (range->digits < PAN_DIGITS_MIN || range->digits > PAN_DIGITS_MAX)
        return diag_set(diag, ERR_INPUT, "digits must be 12..19");
    if (range->code_digits > GIFTCARD_CODE_DIGITS_MAX)
        return diag_set(diag, ERR_INPUT, "code must be 0..8");
    if (prefix + range->luhn >= range->digits)
        return diag_set(diag, ERR_INPUT, "leaves no free digit");
    return OK;
}

static enum err add_layout(struct giftcards *giftcards, const struct giftcard_range *range, double limit,
                           struct diag *diag)
{
    enum err rc = OK;
    struct layout *layout = &giftcards->layouts[giftcards->count];
    REQUIRE(giftcards->count < LAYOUTS_MAX,
            diag_set(diag, ERR_INPUT, "a client may have %d issuer ranges at most", LAYOUTS_MAX - 1));
    *layout = (struct layout){
        .digits = range->digits,
        .luhn = range->luhn,
        .code_digits = range->code_digits,
        .prefix_digits = strlen(range->prefix),
    };
    memcpy(layout->prefix, range->prefix, layout->prefix_digits);
    TRY(choose_length(giftcards, layout, range->token_digits, limit, diag));
    TRY(build_format(layout));
    giftcards->count++; // only now: a layout without a format is not one
out:
    return rc;
}

static enum err add_range(struct giftcards *giftcards, const struct giftcard_range *range, double limit,
                          struct diag *diag)
{
    struct diag reason = {0};
    enum err rc = check_range(range, &reason);
    if (rc == OK)
        rc = add_layout(giftcards, range, limit, &reason);
    return rc == OK ? OK
                    : diag_add(diag, rc, "%s: issuer_range \"%s\": %s", range->where, range->prefix,
                               reason.text[0] != '\0' ? reason.text : err_name(rc));
}

// All of them are tried, so that all faults are told at once.
static enum err add_ranges(struct giftcards *giftcards, const struct giftcards_options *options,
                           struct diag *diag)
{
    enum err first = OK;
    for (size_t i = 0; i < options->range_count; i++) {
        const enum err rc = add_range(giftcards, &options->ranges[i], options->forgery_odds, diag);
        if (first == OK)
            first = rc;
    }
    return first;
}

static int by_prefix(const void *a, const void *b)
{
    const struct layout *left = a, *right = b;
    return (left->prefix_digits < right->prefix_digits) - (left->prefix_digits > right->prefix_digits);
}

static enum err check_distinct(const struct giftcards *giftcards, struct diag *diag)
{
    for (size_t i = 0; i < giftcards->count; i++) {
        for (size_t j = 0; j < i; j++) {
            const struct layout *a = &giftcards->layouts[i], *b = &giftcards->layouts[j];
            if (strcmp(a->prefix, b->prefix) == 0 && a->digits == b->digits &&
                a->code_digits == b->code_digits)
                return diag_set(diag, ERR_CONFLICT,
                                "issuer_range \"%s\": given twice for %zu digits and codes of %u", a->prefix,
                                a->digits, a->code_digits);
        }
    }
    return OK;
}

enum err giftcards_new(const struct giftcards_options *options, struct giftcards **out_giftcards,
                       struct diag *diag)
{
    static const struct giftcard_range other_cards = {.prefix = ""};
    enum err rc = OK;
    struct diag reason = {0};
    struct giftcards *giftcards = calloc(1, sizeof *giftcards);
    if (giftcards == NULL)
        return ERR_MEMORY;
    giftcards->client_id = options->client_id;
    TRY(add_ranges(giftcards, options, diag));
    qsort(giftcards->layouts, giftcards->count, sizeof giftcards->layouts[0], by_prefix);
    rc = options->other_cards ? add_layout(giftcards, &other_cards, options->forgery_odds, &reason) : OK;
    REQUIRE(rc == OK, diag_add(diag, rc, "%s: other cards: %s", options->where, reason.text));
    rc = check_distinct(giftcards, &reason);
    REQUIRE(rc == OK, diag_add(diag, rc, "%s: %s", options->where, reason.text));
    *out_giftcards = giftcards;
    giftcards = NULL;
out:
    giftcards_free(giftcards);
    return rc;
}

void giftcards_free(struct giftcards *giftcards)
{
    if (giftcards == NULL)
        return;
    for (size_t i = 0; i < giftcards->count; i++)
        format_free(giftcards->layouts[i].format);
    free(giftcards);
}

size_t giftcards_layout_count(const struct giftcards *giftcards)
{
    return giftcards->count;
}

void giftcards_describe(const struct giftcards *giftcards, size_t index,
                        struct giftcard_layout_facts *out_facts)
{
    const struct layout *layout = &giftcards->layouts[index];
    *out_facts = (struct giftcard_layout_facts){
        .prefix = layout->prefix,
        .code_digits = layout->code_digits,
        .token_digits = (unsigned)layout->token_digits,
        .space_bits = format_space_bits(layout->format),
        .odds = layout->odds,
        .cards = (double)card_count(layout),
    };
}

// ---- cards as records ------------------------------------------------------------------------------

bool giftcard_strip(struct clear text, char out_digits[PAN_DIGITS_MAX + 1])
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char character = text.text[i];
        if (character == ' ' || character == '-')
            continue;
        if (character < '0' || character > '9' || count == PAN_DIGITS_MAX)
            return false;
        out_digits[count++] = character;
    }
    out_digits[count] = '\0';
    return count >= PAN_DIGITS_MIN;
}

bool giftcard_code_is_well_formed(struct clear code)
{
    for (size_t i = 0; i < code.len; i++) {
        if (code.text[i] < '0' || code.text[i] > '9')
            return false;
    }
    return code.len <= GIFTCARD_CODE_DIGITS_MAX;
}

static unsigned luhn_of(const char *text, size_t count)
{
    uint16_t digits[PAN_DIGITS_MAX];
    WIPE_AT_EXIT(digits);
    for (size_t i = 0; i < count; i++)
        digits[i] = (uint16_t)(text[i] - '0');
    return luhn_sum(digits, count);
}

static uint64_t number_of(const char *digits, size_t count)
{
    uint64_t number = 0;
    for (size_t i = 0; i < count; i++)
        number = number * 10 + (uint64_t)(digits[i] - '0');
    return number;
}

static void put_number(uint64_t number, size_t count, char *out_digits)
{
    for (size_t i = count; i-- > 0; number /= 10)
        out_digits[i] = (char)('0' + number % 10);
    out_digits[count] = '\0';
}

const struct layout *layout_for(const struct giftcards *giftcards, const struct giftcard_sealing *sealing)
{
    const size_t digits = strlen(sealing->digits), code = strlen(sealing->code);
    for (size_t i = 0; i < giftcards->count; i++) {
        const struct layout *layout = &giftcards->layouts[i];
        if (layout->digits == 0)
            return layout;
        if (layout->digits == digits && layout->code_digits == code &&
            strncmp(layout->prefix, sealing->digits, layout->prefix_digits) == 0 &&
            (!layout->luhn || luhn_of(sealing->digits, digits) == 0))
            return layout;
    }
    return NULL;
}

struct record layout_record(const struct layout *layout, const struct giftcard_sealing *sealing, int64_t at_s)
{
    struct record record = {0};
    const size_t digits = strlen(sealing->digits);
    record.field[FIELD_SECOND] = (uint64_t)(at_s % EPOCH_S);
    if (layout->digits == 0) { // its code is dropped
        record.field[FIELD_CARD] = shorter_cards(digits) + number_of(sealing->digits, digits);
        return record;
    }
    record.field[FIELD_CARD] =
        number_of(sealing->digits + layout->prefix_digits, digits - layout->prefix_digits - layout->luhn);
    record.field[FIELD_CODE] = number_of(sealing->code, layout->code_digits);
    return record;
}

static void read_other_card(uint64_t rank, char *out_digits)
{
    size_t digits = PAN_DIGITS_MIN;
    while (rank >= power_of_ten(digits))
        rank -= power_of_ten(digits++);
    put_number(rank, digits, out_digits);
}

void layout_read(const struct layout *layout, const struct record *record, struct giftcard_opening *opening)
{
    opening->code[0] = '\0';
    if (layout->digits == 0) {
        read_other_card(record->field[FIELD_CARD], opening->digits);
        return;
    }
    memcpy(opening->digits, layout->prefix, layout->prefix_digits);
    put_number(record->field[FIELD_CARD], layout->digits - layout->prefix_digits - layout->luhn,
               opening->digits + layout->prefix_digits);
    if (layout->luhn) {
        char *check = &opening->digits[layout->digits - 1];
        check[0] = '0';
        check[1] = '\0';
        *check = (char)('0' + (10 - luhn_of(opening->digits, layout->digits)) % 10);
    }
    if (layout->code_digits > 0)
        put_number(record->field[FIELD_CODE], layout->code_digits, opening->code);
}
