// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Keys that are not as they must be are refused, and the reason names the attribute. The keys are made
// behind the product's back, by Cryptoki or by changing SoftHSM's files.
#include "tests/support/needs.h"
#include "tests/support/raw_p11.h"

#include <dirent.h>
#include <openssl/evp.h>

static struct softhsm softhsm;
static struct hsm *hsm;
static struct raw raw;

static void open_hsm(bool replica)
{
    struct hsm_options options = softhsm_options(&softhsm);
    options.replica = replica;
    hsm = softhsm_open(&options);
    raw = raw_open_hsm(hsm);
}

static int set_up(void **state)
{
    (void)state;
    softhsm_init(&softhsm);
    softhsm_init_token(SOFTHSM_LABEL);
    open_hsm(false);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hsm_close(hsm);
    hsm = NULL;
    softhsm_done(&softhsm);
    return 0;
}

static enum err open_key(const struct hsm_key_ref *ref, struct diag *diag)
{
    struct cipher cipher;
    struct mac mac;
    EVP_PKEY *key = NULL;
    if (ref->use == KEY_FPE)
        return hsm_open_cipher(hsm, ref, &cipher, NULL, diag);
    if (ref->use == KEY_MAC)
        return hsm_open_mac(hsm, ref, &mac, NULL, diag);
    enum err rc = hsm_open_private_key(hsm, ref, &key, NULL, diag);
    EVP_PKEY_free(key);
    return rc;
}

static void assert_refused(const struct hsm_key_ref *ref, const char *reason)
{
    struct diag diag = {0};
    assert_int_equal(open_key(ref, &diag), ERR_HSM_KEY);
    assert_string_equal(diag.text, reason);
}

// ---- good templates, to be spoilt -------------------------------------------------------------------

static void template_secret(struct raw_template *template, enum key_use use, const char *label)
{
    *template = (struct raw_template){0};
    raw_set_ulong(template, CKA_CLASS, CKO_SECRET_KEY);
    raw_set_ulong(template, CKA_KEY_TYPE, use == KEY_FPE ? CKK_AES : CKK_GENERIC_SECRET);
    raw_set_label(template, label);
    raw_set_bool(template, CKA_TOKEN, true);
    raw_set_bool(template, CKA_PRIVATE, true);
    raw_set_bool(template, CKA_SENSITIVE, true);
    raw_set_bool(template, CKA_EXTRACTABLE, false);
    raw_set_bool(template, CKA_ENCRYPT, use == KEY_FPE);
    raw_set_bool(template, CKA_SIGN, use == KEY_MAC);
    static const CK_ATTRIBUTE_TYPE off[] = {CKA_DECRYPT, CKA_VERIFY, CKA_WRAP, CKA_UNWRAP, CKA_DERIVE};
    for (size_t i = 0; i < sizeof off / sizeof off[0]; i++)
        raw_set_bool(template, off[i], false);
    raw_set_ulong(template, CKA_VALUE_LEN, 32);
}

static CK_OBJECT_HANDLE generate(struct raw_template *template, CK_MECHANISM_TYPE mechanism)
{
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    CK_MECHANISM generator = {mechanism, NULL, 0};
    assert_int_equal(
        raw.f->C_GenerateKey(raw.session, &generator, template->attributes, template->count, &key), CKR_OK);
    return key;
}

// Whatever it was asked for: NSS softokn makes keys of which it says that they were not made there, and gives
// them away in spite of CKA_EXTRACTABLE.
static void keys_of_a_module_that_breaks_the_rules_are_refused(void **state)
{
    (void)state;
    struct raw_template template;
    uint8_t wrapped[64];
    CK_ULONG wrapped_bytes = sizeof wrapped;
    CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0};
    if (keeps_rules())
        return;
    template_secret(&template, KEY_FPE, "wrapping");
    raw_set_bool(&template, CKA_WRAP, true);
    CK_OBJECT_HANDLE wrapping = generate(&template, CKM_AES_KEY_GEN);
    template_secret(&template, KEY_FPE, "symbolon:1:fpe:1");
    CK_OBJECT_HANDLE key = generate(&template, CKM_AES_KEY_GEN);
    assert_int_equal(raw.f->C_WrapKey(raw.session, &ecb, wrapping, key, wrapped, &wrapped_bytes), CKR_OK);
    assert_refused(&(struct hsm_key_ref){KEY_FPE, "symbolon:1:fpe:1", NULL},
                   "key symbolon:1:fpe:1: CKA_LOCAL is false, must be true");
    template_secret(&template, KEY_MAC, "symbolon:1:mac:1");
    generate(&template, CKM_GENERIC_SECRET_KEY_GEN);
    assert_refused(&(struct hsm_key_ref){KEY_MAC, "symbolon:1:mac:1", NULL},
                   "key symbolon:1:mac:1: CKA_LOCAL is false, must be true");
    assert_int_not_equal(hsm_generate_key(hsm, 2, KEY_FPE, 1, NULL, NULL), OK);
}

// ---- one attribute wrong ----------------------------------------------------------------------------

struct spoilt {
    CK_ATTRIBUTE_TYPE type;
    bool value;
    const char *reason; // behind "key LABEL: "
};

static void spoilt_secret_is_refused(enum key_use use, const struct spoilt *spoilt)
{
    const char *label = use == KEY_FPE ? "symbolon:1:fpe:1" : "symbolon:1:mac:1";
    const CK_MECHANISM_TYPE generator = use == KEY_FPE ? CKM_AES_KEY_GEN : CKM_GENERIC_SECRET_KEY_GEN;
    struct raw_template template;
    char reason[160];
    template_secret(&template, use, label);
    raw_set_bool(&template, spoilt->type, spoilt->value);
    CK_OBJECT_HANDLE key = generate(&template, generator);
    snprintf(reason, sizeof reason, "key %s: %s", label, spoilt->reason);
    assert_refused(&(struct hsm_key_ref){use, label, NULL}, reason);
    assert_int_equal(raw.f->C_DestroyObject(raw.session, key), CKR_OK);
}

static void the_template_that_is_spoilt_below_is_good(void **state)
{
    (void)state;
    needs_rules();
    struct raw_template template;
    template_secret(&template, KEY_FPE, "symbolon:1:fpe:1");
    generate(&template, CKM_AES_KEY_GEN);
    template_secret(&template, KEY_MAC, "symbolon:1:mac:1");
    generate(&template, CKM_GENERIC_SECRET_KEY_GEN);
    assert_int_equal(open_key(&(struct hsm_key_ref){KEY_FPE, "symbolon:1:fpe:1", NULL}, NULL), OK);
    assert_int_equal(open_key(&(struct hsm_key_ref){KEY_MAC, "symbolon:1:mac:1", NULL}, NULL), OK);
}

static void an_fpe_key_with_one_wrong_attribute_is_refused(void **state)
{
    (void)state;
    needs_rules();
    static const struct spoilt list[] = {
        {CKA_TOKEN, false, "CKA_TOKEN is false, must be true"},
        {CKA_PRIVATE, false, "CKA_PRIVATE is false, must be true"},
        {CKA_SENSITIVE, false, "CKA_SENSITIVE is false, must be true"},
        {CKA_EXTRACTABLE, true, "CKA_EXTRACTABLE is true, must be false"},
        {CKA_ENCRYPT, false, "CKA_ENCRYPT is false, must be true"},
        {CKA_DECRYPT, true, "CKA_DECRYPT is true, must be false"},
        {CKA_SIGN, true, "CKA_SIGN is true, must be false"},
        {CKA_VERIFY, true, "CKA_VERIFY is true, must be false"},
        {CKA_WRAP, true, "CKA_WRAP is true, must be false"},
        {CKA_UNWRAP, true, "CKA_UNWRAP is true, must be false"},
        {CKA_DERIVE, true, "CKA_DERIVE is true, must be false"},
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
        spoilt_secret_is_refused(KEY_FPE, &list[i]);
}

static void a_mac_key_with_one_wrong_attribute_is_refused(void **state)
{
    (void)state;
    needs_rules();
    static const struct spoilt list[] = {
        {CKA_PRIVATE, false, "CKA_PRIVATE is false, must be true"},
        {CKA_EXTRACTABLE, true, "CKA_EXTRACTABLE is true, must be false"},
        {CKA_SIGN, false, "CKA_SIGN is false, must be true"},
        {CKA_ENCRYPT, true, "CKA_ENCRYPT is true, must be false"},
        {CKA_VERIFY, true, "CKA_VERIFY is true, must be false"},
        {CKA_DERIVE, true, "CKA_DERIVE is true, must be false"},
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
        spoilt_secret_is_refused(KEY_MAC, &list[i]);
}

// ---- wrong shape ------------------------------------------------------------------------------------

static void keys_of_another_length_or_type_are_refused(void **state)
{
    (void)state;
    needs_rules();
    struct raw_template template;
    template_secret(&template, KEY_FPE, "symbolon:1:fpe:1");
    raw_set_ulong(&template, CKA_VALUE_LEN, 16);
    generate(&template, CKM_AES_KEY_GEN);
    assert_refused(&(struct hsm_key_ref){KEY_FPE, "symbolon:1:fpe:1", NULL},
                   "key symbolon:1:fpe:1: CKA_VALUE_LEN is 16, must be 32");
    template_secret(&template, KEY_MAC, "symbolon:1:mac:1");
    raw_set_ulong(&template, CKA_VALUE_LEN, 31);
    generate(&template, CKM_GENERIC_SECRET_KEY_GEN);
    assert_refused(&(struct hsm_key_ref){KEY_MAC, "symbolon:1:mac:1", NULL},
                   "key symbolon:1:mac:1: CKA_VALUE_LEN is 31, must be 32");
    template_secret(&template, KEY_MAC, "symbolon:2:fpe:1");
    generate(&template, CKM_GENERIC_SECRET_KEY_GEN);
    assert_refused(&(struct hsm_key_ref){KEY_FPE, "symbolon:2:fpe:1", NULL},
                   "key symbolon:2:fpe:1: CKA_KEY_TYPE is 0x10, must be CKK_AES");
}

static void generate_ec(const char *label, const uint8_t *curve, size_t curve_bytes, bool derive,
                        bool extractable)
{
    struct raw_template public_key = {0}, private_key = {0};
    CK_OBJECT_HANDLE handles[2];
    CK_MECHANISM generator = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    raw_set(&public_key, CKA_EC_PARAMS, curve, curve_bytes);
    raw_set_label(&public_key, label);
    raw_set(&public_key, CKA_ID, label, strlen(label));
    raw_set_bool(&public_key, CKA_TOKEN, true);
    raw_set_label(&private_key, label);
    raw_set(&private_key, CKA_ID, label, strlen(label));
    raw_set_bool(&private_key, CKA_TOKEN, true);
    raw_set_bool(&private_key, CKA_PRIVATE, true);
    raw_set_bool(&private_key, CKA_SENSITIVE, true);
    raw_set_bool(&private_key, CKA_EXTRACTABLE, extractable);
    raw_set_bool(&private_key, CKA_SIGN, true);
    raw_set_bool(&private_key, CKA_DECRYPT, false);
    raw_set_bool(&private_key, CKA_SIGN_RECOVER, false);
    raw_set_bool(&private_key, CKA_UNWRAP, false);
    raw_set_bool(&private_key, CKA_DERIVE, derive);
    assert_int_equal(raw.f->C_GenerateKeyPair(raw.session, &generator, public_key.attributes,
                                              public_key.count, private_key.attributes, private_key.count,
                                              &handles[0], &handles[1]),
                     CKR_OK);
}

static void ec_keys_of_another_curve_or_more_powers_are_refused(void **state)
{
    (void)state;
    needs_ec(hsm);
    static const uint8_t p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    static const uint8_t p384[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};
    generate_ec("good", p256, sizeof p256, false, false);
    assert_int_equal(open_key(&(struct hsm_key_ref){KEY_TLS, "good", NULL}, NULL), OK);
    generate_ec("p384", p384, sizeof p384, false, false);
    assert_refused(&(struct hsm_key_ref){KEY_TLS, "p384", NULL},
                   "key p384: CKA_EC_PARAMS is another curve, must be P-256");
    generate_ec("derives", p256, sizeof p256, true, false);
    assert_refused(&(struct hsm_key_ref){KEY_TLS, "derives", NULL},
                   "key derives: CKA_DERIVE is true, must be false");
    generate_ec("leaks", p256, sizeof p256, false, true);
    assert_refused(&(struct hsm_key_ref){KEY_SIGN_P256, "leaks", NULL},
                   "key leaks: CKA_EXTRACTABLE is true, must be false");
}

static void a_private_key_without_its_public_key_is_refused(void **state)
{
    (void)state;
    needs_ec(hsm);
    assert_int_equal(hsm_generate_key(hsm, 0, KEY_TLS, 1, NULL, NULL), OK);
    CK_OBJECT_HANDLE public_key = raw_find(&raw, CKO_PUBLIC_KEY, "symbolon:0:tls:1");
    assert_int_equal(raw.f->C_DestroyObject(raw.session, public_key), CKR_OK);
    assert_refused(&(struct hsm_key_ref){KEY_TLS, "symbolon:0:tls:1", NULL},
                   "key symbolon:0:tls:1: there is no public key with its CKA_ID in the token");
}

// ---- none, or too many ------------------------------------------------------------------------------

static void exactly_one_object_must_bear_the_label(void **state)
{
    (void)state;
    needs_rules();
    struct raw_template template;
    assert_refused(
        &(struct hsm_key_ref){KEY_FPE, "symbolon:1:fpe:1", NULL},
        "key symbolon:1:fpe:1: not in the token of slot soft; symbolon-hsm keys generate makes it");
    template_secret(&template, KEY_FPE, "symbolon:1:fpe:1");
    generate(&template, CKM_AES_KEY_GEN);
    generate(&template, CKM_AES_KEY_GEN);
    assert_refused(&(struct hsm_key_ref){KEY_FPE, "symbolon:1:fpe:1", NULL},
                   "key symbolon:1:fpe:1: 2 objects match, must be exactly one");
    assert_int_equal(hsm_generate_key(hsm, 1, KEY_FPE, 1, NULL, NULL), ERR_CONFLICT);

    struct hsm_key_info *keys = NULL;
    size_t count = 0;
    assert_int_equal(hsm_list_keys(hsm, &keys, &count, NULL), OK);
    assert_int_equal(count, 2);
    for (size_t i = 0; i < count; i++) {
        assert_false(keys[i].ok);
        assert_string_equal(keys[i].why.text, "key symbolon:1:fpe:1: more than one object bears this label");
    }
    free(keys);
}

static void the_listing_says_what_is_wrong_with_a_key(void **state)
{
    (void)state;
    needs_rules();
    struct raw_template template;
    struct hsm_key_info *keys = NULL;
    size_t count = 0;
    template_secret(&template, KEY_FPE, "symbolon:1:fpe:1");
    raw_set_bool(&template, CKA_DECRYPT, true);
    generate(&template, CKM_AES_KEY_GEN);
    template_secret(&template, KEY_FPE, "symbolon:1:fpe:02"); // no label of ours
    generate(&template, CKM_AES_KEY_GEN);
    assert_int_equal(hsm_list_keys(hsm, &keys, &count, NULL), OK);
    assert_int_equal(count, 1);
    assert_false(keys[0].ok);
    assert_string_equal(keys[0].why.text, "key symbolon:1:fpe:1: CKA_DECRYPT is true, must be false");
    free(keys);
}

// ---- check values -----------------------------------------------------------------------------------

static void another_check_value_than_the_pinned_one_is_refused(void **state)
{
    (void)state;
    needs_rules();
    struct key_evidence fpe, mac, tls;
    assert_int_equal(hsm_generate_key(hsm, 1, KEY_FPE, 1, &fpe, NULL), OK);
    assert_int_equal(hsm_generate_key(hsm, 1, KEY_MAC, 1, &mac, NULL), OK);
    const int kinds = needs_facts(hsm).ec_keygen ? 3 : 2;
    if (kinds == 3)
        assert_int_equal(hsm_generate_key(hsm, 0, KEY_TLS, 1, &tls, NULL), OK);
    const struct key_evidence *list[] = {&fpe, &mac, &tls};
    static const enum key_use uses[] = {KEY_FPE, KEY_MAC, KEY_TLS};
    for (int i = 0; i < kinds; i++) {
        uint8_t pin[KEY_CHECK_VALUE_BYTES];
        char reason[200];
        const uint8_t *v = list[i]->check_value;
        memcpy(pin, v, sizeof pin);
        pin[2] ^= 1;
        snprintf(reason, sizeof reason,
                 "key %s: check value is %02x%02x%02x, must be %02x%02x%02x: another key under the same name",
                 list[i]->label, v[0], v[1], v[2], pin[0], pin[1], pin[2]);
        assert_refused(&(struct hsm_key_ref){uses[i], list[i]->label, pin}, reason);
        assert_int_equal(open_key(&(struct hsm_key_ref){uses[i], list[i]->label, v}, NULL), OK);
        // Open already, but the pin is looked at each time.
        assert_refused(&(struct hsm_key_ref){uses[i], list[i]->label, pin}, reason);
    }
}

// ---- replicas: SoftHSM's object files store an attribute as type, kind and value, big-endian ----------

static size_t patch_file(const char *path, CK_ATTRIBUTE_TYPE type)
{
    uint8_t bytes[4096], pattern[17] = {0};
    size_t patched = 0;
    for (int i = 0; i < 8; i++)
        pattern[i] = (uint8_t)(type >> (56 - 8 * i));
    pattern[15] = 1;    // kind: boolean
    pattern[16] = 0xff; // true
    FILE *file = fopen(path, "r+e");
    assert_non_null(file);
    size_t count = fread(bytes, 1, sizeof bytes, file);
    for (size_t i = 0; i + sizeof pattern <= count; i++) {
        if (memcmp(bytes + i, pattern, sizeof pattern) == 0) {
            assert_int_equal(fseek(file, (long)(i + 16), SEEK_SET), 0);
            fputc(0, file);
            patched++;
        }
    }
    fclose(file);
    return patched;
}

// Makes a true attribute false in every object of the token; the hsm is opened anew.
static void patch_to_false(CK_ATTRIBUTE_TYPE type, bool replica)
{
    char path[400];
    size_t patched = 0;
    hsm_close(hsm);
    hsm = NULL;
    snprintf(path, sizeof path, "%s/tokens", softhsm.folder);
    DIR *tokens = opendir(path);
    assert_non_null(tokens);
    for (struct dirent *token; (token = readdir(tokens)) != NULL;) {
        if (token->d_name[0] == '.')
            continue;
        char folder[300];
        snprintf(folder, sizeof folder, "%s/tokens/%.100s", softhsm.folder, token->d_name);
        DIR *objects = opendir(folder);
        assert_non_null(objects);
        for (struct dirent *object; (object = readdir(objects)) != NULL;) {
            snprintf(path, sizeof path, "%.250s/%.100s", folder, object->d_name);
            if (strstr(object->d_name, ".object") != NULL && strcmp(object->d_name, "token.object") != 0)
                patched += patch_file(path, type);
        }
        closedir(objects);
    }
    closedir(tokens);
    assert_int_equal(patched, 1);
    open_hsm(replica);
}

static void a_key_that_is_not_local_needs_a_declared_replica_and_a_pinned_check_value(void **state)
{
    (void)state;
    needs_rules();
    needs_files();
    struct key_evidence made;
    uint8_t other[KEY_CHECK_VALUE_BYTES];
    const char *label = "symbolon:1:fpe:1";
    assert_int_equal(hsm_generate_key(hsm, 1, KEY_FPE, 1, &made, NULL), OK);
    memcpy(other, made.check_value, sizeof other);
    other[0] ^= 0x80;

    patch_to_false(CKA_LOCAL, false);
    assert_refused(&(struct hsm_key_ref){KEY_FPE, label, NULL},
                   "key symbolon:1:fpe:1: CKA_LOCAL is false, must be true");
    assert_refused(&(struct hsm_key_ref){KEY_FPE, label, made.check_value},
                   "key symbolon:1:fpe:1: CKA_LOCAL is false, must be true");
    hsm_close(hsm);
    hsm = NULL;
    open_hsm(true);
    assert_refused(&(struct hsm_key_ref){KEY_FPE, label, NULL},
                   "key symbolon:1:fpe:1: CKA_LOCAL is false, must be true");
    assert_int_equal(open_key(&(struct hsm_key_ref){KEY_FPE, label, other}, NULL), ERR_HSM_KEY);
    struct cipher cipher;
    struct key_evidence evidence;
    assert_int_equal(hsm_open_cipher(hsm, &(struct hsm_key_ref){KEY_FPE, label, made.check_value}, &cipher,
                                     &evidence, NULL),
                     OK);
    assert_false(evidence.local);
}

static void a_replica_is_excused_from_nothing_else(void **state)
{
    (void)state;
    needs_rules();
    needs_files();
    static const struct spoilt list[] = {
        {CKA_ALWAYS_SENSITIVE, false, "key symbolon:1:fpe:1: CKA_ALWAYS_SENSITIVE is false, must be true"},
        {CKA_NEVER_EXTRACTABLE, false, "key symbolon:1:fpe:1: CKA_NEVER_EXTRACTABLE is false, must be true"},
    };
    for (size_t i = 0; i < 2; i++) {
        struct key_evidence made;
        assert_int_equal(hsm_generate_key(hsm, 1, KEY_FPE, 1, &made, NULL), OK);
        patch_to_false(list[i].type, true);
        assert_refused(&(struct hsm_key_ref){KEY_FPE, "symbolon:1:fpe:1", made.check_value}, list[i].reason);
        assert_int_equal(
            raw.f->C_DestroyObject(raw.session, raw_find(&raw, CKO_SECRET_KEY, "symbolon:1:fpe:1")), CKR_OK);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(keys_of_a_module_that_breaks_the_rules_are_refused),
        TEST(the_template_that_is_spoilt_below_is_good),
        TEST(an_fpe_key_with_one_wrong_attribute_is_refused),
        TEST(a_mac_key_with_one_wrong_attribute_is_refused),
        TEST(keys_of_another_length_or_type_are_refused),
        TEST(ec_keys_of_another_curve_or_more_powers_are_refused),
        TEST(a_private_key_without_its_public_key_is_refused),
        TEST(exactly_one_object_must_bear_the_label),
        TEST(the_listing_says_what_is_wrong_with_a_key),
        TEST(another_check_value_than_the_pinned_one_is_refused),
        TEST(a_key_that_is_not_local_needs_a_declared_replica_and_a_pinned_check_value),
        TEST(a_replica_is_excused_from_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
