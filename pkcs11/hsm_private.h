// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// struct hsm, for the files of this room that implement hsm.h.
#pragma once

#include "pkcs11/background.h"
#include "pkcs11/ec_key.h"
#include "pkcs11/hsm.h"
#include "pkcs11/lane_pool.h"
#include "pkcs11/p11_session.h"
#include "pkcs11/key_signer.h"
#include "pkcs11/slot.h"

// What is known of the keys beyond the slot's own state, and the watcher. Belongs to hsm_health.c.
struct hsm_health {
    atomic_bool keys_work; // as the last check found
    unsigned checks;       // so far; by hsm->lock
    atomic_bool was_up;    // as was told last
    void (*changed)(void *context, bool up, const char *why);
    void *context;
    struct background watcher; // and the guard
};

// Marks the slot down if a call has been in the module for longer than it may, gives all such calls up, and
// ends them if the slot is isolated. Whether there was one: then why is set. Never enters the module.
bool hsm_give_up_hanging(struct hsm *hsm, struct diag *why);
// How often to look for such calls.
unsigned hsm_guard_rest_ms(const struct hsm_options *options);

// A key in use. Opening it again (a reload) gives the same one, which counts its users.
struct open_key {
    unsigned users;         // by hsm->keys_lock
    struct hsm_key_ref ref; // check_value is unused
    char *name;
    struct lane_pool *lanes;                  // KEY_FPE
    struct key_signer *signer;                // the others
    struct digest_signer digests;             // of EC keys: signer, as ec_key.h wants it
    uint8_t public_key[PUBLIC_KEY_BYTES_MAX]; // of signing keys
    uint8_t known_answer[MAC_BYTES];          // of the others: what the whole of it was at opening
    bool has_known_answer;
    struct key_evidence evidence;
    struct open_key *next;
};

// open_key.c. Opens the key, or counts one more use of it. hsm_release_key gives it back.
enum err open_key_get(struct hsm *hsm, const struct hsm_key_ref *ref, struct open_key **out_key,
                      struct diag *diag);
// Takes one in that nobody else has yet.
void open_key_put(struct hsm *hsm, struct open_key *key);
// NULL is not fine; half-built is.
void open_key_free(struct open_key *key);

// An EC P-256 key of any use.
struct ec_seams {
    struct signer signer;         // with its public coordinates
    struct digest_signer digests; // signs what is hashed already
};
enum err hsm_open_ec(struct hsm *hsm, const struct hsm_key_ref *ref, struct ec_seams *out_seams,
                     struct key_evidence *out_evidence, struct diag *diag);

// Of one that is to be closed: waits for its threads to leave the module. false: some do not, and nothing
// that they use may be freed.
bool hsm_everybody_left(struct hsm *hsm);

// Finds and judges a key without opening it, to tell why it cannot be. out_evidence is filled as far as it
// can be read, whatever the outcome.
enum err hsm_look_at_key(struct hsm *hsm, const struct hsm_key_ref *ref, struct key_evidence *out_evidence,
                         struct diag *diag);

// Goes through the keys in use. Each is kept open until the next is asked for: NULL begins, NULL ends.
struct open_key *hsm_next_key(struct hsm *hsm, struct open_key *previous);

struct hsm {
    struct slot slot;
    struct session_pool sessions;
    unsigned lanes, call_timeout_ms;
    bool replica;
    pthread_mutex_t lock;      // checking; opening, making and destroying objects: one at a time
    pthread_mutex_t keys_lock; // the list; never held in a call of the module. Taken after lock
    struct open_key *keys;
    struct hsm_health health;
};
