// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/keyring.h"

#include <stdlib.h>

struct keyring {
    unsigned tenant_id;
    size_t count;
    struct generation generations[]; // current first, then descending numbers
};

static int order(const void *a, const void *b)
{
    const struct generation *left = a, *right = b;
    if ((left->state == GENERATION_CURRENT) != (right->state == GENERATION_CURRENT))
        return left->state == GENERATION_CURRENT ? -1 : 1;
    return (left->number < right->number) - (left->number > right->number);
}

static enum err check_slots(const struct keyring *keyring, struct diag *diag)
{
    const struct generation *seen[KEYRING_SLOTS + 1] = {0};
    for (size_t i = 0; i < keyring->count; i++) {
        const struct generation *generation = &keyring->generations[i];
        const struct generation **slot = &seen[generation_slot(generation->number)];
        if (*slot != NULL)
            return diag_set(diag, ERR_CONFLICT, "tenant %u: generations %u and %u share PAN slot %u",
                            keyring->tenant_id, (*slot)->number, generation->number,
                            generation_slot(generation->number));
        *slot = generation;
    }
    return OK;
}

static enum err check_current(const struct keyring *keyring, struct diag *diag)
{
    size_t current = 0;
    for (size_t i = 0; i < keyring->count; i++)
        current += keyring->generations[i].state == GENERATION_CURRENT;
    if (current == 1)
        return OK;
    return diag_set(diag, ERR_CONFLICT, "tenant %u: %zu generations are current, must be one",
                    keyring->tenant_id, current);
}

enum err keyring_new(unsigned tenant_id, const struct generation_options *options, size_t count,
                     struct keyring **out_keyring, struct diag *diag)
{
    enum err rc = OK;
    struct keyring *keyring = calloc(1, sizeof *keyring + count * sizeof keyring->generations[0]);
    if (keyring == NULL)
        return ERR_MEMORY;
    keyring->tenant_id = tenant_id;
    for (; keyring->count < count; keyring->count++) {
        const struct generation_options *from = &options[keyring->count];
        struct generation *to = &keyring->generations[keyring->count];
        *to = (struct generation){.number = from->number, .state = from->state, .evidence = from->evidence};
        TRY(ff1_key_new(from->cipher, &to->key));
    }
    qsort(keyring->generations, count, sizeof keyring->generations[0], order);
    TRY(check_current(keyring, diag));
    TRY(check_slots(keyring, diag));
    *out_keyring = keyring;
    keyring = NULL;
out:
    keyring_free(keyring);
    return rc;
}

void keyring_free(struct keyring *keyring)
{
    if (keyring == NULL)
        return;
    for (size_t i = 0; i < keyring->count; i++)
        ff1_key_free(keyring->generations[i].key);
    free(keyring);
}

unsigned keyring_tenant_id(const struct keyring *keyring)
{
    return keyring->tenant_id;
}

size_t keyring_count(const struct keyring *keyring)
{
    return keyring->count;
}

const struct generation *keyring_at(const struct keyring *keyring, size_t index)
{
    return &keyring->generations[index];
}

const struct generation *keyring_by_slot(const struct keyring *keyring, unsigned slot)
{
    for (size_t i = 0; i < keyring->count; i++) {
        if (generation_slot(keyring->generations[i].number) == slot)
            return &keyring->generations[i];
    }
    return NULL;
}

const struct generation *keyring_by_number(const struct keyring *keyring, unsigned number)
{
    for (size_t i = 0; i < keyring->count; i++) {
        if (keyring->generations[i].number == number)
            return &keyring->generations[i];
    }
    return NULL;
}
