// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// EC private keys as OpenSSL keys, by libp11.
#include "pkcs11/ckr.h"
#include "pkcs11/hsm_private.h"
#include "pkcs11/key_rules.h"

#include <string.h>

// The names of the object that was verified, to recognise it among libp11's keys.
struct names {
    char label[KEY_LABEL_BYTES];
    uint8_t id[KEY_ID_BYTES_MAX];
    CK_ULONG id_bytes;
};

static enum err find_verified(struct hsm *hsm, const struct hsm_key_ref *ref, struct names *out_names,
                              struct key_evidence *out_evidence, struct diag *diag)
{
    enum err rc = OK;
    struct slot *slot = &hsm->slot;
    struct key_query query;
    CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
    CK_OBJECT_HANDLE key;
    TRY(key_query_parse(slot, ref, hsm->replica, &query, diag));
    TRY(slot_open_session(slot, false, &session, diag));
    TRY(key_find(slot, session, &query, &key, out_evidence, diag));
    CK_ATTRIBUTE id = {CKA_ID, out_names->id, sizeof out_names->id};
    CK_RV rv = slot->f->C_GetAttributeValue(session, key, &id, 1);
    REQUIRE(rv == CKR_OK, ckr_diag(diag, rv, slot->name, "reading CKA_ID"));
    out_names->id_bytes = id.ulValueLen;
    memcpy(out_names->label, out_evidence->label, sizeof out_names->label);
out:
    slot_close_session(slot, session);
    return rc;
}

static bool is_named(const PKCS11_KEY *key, const struct names *names)
{
    return key->label != NULL && strcmp(key->label, names->label) == 0 && key->id_len == names->id_bytes &&
           memcmp(key->id, names->id, names->id_bytes) == 0;
}

static EVP_PKEY *libp11_key(struct hsm *hsm, const struct names *names)
{
    PKCS11_SLOT *slot = module_libp11_slot(hsm->slot.module, hsm->slot.id);
    PKCS11_KEY *keys = NULL;
    unsigned count = 0;
    if (slot == NULL || slot->token == NULL || PKCS11_enumerate_keys(slot->token, &keys, &count) != 0)
        return NULL;
    for (unsigned i = 0; i < count; i++)
        if (is_named(&keys[i], names) && PKCS11_get_key_type(&keys[i]) == EVP_PKEY_EC)
            return PKCS11_get_private_key(&keys[i]);
    return NULL;
}

enum err hsm_open_private_key(struct hsm *hsm, const struct hsm_key_ref *ref, EVP_PKEY **out_key,
                              struct key_evidence *out_evidence, struct diag *diag)
{
    struct names names;
    struct key_evidence evidence;
    if (ref->use != KEY_TLS && ref->use != KEY_SIGN_P256)
        return diag_set(diag, ERR_HSM_KEY, "key %s: only EC P-256 keys can be OpenSSL keys", ref->name);
    enum err rc = find_verified(hsm, ref, &names, &evidence, diag);
    if (rc != OK)
        return rc;
    pthread_mutex_lock(&hsm->lock); // libp11's lists of keys
    EVP_PKEY *key = libp11_key(hsm, &names);
    pthread_mutex_unlock(&hsm->lock);
    if (key == NULL)
        return diag_set(diag, ERR_HSM_KEY, "key %s: libp11 cannot use it (is its public key beside it?)",
                        evidence.label);
    *out_key = key;
    if (out_evidence != NULL)
        *out_evidence = evidence;
    return OK;
}
