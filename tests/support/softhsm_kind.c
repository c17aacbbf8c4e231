// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Tokens of other kinds than SoftHSM.
#include "tests/support/softhsm.h"

#include <dlfcn.h>
#include <errno.h>
#include <p11-kit/pkcs11.h>
#include <string.h>

enum { SKIPS_MAX = 16, BATCH = 64 };

const char *softhsm_kind(void)
{
    const char *kind = getenv("SYMBOLON_TOKEN");
    return kind != NULL ? kind : "softhsm";
}

const char *softhsm_module(void)
{
    const char *module = getenv("SYMBOLON_TOKEN_MODULE");
    return module != NULL ? module : SOFTHSM_MODULE;
}

bool softhsm_has_files(void)
{
    return getenv("SYMBOLON_TOKEN_MODULE") == NULL;
}

// ---- skips ------------------------------------------------------------------------------------------

static struct {
    const char *what;
    unsigned times;
} skips[SKIPS_MAX];

static void list_skips(void)
{
    for (unsigned i = 0; i < SKIPS_MAX && skips[i].what != NULL; i++)
        printf("skipped: %u: %s not offered by %s (%s)\n", skips[i].times, skips[i].what, softhsm_kind(),
               program_invocation_short_name);
}

void softhsm_note_skip(const char *what)
{
    unsigned i = 0;
    while (i < SKIPS_MAX && skips[i].what != NULL && strcmp(skips[i].what, what) != 0)
        i++;
    if (i == SKIPS_MAX)
        abort();
    if (i == 0 && skips[0].what == NULL)
        atexit(list_skips);
    skips[i].what = what;
    skips[i].times++;
}

// ---- emptying ---------------------------------------------------------------------------------------

static void must(CK_RV rv, const char *what)
{
    if (rv != CKR_OK && rv != CKR_CRYPTOKI_ALREADY_INITIALIZED) {
        fprintf(stderr, "softhsm_empty: %s: 0x%lx\n", what, rv);
        abort();
    }
}

static CK_FUNCTION_LIST *initialize(void)
{
    CK_FUNCTION_LIST *f = NULL;
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK, .pReserved = getenv("SYMBOLON_TOKEN_ARGUMENTS")};
    void *code = dlopen(softhsm_module(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    CK_C_GetFunctionList get_functions =
        code != NULL ? (CK_C_GetFunctionList)dlsym(code, "C_GetFunctionList") : NULL;
    must(get_functions != NULL ? get_functions(&f) : CKR_GENERAL_ERROR, "C_GetFunctionList");
    must(f->C_Initialize(&args), "C_Initialize");
    dlclose(code);
    return f;
}

static CK_SESSION_HANDLE log_in(const CK_FUNCTION_LIST *f)
{
    CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
    CK_SLOT_ID slots[16], slot = 0;
    CK_ULONG count = 16;
    unsigned char pin[] = SOFTHSM_PIN;
    must(f->C_GetSlotList(CK_TRUE, slots, &count), "C_GetSlotList");
    for (CK_ULONG i = 0; i < count; i++) {
        CK_TOKEN_INFO info;
        if (f->C_GetTokenInfo(slots[i], &info) == CKR_OK &&
            memcmp(info.label, SOFTHSM_LABEL, strlen(SOFTHSM_LABEL)) == 0)
            slot = slots[i];
    }
    must(f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session), "C_OpenSession");
    must(f->C_Login(session, CKU_USER, pin, sizeof pin - 1), "C_Login");
    return session;
}

static CK_ULONG destroy_some(const CK_FUNCTION_LIST *f, CK_SESSION_HANDLE session)
{
    CK_OBJECT_HANDLE objects[BATCH];
    CK_ULONG count = 0, destroyed = 0;
    must(f->C_FindObjectsInit(session, NULL, 0), "C_FindObjectsInit");
    must(f->C_FindObjects(session, objects, BATCH, &count), "C_FindObjects");
    must(f->C_FindObjectsFinal(session), "C_FindObjectsFinal");
    for (CK_ULONG i = 0; i < count; i++)
        destroyed += f->C_DestroyObject(session, objects[i]) == CKR_OK;
    return destroyed;
}

void softhsm_empty(void)
{
    CK_FUNCTION_LIST *f = initialize();
    const CK_SESSION_HANDLE session = log_in(f);
    while (destroy_some(f, session) > 0)
        ;
    must(f->C_CloseSession(session), "C_CloseSession");
    must(f->C_Finalize(NULL), "C_Finalize");
}
