// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Reference counts in two halves. One word says which cell is in force and how often it was taken; taking is
// one addition to that word, so cell and count are read together. Each cell counts down as it is given back.
// When a cell is replaced, what was taken is added to its own count, which then is the number still held:
// nobody can see it at 0 before.
#include "appliance/tokens/registry.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { TAKEN_BITS = 48 };

struct cell {
    _Atomic(struct registry *) registry; // NULL: free
    _Atomic int64_t balance;
};

struct registries {
    _Atomic uint64_t in_force; // cell << TAKEN_BITS | times taken
    struct cell cells[REGISTRY_CELLS];
};

static void settle(struct registries *registries, size_t index, int64_t change)
{
    struct cell *cell = &registries->cells[index];
    if (atomic_fetch_add(&cell->balance, change) + change != 0)
        return;
    struct registry *registry = atomic_load(&cell->registry);
    if (registry->destroy != NULL)
        registry->destroy(registry);
    atomic_store(&cell->registry, NULL);
}

static bool find_free(const struct registries *registries, size_t *out_index)
{
    for (size_t i = 0; i < REGISTRY_CELLS; i++) {
        if (atomic_load(&registries->cells[i].registry) == NULL) {
            *out_index = i;
            return true;
        }
    }
    return false;
}

enum err registries_new(struct registry *first, struct registries **out_registries)
{
    struct registries *registries = calloc(1, sizeof *registries);
    if (registries == NULL)
        return ERR_MEMORY;
    first->cell = 0;
    atomic_init(&registries->cells[0].registry, first);
    *out_registries = registries;
    return OK;
}

// The cell that was in force, and how often it was taken.
static void settle_word(struct registries *registries, uint64_t word)
{
    settle(registries, (size_t)(word >> TAKEN_BITS), (int64_t)(word & ((1ULL << TAKEN_BITS) - 1)));
}

void registries_free(struct registries *registries)
{
    if (registries == NULL)
        return;
    settle_word(registries, atomic_load(&registries->in_force));
    free(registries);
}

const struct registry *registries_take(struct registries *registries)
{
    const uint64_t word = atomic_fetch_add(&registries->in_force, 1);
    return atomic_load(&registries->cells[word >> TAKEN_BITS].registry);
}

void registries_give(struct registries *registries, const struct registry *registry)
{
    settle(registries, registry->cell, -1);
}

enum err registries_replace(struct registries *registries, struct registry *next)
{
    size_t index = 0;
    if (!find_free(registries, &index))
        return ERR_BUSY;
    next->cell = index;
    atomic_store(&registries->cells[index].balance, 0);
    atomic_store(&registries->cells[index].registry, next);
    settle_word(registries, atomic_exchange(&registries->in_force, (uint64_t)index << TAKEN_BITS));
    return OK;
}
