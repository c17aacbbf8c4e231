// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/key.h"
#include "pkcs11/ckr.h"
#include "pkcs11/key_rules.h"

#include <stdio.h>
#include <string.h>

// ---- searching and reading --------------------------------------------------------------------------

CK_RV key_search(const struct slot *slot, CK_SESSION_HANDLE session, struct criteria *criteria,
                 CK_OBJECT_HANDLE *out_keys, CK_ULONG capacity, CK_ULONG *out_count)
{
    CK_RV rv = slot->f->C_FindObjectsInit(session, criteria->attributes, criteria->count);
    if (rv != CKR_OK)
        return rv;
    CK_ULONG total = 0, got = 0;
    while (total < capacity) {
        rv = slot->f->C_FindObjects(session, out_keys + total, capacity - total, &got);
        if (rv != CKR_OK || got == 0)
            break;
        total += got;
    }
    CK_RV final = slot->f->C_FindObjectsFinal(session);
    if (rv != CKR_OK)
        return rv;
    *out_count = total;
    return final;
}

CK_RV key_get(const struct slot *slot, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
              CK_ATTRIBUTE *attribute)
{
    CK_RV rv = slot->f->C_GetAttributeValue(session, key, attribute, 1);
    if (rv == CKR_OK && attribute->ulValueLen == CK_UNAVAILABLE_INFORMATION)
        rv = CKR_ATTRIBUTE_TYPE_INVALID;
    return rv;
}

CK_RV key_get_ulong(const struct slot *slot, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
                    CK_ATTRIBUTE_TYPE type, CK_ULONG *out_value)
{
    CK_ULONG value = 0;
    CK_ATTRIBUTE attribute = {type, &value, sizeof value};
    CK_RV rv = key_get(slot, session, key, &attribute);
    if (rv == CKR_OK && attribute.ulValueLen != sizeof value)
        rv = CKR_ATTRIBUTE_TYPE_INVALID;
    if (rv == CKR_OK)
        *out_value = value;
    return rv;
}

CK_RV key_get_label(const struct slot *slot, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, char *out_label)
{
    char label[256];
    CK_ATTRIBUTE attribute = {CKA_LABEL, label, sizeof label};
    CK_RV rv = key_get(slot, session, key, &attribute);
    if (rv == CKR_OK)
        snprintf(out_label, KEY_LABEL_BYTES, "%.*s", (int)attribute.ulValueLen, label);
    return rv;
}

static CK_RV get_bool(const struct slot *slot, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
                      CK_ATTRIBUTE_TYPE type, bool *out_value)
{
    CK_BBOOL value = CK_FALSE;
    CK_ATTRIBUTE attribute = {type, &value, sizeof value};
    CK_RV rv = key_get(slot, session, key, &attribute);
    if (rv == CKR_OK && attribute.ulValueLen != sizeof value)
        rv = CKR_ATTRIBUTE_TYPE_INVALID;
    if (rv == CKR_OK)
        *out_value = value != CK_FALSE;
    return rv;
}

// ---- judging ----------------------------------------------------------------------------------------

// The object under judgement and whom to tell.
struct subject {
    const struct slot *slot;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
    const struct key_query *query;
    const char *name;
    struct diag *diag;
};

static enum err subject_unreadable(const struct subject *s, CK_RV rv, const char *attribute)
{
    if (rv == CKR_ATTRIBUTE_TYPE_INVALID)
        return diag_set(s->diag, ERR_HSM_KEY, "key %s: %s is not available", s->name, attribute);
    return diag_set(s->diag, ckr_err(rv), "%s: key %s: reading %s: %s (0x%lx)", s->slot->name, s->name,
                    attribute, ckr_name(rv), rv);
}

static enum err verify_ulong(const struct subject *s, CK_ATTRIBUTE_TYPE type, const char *name,
                             CK_ULONG required, const char *required_name)
{
    CK_ULONG value = 0;
    CK_RV rv = key_get_ulong(s->slot, s->session, s->key, type, &value);
    if (rv != CKR_OK)
        return subject_unreadable(s, rv, name);
    if (value == required)
        return OK;
    if (required_name != NULL)
        return diag_set(s->diag, ERR_HSM_KEY, "key %s: %s is 0x%lx, must be %s", s->name, name, value,
                        required_name);
    return diag_set(s->diag, ERR_HSM_KEY, "key %s: %s is %lu, must be %lu", s->name, name, value, required);
}

static enum err verify_curve(const struct subject *s, const struct use_rule *rule)
{
    uint8_t params[128];
    CK_ATTRIBUTE attribute = {CKA_EC_PARAMS, params, sizeof params};
    CK_RV rv = key_get(s->slot, s->session, s->key, &attribute);
    if (rv != CKR_OK)
        return subject_unreadable(s, rv, "CKA_EC_PARAMS");
    const size_t bytes = attribute.ulValueLen;
    for (size_t i = 0; i < EC_PARAMS_SPELLINGS; i++)
        if (bytes > 0 && rule->curve[i].bytes == bytes && memcmp(rule->curve[i].der, params, bytes) == 0)
            return OK;
    return diag_set(s->diag, ERR_HSM_KEY, "key %s: CKA_EC_PARAMS is another curve, must be %s", s->name,
                    rule->type == CKK_EC ? "P-256" : "Ed25519");
}

static enum err verify_shape(const struct subject *s)
{
    const struct use_rule *rule = use_rule(s->query->use);
    enum err rc = OK;
    TRY(verify_ulong(s, CKA_CLASS, "CKA_CLASS", rule->class,
                     rule->class == CKO_SECRET_KEY ? "CKO_SECRET_KEY" : "CKO_PRIVATE_KEY"));
    TRY(verify_ulong(s, CKA_KEY_TYPE, "CKA_KEY_TYPE", rule->type, rule->type_name));
    if (rule->class == CKO_SECRET_KEY)
        rc = verify_ulong(s, CKA_VALUE_LEN, "CKA_VALUE_LEN", rule->value_len, NULL);
    else
        rc = verify_curve(s, rule);
out:
    return rc;
}

static enum err verify_attribute(const struct subject *s, const struct attribute_rule *rule)
{
    bool value = false;
    bool required = attribute_required(rule, use_rule(s->query->use));
    CK_RV rv = get_bool(s->slot, s->session, s->key, rule->type, &value);
    if (rv == CKR_ATTRIBUTE_TYPE_INVALID && rule->absent_is_false && !required)
        return OK;
    if (rv != CKR_OK)
        return subject_unreadable(s, rv, rule->name);
    if (value == required || (rule->waived_for_replica && s->query->replica && s->query->pinned))
        return OK;
    return diag_set(s->diag, ERR_HSM_KEY, "key %s: %s is %s, must be %s", s->name, rule->name,
                    value ? "true" : "false", required ? "true" : "false");
}

static enum err verify_check_value(const struct subject *s, const struct key_evidence *evidence)
{
    const uint8_t *pinned = s->query->check_value, *found = evidence->check_value;
    if (!s->query->pinned)
        return OK;
    if (!evidence->has_check_value)
        return diag_set(s->diag, ERR_HSM_KEY,
                        "key %s: its check value cannot be computed (no public key beside it)", s->name);
    if (memcmp(pinned, found, KEY_CHECK_VALUE_BYTES) == 0)
        return OK;
    return diag_set(
        s->diag, ERR_HSM_KEY,
        "key %s: check value is %02x%02x%02x, must be %02x%02x%02x: another key under the same name", s->name,
        found[0], found[1], found[2], pinned[0], pinned[1], pinned[2]);
}

static void read_evidence(const struct subject *s, struct key_evidence *evidence)
{
    const struct {
        CK_ATTRIBUTE_TYPE type;
        bool *out;
    } flags[] = {{CKA_SENSITIVE, &evidence->sensitive},
                 {CKA_NEVER_EXTRACTABLE, &evidence->never_extractable},
                 {CKA_ALWAYS_SENSITIVE, &evidence->always_sensitive},
                 {CKA_LOCAL, &evidence->local}};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (get_bool(s->slot, s->session, s->key, flags[i].type, flags[i].out) != CKR_OK)
            *flags[i].out = false;
}

enum err key_verify(const struct slot *slot, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
                    const struct key_query *query, struct key_evidence *out_evidence, struct diag *diag)
{
    enum err rc = OK;
    struct key_evidence evidence = {0};
    CK_RV rv = key_get_label(slot, session, key, evidence.label);
    if (rv != CKR_OK)
        return ckr_diag(diag, rv, slot->name, "reading CKA_LABEL");
    const struct subject subject = {slot, session, key, query, evidence.label, diag};
    read_evidence(&subject, &evidence);
    TRY(verify_shape(&subject));
    for (size_t i = 0; i < attribute_rule_count; i++)
        TRY(verify_attribute(&subject, &attribute_rules[i]));
    TRY(key_check_value(slot, session, key, query->use, &evidence, diag));
    TRY(verify_check_value(&subject, &evidence));
out:
    if (out_evidence != NULL)
        *out_evidence = evidence;
    return rc;
}

// ---- finding ----------------------------------------------------------------------------------------

static enum err find_one(const struct slot *slot, CK_SESSION_HANDLE session, const struct key_query *query,
                         CK_OBJECT_HANDLE *out_key, struct diag *diag)
{
    const struct use_rule *rule = use_rule(query->use);
    CK_OBJECT_CLASS class = rule->class;
    CK_KEY_TYPE type = rule->type;
    char label[KEY_LABEL_BYTES];
    uint8_t id[KEY_ID_BYTES_MAX];
    memcpy(label, query->label, sizeof label);
    memcpy(id, query->id, sizeof id);

    struct criteria criteria = {.attributes = {{CKA_CLASS, &class, sizeof class}}, .count = 1};
    if (label[0] != '\0')
        criteria.attributes[criteria.count++] = (CK_ATTRIBUTE){CKA_LABEL, label, strlen(label)};
    if (query->id_bytes > 0)
        criteria.attributes[criteria.count++] = (CK_ATTRIBUTE){CKA_ID, id, query->id_bytes};
    if (class == CKO_PRIVATE_KEY) // both kinds of sign share a label
        criteria.attributes[criteria.count++] = (CK_ATTRIBUTE){CKA_KEY_TYPE, &type, sizeof type};

    CK_OBJECT_HANDLE keys[8];
    CK_ULONG found = 0;
    CK_RV rv = key_search(slot, session, &criteria, keys, sizeof keys / sizeof keys[0], &found);
    if (rv != CKR_OK)
        return ckr_diag(diag, rv, slot->name, "C_FindObjects");
    if (found == 0)
        return diag_set(diag, ERR_HSM_KEY,
                        "key %s: not in the token of slot %s; symbolon-hsm keys generate makes it",
                        key_query_name(query), slot->name);
    if (found > 1)
        return diag_set(diag, ERR_HSM_KEY, "key %s: %lu objects match, must be exactly one",
                        key_query_name(query), found);
    *out_key = keys[0];
    return OK;
}

static enum err make_session_key(const struct slot *slot, CK_SESSION_HANDLE session,
                                 const struct key_query *query, CK_OBJECT_HANDLE *out_key, struct diag *diag)
{
    CK_MECHANISM generator = {CKM_AES_KEY_GEN, NULL, 0};
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_ULONG generated_bytes = TEST_KEY_BYTES_MAX;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    uint8_t bytes[TEST_KEY_BYTES_MAX];
    WIPE_AT_EXIT(bytes);
    memcpy(bytes, query->test_key, sizeof bytes);
    const bool import = query->source == KEY_IMPORTED;
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_TOKEN, &no, sizeof no},
        {CKA_PRIVATE, &yes, sizeof yes},
        {CKA_ENCRYPT, &yes, sizeof yes},
        import ? (CK_ATTRIBUTE){CKA_VALUE, bytes, query->test_key_bytes}
               : (CK_ATTRIBUTE){CKA_VALUE_LEN, &generated_bytes, sizeof generated_bytes},
    };
    const CK_ULONG count = sizeof template / sizeof template[0];
    CK_RV rv = import ? slot->f->C_CreateObject(session, template, count, out_key)
                      : slot->f->C_GenerateKey(session, &generator, template, count, out_key);
    return rv == CKR_OK ? OK : ckr_diag(diag, rv, slot->name, "making a session key");
}

enum err key_find(const struct slot *slot, CK_SESSION_HANDLE session, const struct key_query *query,
                  CK_OBJECT_HANDLE *out_key, struct key_evidence *out_evidence, struct diag *diag)
{
    if (query->source != KEY_FOUND)
        return make_session_key(slot, session, query, out_key, diag);
    enum err rc = OK;
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    TRY(find_one(slot, session, query, &key, diag));
    TRY(key_verify(slot, session, key, query, out_evidence, diag));
    *out_key = key;
out:
    return rc;
}
