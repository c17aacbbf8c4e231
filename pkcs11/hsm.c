// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/hsm_private.h"
#include "pkcs11/ckr.h"
#include "pkcs11/ec_key.h"
#include "pkcs11/key_generate.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REST_MS = 5, BROKEN_MS = 1000 };

// ---- open and close ---------------------------------------------------------------------------------

enum err hsm_open(const struct hsm_options *options, struct hsm **out_hsm, struct diag *diag)
{
    if (options->lanes > LANES_MAX)
        return diag_set(diag, ERR_CONFIG, "lanes is %u, must be 1..%d", options->lanes, LANES_MAX);
    struct hsm *hsm = calloc(1, sizeof *hsm);
    if (hsm == NULL)
        return ERR_MEMORY;
    enum err rc = slot_open(&hsm->slot, options, diag);
    if (rc != OK) {
        free(hsm);
        return rc;
    }
    hsm->call_timeout_ms = options->call_timeout_ms > 0 ? options->call_timeout_ms : HSM_CALL_TIMEOUT_MS;
    hsm->lanes = options->lanes > 0 ? options->lanes : 1;
    hsm->replica = options->replica;
    session_pool_init(&hsm->sessions, &hsm->slot);
    pthread_mutex_init(&hsm->lock, NULL);
    pthread_mutex_init(&hsm->keys_lock, NULL);
    background_init(&hsm->health.watcher);
    atomic_store(&hsm->health.keys_work, true);
    atomic_store(&hsm->health.was_up, true);
    *out_hsm = hsm;
    return OK;
}

static void rest_ms(unsigned ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

// Nobody may be in a seam any more, but a call that did not return in time may be in the module. It gets as
// long again, and if the slot is isolated, it is ended.
bool hsm_everybody_left(struct hsm *hsm)
{
    const bool watcher_left = background_stop(&hsm->health.watcher, hsm->call_timeout_ms);
    for (unsigned ms = 0; calls_inside(&hsm->slot.calls) && ms < hsm->call_timeout_ms; ms += REST_MS)
        rest_ms(REST_MS);
    if (watcher_left && !calls_inside(&hsm->slot.calls))
        return true;
    slot_mark_down(&hsm->slot);
    slot_break(&hsm->slot);
    for (unsigned ms = 0; calls_inside(&hsm->slot.calls) && ms < BROKEN_MS; ms += REST_MS)
        rest_ms(REST_MS);
    return background_stop(&hsm->health.watcher, BROKEN_MS) && !calls_inside(&hsm->slot.calls);
}

void hsm_close(struct hsm *hsm)
{
    if (hsm == NULL)
        return;
    if (!hsm_everybody_left(hsm))
        return; // with a thread inside nothing can be closed; the process is about to leave
    background_done(&hsm->health.watcher);
    while (hsm->keys != NULL) {
        struct open_key *key = hsm->keys;
        hsm->keys = key->next;
        open_key_free(key);
    }
    session_pool_done(&hsm->sessions);
    slot_close(&hsm->slot);
    pthread_mutex_destroy(&hsm->keys_lock);
    pthread_mutex_destroy(&hsm->lock);
    free(hsm);
}

// ---- keys in use ------------------------------------------------------------------------------------

enum err hsm_open_cipher(struct hsm *hsm, const struct hsm_key_ref *ref, struct cipher *out_cipher,
                         struct key_evidence *out_evidence, struct diag *diag)
{
    struct open_key *key = NULL;
    if (ref->use != KEY_FPE)
        return diag_set(diag, ERR_HSM_KEY, "key %s: only fpe keys are ciphers", ref->name);
    enum err rc = open_key_get(hsm, ref, &key, diag);
    if (rc != OK)
        return rc;
    *out_cipher = (struct cipher){.encrypt = lane_pool_encrypt, .context = key->lanes};
    if (out_evidence != NULL)
        *out_evidence = key->evidence;
    return OK;
}

enum err hsm_open_mac(struct hsm *hsm, const struct hsm_key_ref *ref, struct mac *out_mac,
                      struct key_evidence *out_evidence, struct diag *diag)
{
    struct open_key *key = NULL;
    if (ref->use != KEY_MAC)
        return diag_set(diag, ERR_HSM_KEY, "key %s: only mac keys compute HMACs", ref->name);
    enum err rc = open_key_get(hsm, ref, &key, diag);
    if (rc != OK)
        return rc;
    *out_mac = (struct mac){.compute = key_signer_mac, .context = key->signer};
    if (out_evidence != NULL)
        *out_evidence = key->evidence;
    return OK;
}

enum err hsm_open_private_key(struct hsm *hsm, const struct hsm_key_ref *ref, EVP_PKEY **out_key,
                              struct key_evidence *out_evidence, struct diag *diag)
{
    struct open_key *key = NULL;
    if (ref->use != KEY_TLS && ref->use != KEY_SIGN_P256)
        return diag_set(diag, ERR_HSM_KEY, "key %s: only EC P-256 keys can be OpenSSL keys", ref->name);
    enum err rc = open_key_get(hsm, ref, &key, diag);
    if (rc != OK)
        return rc;
    rc = ec_key_new(&key->digests, key->public_key, out_key);
    if (rc != OK) {
        rc = diag_set(diag, rc, "key %s: its public key is no point of P-256", key->evidence.label);
        hsm_release_key(hsm, ref);
        return rc;
    }
    if (out_evidence != NULL)
        *out_evidence = key->evidence;
    return OK;
}

static enum err sign_message(void *context, const uint8_t *message, size_t message_bytes,
                             uint8_t out_signature[SIGNATURE_BYTES])
{
    return key_signer_sign(context, message, message_bytes, out_signature, SIGNATURE_BYTES);
}

static enum err sign_hash(void *context, const uint8_t *message, size_t message_bytes,
                          uint8_t out_signature[SIGNATURE_BYTES])
{
    uint8_t hash[SHA256_DIGEST_LENGTH];
    if (EVP_Digest(message, message_bytes, hash, NULL, EVP_sha256(), NULL) != 1)
        return ERR_MEMORY;
    return sign_message(context, hash, sizeof hash, out_signature);
}

enum err hsm_open_ec(struct hsm *hsm, const struct hsm_key_ref *ref, struct ec_seams *out_seams,
                     struct key_evidence *out_evidence, struct diag *diag)
{
    struct open_key *key = NULL;
    const enum err rc = open_key_get(hsm, ref, &key, diag);
    if (rc != OK)
        return rc;
    out_seams->signer = (struct signer){.sign = sign_hash, .context = key->signer, .kind = SIGNER_ES256};
    memcpy(out_seams->signer.public_key, key->public_key, sizeof key->public_key);
    out_seams->digests = key->digests;
    *out_evidence = key->evidence;
    return OK;
}

enum err hsm_open_signer(struct hsm *hsm, const struct hsm_key_ref *ref, struct signer *out_signer,
                         struct key_evidence *out_evidence, struct diag *diag)
{
    struct open_key *key = NULL;
    const bool ed25519 = ref->use == KEY_SIGN_ED25519;
    if (!ed25519 && ref->use != KEY_SIGN_P256)
        return diag_set(diag, ERR_HSM_KEY, "key %s: only sign keys sign", ref->name);
    const enum err rc = open_key_get(hsm, ref, &key, diag);
    if (rc != OK)
        return rc;
    *out_signer = (struct signer){
        .sign = ed25519 ? sign_message : sign_hash,
        .context = key->signer,
        .kind = ed25519 ? SIGNER_ED25519 : SIGNER_ES256,
    };
    memcpy(out_signer->public_key, key->public_key, sizeof key->public_key);
    if (out_evidence != NULL)
        *out_evidence = key->evidence;
    return OK;
}

enum err hsm_import_test_cipher(struct hsm *hsm, const uint8_t *key_bytes_in, size_t key_bytes,
                                struct cipher *out_cipher, struct diag *diag)
{
    enum err rc = OK;
    struct key_query query = {.source = KEY_IMPORTED, .use = KEY_FPE, .label = "test key"};
    WIPE_AT_EXIT(query);
    if (key_bytes != 16 && key_bytes != 24 && key_bytes != 32)
        return diag_set(diag, ERR_INPUT, "a test key has 16, 24 or 32 bytes");
    memcpy(query.test_key, key_bytes_in, key_bytes);
    query.test_key_bytes = key_bytes;
    struct open_key *key = calloc(1, sizeof *key);
    if (key == NULL)
        return ERR_MEMORY;
    pthread_mutex_lock(&hsm->lock);
    key->ref.use = KEY_FPE;
    key->name = strdup(""); // no ref is spelled so
    REQUIRE(key->name != NULL, ERR_MEMORY);
    TRY(lane_pool_open(&hsm->slot, &query, hsm->lanes, &key->lanes, NULL, diag));
    open_key_put(hsm, key);
    *out_cipher = (struct cipher){.encrypt = lane_pool_encrypt, .context = key->lanes};
out:
    pthread_mutex_unlock(&hsm->lock);
    if (rc != OK)
        open_key_free(key);
    return rc;
}

// ---- random bytes -----------------------------------------------------------------------------------

static enum err fill_on_pool(struct hsm *hsm, uint8_t *out, size_t out_bytes)
{
    CK_SESSION_HANDLE session;
    CK_RV rv = CKR_OK;
    for (int attempt = 0; attempt < 2; attempt++) {
        enum err rc = session_take(&hsm->sessions, &session);
        if (rc != OK)
            return rc;
        call_begins(&hsm->slot.calls);
        rv = out_bytes > 0 ? hsm->slot.f->C_GenerateRandom(session, out, out_bytes) : CKR_OK;
        if (call_ends(&hsm->slot.calls))
            rv = CKR_FUNCTION_FAILED; // it was given up, and the slot with it
        if (rv == CKR_OK) {
            session_give(&hsm->sessions, session);
            return OK;
        }
        session_broken(&hsm->sessions, session);
        if (ckr_class(rv) != CKR_CLASS_SESSION_LOST)
            break;
    }
    return slot_failed(&hsm->slot, rv);
}

static enum err hsm_fill(void *context, uint8_t *out, size_t out_bytes)
{
    struct hsm *hsm = context;
    if (!slot_enter(&hsm->slot))
        return ERR_HSM_DOWN;
    enum err rc = fill_on_pool(hsm, out, out_bytes);
    slot_leave(&hsm->slot);
    return rc;
}

struct rng hsm_rng(struct hsm *hsm)
{
    return (struct rng){.fill = hsm_fill, .context = hsm};
}

// ---- what the token says ----------------------------------------------------------------------------

enum err hsm_generate_key(struct hsm *hsm, unsigned tenant_id, enum key_use use, unsigned generation,
                          struct key_evidence *out_evidence, struct diag *diag)
{
    pthread_mutex_lock(&hsm->lock);
    enum err rc = key_generate(&hsm->slot, tenant_id, use, generation, out_evidence, diag);
    pthread_mutex_unlock(&hsm->lock);
    return rc;
}

enum err hsm_read_facts(struct hsm *hsm, struct hsm_facts *out_facts, struct diag *diag)
{
    struct hsm_facts facts;
    struct lane_pool *probe = NULL;
    const struct key_query query = {.source = KEY_EPHEMERAL, .use = KEY_FPE, .label = "probe"};
    enum err rc = slot_read_facts(&hsm->slot, &facts, diag);
    if (rc != OK)
        return rc;
    if (facts.aes_ecb && lane_pool_open(&hsm->slot, &query, 1, &probe, NULL, NULL) == OK)
        facts.stream = lane_pool_streams(probe);
    lane_pool_close(probe);
    *out_facts = facts;
    return OK;
}
