// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What symbolon-hsm needs beyond the keys in use: initializing tokens, listing and destroying keys,
// certificates.
#include "pkcs11/ckr.h"
#include "pkcs11/hsm_private.h"
#include "pkcs11/key_destroy.h"
#include "pkcs11/key_rules.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKEN_LABEL_BYTES = 32, LISTED_KEYS_MAX = 100000 };

// ---- initializing a token ---------------------------------------------------------------------------

// The CKR code that libp11 left in OpenSSL's error queue.
static enum err libp11_failed(struct diag *diag, const char *module, const char *doing)
{
    CK_RV rv = (CK_RV)ERR_GET_REASON(ERR_peek_last_error());
    ERR_clear_error();
    return diag_set(diag, rv == CKR_OK ? ERR_HSM_CONFIG : ckr_err(rv), "module %s: %s: %s (0x%lx)", module,
                    doing, ckr_name(rv), rv);
}

static PKCS11_SLOT *find_labelled(const struct libp11_slots *slots, const char *label)
{
    for (unsigned i = 0; i < slots->count; i++) {
        const PKCS11_TOKEN *token = slots->list[i].token;
        if (token != NULL && token->initialized && token->label != NULL && strcmp(token->label, label) == 0)
            return &slots->list[i];
    }
    return NULL;
}

static PKCS11_SLOT *find_uninitialized(const struct libp11_slots *slots)
{
    for (unsigned i = 0; i < slots->count; i++)
        if (slots->list[i].token != NULL && !slots->list[i].token->initialized)
            return &slots->list[i];
    return NULL;
}

static enum err init_labelled(struct module *module, const char *label, const struct secret *so_pin,
                              struct diag *diag)
{
    const struct libp11_slots *slots = NULL;
    char padded[TOKEN_LABEL_BYTES + 1]; // libp11 0.4.12 hands it to C_InitToken, which reads 32 bytes
    enum err rc = module_read_slots(module, &slots, diag);
    if (rc != OK)
        return rc;
    PKCS11_SLOT *blank = find_uninitialized(slots);
    const PKCS11_SLOT *existing = find_labelled(slots, label);
    if (existing != NULL && !existing->token->userPinSet)
        return OK; // an earlier run came no further
    if (existing != NULL)
        return diag_set(diag, ERR_CONFLICT, "token \"%s\": exists already; nothing was changed", label);
    if (blank == NULL)
        return diag_set(diag, ERR_HSM_CONFIG, "module %s: no uninitialized token left for \"%s\"",
                        module->path, label);
    snprintf(padded, sizeof padded, "%-*s", TOKEN_LABEL_BYTES, label);
    if (PKCS11_init_token(blank->token, so_pin->text, padded) != 0)
        return libp11_failed(diag, module->path, "C_InitToken");
    return OK;
}

// The slots are read again: SoftHSM moves a new token to another slot.
static enum err init_user_pin(struct module *module, const char *label, const struct secret *so_pin,
                              const struct secret *pin, struct diag *diag)
{
    const struct libp11_slots *slots = NULL;
    enum err rc = module_read_slots(module, &slots, diag);
    if (rc != OK)
        return rc;
    PKCS11_SLOT *slot = find_labelled(slots, label);
    if (slot == NULL)
        return diag_set(diag, ERR_HSM_CONFIG, "token \"%s\": initialized, but not found again", label);
    if (PKCS11_open_session(slot, 1) != 0 || PKCS11_login(slot, 1, so_pin->text) != 0)
        return libp11_failed(diag, module->path, "C_Login of the security officer");
    if (PKCS11_init_pin(slot->token, pin->text) != 0)
        rc = libp11_failed(diag, module->path, "C_InitPIN");
    PKCS11_logout(slot);
    return rc;
}

static enum err check_init_arguments(const char *label, const struct secret *so_pin, const struct secret *pin,
                                     struct diag *diag)
{
    size_t label_bytes = strlen(label);
    if (label_bytes == 0 || label_bytes > TOKEN_LABEL_BYTES || label[label_bytes - 1] == ' ')
        return diag_set(diag, ERR_CONFIG, "token \"%s\": a label has 1..%d bytes and no blank at its end",
                        label, TOKEN_LABEL_BYTES);
    if (so_pin->len == 0 || pin->len == 0 || strlen(so_pin->text) != so_pin->len ||
        strlen(pin->text) != pin->len)
        return diag_set(diag, ERR_CONFIG, "token \"%s\": a PIN is empty or holds a zero byte", label);
    return OK;
}

enum err hsm_init_token(const char *module, const char *label, const struct secret *so_pin,
                        const struct secret *pin, struct diag *diag)
{
    enum err rc = OK;
    struct module *loaded = NULL;
    TRY(check_init_arguments(label, so_pin, pin, diag));
    TRY(module_open(module, &loaded, diag));
    TRY(init_labelled(loaded, label, so_pin, diag));
    TRY(init_user_pin(loaded, label, so_pin, pin, diag));
out:
    module_close(loaded);
    return rc;
}

// ---- listing keys -----------------------------------------------------------------------------------

struct listing {
    struct hsm *hsm;
    CK_SESSION_HANDLE session;
    struct hsm_key_info *keys;
    size_t count, capacity;
};

static enum err listing_grow(struct listing *listing)
{
    if (listing->count < listing->capacity)
        return OK;
    size_t capacity = listing->capacity > 0 ? 2 * listing->capacity : 32;
    struct hsm_key_info *keys = realloc(listing->keys, capacity * sizeof *keys);
    if (keys == NULL)
        return ERR_MEMORY;
    listing->keys = keys;
    listing->capacity = capacity;
    return OK;
}

static const struct {
    CK_ATTRIBUTE_TYPE type;
    const char *name;
} told_attributes[HSM_KEY_ATTRIBUTES] = {
    {CKA_TOKEN, "token"},
    {CKA_PRIVATE, "private"},
    {CKA_MODIFIABLE, "modifiable"},
    {CKA_COPYABLE, "copyable"},
    {CKA_DESTROYABLE, "destroyable"},
    {CKA_SENSITIVE, "sensitive"},
    {CKA_ALWAYS_SENSITIVE, "always_sensitive"},
    {CKA_EXTRACTABLE, "extractable"},
    {CKA_NEVER_EXTRACTABLE, "never_extractable"},
    {CKA_LOCAL, "local"},
    {CKA_ENCRYPT, "encrypt"},
    {CKA_DECRYPT, "decrypt"},
    {CKA_SIGN, "sign"},
    {CKA_SIGN_RECOVER, "sign_recover"},
    {CKA_VERIFY, "verify"},
    {CKA_WRAP, "wrap"},
    {CKA_UNWRAP, "unwrap"},
    {CKA_DERIVE, "derive"},
};

static void listing_read_attributes(const struct listing *listing, CK_OBJECT_HANDLE object,
                                    struct hsm_key_info *info)
{
    for (size_t i = 0; i < HSM_KEY_ATTRIBUTES; i++) {
        CK_BBOOL value = CK_FALSE;
        CK_ATTRIBUTE attribute = {told_attributes[i].type, &value, sizeof value};
        CK_RV rv = key_get(&listing->hsm->slot, listing->session, object, &attribute);
        const bool known = rv == CKR_OK && attribute.ulValueLen == sizeof value;
        info->attributes[i] =
            (struct hsm_key_attribute){told_attributes[i].name, known, known && value != CK_FALSE};
    }
}

// The check value of a replica is compared where it is opened; a listing takes it as it is.
static void listing_expect_replica(const struct listing *listing, CK_OBJECT_HANDLE object,
                                   struct key_query *query)
{
    struct key_evidence evidence = {0};
    if (!listing->hsm->replica ||
        key_check_value(&listing->hsm->slot, listing->session, object, query->use, &evidence, NULL) != OK)
        return;
    query->replica = query->pinned = evidence.has_check_value;
    memcpy(query->check_value, evidence.check_value, sizeof query->check_value);
}

// Objects whose label is not ours are passed over.
static enum err listing_add(struct listing *listing, CK_OBJECT_HANDLE object, struct diag *diag)
{
    struct slot *slot = &listing->hsm->slot;
    char label[KEY_LABEL_BYTES] = "";
    struct key_label parsed;
    CK_ULONG type = 0;
    if (key_get_label(slot, listing->session, object, label) != CKR_OK || !key_label_parse(label, &parsed))
        return OK;
    if (parsed.use == KEY_SIGN_ED25519 &&
        key_get_ulong(slot, listing->session, object, CKA_KEY_TYPE, &type) == CKR_OK && type == CKK_EC)
        parsed.use = KEY_SIGN_P256;
    enum err rc = listing_grow(listing);
    if (rc != OK)
        return rc;
    struct hsm_key_info *info = &listing->keys[listing->count];
    *info = (struct hsm_key_info){
        .use = parsed.use, .tenant_id = parsed.tenant_id, .generation = parsed.generation};
    struct key_query query = {.use = parsed.use};
    listing_expect_replica(listing, object, &query);
    rc = key_verify(slot, listing->session, object, &query, &info->evidence, &info->why);
    if (rc == ERR_HSM_DOWN)
        return diag_set(diag, rc, "%s", info->why.text);
    info->ok = rc == OK;
    listing_read_attributes(listing, object, info);
    listing->count++;
    return OK;
}

static enum err listing_class(struct listing *listing, CK_OBJECT_CLASS class, struct diag *diag)
{
    enum err rc = OK;
    CK_ULONG count = 0;
    struct criteria criteria = {.attributes = {{CKA_CLASS, &class, sizeof class}}, .count = 1};
    CK_OBJECT_HANDLE *objects = calloc(LISTED_KEYS_MAX, sizeof *objects);
    if (objects == NULL)
        return ERR_MEMORY;
    CK_RV rv = key_search(&listing->hsm->slot, listing->session, &criteria, objects, LISTED_KEYS_MAX, &count);
    REQUIRE(rv == CKR_OK, ckr_diag(diag, rv, listing->hsm->slot.name, "C_FindObjects"));
    for (CK_ULONG i = 0; i < count; i++)
        TRY(listing_add(listing, objects[i], diag));
out:
    free(objects);
    return rc;
}

static int compare_unsigned(unsigned a, unsigned b)
{
    return (a > b) - (a < b);
}

static int compare_infos(const void *left, const void *right)
{
    const struct hsm_key_info *a = left, *b = right;
    int order = compare_unsigned(a->tenant_id, b->tenant_id);
    if (order == 0)
        order = compare_unsigned(a->use, b->use);
    return order != 0 ? order : compare_unsigned(a->generation, b->generation);
}

static void mark_duplicates(struct hsm_key_info *keys, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (compare_infos(&keys[i - 1], &keys[i]) != 0)
            continue;
        for (size_t j = i - 1; j <= i; j++) {
            keys[j].ok = false;
            (void)diag_set(&keys[j].why, ERR_HSM_KEY, "key %s: more than one object bears this label",
                           keys[j].evidence.label);
        }
    }
}

enum err hsm_list_keys(struct hsm *hsm, struct hsm_key_info **out_keys, size_t *out_count, struct diag *diag)
{
    enum err rc = OK;
    struct listing listing = {.hsm = hsm};
    TRY(slot_open_session(&hsm->slot, false, &listing.session, diag));
    TRY(listing_class(&listing, CKO_SECRET_KEY, diag));
    TRY(listing_class(&listing, CKO_PRIVATE_KEY, diag));
    if (listing.count > 0)
        qsort(listing.keys, listing.count, sizeof *listing.keys, compare_infos);
    mark_duplicates(listing.keys, listing.count);
    *out_keys = listing.keys;
    *out_count = listing.count;
out:
    slot_close_session(&hsm->slot, listing.session);
    if (rc != OK)
        free(listing.keys);
    return rc;
}

// ---- destroying a key ---------------------------------------------------------------------------------

static void forget_sessions(void *context)
{
    struct hsm *hsm = context;
    session_pool_forget(&hsm->sessions);
}

// The user's login is restored whatever becomes of the officer's.
static enum err prove_officer(struct hsm *hsm, const struct secret *so_pin, struct diag *diag)
{
    enum err rc = slot_prove_officer(&hsm->slot, so_pin, diag);
    enum err again = slot_reopen(&hsm->slot, forget_sessions, hsm, diag);
    if (again != OK)
        slot_mark_down(&hsm->slot);
    return rc != OK ? rc : again;
}

enum err hsm_destroy_key(struct hsm *hsm, unsigned tenant_id, enum key_use use, unsigned generation,
                         const struct secret *so_pin, struct diag *diag)
{
    enum err rc = OK;
    const struct key_label key = {.tenant_id = tenant_id, .use = use, .generation = generation};
    char label[KEY_LABEL_BYTES];
    size_t objects = 0;
    hsm_key_label(tenant_id, use, generation, label);
    pthread_mutex_lock(&hsm->lock);
    assert(hsm->keys == NULL);
    TRY(key_destroy_count(&hsm->slot, &key, &objects, diag));
    REQUIRE(objects > 0,
            diag_set(diag, ERR_NOT_FOUND, "key %s: not in the token of slot %s", label, hsm->slot.name));
    TRY(prove_officer(hsm, so_pin, diag));
    rc = key_destroy(&hsm->slot, &key, diag);
out:
    pthread_mutex_unlock(&hsm->lock);
    return rc;
}

// ---- certificates -----------------------------------------------------------------------------------

struct certificate {
    const char *label;
    const uint8_t *der;
    size_t der_bytes;
    unsigned char *subject; // DER, by OpenSSL
    int subject_bytes;
};

static enum err certificate_parse(struct certificate *certificate, struct diag *diag)
{
    const unsigned char *at = certificate->der;
    X509 *x509 = d2i_X509(NULL, &at, (long)certificate->der_bytes);
    if (x509 == NULL || at != certificate->der + certificate->der_bytes) {
        X509_free(x509);
        ERR_clear_error();
        return diag_set(diag, ERR_INPUT, "certificate for %s: not one DER certificate", certificate->label);
    }
    certificate->subject_bytes = i2d_X509_NAME(X509_get_subject_name(x509), &certificate->subject);
    X509_free(x509);
    return certificate->subject_bytes > 0 ? OK : ERR_MEMORY;
}

static CK_RV certificate_create(struct slot *slot, CK_SESSION_HANDLE session,
                                const struct certificate *certificate, CK_OBJECT_HANDLE *out_object)
{
    CK_OBJECT_CLASS class = CKO_CERTIFICATE;
    CK_CERTIFICATE_TYPE type = CKC_X_509;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    struct key_label name;
    uint8_t id[KEY_ID_BYTES];
    bool named = key_label_parse(certificate->label, &name);
    if (named)
        key_id(name.tenant_id, name.use, name.generation, id);
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_CERTIFICATE_TYPE, &type, sizeof type},
        {CKA_TOKEN, &yes, sizeof yes},
        {CKA_PRIVATE, &no, sizeof no},
        {CKA_LABEL, (void *)(uintptr_t)certificate->label, strlen(certificate->label)},
        {CKA_SUBJECT, certificate->subject, (CK_ULONG)certificate->subject_bytes},
        {CKA_VALUE, (void *)(uintptr_t)certificate->der, certificate->der_bytes},
        {CKA_ID, id, sizeof id},
    };
    CK_ULONG count = sizeof template / sizeof template[0] - (named ? 0 : 1);
    return slot->f->C_CreateObject(session, template, count, out_object);
}

// Those that bore the label before; best effort, the new one is in place already.
static void certificates_destroy(struct slot *slot, CK_SESSION_HANDLE session, const char *label,
                                 CK_OBJECT_HANDLE except)
{
    CK_OBJECT_CLASS class = CKO_CERTIFICATE;
    CK_OBJECT_HANDLE found[16];
    CK_ULONG count = 0;
    struct criteria criteria = {.attributes = {{CKA_CLASS, &class, sizeof class},
                                               {CKA_LABEL, (void *)(uintptr_t)label, strlen(label)}},
                                .count = 2};
    if (key_search(slot, session, &criteria, found, 16, &count) != CKR_OK)
        return;
    for (CK_ULONG i = 0; i < count; i++)
        if (found[i] != except)
            slot->f->C_DestroyObject(session, found[i]);
}

enum err hsm_store_certificate(struct hsm *hsm, const char *label, const uint8_t *der, size_t der_bytes,
                               struct diag *diag)
{
    enum err rc = OK;
    struct slot *slot = &hsm->slot;
    CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
    CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
    struct certificate certificate = {.label = label, .der = der, .der_bytes = der_bytes};
    pthread_mutex_lock(&hsm->lock);
    TRY(certificate_parse(&certificate, diag));
    TRY(slot_open_session(slot, true, &session, diag));
    CK_RV rv = certificate_create(slot, session, &certificate, &object);
    REQUIRE(rv == CKR_OK, ckr_diag(diag, rv, slot->name, "storing the certificate"));
    certificates_destroy(slot, session, label, object);
out:
    slot_close_session(slot, session);
    pthread_mutex_unlock(&hsm->lock);
    OPENSSL_free(certificate.subject);
    return rc;
}
