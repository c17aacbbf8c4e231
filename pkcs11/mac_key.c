// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/mac_key.h"
#include "pkcs11/ckr.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct mac_key {
    struct session_pool *sessions;
    struct key_query query;
    _Atomic CK_OBJECT_HANDLE handle; // found again by whoever meets a stale one
};

static CK_RV mac_call(const struct mac_key *key, CK_SESSION_HANDLE session, const uint8_t *message,
                      size_t message_bytes, uint8_t *out_mac)
{
    const CK_FUNCTION_LIST *f = key->sessions->slot->f;
    CK_MECHANISM mechanism = {CKM_SHA256_HMAC, NULL, 0};
    CK_ULONG bytes = MAC_BYTES;
    CK_BYTE none = 0;
    // Cryptoki takes its input without const, and SoftHSM refuses NULL even for no bytes.
    CK_BYTE *input = message_bytes > 0 ? (CK_BYTE *)(uintptr_t)message : &none;
    CK_RV rv = f->C_SignInit(session, &mechanism, atomic_load(&key->handle));
    if (rv == CKR_OK)
        rv = f->C_Sign(session, input, message_bytes, out_mac, &bytes);
    return rv == CKR_OK && bytes != MAC_BYTES ? CKR_FUNCTION_FAILED : rv;
}

static enum err mac_find(struct mac_key *key, CK_SESSION_HANDLE session, struct key_evidence *out_evidence,
                         struct diag *diag)
{
    CK_OBJECT_HANDLE handle;
    enum err rc = key_find(key->sessions->slot, session, &key->query, &handle, out_evidence, diag);
    if (rc == OK)
        atomic_store(&key->handle, handle);
    return rc;
}

// Gives the session back, or closes it after a failure.
static void mac_release(struct mac_key *key, CK_SESSION_HANDLE session, bool good)
{
    if (good)
        session_give(key->sessions, session);
    else
        session_broken(key->sessions, session);
}

// After a session or the login was lost: all over once more, with a key found anew.
static enum err mac_retry(struct mac_key *key, const uint8_t *message, size_t message_bytes, uint8_t *out_mac)
{
    CK_SESSION_HANDLE session;
    enum err rc = slot_open_session(key->sessions->slot, false, &session, NULL);
    if (rc != OK)
        return slot_seam_err(rc);
    rc = mac_find(key, session, NULL, NULL);
    if (rc == OK) {
        CK_RV rv = mac_call(key, session, message, message_bytes, out_mac);
        rc = rv == CKR_OK ? OK : slot_failed(key->sessions->slot, rv);
    }
    slot_close_session(key->sessions->slot, session);
    return slot_seam_err(rc);
}

enum err mac_key_compute(void *context, const uint8_t *message, size_t message_bytes,
                         uint8_t out_mac[MAC_BYTES])
{
    struct mac_key *key = context;
    CK_SESSION_HANDLE session;
    uint8_t computed[MAC_BYTES];
    WIPE_AT_EXIT(computed);
    enum err rc = session_take(key->sessions, &session);
    if (rc != OK)
        return rc;
    CK_RV rv = mac_call(key, session, message, message_bytes, computed);
    mac_release(key, session, rv == CKR_OK);
    if (ckr_class(rv) == CKR_CLASS_SESSION_LOST || ckr_class(rv) == CKR_CLASS_LOGIN_LOST)
        rc = mac_retry(key, message, message_bytes, computed);
    else if (rv != CKR_OK)
        rc = slot_failed(key->sessions->slot, rv);
    if (rc == OK)
        memcpy(out_mac, computed, MAC_BYTES);
    return rc;
}

enum err mac_key_open(struct session_pool *sessions, const struct key_query *query, struct mac_key **out_key,
                      struct key_evidence *out_evidence, struct diag *diag)
{
    enum err rc;
    CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
    struct key_evidence evidence = {0};
    struct mac_key *key = calloc(1, sizeof *key);
    if (key == NULL)
        return ERR_MEMORY;
    key->sessions = sessions;
    key->query = *query;
    TRY(slot_open_session(sessions->slot, false, &session, diag));
    TRY(mac_find(key, session, &evidence, diag));
    key->query.pinned = true; // from now on it must stay this key
    memcpy(key->query.check_value, evidence.check_value, sizeof evidence.check_value);
    *out_key = key;
    if (out_evidence != NULL)
        *out_evidence = evidence;
out:
    slot_close_session(sessions->slot, session);
    if (rc != OK)
        mac_key_close(key);
    return rc;
}

void mac_key_close(struct mac_key *key)
{
    free(key);
}
