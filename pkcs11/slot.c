// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/slot.h"
#include "pkcs11/ckr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    PIN_BYTES_MAX = 255,
    LOOK_AGAIN_TIMES = 20,
    LOOK_AGAIN_MS = 50, // together one second
    LEAVE_LOOKS = 200,
    LEAVE_LOOK_MS = 5, // together one second
};

// ---- finding ----------------------------------------------------------------------------------------

bool slot_text_equal(const CK_UTF8CHAR *field, size_t field_bytes, const char *text)
{
    size_t len = strlen(text);
    if (len > field_bytes || memcmp(field, text, len) != 0)
        return false;
    for (size_t i = len; i < field_bytes; i++)
        if (field[i] != ' ')
            return false;
    return true;
}

static bool token_matches(const CK_TOKEN_INFO *info, const struct slot *slot)
{
    return (info->flags & CKF_TOKEN_INITIALIZED) != 0 &&
           slot_text_equal(info->label, sizeof info->label, slot->token_label) &&
           (slot->serial == NULL ||
            slot_text_equal(info->serialNumber, sizeof info->serialNumber, slot->serial));
}

static CK_RV list_slots(const CK_FUNCTION_LIST *f, CK_SLOT_ID **out_ids, CK_ULONG *out_count)
{
    CK_ULONG count = 0;
    CK_RV rv = f->C_GetSlotList(CK_TRUE, NULL, &count);
    if (rv != CKR_OK)
        return rv;
    CK_SLOT_ID *ids = calloc(count + 1, sizeof *ids);
    if (ids == NULL)
        return CKR_HOST_MEMORY;
    rv = f->C_GetSlotList(CK_TRUE, ids, &count);
    if (rv != CKR_OK) {
        free(ids);
        return rv;
    }
    *out_ids = ids;
    *out_count = count;
    return CKR_OK;
}

// How many tokens match; the first one's slot.
static CK_RV count_matches(const struct slot *slot, CK_SLOT_ID *out_id, unsigned *out_matches)
{
    const CK_FUNCTION_LIST *f = slot->f;
    CK_SLOT_ID *ids = NULL;
    CK_ULONG count = 0;
    CK_RV rv = list_slots(f, &ids, &count);
    if (rv != CKR_OK)
        return rv;
    unsigned matches = 0;
    for (CK_ULONG i = 0; i < count; i++) {
        CK_TOKEN_INFO info;
        if (f->C_GetTokenInfo(ids[i], &info) == CKR_OK && token_matches(&info, slot) && matches++ == 0)
            *out_id = ids[i];
    }
    free(ids);
    *out_matches = matches;
    return CKR_OK;
}

// SoftHSM truncates and rewrites its token file at every login elsewhere; a module that initializes in that
// instant does not see the token, so it is initialized again for a while before giving up.
static enum err slot_find(struct slot *slot, struct diag *diag)
{
    const struct timespec pause = {.tv_nsec = LOOK_AGAIN_MS * 1000000L};
    unsigned matches = 0;
    for (unsigned attempt = 0; matches == 0 && attempt <= LOOK_AGAIN_TIMES; attempt++) {
        if (attempt > 0) {
            nanosleep(&pause, NULL);
            enum err rc = module_restart(slot->module, diag);
            if (rc != OK)
                return rc;
        }
        CK_RV rv = count_matches(slot, &slot->id, &matches);
        if (rv != CKR_OK)
            return ckr_diag(diag, rv, slot->name, "C_GetSlotList");
    }
    if (matches == 0)
        return diag_set(diag, ERR_HSM_CONFIG,
                        "%s: no token with label \"%s\"%s%s in module %s; symbolon-hsm init makes one",
                        slot->name, slot->token_label, slot->serial ? " and serial " : "",
                        slot->serial ? slot->serial : "", slot->module->path);
    if (matches > 1)
        return diag_set(diag, ERR_HSM_CONFIG,
                        "%s: %u tokens are labelled \"%s\" in module %s; name one by its serial", slot->name,
                        matches, slot->token_label, slot->module->path);
    return OK;
}

// ---- login ------------------------------------------------------------------------------------------

struct pin_flag_rule {
    CK_FLAGS flag;
    bool waived_by_retry;
    const char *advice;
};

static const struct pin_flag_rule pin_flag_rules[] = {
    {CKF_USER_PIN_LOCKED, false,
     "the user PIN is locked (CKF_USER_PIN_LOCKED); the security officer must set a new one"},
    {CKF_USER_PIN_FINAL_TRY, false,
     "one try is left for the user PIN (CKF_USER_PIN_FINAL_TRY); log in once with the vendor's tool and the "
     "right PIN, this program never uses the last try"},
    {CKF_USER_PIN_TO_BE_CHANGED, false,
     "the user PIN must be changed first (CKF_USER_PIN_TO_BE_CHANGED); do so with the vendor's tool"},
    {CKF_USER_PIN_COUNT_LOW, true,
     "the token has seen a wrong PIN since the last login (CKF_USER_PIN_COUNT_LOW); make sure that the PIN "
     "is "
     "right, "
     "then try once with --pin-retry"},
};

static enum err slot_check_pin_flags(const struct slot *slot, struct diag *diag)
{
    CK_TOKEN_INFO info;
    CK_RV rv = slot->f->C_GetTokenInfo(slot->id, &info);
    if (rv != CKR_OK)
        return ckr_diag(diag, rv, slot->name, "C_GetTokenInfo");
    for (size_t i = 0; i < sizeof pin_flag_rules / sizeof pin_flag_rules[0]; i++) {
        const struct pin_flag_rule *rule = &pin_flag_rules[i];
        if ((info.flags & rule->flag) != 0 && !(rule->waived_by_retry && slot->pin_retry))
            return diag_set(diag, ERR_HSM_PIN, "%s: refused before login: %s", slot->name, rule->advice);
    }
    if ((info.flags & CKF_USER_PIN_INITIALIZED) == 0)
        return diag_set(diag, ERR_HSM_CONFIG, "%s: the token has no user PIN yet; symbolon-hsm init sets one",
                        slot->name);
    return OK;
}

static enum err slot_get_pin(const struct slot *slot, struct secret *out_pin, struct diag *diag)
{
    if (slot->pin_file != NULL)
        return secret_read_file(slot->pin_file, PIN_BYTES_MAX, out_pin, diag);
    return secret_set(out_pin, slot->pin.text, slot->pin.len);
}

// One C_Login, never two.
static enum err slot_login(struct slot *slot, struct diag *diag)
{
    SECRET pin = {0};
    enum err rc = OK;
    REQUIRE(!atomic_load(&slot->pin_refused),
            diag_set(diag, ERR_HSM_PIN, "%s: the PIN was refused before; it is not tried again", slot->name));
    TRY(slot_check_pin_flags(slot, diag));
    TRY(slot_get_pin(slot, &pin, diag));
    atomic_fetch_add(&slot->module->logins, 1);
    CK_RV rv = slot->f->C_Login(slot->anchor, CKU_USER, (CK_UTF8CHAR *)pin.text, pin.len);
    if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN)
        return OK;
    if (ckr_class(rv) != CKR_CLASS_PIN)
        return ckr_diag(diag, rv, slot->name, "C_Login");
    atomic_store(&slot->pin_refused, true);
    rc = diag_set(
        diag, ERR_HSM_PIN,
        "%s: C_Login: %s (0x%lx); it was tried once and will not be tried again: correct %s, then start "
        "once with --pin-retry",
        slot->name, ckr_name(rv), rv, slot->pin_file ? slot->pin_file : "the PIN");
out:
    return rc;
}

bool slot_session_is_good(const struct slot *slot, CK_SESSION_HANDLE session)
{
    CK_SESSION_INFO info;
    return slot->f->C_GetSessionInfo(session, &info) == CKR_OK &&
           (info.state == CKS_RO_USER_FUNCTIONS || info.state == CKS_RW_USER_FUNCTIONS);
}

static enum err slot_open_anchor(struct slot *slot, struct diag *diag)
{
    CK_SESSION_INFO info;
    if (slot->anchor != CK_INVALID_HANDLE && slot->f->C_GetSessionInfo(slot->anchor, &info) == CKR_OK)
        return OK;
    CK_RV rv = slot->f->C_OpenSession(slot->id, CKF_SERIAL_SESSION, NULL, NULL, &slot->anchor);
    return rv == CKR_OK ? OK : ckr_diag(diag, rv, slot->name, "C_OpenSession");
}

static enum err slot_ensure_login(struct slot *slot, CK_SESSION_HANDLE session, struct diag *diag)
{
    enum err rc = OK;
    pthread_mutex_lock(&slot->login_lock);
    TRY(slot_open_anchor(slot, diag));
    if (!slot_session_is_good(slot, session))
        rc = slot_login(slot, diag);
out:
    pthread_mutex_unlock(&slot->login_lock);
    return rc;
}

// ---- sessions ---------------------------------------------------------------------------------------

enum err slot_open_session(struct slot *slot, bool read_write, CK_SESSION_HANDLE *out_session,
                           struct diag *diag)
{
    CK_SESSION_HANDLE session;
    CK_FLAGS flags = CKF_SERIAL_SESSION | (read_write ? CKF_RW_SESSION : 0);
    call_begins(&slot->calls);
    CK_RV rv = slot->f->C_OpenSession(slot->id, flags, NULL, NULL, &session);
    call_ends(&slot->calls);
    if (rv != CKR_OK) {
        if (ckr_class(rv) == CKR_CLASS_SLOT_GONE)
            slot_mark_down(slot);
        return ckr_diag(diag, rv, slot->name, "C_OpenSession");
    }
    if (!slot_session_is_good(slot, session)) {
        enum err rc = slot_ensure_login(slot, session, diag);
        if (rc != OK) {
            if (rc == ERR_HSM_PIN)
                slot_mark_down(slot);
            slot_close_session(slot, session);
            return rc;
        }
    }
    *out_session = session;
    return OK;
}

void slot_close_session(struct slot *slot, CK_SESSION_HANDLE session)
{
    if (session == CK_INVALID_HANDLE)
        return;
    if (!atomic_load(&slot->doomed))
        slot->f->C_CloseSession(session);
}

// ---- open, close, state -----------------------------------------------------------------------------

static enum err slot_copy_options(struct slot *slot, const struct hsm_options *options, struct diag *diag)
{
    if (options->token_label == NULL || options->token_label[0] == '\0')
        return diag_set(diag, ERR_CONFIG, "%s: no token label given", slot->name);
    slot->pin_retry = options->pin_retry;
    slot->token_label = strdup(options->token_label);
    slot->serial = options->serial != NULL ? strdup(options->serial) : NULL;
    if (slot->token_label == NULL || (options->serial != NULL && slot->serial == NULL))
        return ERR_MEMORY;
    if (options->pin_file != NULL) {
        slot->pin_file = strdup(options->pin_file);
        return slot->pin_file != NULL ? OK : ERR_MEMORY;
    }
    if (options->pin == NULL || options->pin->len == 0)
        return diag_set(diag, ERR_CONFIG, "%s: no PIN file and no PIN given", slot->name);
    return secret_set(&slot->pin, options->pin->text, options->pin->len);
}

enum err slot_open(struct slot *slot, const struct hsm_options *options, struct diag *diag)
{
    enum err rc;
    pthread_mutex_init(&slot->login_lock, NULL);
    pthread_rwlock_init(&slot->use, NULL);
    slot->name = strdup(options->name != NULL ? options->name : "hsm");
    REQUIRE(slot->name != NULL, ERR_MEMORY);
    TRY(slot_copy_options(slot, options, diag));
    TRY(module_open_for(options, &slot->module, diag));
    slot->f = slot->module->f;
    TRY(slot_find(slot, diag));
    atomic_store(&slot->up, true);
    TRY(slot_open_anchor(slot, diag));
    TRY(slot_ensure_login(slot, slot->anchor, diag));
out:
    if (rc != OK)
        slot_close(slot);
    return rc;
}

static void slot_wait_no_more(struct slot *slot)
{
    if (slot->waits)
        module_wait_no_more(slot->module);
    slot->waits = false;
}

void slot_close(struct slot *slot)
{
    if (!atomic_exchange(&slot->up, false) && slot->module != NULL)
        slot_break(slot); // it may not answer
    slot_wait_no_more(slot);
    slot_close_session(slot, slot->anchor); // the last session of a token ends the login
    slot->anchor = CK_INVALID_HANDLE;
    module_close(slot->module);
    slot->module = NULL;
    secret_done(&slot->pin);
    free(slot->pin_file);
    free(slot->name);
    free(slot->token_label);
    free(slot->serial);
    slot->pin_file = slot->name = slot->token_label = slot->serial = NULL;
    pthread_rwlock_destroy(&slot->use);
    pthread_mutex_destroy(&slot->login_lock);
}

void slot_mark_down(struct slot *slot)
{
    if (slot->module->isolate != NULL)
        atomic_store(&slot->doomed, true);
    atomic_store(&slot->up, false);
}

void slot_break(struct slot *slot)
{
    module_kill(slot->module);
}

void slot_mark_up(struct slot *slot)
{
    atomic_store(&slot->up, true);
}

// Looked at twice: a slot that is down turns nobody into a reader, so that slot_reopen gets its turn.
bool slot_enter(struct slot *slot)
{
    if (!slot_is_up(slot))
        return false;
    pthread_rwlock_rdlock(&slot->use);
    if (slot_is_up(slot))
        return true;
    pthread_rwlock_unlock(&slot->use);
    return false;
}

void slot_leave(struct slot *slot)
{
    pthread_rwlock_unlock(&slot->use);
}

enum err slot_check_presence(struct slot *slot, struct diag *diag)
{
    CK_TOKEN_INFO info;
    CK_RV rv = slot->f->C_GetTokenInfo(slot->id, &info);
    if (rv == CKR_OK)
        return OK;
    slot_mark_down(slot);
    return diag_set(diag, ERR_HSM_DOWN, "%s: C_GetTokenInfo: %s (0x%lx)", slot->name, ckr_name(rv), rv);
}

static enum err slot_begin_again(struct slot *slot, struct diag *diag)
{
    enum err rc = OK;
    TRY(slot_open_anchor(slot, diag));
    TRY(slot_ensure_login(slot, slot->anchor, diag));
    rc = slot_check_presence(slot, diag);
out:
    return rc;
}

static enum err slot_find_again(struct slot *slot, struct diag *diag)
{
    unsigned matches = 0;
    enum err rc = module_restart(slot->module, diag);
    if (rc != OK)
        return rc;
    CK_RV rv = count_matches(slot, &slot->id, &matches);
    if (rv != CKR_OK)
        return ckr_diag(diag, rv, slot->name, "C_GetSlotList");
    if (matches != 1)
        return diag_set(diag, ERR_HSM_DOWN, "%s: the module shows %u tokens labelled \"%s\"", slot->name,
                        matches, slot->token_label);
    slot->anchor = CK_INVALID_HANDLE;
    atomic_store(&slot->doomed, false);
    return slot_begin_again(slot, diag);
}

// Nobody comes in, as the slot is down.
static bool slot_wait_for_others(struct slot *slot)
{
    const struct timespec pause = {.tv_nsec = LEAVE_LOOK_MS * 1000000L};
    bool alone = pthread_rwlock_trywrlock(&slot->use) == 0;
    for (unsigned look = 0; !alone && look < LEAVE_LOOKS; look++) {
        nanosleep(&pause, NULL);
        alone = pthread_rwlock_trywrlock(&slot->use) == 0;
    }
    return alone;
}

// Slots that share a module have it restarted by the last one that finds no other way, while all are down.
static void slot_wait(struct slot *slot)
{
    slot->f->C_CloseAllSessions(slot->id);
    slot->anchor = CK_INVALID_HANDLE;
    slot->waits = true;
    module_wait(slot->module);
}

enum err slot_reopen(struct slot *slot, void (*forget)(void *context), void *context, struct diag *diag)
{
    const bool isolated = slot->module->isolate != NULL;
    slot_break(slot);
    if (!slot_wait_for_others(slot))
        return diag_set(diag, ERR_HSM_DOWN, "%s: a call has not returned from the module", slot->name);
    slot_wait_no_more(slot);
    call_begins(&slot->calls);
    slot->f->C_CloseAllSessions(slot->id);
    slot->anchor = CK_INVALID_HANDLE;
    forget(context);
    enum err rc = isolated ? ERR_HSM_DOWN : slot_begin_again(slot, NULL);
    if (rc != OK && !atomic_load(&slot->pin_refused))
        rc = slot_find_again(slot, diag);
    else if (rc != OK)
        rc = diag_set(diag, rc, "%s: the PIN was refused; it is not tried again", slot->name);
    if (rc != OK && !isolated)
        slot_wait(slot);
    call_ends(&slot->calls);
    pthread_rwlock_unlock(&slot->use);
    return rc;
}

enum err slot_failed(struct slot *slot, CK_RV rv)
{
    switch (ckr_class(rv)) {
    case CKR_CLASS_SLOT_GONE:
        slot_mark_down(slot);
        return ERR_HSM_DOWN;
    case CKR_CLASS_SESSION_LOST:
    case CKR_CLASS_LOGIN_LOST:
        return ERR_BUSY; // twice in a row: the slot is in motion, the next caller finds out
    case CKR_CLASS_OK:
    case CKR_CLASS_OVERLOAD:
    case CKR_CLASS_PIN:
    case CKR_CLASS_CONFIG:
        break;
    }
    return slot_seam_err(ckr_err(rv));
}

enum err slot_seam_err(enum err code)
{
    if (code == OK || code == ERR_BUSY || code == ERR_TIMEOUT || code == ERR_MEMORY || code == ERR_HSM_KEY)
        return code;
    return code == ERR_HSM_CONFIG ? ERR_HSM_KEY : ERR_HSM_DOWN;
}
