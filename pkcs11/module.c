// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/module.h"
#include "pkcs11/ckr.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t modules_lock = PTHREAD_MUTEX_INITIALIZER;
static struct module *modules;

static enum err module_check_file(const char *path, struct diag *diag)
{
    struct stat status;
    if (path == NULL || path[0] != '/')
        return diag_set(diag, ERR_CONFIG, "module %s: the path must be absolute", path ? path : "(none)");
    if (stat(path, &status) != 0)
        return diag_set(diag, ERR_CONFIG, "module %s: no such file; is the HSM's client software installed?",
                        path);
    if (!S_ISREG(status.st_mode))
        return diag_set(diag, ERR_CONFIG, "module %s: not a regular file", path);
    if ((status.st_mode & S_IWOTH) || (status.st_uid != 0 && status.st_uid != geteuid()))
        return diag_set(diag, ERR_CONFIG, "module %s: must belong to root and not be writable by others",
                        path);
    return OK;
}

static enum err module_initialize(const struct module *module, struct diag *diag)
{
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK, .pReserved = module->arguments};
    CK_RV rv = CKR_OK;
    if (module->isolate == NULL) {
        rv = module->f->C_Initialize(&args);
    } else {
        const enum err rc = isolate_start(module->isolate, &args, &rv, diag);
        if (rc != OK)
            return rc;
    }
    if (rv == CKR_OK || rv == CKR_CRYPTOKI_ALREADY_INITIALIZED)
        return OK;
    return diag_set(diag, ckr_err(rv),
                    "module %s: C_Initialize: %s (0x%lx); look at the module's own configuration "
                    "(SoftHSM: SOFTHSM2_CONF and its token directory)",
                    module->path, ckr_name(rv), rv);
}

static enum err module_load(struct module *module, struct diag *diag)
{
    module->code = dlopen(module->path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (module->code == NULL)
        return diag_set(diag, ERR_HSM_CONFIG, "module %s: %s", module->path, dlerror());
    CK_C_GetFunctionList get_functions = (CK_C_GetFunctionList)dlsym(module->code, "C_GetFunctionList");
    CK_FUNCTION_LIST *functions = NULL;
    if (get_functions == NULL || get_functions(&functions) != CKR_OK || functions == NULL)
        return diag_set(diag, ERR_HSM_CONFIG, "module %s: is no PKCS#11 module (C_GetFunctionList)",
                        module->path);
    module->f = functions;
    return OK;
}

static enum err module_load_libp11(struct module *module, struct diag *diag)
{
    module->libp11 = PKCS11_CTX_new();
    if (module->libp11 == NULL)
        return ERR_MEMORY;
    PKCS11_CTX_init_args(module->libp11, module->arguments);
    if (PKCS11_CTX_load(module->libp11, module->path) == 0)
        return OK;
    PKCS11_CTX_free(module->libp11);
    module->libp11 = NULL;
    return diag_set(diag, ERR_HSM_CONFIG, "module %s: libp11 cannot load it", module->path);
}

static void release_slots(struct module *module)
{
    while (module->slots != NULL) {
        struct libp11_slots *slots = module->slots;
        module->slots = slots->next;
        PKCS11_release_all_slots(module->libp11, slots->list, slots->count);
        free(slots);
    }
}

static void module_free(struct module *module)
{
    if (module->libp11 != NULL) {
        release_slots(module);
        PKCS11_CTX_unload(module->libp11); // finalizes
        PKCS11_CTX_free(module->libp11);
    }
    isolate_close(module->isolate);
    if (module->code != NULL)
        dlclose(module->code);
    free(module->arguments);
    free(module->path);
    free(module->real_path);
    free(module);
}

static enum err module_start(struct module *module, bool isolate, struct diag *diag)
{
    enum err rc = OK;
    signal(SIGPIPE, SIG_IGN);
    if (isolate)
        TRY(isolate_open(module->real_path, &module->isolate, &module->f, diag));
    else
        TRY(module_load(module, diag));
    TRY(module_initialize(module, diag));
    if (!isolate)
        rc = module_load_libp11(module, diag);
out:
    return rc;
}

static enum err module_new(const struct hsm_options *options, struct module **out_module, struct diag *diag)
{
    enum err rc;
    struct module *module = calloc(1, sizeof *module);
    if (module == NULL)
        return ERR_MEMORY;
    module->path = strdup(options->module);
    module->real_path = realpath(options->module, NULL);
    module->arguments = options->arguments != NULL ? strdup(options->arguments) : NULL;
    REQUIRE(module->path != NULL && module->real_path != NULL, ERR_MEMORY);
    REQUIRE(options->arguments == NULL || module->arguments != NULL, ERR_MEMORY);
    TRY(module_start(module, options->isolate, diag));
    *out_module = module;
out:
    if (rc != OK)
        module_free(module);
    return rc;
}

static struct module *find_module(const char *path)
{
    char *real_path = realpath(path, NULL);
    struct module *module = real_path != NULL ? modules : NULL;
    while (module != NULL && strcmp(module->real_path, real_path) != 0)
        module = module->next;
    free(real_path);
    return module;
}

static bool has_arguments(const struct module *module, const char *arguments)
{
    return strcmp(module->arguments != NULL ? module->arguments : "", arguments != NULL ? arguments : "") ==
           0;
}

static enum err share(const struct hsm_options *options, struct module **out_module, struct diag *diag)
{
    enum err rc = OK;
    struct module *module = find_module(options->module);
    if (module == NULL) {
        TRY(module_new(options, &module, diag));
        module->next = modules;
        modules = module;
    }
    REQUIRE(has_arguments(module, options->arguments),
            diag_set(diag, ERR_CONFIG,
                     "module %s: every slot of it must have the same `arguments`, unless it is isolated",
                     options->module));
    module->users++;
    *out_module = module;
out:
    return rc;
}

enum err module_open_for(const struct hsm_options *options, struct module **out_module, struct diag *diag)
{
    enum err rc = module_check_file(options->module, diag);
    if (rc != OK)
        return rc;
    if (options->isolate && options->arguments != NULL)
        return diag_set(diag, ERR_CONFIG,
                        "module %s: `arguments` do not pass p11-kit; a slot with them cannot be isolated",
                        options->module);
    if (options->isolate)
        return module_new(options, out_module, diag);
    pthread_mutex_lock(&modules_lock);
    rc = share(options, out_module, diag);
    pthread_mutex_unlock(&modules_lock);
    return rc;
}

enum err module_open(const char *path, struct module **out_module, struct diag *diag)
{
    const struct hsm_options options = {.module = path};
    return module_open_for(&options, out_module, diag);
}

void module_close(struct module *module)
{
    if (module == NULL)
        return;
    if (module->isolate != NULL) {
        module_free(module);
        return;
    }
    pthread_mutex_lock(&modules_lock);
    if (--module->users == 0) {
        struct module **link = &modules;
        while (*link != module)
            link = &(*link)->next;
        *link = module->next;
        module_free(module);
    }
    pthread_mutex_unlock(&modules_lock);
}

void module_kill(const struct module *module)
{
    if (module->isolate != NULL)
        isolate_kill(module->isolate);
}

enum err module_restart(struct module *module, struct diag *diag)
{
    enum err rc = OK;
    if (module->isolate != NULL)
        return module_initialize(module, diag);
    pthread_mutex_lock(&modules_lock);
    if (module->users == module->waiting + 1 && module->slots == NULL) {
        module->f->C_Finalize(NULL);
        rc = module_initialize(module, diag);
    }
    pthread_mutex_unlock(&modules_lock);
    return rc;
}

void module_wait(struct module *module)
{
    pthread_mutex_lock(&modules_lock);
    module->waiting++;
    pthread_mutex_unlock(&modules_lock);
}

void module_wait_no_more(struct module *module)
{
    pthread_mutex_lock(&modules_lock);
    module->waiting--;
    pthread_mutex_unlock(&modules_lock);
}

enum err module_read_slots(struct module *module, const struct libp11_slots **out_slots, struct diag *diag)
{
    struct libp11_slots *slots = calloc(1, sizeof *slots);
    if (slots == NULL)
        return ERR_MEMORY;
    pthread_mutex_lock(&modules_lock);
    bool good = PKCS11_enumerate_slots(module->libp11, &slots->list, &slots->count) == 0;
    if (good) {
        slots->next = module->slots;
        module->slots = slots;
    }
    pthread_mutex_unlock(&modules_lock);
    if (!good) {
        free(slots);
        return diag_set(diag, ERR_HSM_CONFIG, "module %s: libp11 cannot list its slots", module->path);
    }
    *out_slots = slots;
    return OK;
}
