// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fault_module.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EXPORT [[gnu::visibility("default")]]

static CK_FUNCTION_LIST *softhsm;
static CK_FUNCTION_LIST faulty;
static struct fault_control control;

EXPORT struct fault_control *fault_control(void)
{
    return &control;
}

static void rest_us(unsigned us)
{
    if (us > 0)
        nanosleep(&(struct timespec){.tv_nsec = us * 1000L}, NULL);
}

static bool is_held(enum fault_call call, size_t number)
{
    const size_t from = atomic_load(&control.hold_from[call]);
    return from != 0 && number >= from;
}

static void be_held(enum fault_call call, size_t number)
{
    if (!is_held(call, number))
        return;
    atomic_fetch_add(&control.held[call], 1);
    while (is_held(call, number))
        rest_us(200);
    atomic_fetch_sub(&control.held[call], 1);
}

// CKR_OK to go on.
static CK_RV check(enum fault_call call)
{
    struct fault *fault = &control.fault[call];
    const size_t number = atomic_fetch_add(&fault->calls, 1) + 1;
    be_held(call, number);
    if (fault->always || number == fault->at)
        return fault->rv;
    if (fault->pattern == 0)
        return CKR_OK;
    const bool fails = (fault->pattern & 1) != 0;
    fault->pattern >>= 1;
    return fails ? fault->rv : CKR_OK;
}

static CK_RV initialize(void *arguments)
{
    CK_RV rv = check(FAULT_INITIALIZE);
    if (rv != CKR_OK || control.conf == NULL)
        return rv == CKR_OK ? softhsm->C_Initialize(arguments) : rv;
    pthread_mutex_lock(control.conf_lock);
    rv = setenv("SOFTHSM2_CONF", control.conf, 1) == 0 ? softhsm->C_Initialize(arguments) : CKR_HOST_MEMORY;
    pthread_mutex_unlock(control.conf_lock);
    return rv;
}

static CK_RV finalize(void *reserved)
{
    CK_RV rv = check(FAULT_FINALIZE);
    return rv == CKR_OK ? softhsm->C_Finalize(reserved) : rv;
}

static CK_RV slot_list(CK_BBOOL present, CK_SLOT_ID *ids, CK_ULONG *count)
{
    CK_RV rv = check(FAULT_SLOT_LIST);
    return rv == CKR_OK ? softhsm->C_GetSlotList(present, ids, count) : rv;
}

static CK_RV token_info(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
    CK_RV rv = check(FAULT_TOKEN_INFO);
    return rv == CKR_OK ? softhsm->C_GetTokenInfo(slot, info) : rv;
}

static CK_RV session_info(CK_SESSION_HANDLE session, CK_SESSION_INFO *info)
{
    CK_RV rv = check(FAULT_SESSION_INFO);
    return rv == CKR_OK ? softhsm->C_GetSessionInfo(session, info) : rv;
}

static CK_RV close_session(CK_SESSION_HANDLE session)
{
    CK_RV rv = check(FAULT_CLOSE_SESSION);
    return rv == CKR_OK ? softhsm->C_CloseSession(session) : rv;
}

static CK_RV close_all(CK_SLOT_ID slot)
{
    CK_RV rv = check(FAULT_CLOSE_ALL);
    return rv == CKR_OK ? softhsm->C_CloseAllSessions(slot) : rv;
}

static CK_RV find_next(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *objects, CK_ULONG most, CK_ULONG *count)
{
    CK_RV rv = check(FAULT_FIND_NEXT);
    return rv == CKR_OK ? softhsm->C_FindObjects(session, objects, most, count) : rv;
}

static CK_RV find_final(CK_SESSION_HANDLE session)
{
    CK_RV rv = check(FAULT_FIND_FINAL);
    return rv == CKR_OK ? softhsm->C_FindObjectsFinal(session) : rv;
}

static CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS flags, void *application, CK_NOTIFY notify,
                          CK_SESSION_HANDLE *session)
{
    CK_RV rv = check(FAULT_OPEN_SESSION);
    if (rv == CKR_OK)
        rv = softhsm->C_OpenSession(slot, flags, application, notify, session);
    if (rv == CKR_OK)
        control.sessions[control.fault[FAULT_OPEN_SESSION].calls % FAULT_SESSIONS] = *session;
    return rv;
}

static CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR *pin, CK_ULONG bytes)
{
    CK_RV rv = check(FAULT_LOGIN);
    return rv == CKR_OK ? softhsm->C_Login(session, user, pin, bytes) : rv;
}

static CK_RV find(CK_SESSION_HANDLE session, CK_ATTRIBUTE *criteria, CK_ULONG count)
{
    CK_RV rv = check(FAULT_FIND);
    return rv == CKR_OK ? softhsm->C_FindObjectsInit(session, criteria, count) : rv;
}

static CK_RV encrypt_init(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
    CK_RV rv = check(FAULT_ENCRYPT_INIT);
    return rv == CKR_OK ? softhsm->C_EncryptInit(session, mechanism, key) : rv;
}

static CK_RV encrypt(CK_SESSION_HANDLE session, CK_BYTE *in, CK_ULONG in_bytes, CK_BYTE *out,
                     CK_ULONG *out_bytes)
{
    CK_RV rv = check(FAULT_ENCRYPT);
    return rv == CKR_OK ? softhsm->C_Encrypt(session, in, in_bytes, out, out_bytes) : rv;
}

static void wait_at_gate(void)
{
    atomic_fetch_add(&control.updating, 1);
    while (atomic_load(&control.hold_updates))
        rest_us(200);
    rest_us(control.update_us);
    atomic_fetch_sub(&control.updating, 1);
}

static void log_update(CK_ULONG bytes, const uint8_t *out)
{
    if (control.log_from == 0)
        return;
    const size_t number = control.fault[FAULT_UPDATE].calls + 1, place = number - control.log_from;
    if (place >= FAULT_LOGGED)
        return;
    control.blocks[place] = (uint16_t)(bytes / 16);
    control.update_bytes = out;
}

static CK_RV update(CK_SESSION_HANDLE session, CK_BYTE *in, CK_ULONG in_bytes, CK_BYTE *out,
                    CK_ULONG *out_bytes)
{
    wait_at_gate();
    log_update(in_bytes, out);
    CK_RV rv = check(FAULT_UPDATE);
    if (rv != CKR_OK) {
        if (control.scribble)
            out[0] ^= 1;
        return rv;
    }
    rv = softhsm->C_EncryptUpdate(session, in, in_bytes, out, out_bytes);
    if (rv == CKR_OK && control.hold_back)
        *out_bytes -= 16;
    if (rv == CKR_OK && (control.wrong_in_stream || session == control.wrong_session))
        out[in_bytes - 1] ^= 0x80;
    return rv;
}

static CK_RV sign_init(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
    CK_RV rv = check(FAULT_SIGN_INIT);
    return rv == CKR_OK ? softhsm->C_SignInit(session, mechanism, key) : rv;
}

static CK_RV sign(CK_SESSION_HANDLE session, CK_BYTE *in, CK_ULONG in_bytes, CK_BYTE *out,
                  CK_ULONG *out_bytes)
{
    CK_RV rv = check(FAULT_SIGN);
    if (rv != CKR_OK)
        return rv;
    const unsigned now = atomic_fetch_add(&control.signing, 1) + 1;
    unsigned most = atomic_load(&control.most_signing);
    while (now > most && !atomic_compare_exchange_weak(&control.most_signing, &most, now))
        continue;
    if (control.sign_ms > 0)
        nanosleep(&(struct timespec){.tv_nsec = control.sign_ms * 1000000L}, NULL);
    rv = softhsm->C_Sign(session, in, in_bytes, out, out_bytes);
    if (rv == CKR_OK && control.wrong_signature)
        out[*out_bytes - 1] ^= 0x80;
    atomic_fetch_sub(&control.signing, 1);
    return rv;
}

static CK_RV random_bytes(CK_SESSION_HANDLE session, CK_BYTE *out, CK_ULONG bytes)
{
    CK_RV rv = check(FAULT_RANDOM);
    return rv == CKR_OK ? softhsm->C_GenerateRandom(session, out, bytes) : rv;
}

// CKR_OK when the changed copy of the template is as the token would take it.
static CK_RV change(const CK_ATTRIBUTE *template, CK_ULONG count, CK_ATTRIBUTE *changed)
{
    static CK_BBOOL yes = CK_TRUE;
    memcpy(changed, template, count * sizeof *template);
    for (CK_ULONG i = 0; i < count; i++) {
        if (control.refused != 0 && changed[i].type == control.refused)
            return CKR_ATTRIBUTE_TYPE_INVALID;
        if (control.too_powerful && changed[i].type == CKA_DECRYPT)
            changed[i].pValue = &yes;
    }
    return CKR_OK;
}

static CK_RV generate(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_ATTRIBUTE *template,
                      CK_ULONG count, CK_OBJECT_HANDLE *key)
{
    CK_ATTRIBUTE changed[40];
    CK_RV rv = check(FAULT_GENERATE);
    if (rv == CKR_OK)
        rv = change(template, count, changed);
    return rv == CKR_OK ? softhsm->C_GenerateKey(session, mechanism, changed, count, key) : rv;
}

static CK_RV get_attributes(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *list,
                            CK_ULONG count)
{
    if (count == 1 && control.hidden != 0 && list->type == control.hidden) {
        list->ulValueLen = CK_UNAVAILABLE_INFORMATION;
        return CKR_ATTRIBUTE_TYPE_INVALID;
    }
    CK_RV rv = check(FAULT_ATTRIBUTES);
    if (rv == CKR_OK)
        rv = softhsm->C_GetAttributeValue(session, object, list, count);
    if (rv == CKR_OK && count == 1 && control.flipped != 0 && list->type == control.flipped)
        *(CK_BBOOL *)list->pValue ^= 1;
    if (rv != CKR_OK || count != 1 || list->type != CKA_EC_POINT)
        return rv;
    uint8_t *point = list->pValue;
    if (control.bad_point)
        point[list->ulValueLen - 1] ^= 1;
    if (control.bare_point)
        memmove(point, point + 2, list->ulValueLen -= 2);
    return CKR_OK;
}

static CK_RV mechanism_info(CK_SLOT_ID slot, CK_MECHANISM_TYPE mechanism, CK_MECHANISM_INFO *info)
{
    if (control.missing_mechanism != 0 && mechanism == control.missing_mechanism)
        return CKR_MECHANISM_INVALID;
    return softhsm->C_GetMechanismInfo(slot, mechanism, info);
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list);

EXPORT CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list)
{
    if (softhsm == NULL) {
        const char *path = control.softhsm != NULL ? control.softhsm : "/usr/lib/softhsm/libsofthsm2.so";
        void *code = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        CK_C_GetFunctionList get =
            code != NULL ? (CK_C_GetFunctionList)dlsym(code, "C_GetFunctionList") : NULL;
        if (get == NULL || get(&softhsm) != CKR_OK)
            return CKR_GENERAL_ERROR;
        faulty = *softhsm;
        faulty.C_GetFunctionList = C_GetFunctionList;
        faulty.C_Initialize = initialize;
        faulty.C_Finalize = finalize;
        faulty.C_GetSlotList = slot_list;
        faulty.C_GetTokenInfo = token_info;
        faulty.C_GetSessionInfo = session_info;
        faulty.C_CloseSession = close_session;
        faulty.C_CloseAllSessions = close_all;
        faulty.C_FindObjects = find_next;
        faulty.C_FindObjectsFinal = find_final;
        faulty.C_OpenSession = open_session;
        faulty.C_Login = login;
        faulty.C_FindObjectsInit = find;
        faulty.C_EncryptInit = encrypt_init;
        faulty.C_Encrypt = encrypt;
        faulty.C_EncryptUpdate = update;
        faulty.C_SignInit = sign_init;
        faulty.C_Sign = sign;
        faulty.C_GenerateRandom = random_bytes;
        faulty.C_GenerateKey = generate;
        faulty.C_GetAttributeValue = get_attributes;
        faulty.C_GetMechanismInfo = mechanism_info;
    }
    *list = &faulty;
    return CKR_OK;
}
