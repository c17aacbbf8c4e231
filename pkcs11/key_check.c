// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/ckr.h"
#include "pkcs11/key.h"

#include <openssl/sha.h>
#include <string.h>

static CK_RV check_aes(const struct slot *slot, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, uint8_t *out)
{
    CK_MECHANISM mechanism = {CKM_AES_ECB, NULL, 0};
    uint8_t zero[CIPHER_BLOCK_BYTES] = {0};
    CK_ULONG bytes = CIPHER_BLOCK_BYTES;
    CK_RV rv = slot->f->C_EncryptInit(session, &mechanism, key);
    return rv == CKR_OK ? slot->f->C_Encrypt(session, zero, sizeof zero, out, &bytes) : rv;
}

static CK_RV check_mac(const struct slot *slot, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, uint8_t *out)
{
    CK_MECHANISM mechanism = {CKM_SHA256_HMAC, NULL, 0};
    uint8_t message[] = KEY_MAC_CHECK_MESSAGE;
    CK_ULONG bytes = MAC_BYTES;
    CK_RV rv = slot->f->C_SignInit(session, &mechanism, key);
    return rv == CKR_OK ? slot->f->C_Sign(session, message, sizeof message - 1, out, &bytes) : rv;
}

CK_RV key_get_public_point(const struct slot *slot, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
                           struct ec_point *out_point)
{
    CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
    CK_OBJECT_HANDLE public_key;
    uint8_t id_bytes[KEY_ID_BYTES_MAX];
    CK_ULONG found = 0;
    CK_ATTRIBUTE id = {CKA_ID, id_bytes, sizeof id_bytes};
    CK_ATTRIBUTE point = {CKA_EC_POINT, out_point->bytes, sizeof out_point->bytes};
    CK_RV rv = key_get(slot, session, key, &id);
    if (rv != CKR_OK)
        return rv;
    struct criteria criteria = {.attributes = {{CKA_CLASS, &class, sizeof class}, id}, .count = 2};
    rv = id.ulValueLen > 0 ? key_search(slot, session, &criteria, &public_key, 1, &found) : CKR_OK;
    if (rv != CKR_OK)
        return rv;
    if (found == 0)
        return CKR_OBJECT_HANDLE_INVALID;
    rv = key_get(slot, session, public_key, &point);
    out_point->count = rv == CKR_OK ? point.ulValueLen : 0;
    return rv;
}

static CK_RV check_public_key(const struct slot *slot, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
                              uint8_t *out, bool *out_has)
{
    struct ec_point point;
    CK_RV rv = key_get_public_point(slot, session, key, &point);
    *out_has = rv == CKR_OK;
    if (rv == CKR_OK)
        SHA256(point.bytes, point.count, out);
    return rv == CKR_OBJECT_HANDLE_INVALID ? CKR_OK : rv;
}

enum err key_check_value(const struct slot *slot, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
                         enum key_use use, struct key_evidence *evidence, struct diag *diag)
{
    uint8_t bytes[MAC_BYTES];
    bool has = true;
    CK_RV rv;
    if (use == KEY_FPE)
        rv = check_aes(slot, session, key, bytes);
    else if (use == KEY_MAC)
        rv = check_mac(slot, session, key, bytes);
    else
        rv = check_public_key(slot, session, key, bytes, &has);
    if (rv != CKR_OK)
        return diag_set(diag, ckr_err(rv), "%s: key %s: computing its check value: %s (0x%lx)", slot->name,
                        evidence->label, ckr_name(rv), rv);
    evidence->has_check_value = has;
    if (has)
        memcpy(evidence->check_value, bytes, KEY_CHECK_VALUE_BYTES);
    return OK;
}
