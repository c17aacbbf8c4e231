// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A PKCS#11 module that is SoftHSM without the mechanism whose number stands in POOR_MODULE_LACKS. For
// programs run from outside; fault_module.c is for those that load it themselves.
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <stdlib.h>

static CK_FUNCTION_LIST *softhsm;
static CK_FUNCTION_LIST poor;

static CK_RV mechanism_info(CK_SLOT_ID slot, CK_MECHANISM_TYPE mechanism, CK_MECHANISM_INFO *info)
{
    const char *lacks = getenv("POOR_MODULE_LACKS");
    if (lacks != NULL && strtoul(lacks, NULL, 0) == mechanism)
        return CKR_MECHANISM_INVALID;
    return softhsm->C_GetMechanismInfo(slot, mechanism, info);
}

[[gnu::visibility("default")]] CK_RV C_GetFunctionList(CK_FUNCTION_LIST **out_list)
{
    void *code = dlopen("/usr/lib/softhsm/libsofthsm2.so", RTLD_NOW | RTLD_LOCAL);
    if (code == NULL)
        return CKR_GENERAL_ERROR;
    CK_C_GetFunctionList get = (CK_C_GetFunctionList)dlsym(code, "C_GetFunctionList");
    if (get == NULL || get(&softhsm) != CKR_OK)
        return CKR_GENERAL_ERROR;
    poor = *softhsm;
    poor.C_GetMechanismInfo = mechanism_info;
    *out_list = &poor;
    return CKR_OK;
}
