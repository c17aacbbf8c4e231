// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/key_name.h"
#include "pkcs11/ckr.h"
#include "pkcs11/key_rules.h"

#include <assert.h>
#include <p11-kit/uri.h>
#include <stdio.h>
#include <string.h>

enum { TENANT_ID_MAX = 65535 };

// ---- labels -----------------------------------------------------------------------------------------

void hsm_key_label(unsigned tenant_id, enum key_use use, unsigned generation, char *out_label)
{
    assert(tenant_id <= TENANT_ID_MAX);
    snprintf(out_label, KEY_LABEL_BYTES, "symbolon:%u:%s:%u", tenant_id, use_rule(use)->spelled, generation);
}

static bool parse_use(const char *text, size_t len, enum key_use *out_use)
{
    static const enum key_use uses[] = {KEY_FPE, KEY_MAC, KEY_SIGN_ED25519, KEY_TLS};
    for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++) {
        const char *spelled = use_rule(uses[i])->spelled;
        if (strlen(spelled) == len && memcmp(spelled, text, len) == 0) {
            *out_use = uses[i];
            return true;
        }
    }
    return false;
}

bool key_label_parse(const char *label, struct key_label *out_label)
{
    struct key_label parsed;
    char use[8];
    char again[KEY_LABEL_BYTES];
    if (sscanf(label, "symbolon:%9u:%7[a-z]:%9u", &parsed.tenant_id, use, &parsed.generation) != 3)
        return false;
    if (parsed.tenant_id > TENANT_ID_MAX || parsed.generation == 0 ||
        !parse_use(use, strlen(use), &parsed.use))
        return false;
    // Writing it again finds leading zeros, blanks, signs and tails.
    hsm_key_label(parsed.tenant_id, parsed.use, parsed.generation, again);
    if (strcmp(again, label) != 0)
        return false;
    *out_label = parsed;
    return true;
}

void key_id(unsigned tenant_id, enum key_use use, unsigned generation, uint8_t out_id[KEY_ID_BYTES])
{
    const uint8_t id[KEY_ID_BYTES] = {tenant_id >> 8,   tenant_id,       use,       generation >> 24,
                                      generation >> 16, generation >> 8, generation};
    memcpy(out_id, id, sizeof id);
}

// ---- URIs -------------------------------------------------------------------------------------------

static enum err uri_refused(const char *name, struct diag *diag, const char *why)
{
    return diag_set(diag, ERR_HSM_KEY, "key %s: %s", name, why);
}

static enum err uri_match_token(const struct slot *slot, P11KitUri *uri, const char *name, struct diag *diag)
{
    CK_TOKEN_INFO token;
    CK_INFO module;
    CK_RV rv = slot->f->C_GetTokenInfo(slot->id, &token);
    if (rv != CKR_OK)
        return ckr_diag(diag, rv, slot->name, "C_GetTokenInfo");
    rv = slot->f->C_GetInfo(&module);
    if (rv != CKR_OK)
        return ckr_diag(diag, rv, slot->name, "C_GetInfo");
    if (!p11_kit_uri_match_token_info(uri, &token))
        return uri_refused(name, diag, "the URI names another token than the one that is open");
    if (!p11_kit_uri_match_module_info(uri, &module))
        return uri_refused(name, diag, "the URI names another module than the one that is open");
    return OK;
}

static enum err uri_copy_class(P11KitUri *uri, const struct hsm_key_ref *ref, struct diag *diag)
{
    const CK_ATTRIBUTE *class = p11_kit_uri_get_attribute(uri, CKA_CLASS);
    if (class == NULL)
        return OK;
    if (class->ulValueLen != sizeof(CK_OBJECT_CLASS) ||
        memcmp(class->pValue, &use_rule(ref->use)->class, sizeof(CK_OBJECT_CLASS)) != 0)
        return uri_refused(ref->name, diag, "type= is not that of the key's use (secret-key or private)");
    return OK;
}

static enum err uri_copy_names(P11KitUri *uri, const struct hsm_key_ref *ref, struct key_query *query,
                               struct diag *diag)
{
    const CK_ATTRIBUTE *label = p11_kit_uri_get_attribute(uri, CKA_LABEL);
    const CK_ATTRIBUTE *id = p11_kit_uri_get_attribute(uri, CKA_ID);
    if (label == NULL && id == NULL)
        return uri_refused(ref->name, diag, "the URI needs object= or id=");
    if (label != NULL) {
        if (label->ulValueLen == 0 || label->ulValueLen >= sizeof query->label)
            return uri_refused(ref->name, diag, "object= must have 1..63 bytes");
        memcpy(query->label, label->pValue, label->ulValueLen);
        query->label[label->ulValueLen] = '\0';
    }
    if (id != NULL) {
        if (id->ulValueLen == 0 || id->ulValueLen > sizeof query->id)
            return uri_refused(ref->name, diag, "id= must have 1..64 bytes");
        memcpy(query->id, id->pValue, id->ulValueLen);
        query->id_bytes = id->ulValueLen;
    }
    return OK;
}

// The URI's text is not repeated when it carries a PIN.
static enum err uri_parse(const struct slot *slot, const struct hsm_key_ref *ref, struct key_query *query,
                          struct diag *diag)
{
    enum err rc = OK;
    P11KitUri *uri = p11_kit_uri_new();
    if (uri == NULL)
        return ERR_MEMORY;
    int result = p11_kit_uri_parse(ref->name, P11_KIT_URI_FOR_ANY, uri);
    REQUIRE(p11_kit_uri_get_pin_value(uri) == NULL && p11_kit_uri_get_pin_source(uri) == NULL &&
                strstr(ref->name, "pin-") == NULL,
            diag_set(diag, ERR_HSM_KEY, "%s: a key URI must not carry a PIN", slot->name));
    REQUIRE(result == P11_KIT_URI_OK, uri_refused(ref->name, diag, p11_kit_uri_message(result)));
    REQUIRE(!p11_kit_uri_any_unrecognized(uri),
            uri_refused(ref->name, diag, "the URI has unknown attributes"));
    TRY(uri_match_token(slot, uri, ref->name, diag));
    TRY(uri_copy_class(uri, ref, diag));
    TRY(uri_copy_names(uri, ref, query, diag));
out:
    p11_kit_uri_free(uri);
    return rc;
}

// ---- queries ----------------------------------------------------------------------------------------

enum err key_query_parse(const struct slot *slot, const struct hsm_key_ref *ref, bool replica,
                         struct key_query *out_query, struct diag *diag)
{
    struct key_query query = {.use = ref->use, .replica = replica};
    if (ref->check_value != NULL) {
        query.pinned = true;
        memcpy(query.check_value, ref->check_value, sizeof query.check_value);
    }
    if (strncmp(ref->name, "pkcs11:", 7) == 0) {
        enum err rc = uri_parse(slot, ref, &query, diag);
        if (rc != OK)
            return rc;
    } else {
        size_t len = strlen(ref->name);
        if (len == 0 || len >= sizeof query.label)
            return diag_set(diag, ERR_HSM_KEY, "key \"%.80s\": a label has 1..63 bytes", ref->name);
        memcpy(query.label, ref->name, len);
    }
    *out_query = query;
    return OK;
}

void key_query_pin(struct key_query *query, const struct key_evidence *seen)
{
    if (!seen->has_check_value)
        return;
    query->pinned = true;
    memcpy(query->check_value, seen->check_value, sizeof query->check_value);
}

const char *key_query_name(const struct key_query *query)
{
    return query->label[0] != '\0' ? query->label : "(named by id)";
}
