// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A call is cut into slices. First all narrow values (halves in machine words), then all wide ones: they
// need other numbers of cipher calls. Scratch is taken once for the whole call: from the stack for a few
// narrow values, else from the heap.
#include "appliance/fpe/ff1.h"
#include "appliance/base/secret.h"
#include "appliance/fpe/ff1_key.h"
#include "appliance/fpe/ff1_prefix.h"
#include "appliance/fpe/ff1_small.h"
#include "appliance/fpe/ff1_wide.h"

#include <stdlib.h>
#include <string.h>

enum {
    ROUNDS = 10,
    FEW_SCRATCH_BYTES = 2048,   // up to here, 8 lone values at least, scratch is on the stack
    WIDE_ARENA_BYTES = 1 << 20, // of a wide slice of more than one value
    GROUPS_SEARCHED = 16,       // a slice of more shapes than this has shapes in several groups
    SCRATCH_ALIGNMENT = 64,
};

struct ff1_key {
    struct cipher cipher;
    const struct ff1_kernel *kernel;
    struct ff1_prefixes *prefixes;
};

enum err ff1_key_new(struct cipher cipher, struct ff1_key **out_key)
{
    struct ff1_key *key = calloc(1, sizeof *key);
    if (key == NULL)
        return ERR_MEMORY;
    size_t kernels;
    key->cipher = cipher;
    key->kernel = ff1_kernels(&kernels)[0];
    enum err rc = ff1_prefixes_new(&key->prefixes);
    if (rc == OK)
        *out_key = key;
    else
        ff1_key_free(key);
    return rc;
}

void ff1_key_free(struct ff1_key *key)
{
    if (key == NULL)
        return;
    ff1_prefixes_free(key->prefixes);
    free(key);
}

bool ff1_key_use_kernel(struct ff1_key *key, const char *name)
{
    size_t count;
    const struct ff1_kernel *const *kernels = ff1_kernels(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(kernels[i]->name, name) == 0) {
            key->kernel = kernels[i];
            return true;
        }
    return false;
}

// ---- cutting runs into slices --------------------------------------------------------------------------

// Where the next slice begins.
struct cursor {
    const struct ff1_run *runs;
    size_t run_count, run, value;
    bool wide; // takes FF1_WIDE shapes only, or all others only
};

static bool run_is(const struct ff1_run *run, bool wide)
{
    return run->count > 0 && (run->shape->kind == FF1_WIDE) == wide;
}

// What a slice may hold; every piece has at least one value.
struct capacity {
    size_t values, arena_bytes;
};

static struct ff1_piece piece_of(const struct ff1_run *run, size_t first, size_t count)
{
    return (struct ff1_piece){
        .shape = run->shape,
        .tweak = run->tweak,
        .tweak_bytes = run->tweak_bytes,
        .numerals = run->numerals + first * ff1_shape_length(run->shape),
        .count = count,
    };
}

// How many of the values left in the cursor's run go into what is left of the capacity.
static size_t fitting(const struct cursor *cursor, struct capacity left)
{
    const struct ff1_run *run = &cursor->runs[cursor->run];
    size_t count = run->count - cursor->value;
    if (cursor->wide && count > left.arena_bytes / ff1_wide_bytes(run->shape))
        count = left.arena_bytes / ff1_wide_bytes(run->shape);
    return count < left.values ? count : left.values;
}

// Fills pieces with the next slice and returns their number, 0 at the end.
static size_t slice_take(struct cursor *cursor, struct capacity left, struct ff1_piece *pieces)
{
    size_t count = 0;
    for (; cursor->run < cursor->run_count; cursor->run++, cursor->value = 0) {
        const struct ff1_run *run = &cursor->runs[cursor->run];
        if (!run_is(run, cursor->wide))
            continue;
        size_t values = fitting(cursor, left);
        if (values == 0)
            break;
        pieces[count++] = piece_of(run, cursor->value, values);
        left.values -= values;
        left.arena_bytes -= cursor->wide ? values * ff1_wide_bytes(run->shape) : 0;
        cursor->value += values;
        if (cursor->value < run->count)
            break;
    }
    return count;
}

// ---- narrow slices -------------------------------------------------------------------------------------

// Values of one shape at neighbouring positions.
struct group {
    const struct ff1_shape *shape;
    size_t first, count;
    const uint64_t *base; // of all values, if they are one piece; else NULL
};

// The arrays of a slice. The value at position k has words 2k and 2k + 1 of base and blocks. A group's
// halves begin at its first position times half_bytes: the largest half of any shape in the call.
struct narrow {
    const struct ff1_key *key;
    bool decrypt;
    struct capacity capacity;
    size_t pieces_max, half_bytes;
    uint64_t *blocks;
    uint8_t *half[2]; // of u numerals, of v numerals
    uint64_t *base;   // last of all: untouched, and not wiped, when no group needs it
    bool base_used;
    struct ff1_piece *pieces;
    struct group *groups;
    size_t piece_count, group_count;
};

static size_t group_of(struct narrow *narrow, const struct ff1_shape *shape)
{
    size_t last = narrow->group_count;
    for (size_t i = last; i > 0 && last - i < GROUPS_SEARCHED; i--)
        if (narrow->groups[i - 1].shape == shape)
            return i - 1;
    narrow->groups[last] = (struct group){.shape = shape};
    narrow->group_count++;
    return last;
}

static void group_pieces(struct narrow *narrow)
{
    narrow->group_count = 0;
    for (size_t i = 0; i < narrow->piece_count; i++) {
        struct ff1_piece *piece = &narrow->pieces[i];
        piece->group = group_of(narrow, piece->shape);
        struct group *group = &narrow->groups[piece->group];
        piece->position = group->count;
        group->base = group->count == 0 ? piece->base : NULL;
        group->count += piece->count;
    }
    for (size_t i = 1; i < narrow->group_count; i++)
        narrow->groups[i].first = narrow->groups[i - 1].first + narrow->groups[i - 1].count;
}

static void *half_at(const struct narrow *narrow, size_t which, const struct ff1_piece *piece)
{
    return narrow->half[which] + narrow->groups[piece->group].first * narrow->half_bytes +
           piece->position * ff1_half_bytes(piece->shape->kind);
}

static void load_pieces(struct narrow *narrow)
{
    for (size_t i = 0; i < narrow->piece_count; i++) {
        const struct ff1_piece *piece = &narrow->pieces[i];
        const struct group *group = &narrow->groups[piece->group];
        uint64_t *base = narrow->base + 2 * (group->first + piece->position);
        for (size_t k = 0; k < piece->count && group->base == NULL; k++)
            memcpy(base + 2 * k, piece->base, sizeof piece->base);
        narrow->base_used |= group->base == NULL;
        narrow->key->kernel->load(piece->shape, piece->numerals, half_at(narrow, 0, piece),
                                  half_at(narrow, 1, piece), piece->count);
    }
}

static void store_pieces(const struct narrow *narrow)
{
    for (size_t i = 0; i < narrow->piece_count; i++) {
        const struct ff1_piece *piece = &narrow->pieces[i];
        narrow->key->kernel->store(piece->shape, half_at(narrow, 0, piece), half_at(narrow, 1, piece),
                                   piece->numerals, piece->count);
    }
}

// Even rounds change the half of u numerals and are fed by the other, odd ones the reverse, in both
// directions; decryption only counts down.
static unsigned round_at(const struct narrow *narrow, unsigned index)
{
    return narrow->decrypt ? ROUNDS - 1 - index : index;
}

// The work between two calls: with `index` 0 only fills blocks, else takes the result of round index - 1
// first.
static void work(const struct narrow *narrow, unsigned index)
{
    const struct ff1_kernel *kernel = narrow->key->kernel;
    const bool first = index == 0, last = index == ROUNDS;
    const unsigned next_round = round_at(narrow, last ? index - 1 : index);
    // Which half changes now; before the first round, the one that feeds it.
    const unsigned which = first ? 1 - next_round % 2 : round_at(narrow, index - 1) % 2;
    for (size_t i = 0; i < narrow->group_count; i++) {
        const struct group *group = &narrow->groups[i];
        struct ff1_step step = {
            .shape = group->shape,
            .modulus = &group->shape->small[which],
            .subtract = narrow->decrypt,
            .shared_base = group->base != NULL,
            .next_round = next_round,
        };
        uint64_t *blocks = narrow->blocks + 2 * group->first;
        const uint64_t *base = group->base != NULL ? group->base : narrow->base + 2 * group->first;
        void *half = narrow->half[which] + group->first * narrow->half_bytes;
        if (first)
            kernel->fill(&step, blocks, base, half, group->count);
        else
            kernel->step(&step, blocks, base, half, group->count);
    }
}

static enum err narrow_slice(struct narrow *narrow)
{
    enum err rc = OK;
    const struct ff1_key *key = narrow->key;
    TRY(ff1_prefixes_resolve(key->prefixes, &key->cipher, narrow->pieces, narrow->piece_count,
                             narrow->blocks));
    group_pieces(narrow);
    load_pieces(narrow);
    const struct group *last = &narrow->groups[narrow->group_count - 1];
    for (unsigned index = 0; index < ROUNDS; index++) {
        work(narrow, index);
        TRY(cipher_encrypt(&key->cipher, (uint8_t *)narrow->blocks, last->first + last->count));
    }
    work(narrow, ROUNDS);
    store_pieces(narrow);
out:
    return rc;
}

static size_t rounded(size_t bytes)
{
    return (bytes + SCRATCH_ALIGNMENT - 1) / SCRATCH_ALIGNMENT * SCRATCH_ALIGNMENT;
}

static size_t narrow_bytes(const struct narrow *narrow)
{
    size_t values = narrow->capacity.values;
    return 2 * rounded(values * CIPHER_BLOCK_BYTES) + 2 * rounded(values * narrow->half_bytes) +
           rounded(narrow->pieces_max * sizeof *narrow->pieces) +
           rounded(narrow->pieces_max * sizeof *narrow->groups);
}

static void *part_take(uint8_t **scratch, size_t bytes)
{
    void *part = *scratch;
    *scratch += rounded(bytes);
    return part;
}

static enum err narrow_slices(struct narrow *narrow, struct cursor *cursor, uint8_t *scratch)
{
    size_t values = narrow->capacity.values;
    narrow->blocks = part_take(&scratch, values * CIPHER_BLOCK_BYTES);
    narrow->half[0] = part_take(&scratch, values * narrow->half_bytes);
    narrow->half[1] = part_take(&scratch, values * narrow->half_bytes);
    narrow->pieces = part_take(&scratch, narrow->pieces_max * sizeof *narrow->pieces);
    narrow->groups = part_take(&scratch, narrow->pieces_max * sizeof *narrow->groups);
    narrow->base = part_take(&scratch, values * CIPHER_BLOCK_BYTES);
    enum err rc = OK;
    while (rc == OK && (narrow->piece_count = slice_take(cursor, narrow->capacity, narrow->pieces)) > 0)
        rc = narrow_slice(narrow);
    return rc;
}

// What the whole call needs, at most FF1_SLICE values at a time.
static void narrow_size(struct narrow *narrow, const struct ff1_run *runs, size_t run_count)
{
    for (size_t i = 0; i < run_count && narrow->capacity.values < FF1_SLICE; i++)
        if (run_is(&runs[i], false))
            narrow->capacity.values += runs[i].count < FF1_SLICE ? runs[i].count : FF1_SLICE;
    if (narrow->capacity.values > FF1_SLICE)
        narrow->capacity.values = FF1_SLICE;
    for (size_t i = 0; i < run_count; i++)
        if (run_is(&runs[i], false) && ff1_half_bytes(runs[i].shape->kind) > narrow->half_bytes)
            narrow->half_bytes = ff1_half_bytes(runs[i].shape->kind);
    narrow->pieces_max = run_count < narrow->capacity.values ? run_count : narrow->capacity.values;
}

static enum err narrow_transform(const struct ff1_key *key, bool decrypt, const struct ff1_run *runs,
                                 size_t run_count)
{
    struct narrow narrow = {.key = key, .decrypt = decrypt};
    struct cursor cursor = {.runs = runs, .run_count = run_count};
    narrow_size(&narrow, runs, run_count);
    if (narrow.capacity.values == 0)
        return OK;
    size_t bytes = narrow_bytes(&narrow);
    _Alignas(SCRATCH_ALIGNMENT) uint8_t few[FEW_SCRATCH_BYTES];
    uint8_t *scratch = bytes <= sizeof few ? few : aligned_alloc(SCRATCH_ALIGNMENT, bytes);
    if (scratch == NULL)
        return ERR_MEMORY;
    enum err rc = narrow_slices(&narrow, &cursor, scratch);
    wipe(scratch, bytes - (narrow.base_used ? 0 : rounded(narrow.capacity.values * CIPHER_BLOCK_BYTES)));
    if (scratch != few)
        free(scratch);
    return rc;
}

// ---- wide slices ---------------------------------------------------------------------------------------

struct wide_size {
    struct capacity capacity;
    size_t pieces_max;
};

static void wide_size(struct wide_size *size, const struct ff1_run *runs, size_t run_count)
{
    size_t largest = 0;
    for (size_t i = 0; i < run_count; i++) {
        if (!run_is(&runs[i], true))
            continue;
        size_t each = ff1_wide_bytes(runs[i].shape);
        size_t count = runs[i].count < FF1_SLICE ? runs[i].count : FF1_SLICE;
        largest = each > largest ? each : largest;
        size->capacity.values += size->capacity.values < FF1_SLICE ? count : 0;
        size->capacity.arena_bytes += size->capacity.arena_bytes < WIDE_ARENA_BYTES ? count * each : 0;
    }
    if (size->capacity.values > FF1_SLICE)
        size->capacity.values = FF1_SLICE;
    if (size->capacity.arena_bytes > WIDE_ARENA_BYTES)
        size->capacity.arena_bytes = WIDE_ARENA_BYTES;
    if (size->capacity.arena_bytes < largest)
        size->capacity.arena_bytes = largest;
    size->pieces_max = run_count < size->capacity.values ? run_count : size->capacity.values;
}

static enum err wide_slices(const struct ff1_key *key, bool decrypt, struct cursor *cursor,
                            const struct wide_size *size, uint8_t *scratch)
{
    // The prefixes need a block for each piece before the arena is in use, never more than it holds.
    void *arena = part_take(&scratch, size->capacity.arena_bytes);
    struct ff1_piece *pieces = part_take(&scratch, size->pieces_max * sizeof *pieces);
    enum err rc = OK;
    size_t count;
    while ((count = slice_take(cursor, size->capacity, pieces)) > 0) {
        TRY(ff1_prefixes_resolve(key->prefixes, &key->cipher, pieces, count, arena));
        TRY(ff1_wide_transform(&key->cipher, decrypt, pieces, count, arena));
    }
out:
    return rc;
}

static enum err wide_transform(const struct ff1_key *key, bool decrypt, const struct ff1_run *runs,
                               size_t run_count)
{
    struct wide_size size = {0};
    struct cursor cursor = {.runs = runs, .run_count = run_count, .wide = true};
    wide_size(&size, runs, run_count);
    if (size.capacity.values == 0)
        return OK;
    size_t bytes = rounded(size.capacity.arena_bytes) + rounded(size.pieces_max * sizeof(struct ff1_piece));
    uint8_t *scratch = aligned_alloc(SCRATCH_ALIGNMENT, bytes);
    if (scratch == NULL)
        return ERR_MEMORY;
    enum err rc = wide_slices(key, decrypt, &cursor, &size, scratch);
    wipe(scratch, bytes);
    free(scratch);
    return rc;
}

// ---- the calls -----------------------------------------------------------------------------------------

static bool runs_are_valid(const struct ff1_kernel *kernel, const struct ff1_run *runs, size_t run_count)
{
    for (size_t i = 0; i < run_count; i++) {
        const struct ff1_run *run = &runs[i];
        size_t numerals = run->count * ff1_shape_length(run->shape);
        if (run->tweak_bytes > FF1_TWEAK_BYTES_MAX ||
            !kernel->valid(run->numerals, numerals, ff1_shape_radix(run->shape)))
            return false;
    }
    return true;
}

static enum err transform(struct ff1_key *key, bool decrypt, const struct ff1_run *runs, size_t run_count)
{
    if (!runs_are_valid(key->kernel, runs, run_count))
        return ERR_INPUT;
    enum err rc = narrow_transform(key, decrypt, runs, run_count);
    return rc == OK ? wide_transform(key, decrypt, runs, run_count) : rc;
}

enum err ff1_encrypt(struct ff1_key *key, const struct ff1_run *runs, size_t run_count)
{
    return transform(key, false, runs, run_count);
}

enum err ff1_decrypt(struct ff1_key *key, const struct ff1_run *runs, size_t run_count)
{
    return transform(key, true, runs, run_count);
}
