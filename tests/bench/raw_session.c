// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/raw_session.h"

#include "pkcs11/hsm_private.h"

#include <p11-kit/pkcs11.h>
#include <stdio.h>
#include <stdlib.h>

static struct {
    CK_FUNCTION_LIST *f;
    CK_SESSION_HANDLE session;
} raw;

static void must(CK_RV rv, const char *what)
{
    if (rv == CKR_OK)
        return;
    fprintf(stderr, "%s: 0x%lx\n", what, rv);
    exit(1);
}

static CK_OBJECT_HANDLE only_aes_key(void)
{
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_ATTRIBUTE criteria[] = {{CKA_CLASS, &class, sizeof class}, {CKA_KEY_TYPE, &type, sizeof type}};
    CK_OBJECT_HANDLE found[2];
    CK_ULONG count = 0;
    must(raw.f->C_FindObjectsInit(raw.session, criteria, 2), "C_FindObjectsInit");
    must(raw.f->C_FindObjects(raw.session, found, 2, &count), "C_FindObjects");
    must(raw.f->C_FindObjectsFinal(raw.session), "C_FindObjectsFinal");
    must(count == 1 ? CKR_OK : CKR_GENERAL_ERROR, "one AES key");
    return found[0];
}

static enum err update(void *context, uint8_t *blocks, size_t count)
{
    (void)context;
    CK_ULONG bytes = count * CIPHER_BLOCK_BYTES;
    const CK_RV rv = raw.f->C_EncryptUpdate(raw.session, blocks, bytes, blocks, &bytes);
    return rv == CKR_OK && bytes == count * CIPHER_BLOCK_BYTES ? OK : ERR_HSM_DOWN;
}

struct cipher raw_session_open(const struct hsm *hsm)
{
    CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0};
    raw.f = (CK_FUNCTION_LIST *)(uintptr_t)hsm->slot.f;
    must(raw.f->C_OpenSession(hsm->slot.id, CKF_SERIAL_SESSION, NULL, NULL, &raw.session), "C_OpenSession");
    must(raw.f->C_EncryptInit(raw.session, &ecb, only_aes_key()), "C_EncryptInit");
    return (struct cipher){.encrypt = update};
}
