// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The one table that says what a CK_RV means: its name, its class (what we do about it) and the code
// that leaves the room. Codes that are not in the table, vendors' included, count as "slot gone": not
// to understand an HSM is a reason to stop using it.
#pragma once

#include "appliance/base/err.h"

#include <p11-kit/pkcs11.h>
#include <stdbool.h>

enum ckr_class {
    CKR_CLASS_OK,
    CKR_CLASS_SESSION_LOST, // reopen the session, find the key again, retry once
    CKR_CLASS_LOGIN_LOST,   // log in once more, retry once
    CKR_CLASS_SLOT_GONE,    // mark the slot down, fail at once
    CKR_CLASS_OVERLOAD,     // fail with ERR_BUSY or ERR_MEMORY; nothing is reopened
    CKR_CLASS_PIN,          // stop; never tried again
    CKR_CLASS_CONFIG,       // the module cannot do what is asked; stop and say so
};

// "CKR_PIN_INCORRECT"; "CKR_VENDOR_DEFINED" or "CKR_?" for codes without a name.
const char *ckr_name(CK_RV rv);
enum ckr_class ckr_class(CK_RV rv);
// Session or login lost: worth one more try with a new session.
bool ckr_is_retriable(CK_RV rv);
enum err ckr_err(CK_RV rv);

// "WHO: DOING: CKR_NAME (0x..)", and the code of rv. rv must not be CKR_OK.
enum err ckr_diag(struct diag *diag, CK_RV rv, const char *who, const char *doing);
