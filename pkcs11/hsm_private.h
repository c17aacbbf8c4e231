// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// struct hsm, for the files of this room that implement hsm.h.
#pragma once

#include "pkcs11/ec_key.h"
#include "pkcs11/hsm.h"
#include "pkcs11/lane_pool.h"
#include "pkcs11/p11_session.h"
#include "pkcs11/key_signer.h"
#include "pkcs11/slot.h"

// What is known of the keys beyond the slot's own state, and the watcher. Belongs to hsm_health.c.
struct hsm_health {
    atomic_bool keys_work;                                    // as the last check found
    _Atomic int64_t check_began_ns;                           // 0: none is running
    unsigned checks;                                          // so far; by hsm->lock
    bool was_up;                                              // what the watcher told last
    void (*changed)(void *context, bool up, const char *why); // NULL: no watcher
    void *context;
    pthread_t thread;
    pthread_mutex_t lock; // stopping
    pthread_cond_t stop;
    bool stopping;
};

void hsm_health_init(struct hsm_health *health);
// Ends the watcher.
void hsm_health_done(struct hsm_health *health);

// A key in use. Opening it again (a reload) gives the same one, which counts its users.
struct open_key {
    unsigned users;
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

// An EC P-256 key of any use.
struct ec_seams {
    struct signer signer;         // with its public coordinates
    struct digest_signer digests; // signs what is hashed already
};
enum err hsm_open_ec(struct hsm *hsm, const struct hsm_key_ref *ref, struct ec_seams *out_seams,
                     struct key_evidence *out_evidence, struct diag *diag);

// Whether a call has been in the module for longer than it may.
bool hsm_hangs(const struct hsm *hsm);

struct hsm {
    struct slot slot;
    struct session_pool sessions;
    unsigned lanes, call_timeout_ms;
    bool replica;
    pthread_mutex_t lock; // keys; making and destroying objects, which is done one at a time
    struct open_key *keys;
    struct hsm_health health;
};
