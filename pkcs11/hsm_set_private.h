// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Shared by the files of hsm_set.h: its slots, the keys that are open in several of them, and the watchers.
//
// Locking: set->lock guards the list of keys and their users, and is never held in a call of a module. The
// parts of a key belong to whoever makes it, until it stands in the list; from then on, those of a member
// that is not fit to the member's watcher. A part is published by its atomic `open`, and taken back only with
// the key. member->lock guards why.
#pragma once

#include "pkcs11/ec_key.h"
#include "pkcs11/hsm_private.h"
#include "pkcs11/hsm_set.h"

enum { MEMBER_TEXTS = 6 };

// A slot of the set.
struct member {
    struct hsm_set *set;
    struct hsm_options options; // its texts are ours
    char *texts[MEMBER_TEXTS];
    struct secret pin;
    _Atomic(struct hsm *) hsm; // NULL until it could be opened
    atomic_bool fit;           // open, with every key of the set as it must be
    atomic_bool settled;       // healthy long enough to be preferred again
    pthread_mutex_t lock;
    struct diag why;         // it is not fit
    atomic_bool was_up;      // as was told last
    unsigned healthy_checks; // its watcher's
};

// A key at one member.
struct set_key_part {
    atomic_bool open; // the rest is set
    struct cipher cipher;
    struct mac mac;
    struct signer signer;
    struct digest_signer digests;
};

// A key of several slots.
struct set_key {
    struct hsm_set *set;
    struct hsm_key_ref ref;
    char *name;
    uint8_t check_value[KEY_CHECK_VALUE_BYTES];
    bool seen;                    // what follows, and check_value
    struct key_evidence evidence; // of the first part
    uint8_t public_key[PUBLIC_KEY_BYTES_MAX];
    struct digest_signer digests;
    unsigned users;
    struct set_key *next;
    struct set_key_part parts[]; // one for each member
};

struct hsm_set {
    pthread_mutex_t lock;
    struct set_key *keys;
    struct background watchers; // one for each member, and the guard
    void (*changed)(void *context, const struct hsm_set_change *change);
    void *context;
    size_t count;
    struct member members[]; // by priority
};

// hsm_set_keys.c. Opens the key in every fit member; those where it is not as it must be become unfit.
// ERR_HSM_KEY when it works nowhere, or two slots differ and none is pinned.
enum err set_key_open(struct hsm_set *set, const struct hsm_key_ref *ref, struct set_key **out_key,
                      struct key_evidence *out_evidence, struct diag *diag);
void set_key_release(struct hsm_set *set, const struct hsm_key_ref *ref);
// Closes the parts of one that is in no list, and frees it.
void set_key_free(struct set_key *key);
// Opens every key of the set in a member that has been away. OK: it is fit now.
enum err set_keys_adopt(struct hsm_set *set, struct member *member, struct diag *diag);

// hsm_set_watch.c
// false: a watcher hangs in its module, and nothing may be closed.
bool hsm_set_stop_watching(struct hsm_set *set);

// hsm_set.c
void member_set_why(struct member *member, const struct diag *why);
struct diag member_get_why(struct member *member);
// The digest_signer of a key of several slots.
enum err set_sign_digest(void *context, const uint8_t *digest, size_t digest_bytes,
                         uint8_t out_signature[SIGNATURE_BYTES]);
// The slot that serves now, or NULL.
const struct member *hsm_set_in_use(const struct hsm_set *set);
