// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The security officer's part in a slot: showing that he is there.
#include "pkcs11/ckr.h"
#include "pkcs11/slot.h"

struct officer_flag {
    CK_FLAGS flag;
    bool waived_by_retry;
    const char *advice;
};

static const struct officer_flag officer_flags[] = {
    {CKF_SO_PIN_LOCKED, false, "the PIN is locked (CKF_SO_PIN_LOCKED)"},
    {CKF_SO_PIN_FINAL_TRY, false,
     "one try is left (CKF_SO_PIN_FINAL_TRY); log in once with the vendor's tool and the right PIN, this "
     "program never uses the last try"},
    {CKF_SO_PIN_TO_BE_CHANGED, false,
     "the PIN must be changed first (CKF_SO_PIN_TO_BE_CHANGED); do so with the vendor's tool"},
    {CKF_SO_PIN_COUNT_LOW, true,
     "the token has seen a wrong PIN since the last login (CKF_SO_PIN_COUNT_LOW); make sure that the PIN is "
     "right, then try once with --pin-retry"},
};

static enum err check_flags(const struct slot *slot, struct diag *diag)
{
    CK_TOKEN_INFO info;
    CK_RV rv = slot->f->C_GetTokenInfo(slot->id, &info);
    if (rv != CKR_OK)
        return ckr_diag(diag, rv, slot->name, "C_GetTokenInfo");
    for (size_t i = 0; i < sizeof officer_flags / sizeof officer_flags[0]; i++) {
        const struct officer_flag *row = &officer_flags[i];
        if ((info.flags & row->flag) != 0 && !(row->waived_by_retry && slot->pin_retry))
            return diag_set(diag, ERR_HSM_PIN, "%s: refused before login of the security officer: %s",
                            slot->name, row->advice);
    }
    return OK;
}

// One C_Login, never two.
enum err slot_prove_officer(struct slot *slot, const struct secret *so_pin, struct diag *diag)
{
    enum err rc = OK;
    CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
    REQUIRE(so_pin->len > 0,
            diag_set(diag, ERR_HSM_PIN, "%s: the security officer's PIN is empty", slot->name));
    TRY(check_flags(slot, diag));
    slot->f->C_CloseAllSessions(slot->id); // else CKR_SESSION_READ_ONLY_EXISTS; it ends the user's login too
    slot->anchor = CK_INVALID_HANDLE;
    CK_RV rv = slot->f->C_OpenSession(slot->id, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session);
    REQUIRE(rv == CKR_OK, ckr_diag(diag, rv, slot->name, "C_OpenSession"));
    rv = slot->f->C_Login(session, CKU_SO, (CK_UTF8CHAR *)so_pin->text, so_pin->len);
    REQUIRE(rv == CKR_OK || ckr_class(rv) == CKR_CLASS_PIN,
            ckr_diag(diag, rv, slot->name, "C_Login of the security officer"));
    REQUIRE(rv == CKR_OK, diag_set(diag, ERR_HSM_PIN,
                                   "%s: C_Login of the security officer: %s (0x%lx); it was tried once and "
                                   "will not be tried again",
                                   slot->name, ckr_name(rv), rv));
    slot->f->C_Logout(session);
out:
    slot_close_session(slot, session);
    return rc;
}
