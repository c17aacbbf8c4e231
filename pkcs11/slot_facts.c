// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/ckr.h"
#include "pkcs11/slot.h"

#include <stdio.h>
#include <string.h>

bool slot_has_mechanism(const struct slot *slot, CK_MECHANISM_TYPE mechanism, CK_FLAGS purpose)
{
    CK_MECHANISM_INFO info;
    return slot->f->C_GetMechanismInfo(slot->id, mechanism, &info) == CKR_OK && (info.flags & purpose) != 0;
}

// Copies a blank-padded field without its blanks; out holds field_bytes + 1 or more.
static void copy_field(char *out, const CK_UTF8CHAR *field, size_t field_bytes)
{
    while (field_bytes > 0 && (field[field_bytes - 1] == ' ' || field[field_bytes - 1] == '\0'))
        field_bytes--;
    memcpy(out, field, field_bytes);
    out[field_bytes] = '\0';
}

static void facts_of_token(const CK_TOKEN_INFO *token, struct hsm_facts *facts)
{
    copy_field(facts->manufacturer, token->manufacturerID, sizeof token->manufacturerID);
    copy_field(facts->model, token->model, sizeof token->model);
    copy_field(facts->serial, token->serialNumber, sizeof token->serialNumber);
    snprintf(facts->firmware, sizeof facts->firmware, "%u.%u", token->firmwareVersion.major,
             token->firmwareVersion.minor);
    facts->pin_count_low = (token->flags & CKF_USER_PIN_COUNT_LOW) != 0;
    facts->pin_final_try = (token->flags & CKF_USER_PIN_FINAL_TRY) != 0;
    facts->pin_locked = (token->flags & CKF_USER_PIN_LOCKED) != 0;
    facts->pin_to_be_changed = (token->flags & CKF_USER_PIN_TO_BE_CHANGED) != 0;
}

static void facts_of_mechanisms(const struct slot *slot, struct hsm_facts *facts)
{
    facts->aes_ecb = slot_has_mechanism(slot, CKM_AES_ECB, CKF_ENCRYPT);
    facts->aes_keygen = slot_has_mechanism(slot, CKM_AES_KEY_GEN, CKF_GENERATE);
    facts->hmac_sha256 = slot_has_mechanism(slot, CKM_SHA256_HMAC, CKF_SIGN);
    facts->generic_keygen = slot_has_mechanism(slot, CKM_GENERIC_SECRET_KEY_GEN, CKF_GENERATE);
    facts->ec_keygen = slot_has_mechanism(slot, CKM_EC_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR);
    facts->ecdsa = slot_has_mechanism(slot, CKM_ECDSA, CKF_SIGN);
    facts->eddsa = slot_has_mechanism(slot, CKM_EDDSA, CKF_SIGN);
}

enum err slot_read_facts(const struct slot *slot, struct hsm_facts *out_facts, struct diag *diag)
{
    CK_INFO info;
    CK_TOKEN_INFO token;
    CK_RV rv = slot->f->C_GetInfo(&info);
    if (rv != CKR_OK)
        return ckr_diag(diag, rv, slot->name, "C_GetInfo");
    rv = slot->f->C_GetTokenInfo(slot->id, &token);
    if (rv != CKR_OK)
        return ckr_diag(diag, rv, slot->name, "C_GetTokenInfo");
    struct hsm_facts facts = {0};
    char description[sizeof info.libraryDescription + 1];
    copy_field(description, info.libraryDescription, sizeof info.libraryDescription);
    snprintf(facts.library, sizeof facts.library, "%s %u.%u", description, info.libraryVersion.major,
             info.libraryVersion.minor);
    facts_of_token(&token, &facts);
    facts_of_mechanisms(slot, &facts);
    *out_facts = facts;
    return OK;
}
