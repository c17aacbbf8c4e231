// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Sealing and opening both ask one question, in search(): which (layout, issue second) pairs within a
// window of time could have made this token? Opening wants exactly one; sealing wants no second one.
#include "appliance/tokens/giftcard_layout.h"

#include "appliance/base/luhn.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    EPOCHS_MAX = 3,  // that a window of 2 x 604 seconds can touch
    SEAL_TRIES = 10, // an ambiguous token is one in 10^5 at the very worst
};

// ---- the search --------------------------------------------------------------------------------------

// A token and what the search found for it.
struct candidate {
    const char *token;
    size_t digits;
    size_t matches;              // pairs of layout and issue second within the window
    const struct layout *layout; // of the last match
    struct record record;
    int64_t issued_s;
};

struct window {
    int64_t from_s, to_s; // issue seconds, both included
};

static int64_t epoch_of(int64_t second)
{
    return second / EPOCH_S - (second % EPOCH_S < 0);
}

static enum err epoch_tweak(const struct giftcards *giftcards, const struct layout *layout,
                            unsigned tenant_id, int64_t epoch, uint8_t out_tweak[TWEAK_BYTES])
{
    uint8_t number[8];
    const struct field_u16 client = field_u16(giftcards->client_id);
    const struct field more = FIELD_ARRAY(number);
    for (int i = 7; i >= 0; i--, epoch >>= 8)
        number[i] = (uint8_t)epoch;
    return format_tweak(layout->format, tenant_id, FIELD_ARRAY(client.bytes), &more, out_tweak);
}

// Everything that one search works on; a job is one layout under one epoch.
struct search {
    struct format_job jobs[LAYOUTS_MAX * EPOCHS_MAX];
    const struct layout *layouts[LAYOUTS_MAX * EPOCHS_MAX];
    int64_t epochs[LAYOUTS_MAX * EPOCHS_MAX];
    uint8_t tweaks[LAYOUTS_MAX * EPOCHS_MAX][TWEAK_BYTES];
    size_t job_count;
    struct opening *openings; // job by job
    struct candidate **origins;
    size_t capacity;
};

// Adds a job for every candidate as long as the layout's tokens.
static void add_job(struct search *search, const struct layout *layout, int64_t epoch,
                    struct candidate *candidates, size_t count, size_t *used)
{
    struct format_job *job = &search->jobs[search->job_count];
    *job =
        (struct format_job){layout->format, search->tweaks[search->job_count], search->openings + *used, 0};
    for (size_t i = 0; i < count; i++) {
        if (candidates[i].digits != layout->token_digits)
            continue;
        search->origins[*used] = &candidates[i];
        search->openings[(*used)++].token = candidates[i].token;
        job->count++;
    }
    search->layouts[search->job_count] = layout;
    search->epochs[search->job_count++] = epoch;
}

static void take_matches(const struct search *search, struct window window)
{
    for (size_t j = 0; j < search->job_count; j++) {
        const struct format_job *job = &search->jobs[j];
        struct candidate **origins = search->origins + (job->openings - search->openings);
        for (size_t i = 0; i < job->count; i++) {
            const struct opening *opening = &job->openings[i];
            const int64_t issued_s =
                search->epochs[j] * EPOCH_S + (int64_t)opening->record.field[FIELD_SECOND];
            if (opening->generation == NULL || issued_s < window.from_s || issued_s > window.to_s)
                continue;
            origins[i]->matches++;
            origins[i]->layout = search->layouts[j];
            origins[i]->record = opening->record;
            origins[i]->issued_s = issued_s;
        }
    }
}

static void search_free(struct search *search)
{
    if (search == NULL)
        return;
    if (search->openings != NULL)
        wipe(search->openings, search->capacity * sizeof *search->openings);
    free(search->openings);
    free(search->origins);
    free(search);
}

// All candidates are tried in every layout of their length and every epoch of the window, in one FF1 call.
static enum err search(const struct giftcards *giftcards, unsigned tenant_id,
                       const struct generation *generation, struct window window,
                       struct candidate *candidates, size_t count)
{
    enum err rc = OK;
    size_t used = 0;
    const int64_t first = epoch_of(window.from_s), last = epoch_of(window.to_s);
    assert(last - first < EPOCHS_MAX);
    struct search *work = calloc(1, sizeof *work);
    REQUIRE(work != NULL, ERR_MEMORY);
    work->capacity = count * giftcards->count * (size_t)(last - first + 1);
    work->openings = calloc(work->capacity + 1, sizeof *work->openings);
    work->origins = calloc(work->capacity + 1, sizeof *work->origins);
    REQUIRE(work->openings != NULL && work->origins != NULL, ERR_MEMORY);
    for (size_t i = 0; i < count; i++)
        candidates[i].matches = 0;
    for (size_t i = 0; i < giftcards->count; i++) {
        for (int64_t epoch = first; epoch <= last; epoch++) {
            TRY(epoch_tweak(giftcards, &giftcards->layouts[i], tenant_id, epoch,
                            work->tweaks[work->job_count]));
            add_job(work, &giftcards->layouts[i], epoch, candidates, count, &used);
        }
    }
    TRY(format_try(generation, work->jobs, work->job_count));
    take_matches(work, window);
out:
    search_free(work);
    return rc;
}

// ---- sealing -----------------------------------------------------------------------------------------

static void put_slot(char *token, size_t digits, unsigned slot)
{
    token[digits - 1] = '0';
    token[digits] = '\0';
    unsigned sum = 0;
    for (size_t i = 0; i < digits; i++)
        sum += luhn_weight((unsigned)(token[i] - '0'), digits - 1 - i);
    token[digits - 1] = (char)('0' + luhn_digit(slot + 10 - sum % 10, 0));
}

static enum err seal_layout(const struct giftcards *giftcards, const struct keyring *keyring,
                            const struct layout *layout, int64_t at_s, struct giftcard_sealing **sealings,
                            size_t count)
{
    enum err rc = OK;
    uint8_t tweak[TWEAK_BYTES];
    const struct generation *generation = keyring_at(keyring, 0);
    const size_t length = layout->token_digits - 1;
    struct record *records = calloc(count + 1, sizeof *records);
    char *tokens = calloc(count + 1, length);
    REQUIRE(records != NULL && tokens != NULL, ERR_MEMORY);
    for (size_t i = 0; i < count; i++)
        records[i] = layout_record(layout, sealings[i], at_s);
    TRY(epoch_tweak(giftcards, layout, keyring_tenant_id(keyring), epoch_of(at_s), tweak));
    TRY(format_seal(layout->format, generation, tweak, records, count, tokens));
    for (size_t i = 0; i < count; i++) {
        memcpy(sealings[i]->token, tokens + i * length, length);
        put_slot(sealings[i]->token, layout->token_digits, generation_slot(generation->number));
        sealings[i]->expires_s = at_s + GIFTCARD_LIFE_S;
    }
out:
    if (records != NULL)
        wipe(records, count * sizeof *records);
    free(records);
    free(tokens);
    return rc;
}

// Seals those pending, layout by layout.
static enum err seal_pending(const struct giftcards *giftcards, const struct keyring *keyring, int64_t at_s,
                             struct giftcard_sealing **pending, size_t count)
{
    enum err rc = OK;
    struct giftcard_sealing **chosen = calloc(count + 1, sizeof *chosen);
    if (chosen == NULL)
        return ERR_MEMORY;
    for (size_t l = 0; l < giftcards->count; l++) {
        size_t found = 0;
        for (size_t i = 0; i < count; i++) {
            if (layout_for(giftcards, pending[i]) == &giftcards->layouts[l])
                chosen[found++] = pending[i];
        }
        if (found > 0)
            TRY(seal_layout(giftcards, keyring, &giftcards->layouts[l], at_s, chosen, found));
    }
out:
    free(chosen);
    return rc;
}

// Keeps in `pending` those whose token something else within its life could have made too.
static enum err keep_ambiguous(const struct giftcards *giftcards, const struct keyring *keyring, int64_t at_s,
                               struct giftcard_sealing **pending, size_t *count)
{
    enum err rc = OK;
    size_t kept = 0;
    const size_t tried = *count;
    const struct window window = {at_s - (AGES - 1), at_s + (AGES - 1)};
    struct candidate *candidates = calloc(tried + 1, sizeof *candidates);
    if (candidates == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < tried; i++) {
        candidates[i].digits = strlen(pending[i]->token);
        candidates[i].token = pending[i]->token;
    }
    TRY(search(giftcards, keyring_tenant_id(keyring), keyring_at(keyring, 0), window, candidates, tried));
    for (size_t i = 0; i < tried; i++) {
        if (candidates[i].matches != 1)
            pending[kept++] = pending[i];
    }
    *count = kept;
out:
    wipe(candidates, tried * sizeof *candidates);
    free(candidates);
    return rc;
}

enum err giftcards_seal(const struct giftcards *giftcards, const struct keyring *keyring, int64_t now_s,
                        struct giftcard_sealing *sealings, size_t count)
{
    enum err rc = OK;
    size_t pending_count = 0;
    struct giftcard_sealing **pending = calloc(count + 1, sizeof *pending);
    if (pending == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        sealings[i].refused = layout_for(giftcards, &sealings[i]) == NULL;
        if (!sealings[i].refused)
            pending[pending_count++] = &sealings[i];
    }
    for (int64_t tries = 0; pending_count > 0; tries++) {
        REQUIRE(tries < SEAL_TRIES, ERR_INTERNAL);
        TRY(seal_pending(giftcards, keyring, now_s - tries, pending, pending_count));
        TRY(keep_ambiguous(giftcards, keyring, now_s - tries, pending, &pending_count));
    }
out:
    free(pending);
    return rc;
}

// ---- opening -----------------------------------------------------------------------------------------

// The Luhn sum of a token, or 0 (no slot) when it is not made of digits.
static unsigned slot_of(struct slice token)
{
    unsigned sum = 0;
    for (size_t i = 0; i < token.len; i++) {
        if (token.at[i] < '0' || token.at[i] > '9')
            return 0;
        sum += luhn_weight((unsigned)(token.at[i] - '0'), token.len - 1 - i);
    }
    return sum % 10;
}

static bool length_is_ours(struct slice token)
{
    return token.len >= GIFTCARD_TOKEN_DIGITS_MIN && token.len <= GIFTCARD_TOKEN_DIGITS_MAX;
}

static void take_opened(const struct candidate *candidate, const struct generation *generation,
                        struct giftcard_opening *opening)
{
    if (candidate->matches != 1)
        return;
    opening->generation = generation;
    opening->expires_s = candidate->issued_s + GIFTCARD_LIFE_S;
    layout_read(candidate->layout, &candidate->record, opening);
}

enum err giftcards_open(const struct giftcards *giftcards, const struct keyring *keyring, int64_t now_s,
                        struct giftcard_opening *openings, size_t count)
{
    enum err rc = OK;
    const struct window window = {now_s - AGE_MAX_S, now_s - AGE_MIN_S};
    struct candidate *candidates = calloc(count + 1, sizeof *candidates);
    size_t *index = calloc(count + 1, sizeof *index);
    REQUIRE(candidates != NULL && index != NULL, ERR_MEMORY);
    for (size_t i = 0; i < count; i++)
        openings[i].generation = NULL;
    for (size_t g = 0; g < keyring_count(keyring); g++) {
        const struct generation *generation = keyring_at(keyring, g);
        size_t found = 0;
        for (size_t i = 0; i < count; i++) {
            if (!length_is_ours(openings[i].token) ||
                slot_of(openings[i].token) != generation_slot(generation->number))
                continue;
            candidates[found] =
                (struct candidate){.token = openings[i].token.at, .digits = openings[i].token.len};
            index[found++] = i;
        }
        if (found > 0)
            TRY(search(giftcards, keyring_tenant_id(keyring), generation, window, candidates, found));
        for (size_t i = 0; i < found; i++)
            take_opened(&candidates[i], generation, &openings[index[i]]);
    }
out:
    if (candidates != NULL)
        wipe(candidates, count * sizeof *candidates);
    free(candidates);
    free(index);
    return rc;
}
