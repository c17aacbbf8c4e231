// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// One thread for each slot of a set: it checks the slot, takes one into use again that was away or could not
// be opened at start, and tells what has changed. One more for all of them, which never enters a module,
// marks a slot down in which a call does not return.
#include "pkcs11/hsm_set_private.h"

#include <limits.h>

// Opened, checked, and with all keys of the set.
static enum err check_member(struct member *member, struct diag *diag)
{
    enum err rc = OK;
    struct hsm *hsm = atomic_load(&member->hsm);
    if (hsm == NULL) {
        TRY(hsm_open(&member->options, &hsm, diag));
        atomic_store(&member->hsm, hsm);
    }
    TRY(hsm_check(hsm, diag));
    if (!atomic_load(&member->fit))
        rc = set_keys_adopt(member->set, member, diag);
out:
    return rc;
}

static void tell(struct member *member, bool up, const struct diag *why)
{
    const struct hsm_set *set = member->set;
    if (atomic_exchange(&member->was_up, up) == up)
        return;
    const struct member *in_use = hsm_set_in_use(set);
    const struct hsm_set_change change = {
        .slot = member->options.name,
        .up = up,
        .any_up = hsm_set_is_up(set),
        .in_use = in_use != NULL ? in_use->options.name : NULL,
        .why = up ? "" : why->text,
    };
    set->changed(set->context, &change);
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

static void look(void *context)
{
    struct member *member = context;
    struct diag why = {0};
    static const struct diag gone = {.text = "a call found the token gone"};
    const struct hsm *before = atomic_load(&member->hsm);
    if (before != NULL && !slot_is_up(&before->slot)) {
        settle(member, false);
        tell(member, false, &gone); // even if it is back by now
    }
    const enum err rc = check_member(member, &why);
    if (rc != OK && why.text[0] == '\0')
        why = gone;
    member_set_why(member, &why);
    settle(member, rc == OK);
    tell(member, rc == OK, &why);
}

static void guard(void *context)
{
    struct hsm_set *set = context;
    for (size_t i = 0; i < set->count; i++) {
        struct member *member = &set->members[i];
        struct hsm *hsm = atomic_load(&member->hsm);
        struct diag why = {0};
        if (hsm == NULL || !hsm_give_up_hanging(hsm, &why))
            continue;
        member_set_why(member, &why);
        tell(member, false, &why);
    }
}

static unsigned guard_rest_ms(const struct hsm_set *set)
{
    unsigned least_ms = UINT_MAX;
    for (size_t i = 0; i < set->count; i++) {
        const unsigned ms = hsm_guard_rest_ms(&set->members[i].options);
        least_ms = ms < least_ms ? ms : least_ms;
    }
    return least_ms;
}

enum err hsm_set_watch(struct hsm_set *set,
                       void (*changed)(void *context, const struct hsm_set_change *change), void *context)
{
    enum err rc = OK;
    set->changed = changed;
    set->context = context;
    for (size_t i = 0; i < set->count; i++) {
        struct member *member = &set->members[i];
        atomic_store(&member->was_up, true);
        if (!atomic_load(&member->fit)) {
            const struct diag why = member_get_why(member);
            tell(member, false, &why);
        }
        TRY(background_start(&set->watchers, look, member, HSM_CHECK_INTERVAL_S * 1000));
    }
    rc = background_start(&set->watchers, guard, set, guard_rest_ms(set));
out:
    return rc;
}

// As hsm_close does with the watcher of one slot.
bool hsm_set_stop_watching(struct hsm_set *set)
{
    enum { BROKEN_MS = 1000 };
    unsigned most_ms = 0;
    for (size_t i = 0; i < set->count; i++) {
        const unsigned ms = set->members[i].options.call_timeout_ms;
        most_ms = ms > most_ms ? ms : most_ms;
    }
    if (background_stop(&set->watchers, most_ms > 0 ? most_ms : HSM_CALL_TIMEOUT_MS))
        return true;
    for (size_t i = 0; i < set->count; i++) {
        struct hsm *hsm = atomic_load(&set->members[i].hsm);
        if (hsm != NULL && calls_inside(&hsm->slot.calls)) {
            slot_mark_down(&hsm->slot);
            slot_break(&hsm->slot);
        }
    }
    return background_stop(&set->watchers, BROKEN_MS);
}
