// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/json_arena.h"

#include "appliance/base/secret.h"
#include "web/memory.h"

#include <stdlib.h>

enum { ALIGNMENT = 8, FIRST_BYTES = 4 * 1024, LARGEST_BYTES = 1024 * 1024 };

struct arena_block {
    struct arena_block *older;
    size_t size, used; // both with this head
    _Alignas(ALIGNMENT) unsigned char bytes[];
};

static struct arena_block *block_new(struct arena_block *older, size_t bytes)
{
    size_t size = older == NULL ? FIRST_BYTES : older->size * 2;
    if (size > LARGEST_BYTES)
        size = LARGEST_BYTES;
    if (size < sizeof *older + bytes)
        size = sizeof *older + bytes;
    if (!memory_take(size))
        return NULL;
    struct arena_block *block = malloc(size);
    if (block == NULL) {
        memory_give(size);
        return NULL;
    }
    block->older = older;
    block->size = size;
    block->used = sizeof *block;
    return block;
}

void *json_arena_take(struct json_arena *arena, size_t bytes)
{
    if (bytes > SIZE_MAX / 2)
        return NULL;
    const size_t padded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct arena_block *block = arena->newest;
    if (block == NULL || block->size - block->used < padded) {
        block = block_new(arena->newest, padded);
        if (block == NULL)
            return NULL;
        arena->newest = block;
    }
    void *taken = (unsigned char *)block + block->used;
    block->used += padded;
    return taken;
}

void json_arena_done(struct json_arena *arena)
{
    while (arena->newest != NULL) {
        struct arena_block *block = arena->newest;
        const size_t size = block->size;
        arena->newest = block->older;
        wipe(block, block->used);
        free(block);
        memory_give(size);
    }
}
