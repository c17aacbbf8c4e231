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
    member_set_why(member, why);
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
    const struct place place = {atomic_load(&member->hsm), &key->ref, part};
    const enum err rc = open_part(&place, &evidence, diag);
    if (rc != OK)
        return rc;
    if (!key->seen) {
        key->seen = true;
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
    key->digests = (struct digest_signer){set_sign_digest, key};
    if (ref->check_value != NULL) {
        memcpy(key->check_value, ref->check_value, sizeof key->check_value);
        key->ref.check_value = key->check_value;
    }
    return key;
}

void set_key_free(struct set_key *key)
{
    for (size_t i = 0; i < key->set->count; i++) {
        if (atomic_load(&key->parts[i].open))
            hsm_release_key(atomic_load(&key->set->members[i].hsm), &key->ref);
    }
    free(key->name);
    free(key);
}

// ---- opening ------------------------------------------------------------------------------------------

// Whether there is another key of this name, which is not a matter of what is missing yet.
static bool is_another_key(struct member *member, const struct hsm_key_ref *ref)
{
    struct key_evidence evidence = {0};
    const enum err rc = hsm_look_at_key(atomic_load(&member->hsm), ref, &evidence, NULL);
    return rc == ERR_HSM_KEY && evidence.has_check_value &&
           memcmp(evidence.check_value, ref->check_value, KEY_CHECK_VALUE_BYTES) != 0;
}

// Where it cannot be opened while the slot is up, the slot is put out of use. One that differs from the
// first, with nothing to say which of the two is right, is an error of whoever set them up.
static enum err open_everywhere(struct set_key *key, struct diag *diag)
{
    const bool pinned = key->ref.check_value != NULL;
    enum err first = ERR_HSM_DOWN;
    struct diag first_why = {0};
    bool opened = false;
    for (size_t i = 0; i < key->set->count; i++) {
        struct member *member = &key->set->members[i];
        struct diag why = {0};
        if (!atomic_load(&member->fit))
            continue;
        const enum err rc = open_at(key, i, &why);
        opened |= rc == OK;
        if (rc == OK)
            continue;
        if (first_why.text[0] == '\0') {
            first = rc;
            first_why = why;
        }
        if (opened && !pinned && rc == ERR_HSM_KEY && is_another_key(member, &key->ref))
            return diag_set(diag, rc, "slot %s: %s", member->options.name, why.text);
        make_unfit(member, &why);
    }
    if (opened)
        return OK;
    return diag_set(diag, first, "%s", first_why.text[0] != '\0' ? first_why.text : "no slot is up");
}

// What was found wrong everywhere may be the key's fault alone: the slots stay in use.
static void make_fit_again(struct hsm_set *set, const bool *fit)
{
    for (size_t i = 0; i < set->count; i++) {
        if (fit[i]) {
            atomic_store(&set->members[i].settled, true);
            atomic_store(&set->members[i].fit, true);
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
            set_key_free(key);
        return ERR_MEMORY;
    }
    for (size_t i = 0; i < set->count; i++)
        fit[i] = atomic_load(&set->members[i].fit);
    const enum err rc = open_everywhere(key, diag);
    if (rc == OK) {
        *out_key = key;
    } else {
        make_fit_again(set, fit);
        set_key_free(key);
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

// ---- the list -----------------------------------------------------------------------------------------

// set->lock is held.
static struct set_key **find(struct hsm_set *set, const struct hsm_key_ref *ref)
{
    struct set_key **link = &set->keys;
    while (*link != NULL && !((*link)->ref.use == ref->use && strcmp((*link)->name, ref->name) == 0))
        link = &(*link)->next;
    return link;
}

// set->lock is held. The key if that was its last use; it must be freed after unlocking.
static struct set_key *unuse(struct set_key **link)
{
    struct set_key *key = *link;
    assert(key != NULL && key->users > 0);
    if (--key->users > 0)
        return NULL;
    *link = key->next;
    return key;
}

// A member that has become fit meanwhile did not know of this key.
static void put(struct hsm_set *set, struct set_key *key)
{
    static const struct diag yet = {.text = "a key is still to be opened"};
    pthread_mutex_lock(&set->lock);
    for (size_t i = 0; i < set->count; i++) {
        if (!atomic_load(&key->parts[i].open) && atomic_load(&set->members[i].fit))
            make_unfit(&set->members[i], &yet);
    }
    key->next = set->keys;
    set->keys = key;
    pthread_mutex_unlock(&set->lock);
}

enum err set_key_open(struct hsm_set *set, const struct hsm_key_ref *ref, struct set_key **out_key,
                      struct key_evidence *out_evidence, struct diag *diag)
{
    enum err rc = OK;
    pthread_mutex_lock(&set->lock);
    struct set_key *key = *find(set, ref);
    pthread_mutex_unlock(&set->lock); // it stays: who releases is who opens
    if (key != NULL) {
        TRY(check_pin(key, ref, diag));
        pthread_mutex_lock(&set->lock);
        key->users++;
        pthread_mutex_unlock(&set->lock);
    } else {
        TRY(open_new(set, ref, &key, diag));
        key->users = 1;
        put(set, key);
    }
    *out_key = key;
    if (out_evidence != NULL)
        *out_evidence = key->evidence;
out:
    return rc;
}

void set_key_release(struct hsm_set *set, const struct hsm_key_ref *ref)
{
    pthread_mutex_lock(&set->lock);
    struct set_key *key = unuse(find(set, ref));
    pthread_mutex_unlock(&set->lock);
    if (key != NULL)
        set_key_free(key);
}

// set->lock is held. One that is not open at the member, kept; or NULL.
static struct set_key *take_closed(struct hsm_set *set, size_t index)
{
    struct set_key *key = set->keys;
    while (key != NULL && atomic_load(&key->parts[index].open))
        key = key->next;
    if (key != NULL)
        key->users++;
    return key;
}

static enum err adopt_one(struct hsm_set *set, struct set_key *key, size_t index, struct diag *diag)
{
    const enum err rc = open_at(key, index, diag);
    pthread_mutex_lock(&set->lock);
    struct set_key *unused = unuse(find(set, &key->ref));
    pthread_mutex_unlock(&set->lock);
    if (unused != NULL)
        set_key_free(unused);
    return rc;
}

enum err set_keys_adopt(struct hsm_set *set, struct member *member, struct diag *diag)
{
    enum err rc = OK;
    const size_t index = (size_t)(member - set->members);
    while (rc == OK) {
        pthread_mutex_lock(&set->lock);
        struct set_key *key = take_closed(set, index);
        if (key == NULL)
            atomic_store_explicit(&member->fit, true, memory_order_release);
        pthread_mutex_unlock(&set->lock);
        if (key == NULL)
            break;
        rc = adopt_one(set, key, index, diag);
    }
    return rc;
}
