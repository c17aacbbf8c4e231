// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/key_signer.h"
#include "pkcs11/ckr.h"
#include "pkcs11/key_rules.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct key_signer {
    struct session_pool *sessions;
    struct key_query query;
    pthread_mutex_t lock; // the rest, which is written anew by whoever meets a stale handle
    CK_OBJECT_HANDLE key;
    unsigned logins; // when it was found; see slot_logins
};

// What is to be signed, and the room for it.
struct signing {
    const uint8_t *message;
    size_t message_bytes;
    uint8_t signature[SIGNATURE_BYTES];
    size_t signature_bytes;
};

static void keep_handle(struct key_signer *signer, CK_OBJECT_HANDLE key, unsigned logins)
{
    pthread_mutex_lock(&signer->lock);
    signer->key = key;
    signer->logins = logins;
    pthread_mutex_unlock(&signer->lock);
}

static CK_OBJECT_HANDLE get_handle(struct key_signer *signer, unsigned logins)
{
    pthread_mutex_lock(&signer->lock);
    const CK_OBJECT_HANDLE key = signer->logins == logins ? signer->key : CK_INVALID_HANDLE;
    pthread_mutex_unlock(&signer->lock);
    return key;
}

// What is signed while somebody logs in may have been signed by another key.
static CK_RV sign_once(struct key_signer *signer, CK_SESSION_HANDLE session, struct signing *signing)
{
    struct slot *slot = signer->sessions->slot;
    const CK_FUNCTION_LIST *f = slot->f;
    CK_MECHANISM mechanism = {use_rule(signer->query.use)->mechanism, NULL, 0};
    CK_ULONG bytes = signing->signature_bytes;
    const unsigned logins = slot_logins(slot);
    const CK_OBJECT_HANDLE key = get_handle(signer, logins);
    if (key == CK_INVALID_HANDLE)
        return CKR_KEY_HANDLE_INVALID;
    CK_BYTE none = 0;
    // Cryptoki takes its input without const, and SoftHSM refuses NULL even for no bytes.
    CK_BYTE *input = signing->message_bytes > 0 ? (CK_BYTE *)(uintptr_t)signing->message : &none;
    call_begins(&slot->calls);
    CK_RV rv = f->C_SignInit(session, &mechanism, key);
    if (rv == CKR_OK)
        rv = f->C_Sign(session, input, signing->message_bytes, signing->signature, &bytes);
    if (call_ends(&slot->calls))
        return CKR_FUNCTION_FAILED; // it was given up, and the slot with it
    if (logins != slot_logins(slot))
        return CKR_KEY_HANDLE_INVALID;
    return rv == CKR_OK && bytes != signing->signature_bytes ? CKR_FUNCTION_FAILED : rv;
}

static enum err find_again(struct key_signer *signer, CK_SESSION_HANDLE session,
                           struct key_evidence *out_evidence, struct diag *diag)
{
    CK_OBJECT_HANDLE key;
    struct slot *slot = signer->sessions->slot;
    const unsigned logins = slot_logins(slot);
    call_begins(&slot->calls);
    enum err rc = key_find(slot, session, &signer->query, &key, out_evidence, diag);
    call_ends(&slot->calls);
    if (rc == OK)
        keep_handle(signer, key, logins);
    return rc;
}

void key_signer_forget(struct key_signer *signer)
{
    keep_handle(signer, CK_INVALID_HANDLE, 0);
}

// On a session of its own, because those of the pool may all be stale.
static enum err sign_again(struct key_signer *signer, struct signing *signing)
{
    struct slot *slot = signer->sessions->slot;
    CK_SESSION_HANDLE session;
    enum err rc = slot_open_session(slot, false, &session, NULL);
    if (rc != OK)
        return slot_seam_err(rc);
    rc = find_again(signer, session, NULL, NULL);
    if (rc == ERR_HSM_KEY && slot_check_presence(slot, NULL) != OK)
        rc = ERR_HSM_DOWN;
    if (rc == OK) {
        CK_RV rv = sign_once(signer, session, signing);
        rc = rv == CKR_OK ? OK : slot_failed(slot, rv);
    }
    slot_close_session(slot, session);
    return slot_seam_err(rc);
}

static enum err sign_on_pool(struct key_signer *signer, struct signing *signing)
{
    CK_SESSION_HANDLE session;
    enum err rc = session_take(signer->sessions, &session);
    if (rc != OK)
        return rc;
    CK_RV rv = sign_once(signer, session, signing);
    if (rv == CKR_OK) {
        session_give(signer->sessions, session);
        return OK;
    }
    session_broken(signer->sessions, session);
    return ckr_is_retriable(rv) ? sign_again(signer, signing) : slot_failed(signer->sessions->slot, rv);
}

enum err key_signer_sign(struct key_signer *signer, const uint8_t *message, size_t message_bytes,
                         uint8_t *out, size_t out_bytes)
{
    assert(out_bytes <= SIGNATURE_BYTES);
    struct signing signing = {
        .message = message, .message_bytes = message_bytes, .signature_bytes = out_bytes};
    WIPE_AT_EXIT(signing);
    if (!slot_enter(signer->sessions->slot))
        return ERR_HSM_DOWN;
    enum err rc = sign_on_pool(signer, &signing);
    slot_leave(signer->sessions->slot);
    if (rc == OK)
        memcpy(out, signing.signature, out_bytes);
    return rc;
}

enum err key_signer_prove(struct key_signer *signer, const uint8_t *message, size_t message_bytes,
                          uint8_t *out, size_t out_bytes)
{
    assert(out_bytes <= SIGNATURE_BYTES);
    struct signing signing = {
        .message = message, .message_bytes = message_bytes, .signature_bytes = out_bytes};
    WIPE_AT_EXIT(signing);
    const enum err rc = sign_again(signer, &signing);
    if (rc == OK)
        memcpy(out, signing.signature, out_bytes);
    return rc;
}

enum err key_signer_mac(void *context, const uint8_t *message, size_t message_bytes,
                        uint8_t out_mac[MAC_BYTES])
{
    return key_signer_sign(context, message, message_bytes, out_mac, MAC_BYTES);
}

enum err key_signer_public_point(struct key_signer *signer, struct ec_point *out_point, struct diag *diag)
{
    struct slot *slot = signer->sessions->slot;
    CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
    CK_RV rv = CKR_OK;
    if (!slot_enter(slot))
        return diag_set(diag, ERR_HSM_DOWN, "%s: the slot is down", slot->name);
    enum err rc = slot_open_session(slot, false, &session, diag);
    if (rc == OK)
        rv = key_get_public_point(slot, session, get_handle(signer, slot_logins(slot)), out_point);
    slot_close_session(slot, session);
    slot_leave(slot);
    if (rc != OK)
        return rc;
    if (rv == CKR_OBJECT_HANDLE_INVALID)
        return diag_set(diag, ERR_HSM_KEY, "key %s: there is no public key with its CKA_ID in the token",
                        key_query_name(&signer->query));
    return rv == CKR_OK ? OK : ckr_diag(diag, rv, slot->name, "reading the public key");
}

enum err key_signer_open(struct session_pool *sessions, const struct key_query *query,
                         struct key_signer **out_signer, struct key_evidence *out_evidence, struct diag *diag)
{
    enum err rc = OK;
    CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
    struct key_evidence evidence = {0};
    struct key_signer *signer = calloc(1, sizeof *signer);
    if (signer == NULL)
        return ERR_MEMORY;
    signer->sessions = sessions;
    signer->query = *query;
    pthread_mutex_init(&signer->lock, NULL);
    TRY(slot_open_session(sessions->slot, false, &session, diag));
    TRY(find_again(signer, session, &evidence, diag));
    key_query_pin(&signer->query, &evidence);
    *out_signer = signer;
    if (out_evidence != NULL)
        *out_evidence = evidence;
out:
    slot_close_session(sessions->slot, session);
    if (rc != OK)
        key_signer_close(signer);
    return rc;
}

void key_signer_close(struct key_signer *signer)
{
    if (signer != NULL)
        pthread_mutex_destroy(&signer->lock);
    free(signer);
}
