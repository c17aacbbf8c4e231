// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/fpe/ff1_wide.h"

#include <string.h>

enum { ROUNDS = 10 };

struct item {
    const struct ff1_shape *shape;
    const uint64_t *base;
    uint16_t *numerals;
    uint64_t *half[2]; // of u numerals, of v numerals
    uint64_t *tail;    // the tail of Q: zeros, i, NUM of a half
    uint64_t *s;       // output_blocks; the first is the CBC-MAC state and then R
    uint64_t *y;       // y_limbs
};

struct wide {
    struct cipher cipher;
    struct item *items;
    size_t count;
    uint64_t *blocks; // what one call encrypts
    bool decrypt;
};

// Room for the sum of S and a half, and the zero limb on top that bigint_mod asks for.
static size_t y_limbs(const struct ff1_shape *shape)
{
    return (shape->d + 7) / 8 + 2;
}

static size_t item_words(const struct ff1_shape *shape)
{
    return 2 * shape->limbs + 2 * shape->tail_blocks + 2 * shape->output_blocks + y_limbs(shape);
}

size_t ff1_wide_bytes(const struct ff1_shape *shape)
{
    return sizeof(struct item) + sizeof(uint64_t) * item_words(shape) +
           CIPHER_BLOCK_BYTES * shape->output_blocks;
}

static uint64_t *words_take(uint64_t **words, size_t count)
{
    uint64_t *taken = *words;
    *words += count;
    return taken;
}

static void item_load(struct item *item, uint64_t **words)
{
    const struct ff1_shape *shape = item->shape;
    item->half[0] = words_take(words, shape->limbs);
    item->half[1] = words_take(words, shape->limbs);
    item->tail = words_take(words, 2 * shape->tail_blocks);
    item->s = words_take(words, 2 * shape->output_blocks);
    item->y = words_take(words, y_limbs(shape));
    memset(item->tail, 0, CIPHER_BLOCK_BYTES * shape->tail_blocks);
    bigint_from_numerals(&shape->radix, item->numerals, shape->u, item->half[0], shape->limbs);
    bigint_from_numerals(&shape->radix, item->numerals + shape->u, shape->v, item->half[1], shape->limbs);
}

static void item_store(struct item *item)
{
    const struct ff1_shape *shape = item->shape;
    uint16_t *right = item->numerals + shape->u;
    bigint_to_numerals(&shape->radix, item->half[0], shape->limbs, item->numerals, shape->u);
    bigint_to_numerals(&shape->radix, item->half[1], shape->limbs, right, shape->v);
}

// Even rounds change the half of u numerals and are fed by the other, odd ones the reverse.
static void item_start_round(struct item *item, unsigned round)
{
    const struct ff1_shape *shape = item->shape;
    uint8_t *end = (uint8_t *)item->tail + CIPHER_BLOCK_BYTES * shape->tail_blocks;
    bigint_to_bytes(item->half[1 - round % 2], shape->limbs, end - shape->b, shape->b);
    *(end - shape->b - 1) = (uint8_t)round;
    memcpy(item->s, item->base, CIPHER_BLOCK_BYTES);
}

// One block of CBC-MAC for every value whose tail has a block `index`.
static enum err absorb(struct wide *wide, size_t index)
{
    size_t active = 0;
    for (size_t i = 0; i < wide->count; i++) {
        const struct item *item = &wide->items[i];
        if (item->shape->tail_blocks <= index)
            continue;
        wide->blocks[2 * active] = item->s[0] ^ item->tail[2 * index];
        wide->blocks[2 * active + 1] = item->s[1] ^ item->tail[2 * index + 1];
        active++;
    }
    enum err rc = cipher_encrypt(&wide->cipher, (uint8_t *)wide->blocks, active);
    if (rc != OK)
        return rc;
    active = 0;
    for (size_t i = 0; i < wide->count; i++)
        if (wide->items[i].shape->tail_blocks > index)
            memcpy(wide->items[i].s, wide->blocks + 2 * active++, CIPHER_BLOCK_BYTES);
    return OK;
}

// S past its first block: R with the block's number XORed in, encrypted.
static enum err expand(struct wide *wide)
{
    size_t active = 0;
    for (size_t i = 0; i < wide->count; i++) {
        const struct item *item = &wide->items[i];
        for (uint64_t j = 1; j < item->shape->output_blocks; j++, active++) {
            wide->blocks[2 * active] = item->s[0];
            wide->blocks[2 * active + 1] = item->s[1] ^ __builtin_bswap64(j);
        }
    }
    if (active == 0)
        return OK;
    enum err rc = cipher_encrypt(&wide->cipher, (uint8_t *)wide->blocks, active);
    if (rc != OK)
        return rc;
    const uint64_t *block = wide->blocks;
    for (size_t i = 0; i < wide->count; i++) {
        size_t words = 2 * (wide->items[i].shape->output_blocks - 1);
        memcpy(wide->items[i].s + 2, block, words * sizeof *block);
        block += words;
    }
    return OK;
}

static void add_or_subtract(uint64_t *half, const uint64_t *y, size_t limbs, bool subtract)
{
    if (subtract)
        bigint_sub(half, y, limbs);
    else
        bigint_add(half, limbs, y, limbs);
}

// half = half +- NUM(S) mod radix^m
static void item_finish_round(struct item *item, unsigned round, bool decrypt)
{
    const struct ff1_shape *shape = item->shape;
    const size_t count = y_limbs(shape), which = round % 2;
    uint64_t *half = item->half[which];
    bigint_from_bytes((const uint8_t *)item->s, shape->d, item->y, count);
    if (shape->power_of_two) {
        add_or_subtract(half, item->y, shape->limbs, decrypt);
        bigint_mask(half, shape->limbs, shape->wide_bits[which]);
    } else if (decrypt) {
        bigint_mod(&shape->wide[which], item->y, count);
        uint64_t below = bigint_sub(half, item->y, shape->limbs);
        bigint_add_masked(half, shape->wide_value[which], shape->limbs, (uint64_t)0 - below);
    } else {
        bigint_add(item->y, count, half, shape->limbs);
        bigint_mod(&shape->wide[which], item->y, count);
        memcpy(half, item->y, shape->limbs * sizeof *half);
    }
}

static enum err run_round(struct wide *wide, unsigned round)
{
    size_t tail_blocks = 0;
    for (size_t i = 0; i < wide->count; i++) {
        item_start_round(&wide->items[i], round);
        if (wide->items[i].shape->tail_blocks > tail_blocks)
            tail_blocks = wide->items[i].shape->tail_blocks;
    }
    enum err rc = OK;
    for (size_t index = 0; index < tail_blocks; index++)
        TRY(absorb(wide, index));
    TRY(expand(wide));
    for (size_t i = 0; i < wide->count; i++)
        item_finish_round(&wide->items[i], round, wide->decrypt);
out:
    return rc;
}

static void spread(struct wide *wide, const struct ff1_piece *pieces, size_t count, void *arena)
{
    size_t values = 0, blocks = 0;
    for (size_t p = 0; p < count; p++) {
        values += pieces[p].count;
        blocks += pieces[p].count * pieces[p].shape->output_blocks;
    }
    wide->items = arena;
    wide->count = values;
    uint64_t *words = (uint64_t *)(wide->items + values);
    wide->blocks = words_take(&words, 2 * blocks);
    struct item *item = wide->items;
    for (size_t p = 0; p < count; p++) {
        const struct ff1_piece *piece = &pieces[p];
        for (size_t i = 0; i < piece->count; i++, item++) {
            *item = (struct item){.shape = piece->shape, .base = piece->base};
            item->numerals = piece->numerals + i * ff1_shape_length(piece->shape);
            item_load(item, &words);
        }
    }
}

enum err ff1_wide_transform(const struct cipher *cipher, bool decrypt, const struct ff1_piece *pieces,
                            size_t count, void *arena)
{
    struct wide wide = {.cipher = *cipher, .decrypt = decrypt};
    spread(&wide, pieces, count, arena);
    for (unsigned i = 0; i < ROUNDS; i++) {
        enum err rc = run_round(&wide, decrypt ? ROUNDS - 1 - i : i);
        if (rc != OK)
            return rc;
    }
    for (size_t i = 0; i < wide.count; i++)
        item_store(&wide.items[i]);
    return OK;
}
