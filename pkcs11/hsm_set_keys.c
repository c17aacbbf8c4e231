// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Keys that are open in several slots at once.
#include "pkcs11/hsm_set_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void make_unfit(struct member *member, const struct diag *why)
{
    pthread_mutex_lock(&member->lock);
    member->why = *why;
    pthread_mutex_unlock(&member->lock);
    atomic_store(&member->settled, false);
    atomic_store(&member->fit, false);
}

// Which member a key is opened at.
struct place {
    struct hsm *hsm;
    const struct hsm_key_ref *ref;
    struct set_key_part *part;
};

static enum err open_ec(const struct place *place, struct key_evidence *out_evidence, struct diag *diag)
{
    struct ec_seams seams;
    const enum err rc = hsm_open_ec(place->hsm, place->ref, &seams, out_evidence, diag);
    if (rc != OK)
        return rc;
    place->part->signer = seams.signer;
    place->part->digests = seams.digests;
    return OK;
}

static enum err open_part(const struct place *place, struct key_evidence *out_evidence, struct diag *diag)
{
    struct set_key_part *part = place->part;
    switch (place->ref->use) {
    case KEY_FPE:
        return hsm_open_cipher(place->hsm, place->ref, &part->cipher, out_evidence, diag);
    case KEY_MAC:
        return hsm_open_mac(place->hsm, place->ref, &part->mac, out_evidence, diag);
    case KEY_SIGN_ED25519:
        return hsm_open_signer(place->hsm, place->ref, &part->signer, out_evidence, diag);
    case KEY_SIGN_P256:
    case KEY_TLS:
        break;
    }
    return open_ec(place, out_evidence, diag);
}

// The first one sets what the others must be.
static enum err open_at(struct set_key *key, size_t index, struct diag *diag)
{
    struct member *member = &key->set->members[index];
    struct key_evidence evidence = {0};
    struct set_key_part *part = &key->parts[index];
    const struct place place = {member->hsm, &key->ref, part};
    const enum err rc = open_part(&place, &evidence, diag);
    if (rc != OK)
        return rc;
    if (key->evidence.label[0] == '\0') {
        memcpy(key->check_value, evidence.check_value, sizeof key->check_value);
        key->ref.check_value = key->check_value;
        key->evidence = evidence;
        memcpy(key->public_key, part->signer.public_key, sizeof key->public_key);
    }
    atomic_store_explicit(&part->open, true, memory_order_release);
    return OK;
}

static struct set_key *key_new(struct hsm_set *set, const struct hsm_key_ref *ref)
{
    struct set_key *key = calloc(1, sizeof *key + set->count * sizeof key->parts[0]);
    char *name = strdup(ref->name);
    if (key == NULL || name == NULL) {
        free(key);
        free(name);
        return NULL;
    }
    key->set = set;
    key->name = name;
    key->ref = (struct hsm_key_ref){.use = ref->use, .name = name};
    if (ref->check_value != NULL) {
        memcpy(key->check_value, ref->check_value, sizeof key->check_value);
        key->ref.check_value = key->check_value;
    }
    return key;
}

static void key_free(struct set_key *key)
{
    for (size_t i = 0; i < key->set->count; i++) {
        if (atomic_load(&key->parts[i].open))
            hsm_release_key(key->set->members[i].hsm, &key->ref);
    }
    free(key->name);
    free(key);
}

void set_key_unlink([[maybe_unused]] struct hsm_set *set, struct set_key **link)
{
    struct set_key *key = *link;
    *link = key->next;
    key_free(key);
}

static struct set_key **find(struct hsm_set *set, const struct hsm_key_ref *ref)
{
    struct set_key **link = &set->keys;
    while (*link != NULL && !((*link)->ref.use == ref->use && strcmp((*link)->name, ref->name) == 0))
        link = &(*link)->next;
    return link;
}

// Where it cannot be opened while the slot is up, the slot is put out of use. One that differs from the
// first, with nothing to say which of the two is right, is an error of whoever set them up.
static enum err open_everywhere(struct set_key *key, struct diag *diag)
{
    const bool pinned = key->ref.check_value != NULL;
    size_t opened = 0;
    enum err first = ERR_HSM_DOWN;
    struct diag first_why = {0};
    for (size_t i = 0; i < key->set->count; i++) {
        struct member *member = &key->set->members[i];
        struct diag why = {0};
        if (!atomic_load(&member->fit))
            continue;
        const enum err rc = open_at(key, i, &why);
        if (rc == OK) {
            opened++;
            continue;
        }
        if (opened + (first_why.text[0] != '\0') == 0) {
            first = rc;
            first_why = why;
        }
        if (rc == ERR_HSM_KEY && !pinned && opened > 0)
            return diag_set(diag, rc, "slot %s: %s", member->options.name, why.text);
        make_unfit(member, &why);
    }
    if (opened > 0)
        return OK;
    return diag_set(diag, first, "%s", first_why.text[0] != '\0' ? first_why.text : "no slot is up");
}

// What was found wrong everywhere may be the key's fault alone: the slots stay in use.
static void make_fit_again(struct hsm_set *set, const bool *fit)
{
    for (size_t i = 0; i < set->count; i++) {
        if (fit[i]) {
            atomic_store(&set->members[i].fit, true);
            atomic_store(&set->members[i].settled, true);
        }
    }
}

static enum err open_new(struct hsm_set *set, const struct hsm_key_ref *ref, struct set_key **out_key,
                         struct diag *diag)
{
    bool *fit = calloc(set->count, sizeof *fit);
    struct set_key *key = key_new(set, ref);
    if (fit == NULL || key == NULL) {
        free(fit);
        if (key != NULL)
            key_free(key);
        return ERR_MEMORY;
    }
    for (size_t i = 0; i < set->count; i++)
        fit[i] = atomic_load(&set->members[i].fit);
    const enum err rc = open_everywhere(key, diag);
    if (rc == OK) {
        key->next = set->keys;
        set->keys = key;
        *out_key = key;
    } else {
        make_fit_again(set, fit);
        key_free(key);
    }
    free(fit);
    return rc;
}

static enum err check_pin(const struct set_key *key, const struct hsm_key_ref *ref, struct diag *diag)
{
    if (ref->check_value == NULL || memcmp(ref->check_value, key->check_value, sizeof key->check_value) == 0)
        return OK;
    return diag_set(diag, ERR_HSM_KEY, "key %s: its check value is not the pinned one", key->evidence.label);
}

enum err set_key_open(struct hsm_set *set, const struct hsm_key_ref *ref, struct set_key **out_key,
                      struct key_evidence *out_evidence, struct diag *diag)
{
    enum err rc = OK;
    pthread_mutex_lock(&set->lock);
    struct set_key *key = *find(set, ref);
    if (key != NULL)
        TRY(check_pin(key, ref, diag));
    else
        TRY(open_new(set, ref, &key, diag));
    key->users++;
    *out_key = key;
    if (out_evidence != NULL)
        *out_evidence = key->evidence;
out:
    pthread_mutex_unlock(&set->lock);
    return rc;
}

void set_key_release(struct hsm_set *set, const struct hsm_key_ref *ref)
{
    pthread_mutex_lock(&set->lock);
    struct set_key **link = find(set, ref);
    assert(*link != NULL && (*link)->users > 0);
    if (--(*link)->users == 0)
        set_key_unlink(set, link);
    pthread_mutex_unlock(&set->lock);
}

enum err set_keys_adopt(struct hsm_set *set, struct member *member, struct diag *diag)
{
    enum err rc = OK;
    const size_t index = (size_t)(member - set->members);
    pthread_mutex_lock(&set->lock);
    for (struct set_key *key = set->keys; key != NULL && rc == OK; key = key->next) {
        if (!atomic_load(&key->parts[index].open))
            rc = open_at(key, index, diag);
    }
    if (rc == OK)
        atomic_store_explicit(&member->fit, true, memory_order_release);
    pthread_mutex_unlock(&set->lock);
    return rc;
}
