// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/key_generate.h"
#include "pkcs11/ckr.h"
#include "pkcs11/key.h"
#include "pkcs11/key_rules.h"

#include <assert.h>
#include <string.h>

enum { TEMPLATE_MAX = 32 };

// A key to be made. The attributes that not every token takes are asked for last and given up one by one.
struct making {
    struct slot *slot;
    CK_SESSION_HANDLE session;
    const struct use_rule *rule;
    enum key_use use;
    char label[KEY_LABEL_BYTES];
    uint8_t id[KEY_ID_BYTES];
    CK_OBJECT_HANDLE key, public_key;
};

struct template
{
    CK_ATTRIBUTE attributes[TEMPLATE_MAX];
    CK_ULONG count;
};

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

static void add(struct template *template, CK_ATTRIBUTE_TYPE type, const void *value, CK_ULONG bytes)
{
    assert(template->count < TEMPLATE_MAX);
    template->attributes[template->count++] = (CK_ATTRIBUTE){type, (void *)(uintptr_t)value, bytes};
}

static void add_bool(struct template *template, CK_ATTRIBUTE_TYPE type, bool value)
{
    add(template, type, value ? &yes : &no, sizeof(CK_BBOOL));
}

static void add_names(struct template *template, const struct making *making)
{
    add(template, CKA_LABEL, making->label, strlen(making->label));
    add(template, CKA_ID, making->id, sizeof making->id);
}

// The key that is kept: every asked attribute of the rules, then the optional ones.
static void fill_key(struct template *template, const struct making *making, unsigned optional)
{
    const struct use_rule *rule = making->rule;
    const unsigned class = rule->class == CKO_SECRET_KEY ? OF_SECRET_KEY : OF_PRIVATE_KEY;
    *template = (struct template){0};
    add(template, CKA_CLASS, &rule->class, sizeof rule->class);
    add(template, CKA_KEY_TYPE, &rule->type, sizeof rule->type);
    add_names(template, making);
    if (rule->class == CKO_SECRET_KEY)
        add(template, CKA_VALUE_LEN, &rule->value_len, sizeof rule->value_len);
    for (size_t i = 0; i < attribute_rule_count; i++)
        if ((attribute_rules[i].asked & class) != 0)
            add_bool(template, attribute_rules[i].type, attribute_required(&attribute_rules[i], rule));
    if (optional > 0)
        add_bool(template, CKA_MODIFIABLE, false);
    if (optional > 1)
        add_bool(template, CKA_COPYABLE, false);
    if (optional > 2)
        add(template, CKA_ALLOWED_MECHANISMS, &rule->mechanism, sizeof rule->mechanism);
}

static void fill_public_key(struct template *template, const struct making *making,
                            const struct ec_params *curve)
{
    static const CK_OBJECT_CLASS public_class = CKO_PUBLIC_KEY;
    *template = (struct template){0};
    add(template, CKA_CLASS, &public_class, sizeof public_class);
    add(template, CKA_KEY_TYPE, &making->rule->type, sizeof making->rule->type);
    add_names(template, making);
    add(template, CKA_EC_PARAMS, curve->der, curve->bytes);
    add_bool(template, CKA_TOKEN, true);
    add_bool(template, CKA_PRIVATE, false);
    add_bool(template, CKA_VERIFY, true);
}

static CK_RV make_secret_key(struct making *making, unsigned optional)
{
    struct template template;
    CK_MECHANISM generator = {making->rule->generator, NULL, 0};
    fill_key(&template, making, optional);
    return making->slot->f->C_GenerateKey(making->session, &generator, template.attributes, template.count,
                                          &making->key);
}

static CK_RV make_key_pair(struct making *making, unsigned optional)
{
    struct template private_key, public_key;
    CK_MECHANISM generator = {making->rule->generator, NULL, 0};
    CK_RV rv = CKR_DOMAIN_PARAMS_INVALID;
    fill_key(&private_key, making, optional);
    for (size_t i = 0; rv != CKR_OK && i < EC_PARAMS_SPELLINGS && making->rule->curve[i].bytes > 0; i++) {
        fill_public_key(&public_key, making, &making->rule->curve[i]);
        rv = making->slot->f->C_GenerateKeyPair(making->session, &generator, public_key.attributes,
                                                public_key.count, private_key.attributes, private_key.count,
                                                &making->public_key, &making->key);
    }
    return rv;
}

static bool is_template_refusal(CK_RV rv)
{
    return rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_VALUE_INVALID ||
           rv == CKR_ATTRIBUTE_READ_ONLY || rv == CKR_TEMPLATE_INCONSISTENT;
}

static CK_RV make(struct making *making)
{
    CK_RV rv = CKR_TEMPLATE_INCONSISTENT;
    for (int optional = 3; optional >= 0 && is_template_refusal(rv); optional--)
        rv = making->rule->class == CKO_SECRET_KEY ? make_secret_key(making, (unsigned)optional)
                                                   : make_key_pair(making, (unsigned)optional);
    return rv;
}

static enum err refuse_taken_label(const struct making *making, struct diag *diag)
{
    CK_OBJECT_CLASS class = making->rule->class;
    CK_KEY_TYPE type = making->rule->type;
    char label[KEY_LABEL_BYTES];
    CK_OBJECT_HANDLE found;
    CK_ULONG count = 0;
    memcpy(label, making->label, sizeof label);
    // Both kinds of sign share a label; of the others no key of any type may bear it.
    struct criteria criteria = {.attributes = {{CKA_LABEL, label, strlen(label)},
                                               {CKA_CLASS, &class, sizeof class},
                                               {CKA_KEY_TYPE, &type, sizeof type}},
                                .count = class == CKO_PRIVATE_KEY ? 3 : 1};
    CK_RV rv = key_search(making->slot, making->session, &criteria, &found, 1, &count);
    if (rv != CKR_OK)
        return ckr_diag(diag, rv, making->slot->name, "C_FindObjects");
    return count == 0 ? OK : diag_set(diag, ERR_CONFLICT, "key %s: exists already", label);
}

// A token that gives less than it was asked for keeps nothing.
static enum err verify_or_destroy(const struct making *making, struct key_evidence *out_evidence,
                                  struct diag *diag)
{
    const struct key_query query = {.use = making->use};
    enum err rc = key_verify(making->slot, making->session, making->key, &query, out_evidence, diag);
    if (rc == OK)
        return OK;
    making->slot->f->C_DestroyObject(making->session, making->key);
    if (making->public_key != CK_INVALID_HANDLE)
        making->slot->f->C_DestroyObject(making->session, making->public_key);
    return rc;
}

enum err key_generate(struct slot *slot, unsigned tenant_id, enum key_use use, unsigned generation,
                      struct key_evidence *out_evidence, struct diag *diag)
{
    enum err rc = OK;
    assert(generation >= 1);
    struct making making = {.slot = slot, .rule = use_rule(use), .use = use};
    struct key_evidence evidence;
    hsm_key_label(tenant_id, use, generation, making.label);
    key_id(tenant_id, use, generation, making.id);
    const CK_FLAGS purpose = making.rule->class == CKO_SECRET_KEY ? CKF_GENERATE : CKF_GENERATE_KEY_PAIR;
    if (!slot_has_mechanism(slot, making.rule->generator, purpose))
        return diag_set(diag, ERR_HSM_CONFIG, "key %s: slot %s has no mechanism 0x%lx to generate it",
                        making.label, slot->name, making.rule->generator);
    TRY(slot_open_session(slot, true, &making.session, diag));
    TRY(refuse_taken_label(&making, diag));
    CK_RV rv = make(&making);
    REQUIRE(rv == CKR_OK, diag_set(diag, ckr_err(rv), "%s: key %s: generating it: %s (0x%lx)", slot->name,
                                   making.label, ckr_name(rv), rv));
    TRY(verify_or_destroy(&making, &evidence, diag));
    if (out_evidence != NULL)
        *out_evidence = evidence;
out:
    slot_close_session(slot, making.session);
    return rc;
}
