// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Finding the one key that a query means and proving that it is what its use demands: class, type, size,
// attributes (key_rules.h), check value. Used at opening and again each time a lost session is replaced.
#pragma once

#include "pkcs11/key_name.h"
#include "pkcs11/slot.h"

enum { EC_POINT_BYTES_MAX = 160 };

struct ec_point {
    uint8_t bytes[EC_POINT_BYTES_MAX];
    size_t count;
};

// ERR_HSM_KEY when there is not exactly one, or it is not as required (diag names the attribute); else as
// the calls fail. out_evidence may be NULL. The handle is good in every session until the login is lost.
enum err key_find(const struct slot *slot, CK_SESSION_HANDLE session, const struct key_query *query,
                  CK_OBJECT_HANDLE *out_key, struct key_evidence *out_evidence, struct diag *diag);

// Reads and judges one object as a key of this use, filling as much evidence as can be read either way.
enum err key_verify(const struct slot *slot, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
                    const struct key_query *query, struct key_evidence *out_evidence, struct diag *diag);

// What objects to look for.
struct criteria {
    CK_ATTRIBUTE attributes[4];
    CK_ULONG count;
};

// All objects that match, but no more than capacity.
CK_RV key_search(const struct slot *slot, CK_SESSION_HANDLE session, struct criteria *criteria,
                 CK_OBJECT_HANDLE *out_keys, CK_ULONG capacity, CK_ULONG *out_count);

// Reads one attribute into its own buffer and sets its length; CKR_ATTRIBUTE_TYPE_INVALID when the object has
// none.
CK_RV key_get(const struct slot *slot, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
              CK_ATTRIBUTE *attribute);
// An attribute of unsigned long.
CK_RV key_get_ulong(const struct slot *slot, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
                    CK_ATTRIBUTE_TYPE type, CK_ULONG *out_value);
// A CKA_LABEL of at most KEY_LABEL_BYTES - 1 bytes as a string; longer ones are cut.
CK_RV key_get_label(const struct slot *slot, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
                    char *out_label);

// CKA_EC_POINT of the public key with the same CKA_ID as this private key. CKR_OBJECT_HANDLE_INVALID when
// there is none.
CK_RV key_get_public_point(const struct slot *slot, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
                           struct ec_point *out_point);

// The check value, computed through the key itself:
//   AES   the first 3 bytes of the encrypted zero block (as CKA_CHECK_VALUE)
//   HMAC  the first 3 bytes of HMAC-SHA-256 over the 20 ASCII bytes "symbolon check value"
//   EC    the first 3 bytes of SHA-256 over CKA_EC_POINT of the public key beside it (same CKA_ID)
// has_check_value stays false when an EC key has no public key beside it.
#define KEY_MAC_CHECK_MESSAGE "symbolon check value"
enum err key_check_value(const struct slot *slot, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
                         enum key_use use, struct key_evidence *evidence, struct diag *diag);
