// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A PKCS#11 token found by label, and our login in it. One anchor session stays open for life: the login
// of PKCS#11 belongs to the application and ends with its last session.
//
// The PIN. Exactly one C_Login is made at opening, and one more each time the login was lost afterwards.
// A PIN that was refused once is never used again. A token that shows failed tries is refused unless
// pin_retry; one that has a single try left, always. The PIN comes from its file again for a later login;
// one that was typed is kept in a struct secret until close.
// Locking: login_lock makes logins single-flight; up and refused are atomics. Whoever calls a key holds `use`
// shared (slot_enter); slot_reopen is alone in the module while it holds it exclusively.
#pragma once

#include "appliance/base/secret.h"
#include "pkcs11/hsm.h"
#include "pkcs11/call_stamps.h"
#include "pkcs11/module.h"

#include <pthread.h>
#include <stdatomic.h>

struct slot {
    struct module *module;
    const CK_FUNCTION_LIST *f;
    CK_SLOT_ID id;
    char *name;                 // for messages
    char *token_label, *serial; // serial: NULL for any
    struct call_stamps calls;   // of threads inside the module
    // the rest belongs to slot.c
    atomic_bool up;
    atomic_bool doomed; // it is isolated, and its process, which may hang, is replaced before the next use
    atomic_bool pin_refused;
    pthread_rwlock_t use;
    pthread_mutex_t login_lock;
    CK_SESSION_HANDLE anchor;
    bool waits; // for somebody to restart the module, which others use too; by who reopens or closes
    char *pin_file;
    struct secret pin;
    bool pin_retry;
};

// slot is zero-initialised memory of the caller. On failure it is already done.
enum err slot_open(struct slot *slot, const struct hsm_options *options, struct diag *diag);
void slot_close(struct slot *slot);

// Opens a session in which the user is logged in, logging in again (once) when the login was lost.
enum err slot_open_session(struct slot *slot, bool read_write, CK_SESSION_HANDLE *out_session,
                           struct diag *diag);
void slot_close_session(struct slot *slot, CK_SESSION_HANDLE session);
// How often somebody has begun to log in through this module. opencryptoki numbers private objects anew at a
// login: a handle of before may mean another key, and a stream of before goes on with that one. What was
// opened before the last login is therefore never used after it.
static inline unsigned slot_logins(const struct slot *slot)
{
    return atomic_load(&slot->module->logins);
}
// Whether a session still stands and the user is logged in.
bool slot_session_is_good(const struct slot *slot, CK_SESSION_HANDLE session);

// A call found the token gone: every seam fails at once until the slot is reopened.
void slot_mark_down(struct slot *slot);
// Of an isolated slot: kills the process that the module runs in, so that every call inside returns with an
// error. From any thread, while others are inside the module; slot_reopen starts another. Harmless otherwise.
void slot_break(struct slot *slot);
static inline bool slot_is_up(const struct slot *slot)
{
    return atomic_load_explicit(&slot->up, memory_order_relaxed);
}

// Before and after a seam's calls. false: the slot is down, and nothing is to be left.
[[nodiscard]] bool slot_enter(struct slot *slot);
void slot_leave(struct slot *slot);

// Asks the token for a sign of life. A module may find no key at all when the token has gone; this tells.
// OK, or ERR_HSM_DOWN with the slot marked down.
enum err slot_check_presence(struct slot *slot, struct diag *diag);
// Of a slot that is down: opens the anchor and logs in again; if that fails, the module is initialized
// anew, unless others use it too that are not down like it. Every session, object handle and operation is
// gone afterwards, whatever the outcome: `forget` is called while nobody is in the module. Does not mark the
// slot up. ERR_HSM_DOWN also while a call of before has not returned, which is waited for a second only.
enum err slot_reopen(struct slot *slot, void (*forget)(void *context), void *context, struct diag *diag);
void slot_mark_up(struct slot *slot);

// Proves the security officer's PIN by a login of its own, which ends. PKCS#11 grants it only while no other
// session of the process stands: all are closed, slot_reopen must follow, and no key may be in use. One
// C_Login; a token that shows failed tries of the officer is refused as it is for the user. ERR_HSM_PIN.
enum err slot_prove_officer(struct slot *slot, const struct secret *so_pin, struct diag *diag);

// What a seam answers when a call failed with rv for good; marks the slot down when rv says so.
enum err slot_failed(struct slot *slot, CK_RV rv);
// Any code, as one of those that a seam may return.
enum err slot_seam_err(enum err code);

bool slot_has_mechanism(const struct slot *slot, CK_MECHANISM_TYPE mechanism, CK_FLAGS purpose);
// Everything but `stream`.
enum err slot_read_facts(const struct slot *slot, struct hsm_facts *out_facts, struct diag *diag);

// Whether a blank-padded field of Cryptoki holds exactly this text.
bool slot_text_equal(const CK_UTF8CHAR *field, size_t field_bytes, const char *text);
