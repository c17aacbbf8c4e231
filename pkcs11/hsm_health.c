// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Whether the token and its keys work, found out before a request does, and a slot that went away taken into
// use again.
#include "pkcs11/hsm_private.h"
#include "pkcs11/known_answer.h"

#include <string.h>
#include <time.h>

enum { ANSWER_MAX_S = 10, CHECKS_A_MINUTE = 60 / HSM_CHECK_INTERVAL_S };
static const int64_t second_ns = 1000000000;

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * second_ns + now.tv_nsec;
}

bool hsm_is_up(const struct hsm *hsm)
{
    const int64_t began_ns = atomic_load(&hsm->health.check_began_ns);
    const bool hangs = began_ns != 0 && now_ns() - began_ns > ANSWER_MAX_S * second_ns;
    return slot_is_up(&hsm->slot) && atomic_load(&hsm->health.keys_work) && !hangs;
}

// All of them, so that a slot which only one key knows to be gone is marked down. Overload passes. A slot
// with a key that answers wrongly serves nobody any more: what it makes could not be opened again.
static enum err check_keys(struct hsm *hsm, bool reopened, struct diag *diag)
{
    enum err rc = OK;
    const bool minute = hsm->health.checks++ % CHECKS_A_MINUTE == 0;
    for (const struct open_key *key = hsm->keys; key != NULL; key = key->next) {
        bool wrong = false;
        if (key->ref.use == KEY_SIGN_ED25519 && !minute && !reopened)
            continue; // SoftHSM 2.6.1 leaks 37 bytes at each
        const enum err code = known_answer_check(key, &wrong);
        if (code == OK || code == ERR_BUSY || code == ERR_MEMORY)
            continue;
        if (wrong)
            slot_mark_down(&hsm->slot);
        if (rc == OK)
            rc = diag_set(diag, code, "%s: key %s does not work: %s", hsm->slot.name, key->evidence.label,
                          wrong ? "its answer is wrong" : err_name(code));
    }
    return rc;
}

static void forget_handles(void *context)
{
    struct hsm *hsm = context;
    session_pool_forget(&hsm->sessions);
    for (const struct open_key *key = hsm->keys; key != NULL; key = key->next) {
        if (key->lanes != NULL)
            lane_pool_forget(key->lanes);
        if (key->signer != NULL)
            key_signer_forget(key->signer);
    }
}

static enum err check_presence(struct hsm *hsm, struct diag *diag)
{
    if (!slot_enter(&hsm->slot))
        return ERR_HSM_DOWN;
    const enum err rc = slot_check_presence(&hsm->slot, diag);
    slot_leave(&hsm->slot);
    return rc;
}

// keys_work is false from before the slot is up again until its keys were tried.
static enum err check_all(struct hsm *hsm, struct diag *diag)
{
    enum err rc = OK;
    const bool reopened = !slot_is_up(&hsm->slot);
    if (reopened) {
        atomic_store(&hsm->health.keys_work, false);
        TRY(slot_reopen(&hsm->slot, forget_handles, hsm, diag));
        slot_mark_up(&hsm->slot);
    }
    TRY(check_presence(hsm, diag));
    rc = check_keys(hsm, reopened, diag);
    atomic_store(&hsm->health.keys_work, rc == OK);
out:
    return rc;
}

enum err hsm_check(struct hsm *hsm, struct diag *diag)
{
    pthread_mutex_lock(&hsm->lock);
    atomic_store(&hsm->health.check_began_ns, now_ns());
    const enum err rc = check_all(hsm, diag);
    atomic_store(&hsm->health.check_began_ns, 0);
    pthread_mutex_unlock(&hsm->lock);
    return rc;
}

// ---- the watcher ------------------------------------------------------------------------------------

void hsm_health_init(struct hsm_health *health)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    *health = (struct hsm_health){.was_up = true};
    atomic_store(&health->keys_work, true);
    pthread_mutex_init(&health->lock, NULL);
    pthread_cond_init(&health->stop, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void hsm_health_done(struct hsm_health *health)
{
    if (health->changed != NULL) {
        pthread_mutex_lock(&health->lock);
        health->stopping = true;
        pthread_cond_signal(&health->stop);
        pthread_mutex_unlock(&health->lock);
        pthread_join(health->thread, NULL);
    }
    pthread_cond_destroy(&health->stop);
    pthread_mutex_destroy(&health->lock);
}

// false: time to end.
static bool rest(struct hsm_health *health)
{
    const int64_t until_ns = now_ns() + HSM_CHECK_INTERVAL_S * second_ns;
    const struct timespec until = {.tv_sec = until_ns / second_ns, .tv_nsec = until_ns % second_ns};
    int waited = 0;
    pthread_mutex_lock(&health->lock);
    while (!health->stopping && waited == 0)
        waited = pthread_cond_timedwait(&health->stop, &health->lock, &until);
    const bool stopping = health->stopping;
    pthread_mutex_unlock(&health->lock);
    return !stopping;
}

static void tell(struct hsm_health *health, bool up, const char *why)
{
    if (up != health->was_up)
        health->changed(health->context, up, why);
    health->was_up = up;
}

static void *watch(void *context)
{
    struct hsm *hsm = context;
    struct hsm_health *health = &hsm->health;
    while (rest(health)) {
        struct diag diag = {0};
        if (!slot_is_up(&hsm->slot))
            tell(health, false, "a call found the token gone"); // told even if it is back by now
        if (hsm_check(hsm, &diag) == OK)
            tell(health, true, "");
        else
            tell(health, false, diag.text);
    }
    return NULL;
}

enum err hsm_watch(struct hsm *hsm, void (*changed)(void *context, bool up, const char *why), void *context)
{
    hsm->health.context = context;
    hsm->health.changed = changed;
    if (pthread_create(&hsm->health.thread, NULL, watch, hsm) == 0)
        return OK;
    hsm->health.changed = NULL;
    return ERR_IO;
}
