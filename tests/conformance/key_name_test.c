// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// How keys are named (labels, RFC 7512 URIs), and the table of CKR codes.
#include "pkcs11/ckr.h"
#include "pkcs11/key_name.h"
#include "tests/support/needs.h"
#include "tests/support/raw_p11.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

static struct softhsm softhsm;
static struct hsm *hsm;
static struct raw raw;

static int set_up(void **state)
{
    (void)state;
    softhsm_init(&softhsm);
    softhsm_init_token(SOFTHSM_LABEL);
    const struct hsm_options options = softhsm_options(&softhsm);
    hsm = softhsm_open(&options);
    raw = raw_open_hsm(hsm);
    if (!keeps_rules())
        return 0;
    if (hsm_generate_key(hsm, 1, KEY_FPE, 1, NULL, NULL) != OK ||
        hsm_generate_key(hsm, 1, KEY_MAC, 1, NULL, NULL) != OK ||
        (needs_facts(hsm).ec_keygen && hsm_generate_key(hsm, 0, KEY_TLS, 1, NULL, NULL) != OK))
        return -1;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hsm_close(hsm);
    softhsm_done(&softhsm);
    return 0;
}

// ---- labels -----------------------------------------------------------------------------------------

static void labels_are_spelled_as_the_design_says(void **state)
{
    (void)state;
    char label[KEY_LABEL_BYTES];
    hsm_key_label(0, KEY_TLS, 1, label);
    assert_string_equal(label, "symbolon:0:tls:1");
    hsm_key_label(65535, KEY_FPE, 65535, label);
    assert_string_equal(label, "symbolon:65535:fpe:65535");
    hsm_key_label(7, KEY_SIGN_ED25519, 2, label);
    assert_string_equal(label, "symbolon:7:sign:2");
    hsm_key_label(7, KEY_SIGN_P256, 2, label);
    assert_string_equal(label, "symbolon:7:sign:2");
    hsm_key_label(7, KEY_MAC, 2, label);
    assert_string_equal(label, "symbolon:7:mac:2");
}

static void only_what_we_write_is_read_as_a_label(void **state)
{
    (void)state;
    struct key_label parsed;
    assert_true(key_label_parse("symbolon:65535:mac:12", &parsed));
    assert_int_equal(parsed.tenant_id, 65535);
    assert_int_equal(parsed.use, KEY_MAC);
    assert_int_equal(parsed.generation, 12);
    assert_true(key_label_parse("symbolon:0:sign:1", &parsed));
    assert_true(key_label_parse("symbolon:0:fpe:999999999", &parsed));
    static const char *const bad[] = {
        "",
        "symbolon",
        "symbolon:1:fpe",
        "symbolon:1:fpe:",
        "symbolon:1:fpe:0",
        "symbolon:1:fpe:01",
        "symbolon:01:fpe:1",
        "symbolon:1:fpe:1 ",
        " symbolon:1:fpe:1",
        "symbolon:1:fpe:1:1",
        "symbolon:1:fpe:1x",
        "symbolon:+1:fpe:1",
        "symbolon:-1:fpe:1",
        "symbolon: 1:fpe:1",
        "symbolon:65536:fpe:1",
        "symbolon:4294967297:fpe:1",
        "symbolon:1:fpe:4294967297",
        "symbolon:1:FPE:1",
        "symbolon:1:fp:1",
        "symbolon:1:fpes:1",
        "symbolon:1:abcdefghij:1",
        "symbolon:1::1",
        "Symbolon:1:fpe:1",
        "symbolon;1:fpe:1",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (key_label_parse(bad[i], &parsed))
            fail_msg("taken for a label: \"%s\"", bad[i]);
}

static void ids_differ_in_every_part(void **state)
{
    (void)state;
    static const uint8_t expected[KEY_ID_BYTES] = {0x12, 0x34, 0x01, 0x00, 0x01, 0x02, 0x03};
    uint8_t id[KEY_ID_BYTES], ed25519[KEY_ID_BYTES], p256[KEY_ID_BYTES];
    key_id(0x1234, KEY_MAC, 0x010203, id);
    assert_memory_equal(id, expected, sizeof id);
    key_id(0, KEY_SIGN_ED25519, 1, ed25519);
    key_id(0, KEY_SIGN_P256, 1, p256);
    assert_memory_not_equal(ed25519, p256, sizeof p256); // though their labels are one
}

// ---- URIs -------------------------------------------------------------------------------------------

static enum err open_cipher(const char *name, struct diag *diag, struct key_evidence *out_evidence)
{
    struct cipher cipher;
    *diag = (struct diag){0};
    return hsm_open_cipher(hsm, &(struct hsm_key_ref){KEY_FPE, name, NULL}, &cipher, out_evidence, diag);
}

static void uris_name_a_key_by_label_id_or_both(void **state)
{
    (void)state;
    needs_rules();
    static const char *const good[] = {
        "symbolon:1:fpe:1",
        "pkcs11:object=symbolon%3A1%3Afpe%3A1",
        "pkcs11:object=symbolon:1:fpe:1;type=secret-key",
        "pkcs11:id=%00%01%00%00%00%00%01",
        "pkcs11:id=%00%01%00%00%00%00%01;object=symbolon:1:fpe:1",
        "pkcs11:token=test%20token;object=symbolon:1:fpe:1",
        "pkcs11:token=test%20token;manufacturer=SoftHSM%20project;model=SoftHSM%20v2;object=symbolon:1:fpe:1",
    };
    const bool softhsm_s = strcmp(needs_facts(hsm).model, "SoftHSM v2") == 0;
    if (!softhsm_s)
        softhsm_note_skip("the facts of SoftHSM");
    for (size_t i = 0; i < sizeof good / sizeof good[0] - !softhsm_s; i++) {
        struct diag diag;
        struct key_evidence evidence;
        if (open_cipher(good[i], &diag, &evidence) != OK)
            fail_msg("%s: %s", good[i], diag.text);
        assert_string_equal(evidence.label, "symbolon:1:fpe:1");
    }
}

static void uris_that_mean_something_else_are_refused(void **state)
{
    (void)state;
    needs_rules();
    static const struct {
        const char *uri, *reason;
    } list[] = {
        {"pkcs11:token=other;object=symbolon:1:fpe:1", "key pkcs11:token=other;object=symbolon:1:fpe:1: the "
                                                       "URI names another token than the one that is open"},
        {"pkcs11:serial=00;object=symbolon:1:fpe:1", "key pkcs11:serial=00;object=symbolon:1:fpe:1: the URI "
                                                     "names another token than the one that is open"},
        {"pkcs11:library-manufacturer=Acme;object=symbolon:1:fpe:1",
         "key pkcs11:library-manufacturer=Acme;object=symbolon:1:fpe:1: the URI names another module than "
         "the one "
         "that is open"},
        {"pkcs11:object=symbolon:1:fpe:1;type=private",
         "key pkcs11:object=symbolon:1:fpe:1;type=private: type= is not that of the key's use (secret-key or "
         "private)"},
        {"pkcs11:token=test%20token", "key pkcs11:token=test%20token: the URI needs object= or id="},
        {"pkcs11:", "key pkcs11:: the URI needs object= or id="},
        {"pkcs11:object=", "key pkcs11:object=: object= must have 1..63 bytes"},
        {"pkcs11:id=", "key pkcs11:id=: id= must have 1..64 bytes"},
        {"pkcs11:object=symbolon:1:fpe:1;colour=red",
         "key pkcs11:object=symbolon:1:fpe:1;colour=red: the URI has unknown attributes"},
        {"pkcs11:object=symbolon:1:fpe:2",
         "key symbolon:1:fpe:2: not in the token of slot soft; symbolon-hsm keys generate makes it"},
        {"pkcs11:id=%00%01%00%00%00%00%01;object=symbolon:1:fpe:2",
         "key symbolon:1:fpe:2: not in the token of slot soft; symbolon-hsm keys generate makes it"},
        {"", "key \"\": a label has 1..63 bytes"},
        {"0123456789012345678901234567890123456789012345678901234567890123",
         "key \"0123456789012345678901234567890123456789012345678901234567890123\": a label has 1..63 bytes"},
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        struct diag diag;
        assert_int_equal(open_cipher(list[i].uri, &diag, NULL), ERR_HSM_KEY);
        assert_string_equal(diag.text, list[i].reason);
    }
}

static void malformed_uris_are_refused(void **state)
{
    (void)state;
    needs_rules();
    static const char *const bad[] = {"pkcs11:object", "pkcs11:object=%zz", "pkcs11:object=%4",
                                      "pkcs11:;;object=x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct diag diag;
        assert_int_equal(open_cipher(bad[i], &diag, NULL), ERR_HSM_KEY);
        assert_int_not_equal(diag.text[0], '\0');
    }
}

static void a_uri_with_a_pin_is_refused_and_not_repeated(void **state)
{
    (void)state;
    needs_rules();
    static const char *const bad[] = {
        "pkcs11:object=symbolon:1:fpe:1?pin-value=1234567",
        "pkcs11:object=symbolon:1:fpe:1?pin-source=file:/etc/pin-1234567",
        "pkcs11:object=symbolon:1:fpe:1;pin-value=1234567",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct diag diag;
        assert_int_equal(open_cipher(bad[i], &diag, NULL), ERR_HSM_KEY);
        assert_string_equal(diag.text, "soft: a key URI must not carry a PIN");
    }
}

static void private_keys_and_macs_are_named_by_uri_too(void **state)
{
    (void)state;
    needs_ec(hsm);
    struct mac mac;
    EVP_PKEY *key = NULL;
    assert_int_equal(hsm_open_mac(hsm, &(struct hsm_key_ref){KEY_MAC, "pkcs11:object=symbolon:1:mac:1", NULL},
                                  &mac, NULL, NULL),
                     OK);
    assert_int_equal(hsm_open_private_key(
                         hsm,
                         &(struct hsm_key_ref){KEY_TLS, "pkcs11:object=symbolon:0:tls:1;type=private", NULL},
                         &key, NULL, NULL),
                     OK);
    EVP_PKEY_free(key);
}

// ---- certificates -----------------------------------------------------------------------------------

static void a_new_certificate_replaces_the_old_one(void **state)
{
    (void)state;
    needs_ec(hsm);
    struct diag diag = {0};
    uint8_t der[2048];
    for (int round = 0; round < 2; round++) {
        EVP_PKEY *key = NULL;
        X509 *certificate = X509_new();
        assert_int_equal(hsm_open_private_key(hsm, &(struct hsm_key_ref){KEY_TLS, "symbolon:0:tls:1", NULL},
                                              &key, NULL, NULL),
                         OK);
        X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
        X509_gmtime_adj(X509_getm_notAfter(certificate), 3600 + round);
        assert_int_equal(X509_set_pubkey(certificate, key), 1);
        assert_int_equal(X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                                                    (const unsigned char *)"test", -1, -1, 0),
                         1);
        assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
        unsigned char *at = der;
        int bytes = i2d_X509(certificate, &at);
        assert_true(bytes > 0);
        if (hsm_store_certificate(hsm, "symbolon:0:tls:1", der, (size_t)bytes, &diag) != OK)
            fail_msg("%s", diag.text);
        X509_free(certificate);
        EVP_PKEY_free(key);

        CK_OBJECT_CLASS class = CKO_CERTIFICATE;
        CK_OBJECT_HANDLE found[4];
        CK_ULONG count = 0;
        CK_ATTRIBUTE criteria = {CKA_CLASS, &class, sizeof class};
        uint8_t stored[2048];
        CK_ATTRIBUTE value = {CKA_VALUE, stored, sizeof stored};
        assert_int_equal(raw.f->C_FindObjectsInit(raw.session, &criteria, 1), CKR_OK);
        assert_int_equal(raw.f->C_FindObjects(raw.session, found, 4, &count), CKR_OK);
        assert_int_equal(raw.f->C_FindObjectsFinal(raw.session), CKR_OK);
        assert_int_equal(count, 1);
        assert_int_equal(raw.f->C_GetAttributeValue(raw.session, found[0], &value, 1), CKR_OK);
        assert_int_equal(value.ulValueLen, bytes);
        assert_memory_equal(stored, der, (size_t)bytes);
    }
    assert_int_equal(hsm_store_certificate(hsm, "symbolon:0:tls:1", der, 20, NULL), ERR_INPUT);
}

// ---- CKR codes --------------------------------------------------------------------------------------

static void each_code_has_the_class_that_the_design_gives_it(void **state)
{
    (void)state;
    static const struct {
        CK_RV rv;
        const char *name;
        enum ckr_class class;
        enum err err;
    } list[] = {
        {CKR_OK, "CKR_OK", CKR_CLASS_OK, OK},
        {0xb3, "CKR_SESSION_HANDLE_INVALID", CKR_CLASS_SESSION_LOST, ERR_HSM_DOWN},
        {0xb0, "CKR_SESSION_CLOSED", CKR_CLASS_SESSION_LOST, ERR_HSM_DOWN},
        {0x90, "CKR_OPERATION_ACTIVE", CKR_CLASS_SESSION_LOST, ERR_HSM_DOWN},
        {0x91, "CKR_OPERATION_NOT_INITIALIZED", CKR_CLASS_SESSION_LOST, ERR_HSM_DOWN},
        {0x82, "CKR_OBJECT_HANDLE_INVALID", CKR_CLASS_SESSION_LOST, ERR_HSM_DOWN},
        {0x60, "CKR_KEY_HANDLE_INVALID", CKR_CLASS_SESSION_LOST, ERR_HSM_DOWN},
        {0x101, "CKR_USER_NOT_LOGGED_IN", CKR_CLASS_LOGIN_LOST, ERR_HSM_DOWN},
        {0x32, "CKR_DEVICE_REMOVED", CKR_CLASS_SLOT_GONE, ERR_HSM_DOWN},
        {0x30, "CKR_DEVICE_ERROR", CKR_CLASS_SLOT_GONE, ERR_HSM_DOWN},
        {0xe0, "CKR_TOKEN_NOT_PRESENT", CKR_CLASS_SLOT_GONE, ERR_HSM_DOWN},
        {0x190, "CKR_CRYPTOKI_NOT_INITIALIZED", CKR_CLASS_SLOT_GONE, ERR_HSM_DOWN},
        {0x06, "CKR_FUNCTION_FAILED", CKR_CLASS_SLOT_GONE, ERR_HSM_DOWN},
        {0x05, "CKR_GENERAL_ERROR", CKR_CLASS_SLOT_GONE, ERR_HSM_DOWN},
        {0x80000384, "CKR_VENDOR_DEFINED", CKR_CLASS_SLOT_GONE, ERR_HSM_DOWN},
        {0x7777, "CKR_?", CKR_CLASS_SLOT_GONE, ERR_HSM_DOWN},
        {0xb1, "CKR_SESSION_COUNT", CKR_CLASS_OVERLOAD, ERR_BUSY},
        {0x31, "CKR_DEVICE_MEMORY", CKR_CLASS_OVERLOAD, ERR_BUSY},
        {0x02, "CKR_HOST_MEMORY", CKR_CLASS_OVERLOAD, ERR_MEMORY},
        {0xa0, "CKR_PIN_INCORRECT", CKR_CLASS_PIN, ERR_HSM_PIN},
        {0xa3, "CKR_PIN_EXPIRED", CKR_CLASS_PIN, ERR_HSM_PIN},
        {0xa4, "CKR_PIN_LOCKED", CKR_CLASS_PIN, ERR_HSM_PIN},
        {0x70, "CKR_MECHANISM_INVALID", CKR_CLASS_CONFIG, ERR_HSM_CONFIG},
        {0x63, "CKR_KEY_TYPE_INCONSISTENT", CKR_CLASS_CONFIG, ERR_HSM_CONFIG},
        {0x68, "CKR_KEY_FUNCTION_NOT_PERMITTED", CKR_CLASS_CONFIG, ERR_HSM_CONFIG},
        {0x54, "CKR_FUNCTION_NOT_SUPPORTED", CKR_CLASS_CONFIG, ERR_HSM_CONFIG},
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        assert_string_equal(ckr_name(list[i].rv), list[i].name);
        assert_int_equal(ckr_class(list[i].rv), list[i].class);
        assert_int_equal(ckr_err(list[i].rv), list[i].err);
        assert_int_equal(ckr_is_retriable(list[i].rv),
                         list[i].class == CKR_CLASS_SESSION_LOST || list[i].class == CKR_CLASS_LOGIN_LOST);
    }
    struct diag diag = {0};
    assert_int_equal(ckr_diag(&diag, CKR_DEVICE_ERROR, "main", "C_Sign"), ERR_HSM_DOWN);
    assert_string_equal(diag.text, "main: C_Sign: CKR_DEVICE_ERROR (0x30)");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_are_spelled_as_the_design_says),
        cmocka_unit_test(only_what_we_write_is_read_as_a_label),
        cmocka_unit_test(ids_differ_in_every_part),
        TEST(uris_name_a_key_by_label_id_or_both),
        TEST(uris_that_mean_something_else_are_refused),
        TEST(malformed_uris_are_refused),
        TEST(a_uri_with_a_pin_is_refused_and_not_repeated),
        TEST(private_keys_and_macs_are_named_by_uri_too),
        TEST(a_new_certificate_replaces_the_old_one),
        cmocka_unit_test(each_code_has_the_class_that_the_design_gives_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
