// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The keys that are in use: opened once, counted, closed with their last use.
#include "pkcs11/hsm_private.h"
#include "pkcs11/known_answer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REST_MS = 5 };

// ---- one key ------------------------------------------------------------------------------------------

void open_key_free(struct open_key *key)
{
    lane_pool_close(key->lanes);
    key_signer_close(key->signer);
    free(key->name);
    free(key);
}

static enum err sign_digest(void *context, const uint8_t *digest, size_t digest_bytes,
                            uint8_t out_signature[SIGNATURE_BYTES])
{
    return key_signer_sign(context, digest, digest_bytes, out_signature, SIGNATURE_BYTES);
}

// An Ed25519 point, which PKCS#11 wraps in a DER OCTET STRING and some modules do not.
static enum err read_ed25519(const struct ec_point *point, uint8_t *out_key)
{
    enum { ED25519_BYTES = 32, OCTET_STRING_TAG = 0x04 };
    if (point->count == ED25519_BYTES + 2 && point->bytes[0] == OCTET_STRING_TAG &&
        point->bytes[1] == ED25519_BYTES)
        memcpy(out_key, point->bytes + 2, ED25519_BYTES);
    else if (point->count == ED25519_BYTES)
        memcpy(out_key, point->bytes, ED25519_BYTES);
    else
        return ERR_HSM_KEY;
    return OK;
}

static enum err open_key_read_public(struct open_key *key, struct diag *diag)
{
    struct ec_point point = {0};
    enum err rc = key_signer_public_point(key->signer, &point, diag);
    if (rc != OK)
        return rc;
    key->digests = (struct digest_signer){sign_digest, key->signer};
    rc = key->ref.use == KEY_SIGN_ED25519 ? read_ed25519(&point, key->public_key)
                                          : ec_point_coordinates(point.bytes, point.count, key->public_key);
    if (rc != OK)
        return diag_set(diag, rc, "key %s: its public key is none of its kind", key->evidence.label);
    return OK;
}

static enum err open_key_new(struct hsm *hsm, const struct hsm_key_ref *ref, struct open_key **out_key,
                             struct diag *diag)
{
    enum err rc = OK;
    struct key_query query;
    struct open_key *key = calloc(1, sizeof *key);
    if (key == NULL)
        return ERR_MEMORY;
    key->ref.use = ref->use;
    key->name = strdup(ref->name);
    REQUIRE(key->name != NULL, ERR_MEMORY);
    TRY(key_query_parse(&hsm->slot, ref, hsm->replica, &query, diag));
    if (ref->use == KEY_FPE)
        rc = lane_pool_open(&hsm->slot, &query, hsm->lanes, &key->lanes, &key->evidence, diag);
    else
        rc = key_signer_open(&hsm->sessions, &query, &key->signer, &key->evidence, diag);
    if (rc == OK && ref->use != KEY_FPE && ref->use != KEY_MAC)
        rc = open_key_read_public(key, diag);
    if (rc == OK)
        rc = known_answer_keep(key);
    if (rc == OK)
        *out_key = key;
out:
    if (rc != OK)
        open_key_free(key);
    return rc;
}

static enum err open_key_check_pin(const struct open_key *key, const struct hsm_key_ref *ref,
                                   struct diag *diag)
{
    const uint8_t *found = key->evidence.check_value;
    if (ref->check_value == NULL || memcmp(found, ref->check_value, KEY_CHECK_VALUE_BYTES) == 0)
        return OK;
    return diag_set(
        diag, ERR_HSM_KEY,
        "key %s: check value is %02x%02x%02x, must be %02x%02x%02x: another key under the same name",
        key->evidence.label, found[0], found[1], found[2], ref->check_value[0], ref->check_value[1],
        ref->check_value[2]);
}

// ---- the list of open keys ----------------------------------------------------------------------------

// keys_lock is held. The link to the key, or to NULL.
static struct open_key **find(struct hsm *hsm, const struct hsm_key_ref *ref)
{
    struct open_key **link = &hsm->keys;
    while (*link != NULL && !((*link)->ref.use == ref->use && strcmp((*link)->name, ref->name) == 0))
        link = &(*link)->next;
    return link;
}

// NULL: it is not open.
static struct open_key *use(struct hsm *hsm, const struct hsm_key_ref *ref)
{
    pthread_mutex_lock(&hsm->keys_lock);
    struct open_key *key = *find(hsm, ref);
    if (key != NULL)
        key->users++;
    pthread_mutex_unlock(&hsm->keys_lock);
    return key;
}

// Of one that nobody else has.
void open_key_put(struct hsm *hsm, struct open_key *key)
{
    pthread_mutex_lock(&hsm->keys_lock);
    key->users = 1;
    key->next = hsm->keys;
    hsm->keys = key;
    pthread_mutex_unlock(&hsm->keys_lock);
}

// keys_lock is held. The key if that was the last use of it; it must be freed after unlocking.
static struct open_key *unuse(struct open_key **link)
{
    struct open_key *key = *link;
    assert(key != NULL && key->users > 0);
    if (--key->users > 0)
        return NULL;
    *link = key->next;
    return key;
}

// Of a slot that is down the sessions go when it is reopened, which nobody can do while we are inside.
static void close_key(struct hsm *hsm, struct open_key *key, bool inside)
{
    if (!inside && key->lanes != NULL)
        lane_pool_forget(key->lanes);
    call_begins(&hsm->slot.calls);
    open_key_free(key);
    call_ends(&hsm->slot.calls);
}

void hsm_release_key(struct hsm *hsm, const struct hsm_key_ref *ref)
{
    const bool inside = slot_enter(&hsm->slot);
    pthread_mutex_lock(&hsm->keys_lock);
    struct open_key *key = unuse(find(hsm, ref));
    pthread_mutex_unlock(&hsm->keys_lock);
    if (key != NULL)
        close_key(hsm, key, inside);
    if (inside)
        slot_leave(&hsm->slot);
}

struct open_key *hsm_next_key(struct hsm *hsm, struct open_key *previous)
{
    struct open_key *unused = NULL;
    const bool inside = slot_enter(&hsm->slot);
    pthread_mutex_lock(&hsm->keys_lock);
    struct open_key *next = previous != NULL ? previous->next : hsm->keys;
    if (next != NULL)
        next->users++;
    if (previous != NULL) {
        struct open_key **link = &hsm->keys;
        while (*link != previous)
            link = &(*link)->next;
        unused = unuse(link);
    }
    pthread_mutex_unlock(&hsm->keys_lock);
    if (unused != NULL)
        close_key(hsm, unused, inside);
    if (inside)
        slot_leave(&hsm->slot);
    return next;
}

// A check that hangs has the lock for as long as that takes.
static bool lock_in_time(struct hsm *hsm)
{
    bool locked = pthread_mutex_trylock(&hsm->lock) == 0;
    for (unsigned ms = 0; !locked && ms < 2 * hsm->call_timeout_ms; ms += REST_MS) {
        nanosleep(&(struct timespec){.tv_nsec = REST_MS * 1000000L}, NULL);
        locked = pthread_mutex_trylock(&hsm->lock) == 0;
    }
    return locked;
}

static enum err open_key_inside(struct hsm *hsm, const struct hsm_key_ref *ref, struct open_key **out_key,
                                struct diag *diag)
{
    if (!slot_enter(&hsm->slot))
        return diag_set(diag, ERR_HSM_DOWN, "%s: the slot is down", hsm->slot.name);
    const enum err rc = open_key_new(hsm, ref, out_key, diag);
    slot_leave(&hsm->slot);
    return rc;
}

enum err open_key_get(struct hsm *hsm, const struct hsm_key_ref *ref, struct open_key **out_key,
                      struct diag *diag)
{
    enum err rc = OK;
    struct open_key *key = use(hsm, ref);
    if (key != NULL) {
        rc = open_key_check_pin(key, ref, diag);
        if (rc != OK)
            hsm_release_key(hsm, ref);
        else
            *out_key = key;
        return rc;
    }
    if (!lock_in_time(hsm))
        return diag_set(diag, ERR_HSM_DOWN, "%s: a call has not returned from the module", hsm->slot.name);
    key = use(hsm, ref); // by another thread meanwhile
    if (key == NULL) {
        rc = open_key_inside(hsm, ref, &key, diag);
        if (rc == OK)
            open_key_put(hsm, key);
    }
    if (rc == OK)
        *out_key = key;
    pthread_mutex_unlock(&hsm->lock);
    return rc;
}

enum err hsm_look_at_key(struct hsm *hsm, const struct hsm_key_ref *ref, struct key_evidence *out_evidence,
                         struct diag *diag)
{
    enum err rc = OK;
    struct key_query query;
    CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
    CK_OBJECT_HANDLE object;
    call_begins(&hsm->slot.calls);
    TRY(key_query_parse(&hsm->slot, ref, hsm->replica, &query, diag));
    TRY(slot_open_session(&hsm->slot, false, &session, diag));
    rc = key_find(&hsm->slot, session, &query, &object, out_evidence, diag);
out:
    slot_close_session(&hsm->slot, session);
    call_ends(&hsm->slot.calls);
    return rc;
}
