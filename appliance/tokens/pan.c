// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A batch goes in slices. Within a slice the items are ordered by (generation, length) with a counting
// sort, so that values of one shape stand side by side and one FF1 call per generation carries them all.
#include "appliance/tokens/pan.h"

#include "appliance/base/luhn.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    LENGTHS = PAN_DIGITS_MAX - PAN_DIGITS_MIN + 1,
    SMALLEST_DOMAIN_DIGITS = 6, // 10^6, SP 800-38G Rev. 1
    KEEP_MAX = 12,
};

struct pan_format {
    struct pan_format_options options;
    struct ff1_shape *shapes[LENGTHS]; // NULL: too few free digits
};

// A PAN or token taken apart.
struct parsed {
    struct pan_item *item;
    const struct generation *generation;
    size_t count; // digits; 0: the item has a fault
    uint16_t digits[PAN_DIGITS_MAX];
};

struct work {
    struct parsed *parsed;
    struct parsed **ordered; // those without a fault, by generation and length
    struct ff1_run *runs;
    uint8_t (*tweaks)[TWEAK_BYTES];
    uint16_t *numerals;
    size_t capacity, ordered_count, run_count;
};

static size_t enciphered_digits(const struct pan_format *format, size_t count)
{
    const size_t slot = format->options.pinned_generation == 0;
    const size_t taken = format->options.keep_first + format->options.keep_last + slot;
    return count < taken ? 0 : count - taken;
}

static size_t slot_position(const struct pan_format *format, size_t count)
{
    return count - format->options.keep_last - 1;
}

enum err pan_format_new(const struct pan_format_options *options, struct pan_format **out_format)
{
    enum err rc = OK;
    struct pan_format *format = calloc(1, sizeof *format);
    if (format == NULL)
        return ERR_MEMORY;
    REQUIRE(options->keep_first <= KEEP_MAX && options->keep_last <= KEEP_MAX, ERR_INPUT);
    format->options = *options;
    for (size_t i = 0; i < LENGTHS; i++) {
        const size_t digits = enciphered_digits(format, PAN_DIGITS_MIN + i);
        if (digits >= SMALLEST_DOMAIN_DIGITS)
            TRY(ff1_shape_new(10, digits, &format->shapes[i]));
    }
    REQUIRE(format->shapes[LENGTHS - 1] != NULL, ERR_DOMAIN);
    *out_format = format;
    format = NULL;
out:
    pan_format_free(format);
    return rc;
}

void pan_format_free(struct pan_format *format)
{
    if (format == NULL)
        return;
    for (size_t i = 0; i < LENGTHS; i++)
        ff1_shape_free(format->shapes[i]);
    free(format);
}

size_t pan_format_shortest(const struct pan_format *format)
{
    size_t i = 0;
    while (format->shapes[i] == NULL)
        i++;
    return PAN_DIGITS_MIN + i;
}

// A text of digits alone: faults are gathered and looked at once. false: it holds something else.
static bool parse_plain(const struct pan_item *item, struct parsed *out_parsed)
{
    uint8_t faults = 0;
    if (item->len < PAN_DIGITS_MIN || item->len > PAN_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < item->len; i++) {
        const uint8_t digit = (uint8_t)(item->text[i] - '0');
        faults |= digit > 9;
        out_parsed->digits[i] = digit;
    }
    out_parsed->count = item->len;
    return faults == 0;
}

static const char *parse_digits(const struct pan_item *item, struct parsed *out_parsed)
{
    size_t count = 0;
    if (parse_plain(item, out_parsed))
        return NULL;
    for (size_t i = 0; i < item->len; i++) {
        const char character = item->text[i];
        if (character == ' ' || character == '-')
            continue;
        if (character < '0' || character > '9')
            return "may hold only digits, spaces and hyphens";
        if (count < PAN_DIGITS_MAX)
            out_parsed->digits[count] = (uint16_t)(character - '0');
        count++;
    }
    if (count < PAN_DIGITS_MIN || count > PAN_DIGITS_MAX)
        return "must hold 12 to 19 digits";
    out_parsed->count = count;
    return NULL;
}

static const char not_a_token[] = "is not a token that can be opened";

// Where a token does not name its generation, the format does.
static const struct generation *generation_for(const struct pan_format *format, const struct keyring *keyring,
                                               bool open, unsigned sum)
{
    if (format->options.pinned_generation != 0)
        return keyring_by_number(keyring, format->options.pinned_generation);
    return open ? keyring_by_slot(keyring, sum) : keyring_at(keyring, 0);
}

// Parses, checks the Luhn sum, and finds the generation.
static const char *parse(const struct pan_format *format, const struct keyring *keyring, bool open,
                         struct parsed *parsed)
{
    const char *fault = parse_digits(parsed->item, parsed);
    if (fault != NULL)
        return fault;
    if (format->shapes[parsed->count - PAN_DIGITS_MIN] == NULL)
        return "has too few digits besides those that are kept";
    const unsigned sum = luhn_sum(parsed->digits, parsed->count);
    if (!open && sum != 0)
        return "fails the Luhn check";
    parsed->generation = generation_for(format, keyring, open, sum);
    return parsed->generation == NULL ? not_a_token : NULL;
}

static void parse_all(const struct pan_format *format, const struct keyring *keyring, bool open,
                      struct pan_item *items, size_t count, struct work *work)
{
    for (size_t i = 0; i < count; i++) {
        struct parsed *parsed = &work->parsed[i];
        parsed->item = &items[i];
        items[i].fault = parse(format, keyring, open, parsed);
        if (items[i].fault != NULL)
            parsed->count = 0;
        else
            items[i].generation = parsed->generation->number;
    }
}

static size_t bucket_of(const struct parsed *parsed)
{
    return (generation_slot(parsed->generation->number) - 1) * LENGTHS + parsed->count - PAN_DIGITS_MIN;
}

static void order(struct work *work, size_t count)
{
    size_t starts[KEYRING_SLOTS * LENGTHS + 1] = {0};
    for (size_t i = 0; i < count; i++) {
        if (work->parsed[i].count > 0)
            starts[bucket_of(&work->parsed[i]) + 1]++;
    }
    for (size_t b = 0; b < KEYRING_SLOTS * LENGTHS; b++)
        starts[b + 1] += starts[b];
    work->ordered_count = starts[KEYRING_SLOTS * LENGTHS];
    for (size_t i = 0; i < count; i++) {
        if (work->parsed[i].count > 0)
            work->ordered[starts[bucket_of(&work->parsed[i])]++] = &work->parsed[i];
    }
}

static enum err tweak_of(const struct pan_format *format, const struct keyring *keyring,
                         const struct parsed *parsed, uint8_t out_tweak[TWEAK_BYTES])
{
    const struct field_u16 transformation = field_u16(format->options.transformation_id);
    char kept[2 * KEEP_MAX];
    size_t kept_count = 0;
    for (size_t i = 0; i < format->options.keep_first; i++)
        kept[kept_count++] = (char)('0' + parsed->digits[i]);
    for (size_t i = parsed->count - format->options.keep_last; i < parsed->count; i++)
        kept[kept_count++] = (char)('0' + parsed->digits[i]);
    const struct field fields[] = {
        FIELD_ARRAY(transformation.bytes),
        {kept, kept_count},
        {parsed->item->tweak.at, parsed->item->tweak.len},
    };
    return tweak_derive("pan", keyring_tenant_id(keyring), fields, 3, out_tweak);
}

// Whether two items have one tweak by construction: nothing kept and no tweak from the caller.
static bool shares_tweak(const struct pan_format *format, const struct parsed *parsed)
{
    return format->options.keep_first == 0 && format->options.keep_last == 0 && parsed->item->tweak.len == 0;
}

// Lays the digits to encipher side by side and describes them as runs, a new one wherever generation,
// shape or tweak changes.
static enum err build_runs(const struct pan_format *format, const struct keyring *keyring, struct work *work)
{
    enum err rc = OK;
    uint16_t *numerals = work->numerals;
    const struct parsed *before = NULL;
    work->run_count = 0;
    for (size_t i = 0; i < work->ordered_count; i++) {
        const struct parsed *parsed = work->ordered[i];
        const size_t digits = enciphered_digits(format, parsed->count);
        if (before != NULL && bucket_of(before) == bucket_of(parsed) && shares_tweak(format, before) &&
            shares_tweak(format, parsed)) {
            work->runs[work->run_count - 1].count++;
        } else {
            uint8_t *tweak = work->tweaks[work->run_count];
            TRY(tweak_of(format, keyring, parsed, tweak));
            work->runs[work->run_count++] = (struct ff1_run){format->shapes[parsed->count - PAN_DIGITS_MIN],
                                                             tweak, TWEAK_BYTES, numerals, 1};
        }
        memcpy(numerals, parsed->digits + format->options.keep_first, digits * sizeof *numerals);
        numerals += digits;
        before = parsed;
    }
out:
    return rc;
}

// One FF1 call for each generation: its runs stand together.
static enum err encipher(struct work *work, bool open)
{
    enum err rc = OK;
    size_t item = 0, run = 0;
    while (run < work->run_count) {
        const struct generation *generation = work->ordered[item]->generation;
        const size_t first = run;
        for (; run < work->run_count && work->ordered[item]->generation == generation; run++)
            item += work->runs[run].count;
        TRY(open ? ff1_decrypt(generation->key, work->runs + first, run - first)
                 : ff1_encrypt(generation->key, work->runs + first, run - first));
    }
out:
    return rc;
}

// Sets the slot digit so that the Luhn sum becomes `wanted`.
static void set_slot(const struct pan_format *format, struct parsed *parsed, unsigned wanted)
{
    const size_t slot = slot_position(format, parsed->count);
    parsed->digits[slot] = 0;
    const unsigned others = luhn_sum(parsed->digits, parsed->count);
    parsed->digits[slot] = (uint16_t)luhn_digit(wanted + 10 - others, parsed->count - 1 - slot);
}

// Writes the digits over the old ones; separators stay.
static void write_back(const struct parsed *parsed)
{
    size_t next = 0;
    if (parsed->item->len == parsed->count) {
        for (size_t i = 0; i < parsed->count; i++)
            parsed->item->text[i] = (char)('0' + parsed->digits[i]);
        return;
    }
    for (size_t i = 0; i < parsed->item->len; i++) {
        char *character = &parsed->item->text[i];
        if (*character >= '0' && *character <= '9')
            *character = (char)('0' + parsed->digits[next++]);
    }
}

static void finish(const struct pan_format *format, struct work *work, bool open)
{
    const uint16_t *numerals = work->numerals;
    for (size_t i = 0; i < work->ordered_count; i++) {
        struct parsed *parsed = work->ordered[i];
        const size_t digits = enciphered_digits(format, parsed->count);
        memcpy(parsed->digits + format->options.keep_first, numerals, digits * sizeof *numerals);
        numerals += digits;
        if (format->options.pinned_generation == 0)
            set_slot(format, parsed, open ? 0 : generation_slot(parsed->generation->number));
        else if (open && luhn_sum(parsed->digits, parsed->count) != 0)
            parsed->item->fault = not_a_token;
        if (parsed->item->fault == NULL)
            write_back(parsed);
    }
}

static void work_done(struct work *work)
{
    if (work->parsed != NULL)
        wipe(work->parsed, work->capacity * sizeof *work->parsed);
    if (work->numerals != NULL)
        wipe(work->numerals, work->capacity * PAN_DIGITS_MAX * sizeof *work->numerals);
    free(work->parsed);
    free(work->ordered);
    free(work->runs);
    free(work->tweaks);
    free(work->numerals);
}

static enum err work_init(struct work *work, size_t capacity)
{
    *work = (struct work){
        .parsed = calloc(capacity, sizeof *work->parsed),
        .ordered = calloc(capacity, sizeof(struct parsed *)),
        .runs = calloc(capacity, sizeof *work->runs),
        .tweaks = calloc(capacity, sizeof *work->tweaks),
        .numerals = calloc(capacity * PAN_DIGITS_MAX, sizeof *work->numerals),
        .capacity = capacity,
    };
    return work->parsed && work->ordered && work->runs && work->tweaks && work->numerals ? OK : ERR_MEMORY;
}

static enum err transform(const struct pan_format *format, const struct keyring *keyring, bool open,
                          struct pan_item *items, size_t count)
{
    enum err rc = OK;
    struct work work = {0};
    const size_t slice = count < FF1_SLICE ? count : FF1_SLICE;
    if (count == 0)
        return OK;
    TRY(work_init(&work, slice));
    for (size_t at = 0; at < count; at += slice) {
        const size_t now = count - at < slice ? count - at : slice;
        parse_all(format, keyring, open, items + at, now, &work);
        order(&work, now);
        TRY(build_runs(format, keyring, &work));
        TRY(encipher(&work, open));
        finish(format, &work, open);
    }
out:
    work_done(&work);
    return rc;
}

enum err pan_seal(const struct pan_format *format, const struct keyring *keyring, struct pan_item *items,
                  size_t count)
{
    return transform(format, keyring, false, items, count);
}

enum err pan_open(const struct pan_format *format, const struct keyring *keyring, struct pan_item *items,
                  size_t count)
{
    return transform(format, keyring, true, items, count);
}
