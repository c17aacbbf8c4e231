// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/isolate.h"
#include "pkcs11/isolate_server.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    CONNECT_TIMES = 50, // together one second
    CONNECT_PAUSE_MS = 20,
};

struct isolate {
    struct isolate_server server;
    const char *module; // NULL: the place is free
    CK_FUNCTION_LIST *client;
    bool initialized;
    pthread_mutex_t inside;
};

#define FREE_PLACE                                                                                           \
    {                                                                                                        \
        .server.lock = PTHREAD_MUTEX_INITIALIZER, .inside = PTHREAD_MUTEX_INITIALIZER                        \
    }
static struct isolate places[ISOLATED_MAX] = {FREE_PLACE, FREE_PLACE, FREE_PLACE, FREE_PLACE,
                                              FREE_PLACE, FREE_PLACE, FREE_PLACE, FREE_PLACE};
static pthread_mutex_t places_lock = PTHREAD_MUTEX_INITIALIZER;

// ---- the functions ----------------------------------------------------------------------------------

// Cryptoki's functions are handed no context that could tell a place, so that each place has functions of its
// own. Those that this room and its tests call; the others are NULL.

#define OF_SESSION CK_SESSION_HANDLE session
#define CALLS(X, n)                                                                                          \
    X(n, C_Initialize, (void *args), (args))                                                                 \
    X(n, C_Finalize, (void *reserved), (reserved))                                                           \
    X(n, C_GetInfo, (CK_INFO * info), (info))                                                                \
    X(n, C_GetSlotList, (unsigned char present, CK_SLOT_ID *list, CK_ULONG *count), (present, list, count))  \
    X(n, C_GetTokenInfo, (CK_SLOT_ID slot, CK_TOKEN_INFO * info), (slot, info))                              \
    X(n, C_GetMechanismList, (CK_SLOT_ID slot, CK_MECHANISM_TYPE * list, CK_ULONG * count),                  \
      (slot, list, count))                                                                                   \
    X(n, C_GetMechanismInfo, (CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO * info),            \
      (slot, type, info))                                                                                    \
    X(n, C_OpenSession,                                                                                      \
      (CK_SLOT_ID slot, CK_FLAGS flags, void *application, CK_NOTIFY notify, CK_SESSION_HANDLE *opened),     \
      (slot, flags, application, notify, opened))                                                            \
    X(n, C_CloseSession, (OF_SESSION), (session))                                                            \
    X(n, C_CloseAllSessions, (CK_SLOT_ID slot), (slot))                                                      \
    X(n, C_GetSessionInfo, (OF_SESSION, CK_SESSION_INFO * info), (session, info))                            \
    X(n, C_Login, (OF_SESSION, CK_USER_TYPE user, unsigned char *pin, CK_ULONG bytes),                       \
      (session, user, pin, bytes))                                                                           \
    X(n, C_Logout, (OF_SESSION), (session))                                                                  \
    X(n, C_CreateObject, (OF_SESSION, CK_ATTRIBUTE * list, CK_ULONG count, CK_OBJECT_HANDLE * object),       \
      (session, list, count, object))                                                                        \
    X(n, C_CopyObject,                                                                                       \
      (OF_SESSION, CK_OBJECT_HANDLE from, CK_ATTRIBUTE * list, CK_ULONG count, CK_OBJECT_HANDLE * object),   \
      (session, from, list, count, object))                                                                  \
    X(n, C_DestroyObject, (OF_SESSION, CK_OBJECT_HANDLE object), (session, object))                          \
    X(n, C_GetAttributeValue, (OF_SESSION, CK_OBJECT_HANDLE object, CK_ATTRIBUTE * list, CK_ULONG count),    \
      (session, object, list, count))                                                                        \
    X(n, C_FindObjectsInit, (OF_SESSION, CK_ATTRIBUTE * list, CK_ULONG count), (session, list, count))       \
    X(n, C_FindObjects, (OF_SESSION, CK_OBJECT_HANDLE * list, CK_ULONG max, CK_ULONG * count),               \
      (session, list, max, count))                                                                           \
    X(n, C_FindObjectsFinal, (OF_SESSION), (session))                                                        \
    X(n, C_EncryptInit, (OF_SESSION, CK_MECHANISM * mechanism, CK_OBJECT_HANDLE key),                        \
      (session, mechanism, key))                                                                             \
    X(n, C_Encrypt,                                                                                          \
      (OF_SESSION, unsigned char *in, CK_ULONG in_bytes, unsigned char *out, CK_ULONG *out_bytes),           \
      (session, in, in_bytes, out, out_bytes))                                                               \
    X(n, C_EncryptUpdate,                                                                                    \
      (OF_SESSION, unsigned char *in, CK_ULONG in_bytes, unsigned char *out, CK_ULONG *out_bytes),           \
      (session, in, in_bytes, out, out_bytes))                                                               \
    X(n, C_EncryptFinal, (OF_SESSION, unsigned char *out, CK_ULONG *out_bytes), (session, out, out_bytes))   \
    X(n, C_SignInit, (OF_SESSION, CK_MECHANISM * mechanism, CK_OBJECT_HANDLE key),                           \
      (session, mechanism, key))                                                                             \
    X(n, C_Sign,                                                                                             \
      (OF_SESSION, unsigned char *in, CK_ULONG in_bytes, unsigned char *out, CK_ULONG *out_bytes),           \
      (session, in, in_bytes, out, out_bytes))                                                               \
    X(n, C_GenerateKey,                                                                                      \
      (OF_SESSION, CK_MECHANISM * mechanism, CK_ATTRIBUTE * list, CK_ULONG count, CK_OBJECT_HANDLE * key),   \
      (session, mechanism, list, count, key))                                                                \
    X(n, C_GenerateKeyPair,                                                                                  \
      (OF_SESSION, CK_MECHANISM * mechanism, CK_ATTRIBUTE * public_list, CK_ULONG public_count,              \
       CK_ATTRIBUTE * private_list, CK_ULONG private_count, CK_OBJECT_HANDLE * public_key,                   \
       CK_OBJECT_HANDLE * private_key),                                                                      \
      (session, mechanism, public_list, public_count, private_list, private_count, public_key, private_key)) \
    X(n, C_GenerateRandom, (OF_SESSION, unsigned char *out, CK_ULONG bytes), (session, out, bytes))

#define FUNCTION(n, name, parameters, arguments)                                                             \
    static CK_RV name##_at_##n parameters                                                                    \
    {                                                                                                        \
        pthread_mutex_lock(&places[n].inside);                                                               \
        const CK_RV rv = places[n].client->name arguments;                                                   \
        pthread_mutex_unlock(&places[n].inside);                                                             \
        return rv;                                                                                           \
    }
#define ENTRY(n, name, parameters, arguments) .name = name##_at_##n,

CALLS(FUNCTION, 0)
CALLS(FUNCTION, 1)
CALLS(FUNCTION, 2)
CALLS(FUNCTION, 3)
CALLS(FUNCTION, 4)
CALLS(FUNCTION, 5)
CALLS(FUNCTION, 6)
CALLS(FUNCTION, 7)

static const CK_FUNCTION_LIST lists[ISOLATED_MAX] = {
    {CALLS(ENTRY, 0)}, {CALLS(ENTRY, 1)}, {CALLS(ENTRY, 2)}, {CALLS(ENTRY, 3)},
    {CALLS(ENTRY, 4)}, {CALLS(ENTRY, 5)}, {CALLS(ENTRY, 6)}, {CALLS(ENTRY, 7)},
};

// ---- places -----------------------------------------------------------------------------------------

// The variable is added once and overwritten later: removing it would move the others under who reads them.
static enum err make_client(struct isolate *place, struct diag *diag)
{
    char path[SERVER_FOLDER_BYTES + 8], address[sizeof path + 16];
    isolate_server_socket_path(&place->server, path);
    snprintf(address, sizeof address, "unix:path=%s", path);
    if (setenv("P11_KIT_SERVER_ADDRESS", address, 1) != 0)
        return ERR_MEMORY;
    void *code = dlopen(P11_KIT_CLIENT, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (code == NULL)
        return diag_set(diag, ERR_HSM_CONFIG,
                        "%s; a module is isolated with the packages p11-kit and "
                        "p11-kit-modules",
                        dlerror());
    CK_C_GetFunctionList get_functions = (CK_C_GetFunctionList)dlsym(code, "C_GetFunctionList");
    const bool good = get_functions != NULL && get_functions(&place->client) == CKR_OK;
    dlclose(code);
    return good ? OK : diag_set(diag, ERR_HSM_CONFIG, "%s: C_GetFunctionList failed", P11_KIT_CLIENT);
}

static enum err take_place(struct isolate *place, struct diag *diag)
{
    enum err rc = isolate_server_make_folder(&place->server, diag);
    if (rc != OK || place->client != NULL)
        return rc;
    rc = make_client(place, diag);
    if (rc != OK)
        isolate_server_stop(&place->server);
    return rc;
}

enum err isolate_open(const char *module, struct isolate **out_isolate, const CK_FUNCTION_LIST **out_f,
                      struct diag *diag)
{
    size_t n = 0;
    pthread_mutex_lock(&places_lock);
    while (n < ISOLATED_MAX && places[n].module != NULL)
        n++;
    enum err rc = n < ISOLATED_MAX ? take_place(&places[n], diag)
                                   : diag_set(diag, ERR_CONFIG, "module %s: at most %u slots can be isolated",
                                              module, (unsigned)ISOLATED_MAX);
    if (rc == OK) {
        places[n].module = module;
        *out_isolate = &places[n];
        *out_f = &lists[n];
    }
    pthread_mutex_unlock(&places_lock);
    return rc;
}

static void finalize(struct isolate *isolate)
{
    if (isolate->initialized)
        isolate->client->C_Finalize(NULL);
    isolate->initialized = false;
}

void isolate_close(struct isolate *isolate)
{
    if (isolate == NULL)
        return;
    finalize(isolate);
    isolate_server_stop(&isolate->server);
    pthread_mutex_lock(&places_lock);
    isolate->module = NULL;
    pthread_mutex_unlock(&places_lock);
}

void isolate_kill(struct isolate *isolate)
{
    isolate_server_kill(&isolate->server);
}

// The client takes a socket that nobody listens to yet for a server without tokens.
static CK_RV connect_client(const struct isolate *isolate, CK_C_INITIALIZE_ARGS *args)
{
    CK_INFO info;
    CK_RV rv = isolate->client->C_Initialize(args);
    if (rv != CKR_OK)
        return rv;
    rv = isolate->client->C_GetInfo(&info);
    if (rv != CKR_OK)
        isolate->client->C_Finalize(NULL);
    return rv;
}

enum err isolate_start(struct isolate *isolate, CK_C_INITIALIZE_ARGS *args, CK_RV *out_rv, struct diag *diag)
{
    const struct timespec pause = {.tv_nsec = CONNECT_PAUSE_MS * 1000000L};
    CK_RV rv = CKR_OK;
    isolate_server_kill(&isolate->server);
    pthread_mutex_lock(&isolate->inside);
    finalize(isolate);
    enum err rc = isolate_server_start(&isolate->server, isolate->module, diag);
    for (unsigned i = 0; rc == OK && i < CONNECT_TIMES; i++) {
        rv = connect_client(isolate, args);
        if (rv == CKR_OK || !isolate_server_runs(&isolate->server))
            break;
        nanosleep(&pause, NULL);
    }
    isolate->initialized = rc == OK && rv == CKR_OK;
    pthread_mutex_unlock(&isolate->inside);
    *out_rv = rv;
    return rc;
}
