// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/fpe/ff1_prefix.h"
#include "appliance/base/secret.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { WAYS = 4, SETS = FF1_PREFIXES_MAX / WAYS, RUN_WORTH_KEEPING = 32 };

struct entry {
    uint64_t hash, used;
    uint32_t radix;
    uint16_t length, tweak_bytes;
    uint8_t tweak[FF1_PREFIX_TWEAK_BYTES_MAX];
    uint64_t base[2];
};

// Who may push out whom: a free place is taken by anybody. An occupied one is given up (the one unused
// for longest) only to a run of many values, or to a prefix that was the last one turned away from the
// same set, that is, asked for a second time. So a stream of lone values with unique tweaks, which would
// gain nothing from being remembered, passes by and leaves the useful prefixes where they are.
struct set {
    struct entry ways[WAYS];
    uint64_t turned_away; // hash
};

struct ff1_prefixes {
    pthread_mutex_t lock;
    uint64_t clock; // look-ups so far; 0 in entry.used marks a free place
    struct set sets[SETS];
};

enum err ff1_prefixes_new(struct ff1_prefixes **out_prefixes)
{
    struct ff1_prefixes *prefixes = calloc(1, sizeof *prefixes);
    if (prefixes == NULL)
        return ERR_MEMORY;
    if (pthread_mutex_init(&prefixes->lock, NULL) != 0) {
        free(prefixes);
        return ERR_MEMORY;
    }
    *out_prefixes = prefixes;
    return OK;
}

void ff1_prefixes_free(struct ff1_prefixes *prefixes)
{
    if (prefixes == NULL)
        return;
    pthread_mutex_destroy(&prefixes->lock);
    wipe(prefixes, sizeof *prefixes);
    free(prefixes);
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    unsigned __int128 product = (unsigned __int128)(hash ^ word) * 0x9e3779b97f4a7c15u;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

// Decides only where to look: collisions cost time, and full keys are compared.
static uint64_t hash_of(const struct ff1_piece *piece)
{
    uint64_t hash = mix(0x243f6a8885a308d3u, (uint64_t)piece->shape->radix.radix << 40 |
                                                 ff1_shape_length(piece->shape) << 16 | piece->tweak_bytes);
    size_t at = 0;
    for (; at + 8 <= piece->tweak_bytes; at += 8) {
        uint64_t word;
        memcpy(&word, piece->tweak + at, 8);
        hash = mix(hash, word);
    }
    uint64_t word = 0;
    for (; at < piece->tweak_bytes; at++)
        word = word << 8 | piece->tweak[at];
    return mix(hash, word);
}

static bool entry_is(const struct entry *entry, const struct ff1_piece *piece, uint64_t hash)
{
    return entry->used != 0 && entry->hash == hash && entry->radix == piece->shape->radix.radix &&
           entry->length == ff1_shape_length(piece->shape) && entry->tweak_bytes == piece->tweak_bytes &&
           (piece->tweak_bytes == 0 || memcmp(entry->tweak, piece->tweak, piece->tweak_bytes) == 0);
}

static struct entry *find(struct ff1_prefixes *prefixes, const struct ff1_piece *piece, uint64_t hash)
{
    struct set *set = &prefixes->sets[hash % SETS];
    for (size_t way = 0; way < WAYS; way++)
        if (entry_is(&set->ways[way], piece, hash))
            return &set->ways[way];
    return NULL;
}

static bool rememberable(const struct ff1_piece *piece)
{
    return piece->tweak_bytes <= FF1_PREFIX_TWEAK_BYTES_MAX;
}

// Returns how many pieces are missing.
static size_t look_up(struct ff1_prefixes *prefixes, struct ff1_piece *pieces, size_t count)
{
    size_t missing = 0;
    pthread_mutex_lock(&prefixes->lock);
    for (size_t i = 0; i < count; i++) {
        struct ff1_piece *piece = &pieces[i];
        struct entry *entry = rememberable(piece) ? find(prefixes, piece, hash_of(piece)) : NULL;
        piece->missing = entry == NULL;
        missing += entry == NULL;
        if (entry != NULL) {
            entry->used = ++prefixes->clock;
            memcpy(piece->base, entry->base, sizeof piece->base);
        }
    }
    pthread_mutex_unlock(&prefixes->lock);
    return missing;
}

static void remember(struct ff1_prefixes *prefixes, const struct ff1_piece *piece)
{
    uint64_t hash = hash_of(piece);
    struct set *set = &prefixes->sets[hash % SETS];
    struct entry *oldest = &set->ways[0];
    for (size_t way = 1; way < WAYS; way++)
        if (set->ways[way].used < oldest->used)
            oldest = &set->ways[way];
    if (oldest->used != 0 && piece->count < RUN_WORTH_KEEPING && set->turned_away != hash) {
        set->turned_away = hash;
        return;
    }
    *oldest = (struct entry){
        .hash = hash,
        .used = ++prefixes->clock,
        .radix = piece->shape->radix.radix,
        .length = (uint16_t)ff1_shape_length(piece->shape),
        .tweak_bytes = (uint16_t)piece->tweak_bytes,
        .base = {piece->base[0], piece->base[1]},
    };
    if (piece->tweak_bytes > 0)
        memcpy(oldest->tweak, piece->tweak, piece->tweak_bytes);
}

static void remember_all(struct ff1_prefixes *prefixes, const struct ff1_piece *pieces, size_t count)
{
    pthread_mutex_lock(&prefixes->lock);
    for (size_t i = 0; i < count; i++)
        if (pieces[i].missing && rememberable(&pieces[i]) &&
            find(prefixes, &pieces[i], hash_of(&pieces[i])) == NULL)
            remember(prefixes, &pieces[i]);
    pthread_mutex_unlock(&prefixes->lock);
}

// ---- computing -----------------------------------------------------------------------------------------

static void put_be32(uint8_t *out, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(out, &value, 4);
}

// P, SP 800-38G algorithm 7, step 5.
static void write_p(const struct ff1_piece *piece, uint8_t out[CIPHER_BLOCK_BYTES])
{
    put_be32(out, 0x01020100u | piece->shape->radix.radix >> 16);
    out[4] = (uint8_t)(piece->shape->radix.radix >> 8);
    out[5] = (uint8_t)piece->shape->radix.radix;
    out[6] = 10;
    out[7] = (uint8_t)piece->shape->u;
    put_be32(out + 8, (uint32_t)ff1_shape_length(piece->shape));
    put_be32(out + 12, (uint32_t)piece->tweak_bytes);
}

// XORs block `index` of the tweak, padded with zeros, into the state.
static void absorb_tweak(struct ff1_piece *piece, size_t index)
{
    size_t from = index * CIPHER_BLOCK_BYTES;
    if (from >= piece->tweak_bytes)
        return;
    size_t left = piece->tweak_bytes - from;
    uint64_t block[2] = {0, 0};
    memcpy(block, piece->tweak + from, left < sizeof block ? left : sizeof block);
    piece->base[0] ^= block[0];
    piece->base[1] ^= block[1];
}

// Q is the tweak, zeros, the round number and b bytes, together a multiple of 16; its tail holds the
// last two.
static size_t prefix_blocks(const struct ff1_piece *piece)
{
    size_t q_blocks = (piece->tweak_bytes + 1 + piece->shape->b + 15) / 16;
    return q_blocks - piece->shape->tail_blocks;
}

// Encrypts the states of all pieces that have a block number `step`; P is number 0.
static enum err encrypt_step(const struct cipher *cipher, struct ff1_piece *pieces, size_t count, size_t step,
                             uint64_t *blocks)
{
    size_t active = 0;
    for (size_t i = 0; i < count; i++)
        if (pieces[i].missing && pieces[i].prefix_blocks >= step)
            memcpy(blocks + 2 * active++, pieces[i].base, CIPHER_BLOCK_BYTES);
    enum err rc = cipher_encrypt(cipher, (uint8_t *)blocks, active);
    if (rc != OK)
        return rc;
    active = 0;
    for (size_t i = 0; i < count; i++) {
        if (!pieces[i].missing || pieces[i].prefix_blocks < step)
            continue;
        memcpy(pieces[i].base, blocks + 2 * active++, CIPHER_BLOCK_BYTES);
        absorb_tweak(&pieces[i], step);
    }
    return OK;
}

static enum err compute(const struct cipher *cipher, struct ff1_piece *pieces, size_t count, uint64_t *blocks)
{
    size_t steps = 0;
    for (size_t i = 0; i < count; i++) {
        if (!pieces[i].missing)
            continue;
        write_p(&pieces[i], (uint8_t *)pieces[i].base);
        pieces[i].prefix_blocks = prefix_blocks(&pieces[i]);
        if (pieces[i].prefix_blocks > steps)
            steps = pieces[i].prefix_blocks;
    }
    for (size_t step = 0; step <= steps; step++) {
        enum err rc = encrypt_step(cipher, pieces, count, step, blocks);
        if (rc != OK)
            return rc;
    }
    return OK;
}

enum err ff1_prefixes_resolve(struct ff1_prefixes *prefixes, const struct cipher *cipher,
                              struct ff1_piece *pieces, size_t count, uint64_t *blocks)
{
    if (look_up(prefixes, pieces, count) == 0)
        return OK;
    enum err rc = compute(cipher, pieces, count, blocks);
    if (rc == OK)
        remember_all(prefixes, pieces, count);
    return rc;
}
