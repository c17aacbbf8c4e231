// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// One thread for each slot of a set: it checks the slot, takes one into use again that was away or could not
// be opened at start, and tells what has changed. One more for all of them, which never enters a module,
// marks a slot down in which a call does not return.
#include "pkcs11/hsm_set_private.h"

#include <time.h>

enum { WATCHER_LEAVES_S = 15 };
static const int64_t second_ns = 1000000000;

// false: time to end.
static bool rest(struct hsm_set *set, int64_t rest_ns)
{
    struct timespec until;
    int waited = 0;
    clock_gettime(CLOCK_MONOTONIC, &until);
    const int64_t at_ns = until.tv_sec * second_ns + until.tv_nsec + rest_ns;
    until = (struct timespec){.tv_sec = at_ns / second_ns, .tv_nsec = at_ns % second_ns};
    pthread_mutex_lock(&set->stop_lock);
    while (!set->stopping && waited == 0)
        waited = pthread_cond_timedwait(&set->stop, &set->stop_lock, &until);
    const bool stopping = set->stopping;
    pthread_mutex_unlock(&set->stop_lock);
    return !stopping;
}

// Opened, checked, and with all keys of the set.
static enum err check_member(struct member *member, struct diag *diag)
{
    enum err rc = OK;
    struct hsm *hsm = NULL;
    if (member->hsm == NULL) {
        TRY(hsm_open(&member->options, &hsm, diag));
        member->hsm = hsm;
    }
    TRY(hsm_check(member->hsm, diag));
    if (!atomic_load(&member->fit))
        rc = set_keys_adopt(member->set, member, diag);
out:
    return rc;
}

static void tell(struct member *member, bool up, const struct diag *why)
{
    const struct hsm_set *set = member->set;
    const struct member *in_use = hsm_set_in_use(set);
    const struct hsm_set_change change = {
        .slot = member->options.name,
        .up = up,
        .any_up = hsm_set_is_up(set),
        .in_use = in_use != NULL ? in_use->options.name : NULL,
        .why = up ? "" : why->text,
    };
    set->changed(set->context, &change);
    member->was_up = up;
}

static void remember(struct member *member, const struct diag *why)
{
    pthread_mutex_lock(&member->lock);
    member->why = *why;
    pthread_mutex_unlock(&member->lock);
}

// A slot that comes back is preferred again after a while only.
static void settle(struct member *member, bool up)
{
    member->healthy_checks = up ? member->healthy_checks + 1 : 0;
    if (!up)
        atomic_store(&member->settled, false);
    else if (member->healthy_checks > HSM_SET_SETTLE_S / HSM_CHECK_INTERVAL_S)
        atomic_store(&member->settled, true);
}

static void look(struct member *member)
{
    struct diag why = {0};
    static const struct diag gone = {.text = "a call found the token gone"}, none = {0};
    if (member->was_up && member->hsm != NULL && !hsm_is_up(member->hsm)) {
        settle(member, false);
        tell(member, false, &gone); // told even if it is back by now
    }
    const enum err rc = check_member(member, &why);
    if (rc != OK && why.text[0] == '\0')
        why = gone;
    remember(member, rc == OK ? &none : &why);
    settle(member, rc == OK);
    if (member->was_up != (rc == OK))
        tell(member, rc == OK, &why);
}

static void *watch(void *context)
{
    struct member *member = context;
    while (rest(member->set, HSM_CHECK_INTERVAL_S * second_ns))
        look(member);
    return NULL;
}

static void *monitor(void *context)
{
    struct hsm_set *set = context;
    while (rest(set, second_ns / 4)) {
        for (size_t i = 0; i < set->count; i++) {
            struct hsm *hsm = atomic_load(&set->members[i].fit) ? set->members[i].hsm : NULL;
            if (hsm != NULL && slot_is_up(&hsm->slot) && hsm_hangs(hsm))
                slot_mark_down(&hsm->slot);
        }
    }
    return NULL;
}

static void watch_init(struct hsm_set *set)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&set->stop_lock, NULL);
    pthread_cond_init(&set->stop, &monotonic);
    pthread_condattr_destroy(&monotonic);
    set->watching = true;
}

enum err hsm_set_watch(struct hsm_set *set,
                       void (*changed)(void *context, const struct hsm_set_change *change), void *context)
{
    set->changed = changed;
    set->context = context;
    watch_init(set);
    for (size_t i = 0; i < set->count; i++) {
        struct member *member = &set->members[i];
        member->was_up = atomic_load(&member->fit);
        if (!member->was_up)
            tell(member, false, &member->why);
        if (pthread_create(&member->thread, NULL, watch, member) != 0)
            return ERR_IO;
        member->has_thread = true;
    }
    set->has_monitor = pthread_create(&set->monitor, NULL, monitor, set) == 0;
    return set->has_monitor ? OK : ERR_IO;
}

// A thread that hangs in its module is left behind, and false is returned.
static bool join(pthread_t thread)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WATCHER_LEAVES_S;
    return pthread_timedjoin_np(thread, NULL, &until) == 0;
}

bool hsm_set_stop_watching(struct hsm_set *set)
{
    bool all = true;
    if (!set->watching)
        return true;
    pthread_mutex_lock(&set->stop_lock);
    set->stopping = true;
    pthread_cond_broadcast(&set->stop);
    pthread_mutex_unlock(&set->stop_lock);
    for (size_t i = 0; i < set->count; i++)
        all &= !set->members[i].has_thread || join(set->members[i].thread);
    if (set->has_monitor)
        pthread_join(set->monitor, NULL);
    return all;
}
