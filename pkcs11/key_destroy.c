// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/key_destroy.h"
#include "pkcs11/ckr.h"
#include "pkcs11/key.h"
#include "pkcs11/key_rules.h"

#include <string.h>

enum { CLASSES_MAX = 3, OBJECTS_MAX = 64 }; // of one class under one label: more is no sane token

struct doomed {
    struct slot *slot;
    CK_SESSION_HANDLE session;
    char label[KEY_LABEL_BYTES];
    CK_KEY_TYPE type;
    bool shares_label;                    // only keys of that type are meant
    CK_OBJECT_CLASS classes[CLASSES_MAX]; // in the order in which they go
    size_t class_count;
};

static void doomed_init(struct doomed *doomed, struct slot *slot, const struct key_label *key)
{
    const struct use_rule *rule = use_rule(key->use);
    *doomed = (struct doomed){.slot = slot, .type = rule->type, .classes = {rule->class}, .class_count = 1};
    doomed->shares_label = key->use == KEY_SIGN_ED25519 || key->use == KEY_SIGN_P256;
    hsm_key_label(key->tenant_id, key->use, key->generation, doomed->label);
    if (rule->class == CKO_PRIVATE_KEY)
        doomed->classes[doomed->class_count++] = CKO_PUBLIC_KEY;
    if (rule->class == CKO_PRIVATE_KEY && key->use != KEY_SIGN_ED25519) // no certificate is made for those
        doomed->classes[doomed->class_count++] = CKO_CERTIFICATE;
}

static enum err doomed_find(struct doomed *doomed, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE *out_objects,
                            CK_ULONG *out_count, struct diag *diag)
{
    struct criteria criteria = {.attributes = {{CKA_CLASS, &class, sizeof class},
                                               {CKA_LABEL, doomed->label, strlen(doomed->label)},
                                               {CKA_KEY_TYPE, &doomed->type, sizeof doomed->type}},
                                .count = doomed->shares_label && class != CKO_CERTIFICATE ? 3 : 2};
    CK_RV rv = key_search(doomed->slot, doomed->session, &criteria, out_objects, OBJECTS_MAX, out_count);
    return rv == CKR_OK ? OK : ckr_diag(diag, rv, doomed->slot->name, "C_FindObjects");
}

enum err key_destroy_count(struct slot *slot, const struct key_label *key, size_t *out_objects,
                           struct diag *diag)
{
    enum err rc = OK;
    struct doomed doomed;
    size_t objects = 0;
    CK_OBJECT_HANDLE found[OBJECTS_MAX];
    doomed_init(&doomed, slot, key);
    TRY(slot_open_session(slot, false, &doomed.session, diag));
    for (size_t i = 0; i < doomed.class_count; i++) {
        CK_ULONG count = 0;
        TRY(doomed_find(&doomed, doomed.classes[i], found, &count, diag));
        objects += count;
    }
    *out_objects = objects;
out:
    slot_close_session(slot, doomed.session);
    return rc;
}

// Looks again after each, since handles may change, and to see that it is gone.
static enum err destroy_class(struct doomed *doomed, CK_OBJECT_CLASS class, struct diag *diag)
{
    enum err rc = OK;
    CK_OBJECT_HANDLE found[OBJECTS_MAX];
    CK_ULONG count = 0;
    TRY(doomed_find(doomed, class, found, &count, diag));
    for (CK_ULONG left = count; left > 0; left--) {
        CK_RV rv = doomed->slot->f->C_DestroyObject(doomed->session, found[0]);
        REQUIRE(rv == CKR_OK, diag_set(diag, ckr_err(rv), "%s: key %s: C_DestroyObject: %s (0x%lx)",
                                       doomed->slot->name, doomed->label, ckr_name(rv), rv));
        TRY(doomed_find(doomed, class, found, &count, diag));
        REQUIRE(count == left - 1,
                diag_set(diag, ERR_HSM_KEY, "%s: key %s: destroyed, and %lu objects are left instead of %lu",
                         doomed->slot->name, doomed->label, count, left - 1));
    }
out:
    return rc;
}

enum err key_destroy(struct slot *slot, const struct key_label *key, struct diag *diag)
{
    enum err rc = OK;
    struct doomed doomed;
    doomed_init(&doomed, slot, key);
    TRY(slot_open_session(slot, true, &doomed.session, diag));
    for (size_t i = 0; i < doomed.class_count; i++)
        TRY(destroy_class(&doomed, doomed.classes[i], diag));
out:
    slot_close_session(slot, doomed.session);
    return rc;
}
