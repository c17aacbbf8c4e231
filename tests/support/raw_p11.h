// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The module of an open hsm from behind: the same instance, hence the same login, by which tests make keys
// that the product never would and take its sessions away. Functions fail the running test.
#pragma once

#include "pkcs11/hsm_private.h"
#include "tests/support/softhsm.h"

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct raw {
    CK_FUNCTION_LIST *f;
    CK_SLOT_ID slot;
    CK_SESSION_HANDLE session;
};

// A session in the same instance with the same token, logged in as the hsm is.
static inline struct raw raw_open_hsm(const struct hsm *hsm)
{
    struct raw raw = {.f = (CK_FUNCTION_LIST *)(uintptr_t)hsm->slot.f, .slot = hsm->slot.id};
    assert_int_equal(
        raw.f->C_OpenSession(raw.slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &raw.session),
        CKR_OK);
    return raw;
}

// The same of a module that is not isolated and has one function list for all who ask.
static inline struct raw raw_open_module(const char *module)
{
    struct raw raw = {0};
    CK_SLOT_ID slots[8];
    CK_ULONG count = 8;
    CK_TOKEN_INFO info;
    void *code = dlopen(module, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(code);
    CK_C_GetFunctionList get_functions = (CK_C_GetFunctionList)dlsym(code, "C_GetFunctionList");
    assert_non_null(get_functions);
    assert_int_equal(get_functions(&raw.f), CKR_OK);
    assert_int_equal(raw.f->C_GetSlotList(CK_TRUE, slots, &count), CKR_OK);
    for (CK_ULONG i = 0; i < count; i++)
        if (raw.f->C_GetTokenInfo(slots[i], &info) == CKR_OK &&
            memcmp(info.label, SOFTHSM_LABEL, strlen(SOFTHSM_LABEL)) == 0)
            raw.slot = slots[i];
    dlclose(code);
    assert_int_equal(
        raw.f->C_OpenSession(raw.slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &raw.session),
        CKR_OK);
    return raw;
}

static inline struct raw raw_open(void)
{
    return raw_open_module(SOFTHSM_MODULE);
}

static inline CK_OBJECT_HANDLE raw_find(const struct raw *raw, CK_OBJECT_CLASS class, const char *label)
{
    CK_OBJECT_HANDLE found = CK_INVALID_HANDLE;
    CK_ULONG count = 0;
    CK_ATTRIBUTE criteria[] = {{CKA_CLASS, &class, sizeof class},
                               {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)}};
    assert_int_equal(raw->f->C_FindObjectsInit(raw->session, criteria, 2), CKR_OK);
    assert_int_equal(raw->f->C_FindObjects(raw->session, &found, 1, &count), CKR_OK);
    assert_int_equal(raw->f->C_FindObjectsFinal(raw->session), CKR_OK);
    return count > 0 ? found : CK_INVALID_HANDLE;
}

static inline CK_FLAGS raw_token_flags(const struct raw *raw)
{
    CK_TOKEN_INFO info;
    assert_int_equal(raw->f->C_GetTokenInfo(raw->slot, &info), CKR_OK);
    return info.flags;
}

// ---- templates --------------------------------------------------------------------------------------

// A list of attributes in which a later value of a type replaces an earlier one. Holds its values itself.
struct raw_template {
    CK_ATTRIBUTE attributes[32];
    uint8_t values[32][64];
    CK_ULONG count;
};

static inline void raw_set(struct raw_template *template, CK_ATTRIBUTE_TYPE type, const void *value,
                           size_t bytes)
{
    CK_ULONG i = 0;
    while (i < template->count && template->attributes[i].type != type)
        i++;
    assert_true(i < 32 && bytes <= 64);
    if (i == template->count)
        template->count++;
    memcpy(template->values[i], value, bytes);
    template->attributes[i] = (CK_ATTRIBUTE){type, template->values[i], bytes};
}

static inline void raw_set_bool(struct raw_template *template, CK_ATTRIBUTE_TYPE type, bool value)
{
    const CK_BBOOL byte = value ? CK_TRUE : CK_FALSE;
    raw_set(template, type, &byte, sizeof byte);
}

static inline void raw_set_ulong(struct raw_template *template, CK_ATTRIBUTE_TYPE type, CK_ULONG value)
{
    raw_set(template, type, &value, sizeof value);
}

static inline void raw_set_label(struct raw_template *template, const char *label)
{
    raw_set(template, CKA_LABEL, label, strlen(label));
}
