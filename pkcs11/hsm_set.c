// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/hsm_set.h"
#include "pkcs11/hsm_set_private.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- opening -------------------------------------------------------------------------------------------

static int by_priority(const void *a, const void *b)
{
    const struct member *left = a, *right = b;
    return (left->options.priority > right->options.priority) -
           (left->options.priority < right->options.priority);
}

static enum err copy(const char *text, char **kept, const char **out_text)
{
    if (text == NULL)
        return OK;
    *kept = strdup(text);
    *out_text = *kept;
    return *kept != NULL ? OK : ERR_MEMORY;
}

static enum err member_init(struct hsm_set *set, const struct hsm_options *options, struct member *member)
{
    enum err rc = OK;
    const struct secret *pin = options->pin;
    member->set = set;
    member->options = *options;
    pthread_mutex_init(&member->lock, NULL);
    TRY(copy(options->name, &member->texts[0], &member->options.name));
    TRY(copy(options->module, &member->texts[1], &member->options.module));
    TRY(copy(options->token_label, &member->texts[2], &member->options.token_label));
    TRY(copy(options->serial, &member->texts[3], &member->options.serial));
    TRY(copy(options->arguments, &member->texts[4], &member->options.arguments));
    TRY(copy(options->pin_file, &member->texts[5], &member->options.pin_file));
    if (pin != NULL) {
        TRY(secret_set(&member->pin, pin->text, pin->len));
        member->options.pin = &member->pin;
    }
out:
    return rc;
}

// A slot that is away may come back; what is wrong with a PIN or the configuration does not mend itself.
static bool may_come_back(enum err code)
{
    return code == ERR_HSM_DOWN || code == ERR_BUSY || code == ERR_TIMEOUT || code == ERR_HSM_CONFIG;
}

static enum err open_members(struct hsm_set *set, struct diag *diag)
{
    size_t opened = 0;
    enum err first = OK;
    for (size_t i = 0; i < set->count; i++) {
        struct member *member = &set->members[i];
        struct diag why = {0};
        struct hsm *hsm = NULL;
        const enum err rc = hsm_open(&member->options, &hsm, &why);
        if (rc != OK && (set->count == 1 || !may_come_back(rc)))
            return diag_set(diag, rc, "%s", why.text[0] != '\0' ? why.text : err_name(rc));
        if (rc != OK) {
            member->why = why;
            first = first != OK ? first : rc;
            continue;
        }
        atomic_store(&member->hsm, hsm);
        atomic_store(&member->fit, true);
        atomic_store(&member->settled, true);
        opened++;
    }
    return opened > 0 ? OK : diag_set(diag, first, "%s", set->members[0].why.text);
}

static enum err set_new(const struct hsm_options *slots, size_t count, struct hsm_set **out_set)
{
    enum err rc = OK;
    struct hsm_set *set = calloc(1, sizeof *set + count * sizeof set->members[0]);
    if (set == NULL)
        return ERR_MEMORY;
    *out_set = set;
    pthread_mutex_init(&set->lock, NULL);
    background_init(&set->watchers);
    for (; set->count < count; set->count++)
        TRY(member_init(set, &slots[set->count], &set->members[set->count]));
out:
    if (rc != OK)
        set->count++; // the half-built one
    return rc;
}

enum err hsm_set_open(const struct hsm_options *slots, size_t count, struct hsm_set **out_set,
                      struct diag *diag)
{
    enum err rc = OK;
    struct hsm_set *set = NULL;
    if (count > HSM_SET_SLOTS_MAX)
        return diag_set(diag, ERR_CONFIG, "there are %zu slots, but no more than %d can be used as one",
                        count, HSM_SET_SLOTS_MAX);
    TRY(set_new(slots, count, &set));
    qsort(set->members, count, sizeof set->members[0], by_priority);
    TRY(open_members(set, diag));
    *out_set = set;
    set = NULL;
out:
    hsm_set_close(set);
    return rc;
}

void hsm_set_close(struct hsm_set *set)
{
    if (set == NULL)
        return;
    bool left = hsm_set_stop_watching(set);
    for (size_t i = 0; i < set->count; i++) {
        struct hsm *hsm = atomic_load(&set->members[i].hsm);
        left &= hsm == NULL || hsm_everybody_left(hsm);
    }
    if (!left)
        return; // as hsm_close
    background_done(&set->watchers);
    while (set->keys != NULL) {
        struct set_key *key = set->keys;
        set->keys = key->next;
        set_key_free(key);
    }
    for (size_t i = 0; i < set->count; i++) {
        struct member *member = &set->members[i];
        hsm_close(atomic_load(&member->hsm));
        for (size_t t = 0; t < MEMBER_TEXTS; t++)
            free(member->texts[t]);
        secret_done(&member->pin);
        pthread_mutex_destroy(&member->lock);
    }
    pthread_mutex_destroy(&set->lock);
    free(set);
}

// ---- who serves ----------------------------------------------------------------------------------------

void member_set_why(struct member *member, const struct diag *why)
{
    pthread_mutex_lock(&member->lock);
    member->why = *why;
    pthread_mutex_unlock(&member->lock);
}

struct diag member_get_why(struct member *member)
{
    pthread_mutex_lock(&member->lock);
    const struct diag why = member->why;
    pthread_mutex_unlock(&member->lock);
    return why;
}

static bool is_fit(const struct member *member)
{
    return atomic_load_explicit(&member->fit, memory_order_acquire) && hsm_is_up(atomic_load(&member->hsm));
}

bool hsm_set_is_up(const struct hsm_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        if (is_fit(&set->members[i]))
            return true;
    }
    return false;
}

// First those that have been healthy for a while, then the others, each by priority. They change meanwhile:
// after the first look any will do that has not had its turn, and a last one is for what came back during the
// others. false: no more.
struct turns {
    size_t at; // the place in that order
    uint64_t had;
};
enum { LOOKS = 3 };

static bool next_turn(const struct hsm_set *set, struct turns *turns, size_t *out_index)
{
    while (turns->at < LOOKS * set->count) {
        const size_t index = turns->at % set->count;
        const bool first_look = turns->at++ < set->count;
        const struct member *member = &set->members[index];
        if (!is_fit(member) || (turns->had & UINT64_C(1) << index) != 0)
            continue;
        if (!first_look || atomic_load(&member->settled)) {
            turns->had |= UINT64_C(1) << index;
            *out_index = index;
            return true;
        }
    }
    return false;
}

const struct member *hsm_set_in_use(const struct hsm_set *set)
{
    struct turns turns = {0};
    size_t index;
    return next_turn(set, &turns, &index) ? &set->members[index] : NULL;
}

// Whether another slot might do what this one could not.
static bool is_worth_another(enum err code)
{
    return code == ERR_HSM_DOWN || code == ERR_TIMEOUT || code == ERR_BUSY || code == ERR_HSM_KEY;
}

static enum err try_members(struct set_key *key,
                            enum err (*call)(const struct set_key *key, size_t index, void *argument),
                            void *argument)
{
    enum err first = ERR_HSM_DOWN;
    bool tried = false;
    struct turns turns = {0};
    size_t index;
    while (next_turn(key->set, &turns, &index)) {
        if (!atomic_load_explicit(&key->parts[index].open, memory_order_acquire))
            continue;
        const enum err rc = call(key, index, argument);
        if (!is_worth_another(rc))
            return rc;
        first = tried ? first : rc;
        tried = true;
    }
    return first;
}

// ---- the seams -----------------------------------------------------------------------------------------

enum { SAVED_ON_STACK = 64 * CIPHER_BLOCK_BYTES };

struct cipher_call {
    uint8_t *blocks;
    const uint8_t *original;
    size_t count;
    bool again;
};

static enum err cipher_at(const struct set_key *key, size_t index, void *argument)
{
    struct cipher_call *call = argument;
    if (call->again)
        memcpy(call->blocks, call->original, call->count * CIPHER_BLOCK_BYTES);
    call->again = true;
    return cipher_encrypt(&key->parts[index].cipher, call->blocks, call->count);
}

// A failed call may have written already, so the next slot begins with a copy.
static enum err set_encrypt(void *context, uint8_t *blocks, size_t count)
{
    uint8_t near[SAVED_ON_STACK];
    const size_t bytes = count * CIPHER_BLOCK_BYTES;
    uint8_t *original = bytes <= sizeof near ? near : malloc(bytes);
    if (original == NULL)
        return ERR_MEMORY;
    memcpy(original, blocks, bytes);
    struct cipher_call call = {.blocks = blocks, .original = original, .count = count};
    const enum err rc = try_members(context, cipher_at, &call);
    wipe(original, bytes);
    if (original != near)
        free(original);
    return rc;
}

struct message_call {
    const uint8_t *message;
    size_t message_bytes;
    uint8_t *out;
};

static enum err mac_at(const struct set_key *key, size_t index, void *argument)
{
    const struct message_call *call = argument;
    return mac_compute(&key->parts[index].mac, call->message, call->message_bytes, call->out);
}

static enum err set_mac(void *context, const uint8_t *message, size_t message_bytes,
                        uint8_t out_mac[MAC_BYTES])
{
    struct message_call call = {message, message_bytes, out_mac};
    return try_members(context, mac_at, &call);
}

static enum err signer_at(const struct set_key *key, size_t index, void *argument)
{
    const struct message_call *call = argument;
    return signer_sign(&key->parts[index].signer, call->message, call->message_bytes, call->out);
}

static enum err set_sign(void *context, const uint8_t *message, size_t message_bytes,
                         uint8_t out_signature[SIGNATURE_BYTES])
{
    struct message_call call = {message, message_bytes, out_signature};
    return try_members(context, signer_at, &call);
}

static enum err digest_at(const struct set_key *key, size_t index, void *argument)
{
    const struct message_call *call = argument;
    const struct digest_signer *signer = &key->parts[index].digests;
    return signer->sign(signer->context, call->message, call->message_bytes, call->out);
}

enum err set_sign_digest(void *context, const uint8_t *digest, size_t digest_bytes,
                         uint8_t out_signature[SIGNATURE_BYTES])
{
    struct message_call call = {digest, digest_bytes, out_signature};
    return try_members(context, digest_at, &call);
}

// A random number of any slot is as good as one of another.
static enum err set_fill(void *context, uint8_t *out, size_t out_bytes)
{
    const struct hsm_set *set = context;
    enum err rc = ERR_HSM_DOWN;
    struct turns turns = {0};
    size_t index;
    while (rc != OK && next_turn(set, &turns, &index)) {
        const struct rng rng = hsm_rng(atomic_load(&set->members[index].hsm));
        rc = rng_fill(&rng, out, out_bytes);
    }
    return rc;
}

struct rng hsm_set_rng(struct hsm_set *set)
{
    if (set->count == 1)
        return hsm_rng(atomic_load(&set->members[0].hsm));
    return (struct rng){.fill = set_fill, .context = set};
}

// ---- opening keys --------------------------------------------------------------------------------------

enum err hsm_set_open_cipher(struct hsm_set *set, const struct hsm_key_ref *ref, struct cipher *out_cipher,
                             struct key_evidence *out_evidence, struct diag *diag)
{
    struct set_key *key = NULL;
    if (set->count == 1)
        return hsm_open_cipher(atomic_load(&set->members[0].hsm), ref, out_cipher, out_evidence, diag);
    const enum err rc = set_key_open(set, ref, &key, out_evidence, diag);
    if (rc == OK)
        *out_cipher = (struct cipher){.encrypt = set_encrypt, .context = key};
    return rc;
}

enum err hsm_set_open_mac(struct hsm_set *set, const struct hsm_key_ref *ref, struct mac *out_mac,
                          struct key_evidence *out_evidence, struct diag *diag)
{
    struct set_key *key = NULL;
    if (set->count == 1)
        return hsm_open_mac(atomic_load(&set->members[0].hsm), ref, out_mac, out_evidence, diag);
    const enum err rc = set_key_open(set, ref, &key, out_evidence, diag);
    if (rc == OK)
        *out_mac = (struct mac){.compute = set_mac, .context = key};
    return rc;
}

enum err hsm_set_open_signer(struct hsm_set *set, const struct hsm_key_ref *ref, struct signer *out_signer,
                             struct key_evidence *out_evidence, struct diag *diag)
{
    struct set_key *key = NULL;
    if (set->count == 1)
        return hsm_open_signer(atomic_load(&set->members[0].hsm), ref, out_signer, out_evidence, diag);
    const enum err rc = set_key_open(set, ref, &key, out_evidence, diag);
    if (rc != OK)
        return rc;
    *out_signer = (struct signer){
        .sign = set_sign,
        .context = key,
        .kind = ref->use == KEY_SIGN_ED25519 ? SIGNER_ED25519 : SIGNER_ES256,
    };
    memcpy(out_signer->public_key, key->public_key, sizeof key->public_key);
    return OK;
}

enum err hsm_set_open_private_key(struct hsm_set *set, const struct hsm_key_ref *ref, EVP_PKEY **out_key,
                                  struct key_evidence *out_evidence, struct diag *diag)
{
    struct set_key *key = NULL;
    if (set->count == 1)
        return hsm_open_private_key(atomic_load(&set->members[0].hsm), ref, out_key, out_evidence, diag);
    enum err rc = set_key_open(set, ref, &key, out_evidence, diag);
    if (rc != OK)
        return rc;
    rc = ec_key_new(&key->digests, key->public_key, out_key);
    if (rc != OK) {
        set_key_release(set, ref);
        return diag_set(diag, rc, "key %s: its public key is no point of P-256", ref->name);
    }
    return OK;
}

void hsm_set_release_key(struct hsm_set *set, const struct hsm_key_ref *ref)
{
    if (set->count == 1)
        hsm_release_key(atomic_load(&set->members[0].hsm), ref);
    else
        set_key_release(set, ref);
}

// ---- evidence ------------------------------------------------------------------------------------------

size_t hsm_set_count(const struct hsm_set *set)
{
    return set->count;
}

static enum err describe_token(struct hsm *hsm, struct hsm_set_slot *slot)
{
    struct diag why = {0};
    if (!slot_enter(&hsm->slot))
        return OK;
    enum err rc = hsm_read_facts(hsm, &slot->facts, &why);
    if (rc == OK)
        rc = hsm_list_keys(hsm, &slot->keys, &slot->key_count, &why);
    slot_leave(&hsm->slot);
    if (rc != OK)
        slot->why = why;
    return rc == ERR_MEMORY ? rc : OK;
}

enum err hsm_set_describe(struct hsm_set *set, size_t index, struct hsm_set_slot *out_slot)
{
    enum err rc = OK;
    struct member *member = &set->members[index];
    struct hsm_set_slot slot = {
        .name = member->options.name,
        .priority = member->options.priority,
        .replica = member->options.replica,
        .isolated = member->options.isolate,
        .up = is_fit(member),
        .in_use = hsm_set_in_use(set) == member,
    };
    slot.why = member_get_why(member);
    if (!slot.up && slot.why.text[0] == '\0')
        slot.why = (struct diag){.text = "a call found the token gone"};
    if (slot.up)
        rc = describe_token(atomic_load(&member->hsm), &slot);
    if (rc == OK)
        *out_slot = slot;
    return rc;
}

void hsm_set_slot_done(struct hsm_set_slot *slot)
{
    free(slot->keys);
    slot->keys = NULL;
    slot->key_count = 0;
}
