// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// pkcs11/hsm_set.h with keys in memory, for the benchmark: symbolon_soft is the appliance over this file
// instead of the PKCS#11 room. Any key that is asked for is there; its bytes are SHA-256 of its name, so they
// protect nothing. Configured slots are not looked at. Keys live until the set is closed.
#include "appliance/base/log.h"
#include "pkcs11/hsm_set.h"
#include "tests/support/soft.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct soft_key {
    struct soft_key *next;
    enum key_use use;
    char name[256];
    uint8_t bytes[SHA256_DIGEST_LENGTH];
    struct soft_cipher cipher; // KEY_FPE
    struct soft_mac mac;       // KEY_MAC
    struct soft_signer signer; // the others
};

struct hsm_set {
    pthread_mutex_t lock; // keys
    struct soft_key *keys;
};

// ---- the set ----------------------------------------------------------------------------------------

enum err hsm_set_open([[maybe_unused]] const struct hsm_options *slots, [[maybe_unused]] size_t count,
                      struct hsm_set **out_set, [[maybe_unused]] struct diag *diag)
{
    struct hsm_set *set = calloc(1, sizeof *set);
    if (set == NULL)
        return ERR_MEMORY;
    pthread_mutex_init(&set->lock, NULL);
    log_warning("keys_in_memory",
                LOG_TEXT("note", "this is the benchmark's program: its keys are derived from "
                                 "their labels, known to everybody, and protect nothing"));
    *out_set = set;
    return OK;
}

static void key_free(struct soft_key *key)
{
    if (key->use == KEY_FPE)
        soft_cipher_done(&key->cipher);
    else if (key->use != KEY_MAC)
        soft_signer_done(&key->signer);
    free(key);
}

void hsm_set_close(struct hsm_set *set)
{
    if (set == NULL)
        return;
    while (set->keys != NULL) {
        struct soft_key *key = set->keys;
        set->keys = key->next;
        key_free(key);
    }
    pthread_mutex_destroy(&set->lock);
    free(set);
}

bool hsm_set_is_up([[maybe_unused]] const struct hsm_set *set)
{
    return true;
}

enum err hsm_set_watch([[maybe_unused]] struct hsm_set *set,
                       [[maybe_unused]] void (*changed)(void *context, const struct hsm_set_change *change),
                       [[maybe_unused]] void *context)
{
    return OK;
}

// ---- keys -------------------------------------------------------------------------------------------

void hsm_key_label(unsigned tenant_id, enum key_use use, unsigned generation, char *out_label)
{
    static const char *const spelled[] = {[KEY_FPE] = "fpe",
                                          [KEY_MAC] = "mac",
                                          [KEY_SIGN_ED25519] = "sign",
                                          [KEY_SIGN_P256] = "sign",
                                          [KEY_TLS] = "tls"};
    snprintf(out_label, KEY_LABEL_BYTES, "symbolon:%u:%s:%u", tenant_id, spelled[use], generation);
}

static void key_init(struct soft_key *key)
{
    SHA256((const unsigned char *)key->name, strlen(key->name), key->bytes);
    if (key->use == KEY_FPE)
        soft_cipher_init(&key->cipher, key->bytes, sizeof key->bytes);
    else if (key->use == KEY_MAC)
        memcpy(key->mac.key, key->bytes, sizeof key->mac.key);
    else
        soft_signer_init(&key->signer, key->use == KEY_SIGN_ED25519 ? SIGNER_ED25519 : SIGNER_ES256,
                         key->bytes);
}

static struct soft_key *key_find(const struct hsm_set *set, const struct hsm_key_ref *ref)
{
    struct soft_key *key = set->keys;
    while (key != NULL && (key->use != ref->use || strcmp(key->name, ref->name) != 0))
        key = key->next;
    return key;
}

// The lock is held. NULL: out of memory.
static struct soft_key *key_add(struct hsm_set *set, const struct hsm_key_ref *ref)
{
    struct soft_key *key = calloc(1, sizeof *key);
    if (key == NULL)
        return NULL;
    key->use = ref->use;
    snprintf(key->name, sizeof key->name, "%s", ref->name);
    key_init(key);
    key->next = set->keys;
    set->keys = key;
    return key;
}

static void tell_evidence(const struct soft_key *key, struct key_evidence *out_evidence)
{
    uint8_t block[CIPHER_BLOCK_BYTES] = {0};
    *out_evidence = (struct key_evidence){0};
    snprintf(out_evidence->label, sizeof out_evidence->label, "%.*s", KEY_LABEL_BYTES - 1, key->name);
    if (key->use != KEY_FPE)
        return;
    struct soft_cipher once;
    soft_cipher_init(&once, key->bytes, sizeof key->bytes);
    const struct cipher cipher = soft_cipher_seam(&once);
    out_evidence->has_check_value = cipher_encrypt(&cipher, block, 1) == OK;
    memcpy(out_evidence->check_value, block, sizeof out_evidence->check_value);
    soft_cipher_done(&once);
}

static enum err open_key(struct hsm_set *set, const struct hsm_key_ref *ref, struct soft_key **out_key,
                         struct key_evidence *out_evidence)
{
    pthread_mutex_lock(&set->lock);
    struct soft_key *key = key_find(set, ref);
    if (key == NULL)
        key = key_add(set, ref);
    pthread_mutex_unlock(&set->lock);
    if (key == NULL)
        return ERR_MEMORY;
    if (out_evidence != NULL)
        tell_evidence(key, out_evidence);
    *out_key = key;
    return OK;
}

enum err hsm_set_open_cipher(struct hsm_set *set, const struct hsm_key_ref *ref, struct cipher *out_cipher,
                             struct key_evidence *out_evidence, [[maybe_unused]] struct diag *diag)
{
    struct soft_key *key = NULL;
    const enum err rc = open_key(set, ref, &key, out_evidence);
    if (rc == OK)
        *out_cipher = soft_cipher_seam(&key->cipher);
    return rc;
}

enum err hsm_set_open_mac(struct hsm_set *set, const struct hsm_key_ref *ref, struct mac *out_mac,
                          struct key_evidence *out_evidence, [[maybe_unused]] struct diag *diag)
{
    struct soft_key *key = NULL;
    const enum err rc = open_key(set, ref, &key, out_evidence);
    if (rc == OK)
        *out_mac = soft_mac_seam(&key->mac);
    return rc;
}

enum err hsm_set_open_signer(struct hsm_set *set, const struct hsm_key_ref *ref, struct signer *out_signer,
                             struct key_evidence *out_evidence, [[maybe_unused]] struct diag *diag)
{
    struct soft_key *key = NULL;
    const enum err rc = open_key(set, ref, &key, out_evidence);
    if (rc == OK)
        *out_signer = soft_signer_seam(&key->signer);
    return rc;
}

enum err hsm_set_open_private_key(struct hsm_set *set, const struct hsm_key_ref *ref, EVP_PKEY **out_key,
                                  struct key_evidence *out_evidence, [[maybe_unused]] struct diag *diag)
{
    struct soft_key *key = NULL;
    const enum err rc = open_key(set, ref, &key, out_evidence);
    if (rc != OK)
        return rc;
    EVP_PKEY_up_ref(key->signer.key);
    *out_key = key->signer.key;
    return OK;
}

void hsm_set_release_key([[maybe_unused]] struct hsm_set *set, [[maybe_unused]] const struct hsm_key_ref *ref)
{
}

static enum err fill([[maybe_unused]] void *context, uint8_t *out, size_t out_bytes)
{
    return RAND_bytes(out, (int)out_bytes) == 1 ? OK : ERR_HSM_DOWN;
}

struct rng hsm_set_rng([[maybe_unused]] struct hsm_set *set)
{
    return (struct rng){.fill = fill};
}

// ---- evidence: there is none --------------------------------------------------------------------------

size_t hsm_set_count([[maybe_unused]] const struct hsm_set *set)
{
    return 1;
}

enum err hsm_set_describe([[maybe_unused]] struct hsm_set *set, [[maybe_unused]] size_t index,
                          struct hsm_set_slot *out_slot)
{
    *out_slot = (struct hsm_set_slot){.name = "memory", .up = true, .in_use = true};
    return OK;
}

void hsm_set_slot_done(struct hsm_set_slot *slot)
{
    *slot = (struct hsm_set_slot){0};
}
