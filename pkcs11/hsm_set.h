// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Several slots that hold the same keys, used as one: the appliance's view of its HSMs. Every call goes to
// the healthy slot of the lowest priority number; when that fails because the slot went away or does not
// answer, the same call is made at the next one (fail over in flight), and later calls go back when the first
// has been healthy again for HSM_SET_SETTLE_S (fail back). With one slot every seam is that slot's own, at no
// cost.
//
// Keys. A key is opened in each slot that is up. All must have the same check value; a slot where the value
// is not the pinned one, or the key is missing or not as it must be, is kept out of use for all keys and its
// why says so, until a later check finds it right (an operator may have replaced it). A slot that was down at
// start is opened by the watcher once it comes back. Random bytes come from the slot in use.
//
// A call that hangs fails over like one that failed, for all but the thread that is inside, which follows
// when it returns.
//
// Threads, secrets and errors as hsm.h. Release, open and close: one thread at a time, beside all seams.
#pragma once

#include "pkcs11/hsm.h"

struct hsm_set;

enum { HSM_SET_SETTLE_S = 4, HSM_SET_SLOTS_MAX = 64 };

// Opens 1..HSM_SET_SLOTS_MAX slots, which names and (module, token, serial) tell apart. OK when at least one
// works; those that do not are told by hsm_set_watch. A refused PIN and wrong configuration of any slot are
// an error. Errors as hsm_open. options are copied.
enum err hsm_set_open(const struct hsm_options *slots, size_t count, struct hsm_set **out_set,
                      struct diag *diag);
void hsm_set_close(struct hsm_set *set); // NULL is fine; as hsm_close

// Whether at least one slot works with all open keys.
bool hsm_set_is_up(const struct hsm_set *set);

// One slot's state has changed. why is empty when it is up.
struct hsm_set_change {
    const char *slot;
    bool up;            // this slot
    bool any_up;        // hsm_set_is_up
    const char *in_use; // name of the slot that serves now, or NULL
    const char *why;
};
// Watches every slot in threads of its own until hsm_set_close. Told at once: slots that were down at
// opening.
enum err hsm_set_watch(struct hsm_set *set,
                       void (*changed)(void *context, const struct hsm_set_change *change), void *context);

// As in hsm.h. A key of which two slots that are up hold different ones, without a pinned check value to tell
// which of them is right, is an ERR_HSM_KEY that concerns that key alone. Each opening is given back by
// hsm_set_release_key, or at hsm_set_close.
enum err hsm_set_open_cipher(struct hsm_set *set, const struct hsm_key_ref *ref, struct cipher *out_cipher,
                             struct key_evidence *out_evidence, struct diag *diag);
enum err hsm_set_open_mac(struct hsm_set *set, const struct hsm_key_ref *ref, struct mac *out_mac,
                          struct key_evidence *out_evidence, struct diag *diag);
enum err hsm_set_open_signer(struct hsm_set *set, const struct hsm_key_ref *ref, struct signer *out_signer,
                             struct key_evidence *out_evidence, struct diag *diag);
enum err hsm_set_open_private_key(struct hsm_set *set, const struct hsm_key_ref *ref, EVP_PKEY **out_key,
                                  struct key_evidence *out_evidence, struct diag *diag);
void hsm_set_release_key(struct hsm_set *set, const struct hsm_key_ref *ref);
struct rng hsm_set_rng(struct hsm_set *set);

// For evidence: what each slot is and holds, read now.
struct hsm_set_slot {
    const char *name;
    unsigned priority;
    bool replica, isolated, up, in_use;
    struct diag why;           // empty when up
    struct hsm_facts facts;    // zero when down
    struct hsm_key_info *keys; // of hsm_list_keys; none when down
    size_t key_count;
};
size_t hsm_set_count(const struct hsm_set *set);
enum err hsm_set_describe(struct hsm_set *set, size_t index, struct hsm_set_slot *out_slot);
void hsm_set_slot_done(struct hsm_set_slot *slot);
