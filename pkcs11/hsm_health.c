// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Whether the token and its keys work, found out before a request does, and a slot that went away taken into
// use again. The watcher does so; the guard, which never enters the module, looks for calls that do not
// return from it, the watcher's included.
#include "pkcs11/hsm_private.h"
#include "pkcs11/known_answer.h"

#include <string.h>

enum { CHECKS_A_MINUTE = 60 / HSM_CHECK_INTERVAL_S, GUARD_RESTS = 8, GUARD_REST_MAX_MS = 250 };

bool hsm_is_up(const struct hsm *hsm)
{
    return slot_is_up(&hsm->slot) && atomic_load(&hsm->health.keys_work);
}

// ---- calls that hang --------------------------------------------------------------------------------

bool hsm_give_up_hanging(struct hsm *hsm, struct diag *why)
{
    if (!calls_give_up(&hsm->slot.calls, hsm->call_timeout_ms))
        return false;
    slot_mark_down(&hsm->slot);
    slot_break(&hsm->slot);
    (void)diag_set(why, ERR_HSM_DOWN, "%s: a call has not returned from the module within %u ms",
                   hsm->slot.name, hsm->call_timeout_ms);
    return true;
}

unsigned hsm_guard_rest_ms(const struct hsm_options *options)
{
    const unsigned timeout_ms = options->call_timeout_ms > 0 ? options->call_timeout_ms : HSM_CALL_TIMEOUT_MS;
    const unsigned rest_ms = timeout_ms / GUARD_RESTS + 1;
    return rest_ms < GUARD_REST_MAX_MS ? rest_ms : GUARD_REST_MAX_MS;
}

// ---- checking ---------------------------------------------------------------------------------------

static enum err check_key(struct hsm *hsm, const struct open_key *key, enum known_answer_depth depth,
                          bool *out_wrong)
{
    const bool reopened = depth == KNOWN_ANSWER_REOPENED;
    if (!reopened && !slot_enter(&hsm->slot))
        return ERR_HSM_DOWN;
    call_begins(&hsm->slot.calls);
    enum err rc = known_answer_check(key, depth, out_wrong);
    if (call_ends(&hsm->slot.calls))
        rc = ERR_HSM_DOWN;
    if (!reopened)
        slot_leave(&hsm->slot);
    return rc;
}

// What a key answers that is missing or another one is told best by a look at it.
static enum err tell_why(struct hsm *hsm, const struct open_key *key, enum err code, struct diag *diag)
{
    struct key_evidence evidence;
    const struct hsm_key_ref ref = {key->ref.use, key->name, key->evidence.check_value};
    if (code == ERR_HSM_KEY && key->name[0] != '\0' && hsm_look_at_key(hsm, &ref, &evidence, diag) != OK)
        return code;
    return diag_set(diag, code, "%s: key %s does not work: %s", hsm->slot.name, key->evidence.label,
                    err_name(code));
}

// All of them, so that a slot which only one key knows to be gone is marked down. Overload passes. A slot
// with a key that answers wrongly serves nobody any more: what it makes could not be opened again.
static enum err check_keys(struct hsm *hsm, enum known_answer_depth depth, bool *out_unusable,
                           struct diag *diag)
{
    enum err rc = OK;
    for (struct open_key *key = hsm_next_key(hsm, NULL); key != NULL; key = hsm_next_key(hsm, key)) {
        bool wrong = false;
        const enum err code = check_key(hsm, key, depth, &wrong);
        if (code == OK || code == ERR_BUSY || code == ERR_MEMORY)
            continue;
        *out_unusable |= wrong || code != ERR_HSM_KEY;
        if (wrong)
            slot_mark_down(&hsm->slot);
        if (rc == OK && wrong)
            rc = diag_set(diag, code, "%s: key %s: check value differs: its answer is wrong", hsm->slot.name,
                          key->evidence.label);
        else if (rc == OK)
            rc = tell_why(hsm, key, code, diag);
    }
    return rc;
}

static void forget_handles(void *context)
{
    struct hsm *hsm = context;
    session_pool_forget(&hsm->sessions);
    pthread_mutex_lock(&hsm->keys_lock);
    for (const struct open_key *key = hsm->keys; key != NULL; key = key->next) {
        if (key->lanes != NULL)
            lane_pool_forget(key->lanes);
        if (key->signer != NULL)
            key_signer_forget(key->signer);
    }
    pthread_mutex_unlock(&hsm->keys_lock);
}

static enum err check_presence(struct hsm *hsm, struct diag *diag)
{
    if (!slot_enter(&hsm->slot))
        return ERR_HSM_DOWN;
    call_begins(&hsm->slot.calls);
    const enum err rc = slot_check_presence(&hsm->slot, diag);
    call_ends(&hsm->slot.calls);
    slot_leave(&hsm->slot);
    return rc;
}

// Nobody is let in before the keys have answered rightly. One that cannot be used any more does not keep the
// others from it.
static enum err reopen(struct hsm *hsm, struct diag *diag)
{
    enum err rc = OK;
    bool unusable = false;
    atomic_store(&hsm->health.keys_work, false);
    TRY(slot_reopen(&hsm->slot, forget_handles, hsm, diag));
    rc = check_keys(hsm, KNOWN_ANSWER_REOPENED, &unusable, diag);
    atomic_store(&hsm->health.keys_work, rc == OK);
    if (!unusable)
        slot_mark_up(&hsm->slot);
out:
    return rc;
}

static enum err check_open(struct hsm *hsm, struct diag *diag)
{
    enum err rc = OK;
    bool unusable = false;
    const bool minute = hsm->health.checks++ % CHECKS_A_MINUTE == 0;
    TRY(check_presence(hsm, diag));
    rc = check_keys(hsm, minute ? KNOWN_ANSWER_MINUTE : KNOWN_ANSWER_GLANCE, &unusable, diag);
    atomic_store(&hsm->health.keys_work, rc == OK);
out:
    return rc;
}

enum err hsm_check(struct hsm *hsm, struct diag *diag)
{
    pthread_mutex_lock(&hsm->lock);
    const enum err rc = slot_is_up(&hsm->slot) ? check_open(hsm, diag) : reopen(hsm, diag);
    pthread_mutex_unlock(&hsm->lock);
    return rc;
}

// ---- the watcher and the guard ----------------------------------------------------------------------

static void tell(struct hsm_health *health, bool up, const char *why)
{
    if (atomic_exchange(&health->was_up, up) != up)
        health->changed(health->context, up, why);
}

static void watch(void *context)
{
    struct hsm *hsm = context;
    struct diag why = {0};
    if (!slot_is_up(&hsm->slot))
        tell(&hsm->health, false, "a call found the token gone"); // told even if it is back by now
    if (hsm_check(hsm, &why) == OK)
        tell(&hsm->health, true, "");
    else
        tell(&hsm->health, false, why.text[0] != '\0' ? why.text : "a call found the token gone");
}

static void guard(void *context)
{
    struct hsm *hsm = context;
    struct diag why = {0};
    if (hsm_give_up_hanging(hsm, &why))
        tell(&hsm->health, false, why.text);
}

enum err hsm_watch(struct hsm *hsm, void (*changed)(void *context, bool up, const char *why), void *context)
{
    enum err rc = OK;
    const struct hsm_options options = {.call_timeout_ms = hsm->call_timeout_ms};
    hsm->health.context = context;
    hsm->health.changed = changed;
    TRY(background_start(&hsm->health.watcher, watch, hsm, HSM_CHECK_INTERVAL_S * 1000));
    rc = background_start(&hsm->health.watcher, guard, hsm, hsm_guard_rest_ms(&options));
out:
    return rc;
}
