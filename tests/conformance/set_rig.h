// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Two HSMs in one process: the fault module twice, each with a copy of SoftHSM and of one token directory,
// and the keys that both hold. Functions abort when they fail.
#pragma once

#include "pkcs11/hsm_set.h"
#include "tests/support/fault_module.h"
#include "tests/support/raw_p11.h"
#include "tests/support/softhsm.h"

#include <dlfcn.h>
#include <ftw.h>
#include <limits.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SIDES = 2 };

// One of the two.
struct side {
    char letter, name[2];
    char tokens[96], conf[96];
    char module[96], softhsm[96]; // kept for the life of the program
    struct fault_control *control;
};

struct set_rig {
    struct softhsm softhsm;
    struct side sides[SIDES];
};

static const struct hsm_key_ref fpe_ref = {KEY_FPE, "symbolon:1:fpe:1", NULL};
static const struct hsm_key_ref mac_ref = {KEY_MAC, "symbolon:1:mac:1", NULL};
static const struct hsm_key_ref ed25519_ref = {KEY_SIGN_ED25519, "symbolon:0:sign:1", NULL};
static const struct hsm_key_ref p256_ref = {KEY_SIGN_P256, "symbolon:0:sign:2", NULL};
static const struct hsm_key_ref tls_ref = {KEY_TLS, "symbolon:0:tls:1", NULL};

static inline void must(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "set_rig: %s\n", what);
        abort();
    }
}

// ---- files ------------------------------------------------------------------------------------------

static inline void copy_file(const char *from, const char *to)
{
    char bytes[65536];
    size_t count;
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    must(in != NULL && out != NULL, to);
    while ((count = fread(bytes, 1, sizeof bytes, in)) > 0)
        must(fwrite(bytes, 1, count, out) == count, to);
    must(fclose(in) == 0 && fclose(out) == 0, to);
}

static char copy_from[96], copy_to[96]; // nftw has no context

static inline int copy_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    char to[PATH_MAX];
    (void)status, (void)walk;
    snprintf(to, sizeof to, "%s%s", copy_to, path + strlen(copy_from));
    if (type == FTW_D)
        return mkdir(to, 0700);
    copy_file(path, to);
    return 0;
}

static inline void copy_folder(const char *from, const char *to)
{
    snprintf(copy_from, sizeof copy_from, "%s", from);
    snprintf(copy_to, sizeof copy_to, "%s", to);
    must(nftw(from, copy_one, 16, FTW_PHYS) == 0, to);
}

static inline int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

static inline void remove_folder(const char *folder)
{
    must(nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0, folder);
}

static inline void path_in(const char *folder, const char *name, char letter, char out_path[96])
{
    char path[96];
    snprintf(path, sizeof path, "%.63s/%s-%c", folder, name, letter);
    memcpy(out_path, path, sizeof path);
}

// ---- sides ------------------------------------------------------------------------------------------

// Two modules of a process are two files.
static inline void side_load(struct side *side, const char *folder, const char *module)
{
    typedef struct fault_control *(*getter)(void);
    path_in(folder, "fault", side->letter, side->module);
    path_in(folder, "softhsm", side->letter, side->softhsm);
    copy_file(module, side->module);
    copy_file(SOFTHSM_MODULE, side->softhsm);
    void *code = dlopen(side->module, RTLD_NOW | RTLD_LOCAL);
    must(code != NULL, side->module);
    getter get = (getter)dlsym(code, "fault_control");
    must(get != NULL, "fault_control");
    side->control = get();
}

// Once for the life of the program.
static inline void rig_load(struct set_rig *rig, const char *module)
{
    static char folder[] = "/tmp/symbolon-modules-XXXXXX";
    must(mkdtemp(folder) != NULL, "mkdtemp");
    for (int i = 0; i < SIDES; i++) {
        rig->sides[i].letter = rig->sides[i].name[0] = (char)('a' + i);
        side_load(&rig->sides[i], folder, module);
    }
}

static inline void rig_unload(struct set_rig *rig)
{
    char folder[96];
    snprintf(folder, sizeof folder, "%s", rig->sides[0].module);
    *strrchr(folder, '/') = '\0';
    remove_folder(folder);
}

static inline void side_reset(const struct set_rig *rig, struct side *side)
{
    static pthread_mutex_t conf_lock = PTHREAD_MUTEX_INITIALIZER;
    char text[512], name[] = "softhsm2-?.conf";
    *side->control =
        (struct fault_control){.softhsm = side->softhsm, .conf = side->conf, .conf_lock = &conf_lock};
    path_in(rig->softhsm.folder, "tokens", side->letter, side->tokens);
    snprintf(text, sizeof text,
             "directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = "
             "false\n",
             side->tokens);
    *strchr(name, '?') = side->letter;
    softhsm_write_file(&rig->softhsm, name, text, 0600, side->conf);
}

static inline void make_keys(struct hsm *hsm)
{
    must(hsm_generate_key(hsm, 1, KEY_FPE, 1, NULL, NULL) == OK &&
             hsm_generate_key(hsm, 1, KEY_MAC, 1, NULL, NULL) == OK &&
             hsm_generate_key(hsm, 0, KEY_SIGN_ED25519, 1, NULL, NULL) == OK &&
             hsm_generate_key(hsm, 0, KEY_SIGN_P256, 2, NULL, NULL) == OK &&
             hsm_generate_key(hsm, 0, KEY_TLS, 1, NULL, NULL) == OK,
         "keys");
}

// The keys of both sides; nothing is open.
static inline void rig_init(struct set_rig *rig)
{
    char tokens[96];
    softhsm_init(&rig->softhsm);
    softhsm_init_token(SOFTHSM_LABEL);
    const struct hsm_options options = softhsm_options(&rig->softhsm);
    struct hsm *hsm = softhsm_open(&options);
    make_keys(hsm);
    hsm_close(hsm);
    snprintf(tokens, sizeof tokens, "%s/tokens", rig->softhsm.folder);
    for (int i = 0; i < SIDES; i++) {
        side_reset(rig, &rig->sides[i]);
        copy_folder(tokens, rig->sides[i].tokens);
    }
}

static inline void rig_done(struct set_rig *rig)
{
    softhsm_done(&rig->softhsm);
}

static inline struct hsm_options side_options(const struct set_rig *rig, int side)
{
    struct hsm_options options = softhsm_options(&rig->softhsm);
    options.name = rig->sides[side].name;
    options.module = rig->sides[side].module;
    options.priority = (unsigned)side + 1;
    return options;
}

// Does something at one side by itself, while nothing is open there.
static inline void at_side(const struct set_rig *rig, int side, void (*act)(struct hsm *hsm))
{
    const struct hsm_options options = side_options(rig, side);
    struct hsm *hsm = softhsm_open(&options);
    act(hsm);
    hsm_close(hsm);
}

static inline void fail_all(struct side *side, CK_RV rv)
{
    for (int call = 0; call < FAULT_CALLS; call++) {
        side->control->fault[call].rv = rv;
        side->control->fault[call].always = rv != CKR_OK;
    }
}

// Whether `side` does the work, by the calls it sees in one encryption.
static inline size_t updates(const struct side *side)
{
    return side->control->fault[FAULT_UPDATE].calls;
}
