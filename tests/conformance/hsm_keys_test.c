// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The other seams through SoftHSM: HMAC, EC keys as OpenSSL keys, random bytes; how keys are named; and the
// listing.
#include "pkcs11/hsm.h"
#include "tests/support/needs.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct softhsm softhsm;
static struct hsm *hsm;

static int set_up(void **state)
{
    (void)state;
    softhsm_init(&softhsm);
    softhsm_init_token(SOFTHSM_LABEL);
    const struct hsm_options options = softhsm_options(&softhsm);
    hsm = softhsm_open(&options);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hsm_close(hsm);
    softhsm_done(&softhsm);
    return 0;
}

#define ASSERT_OK(expr)                                                                                      \
    do {                                                                                                     \
        struct diag diag = {0};                                                                              \
        enum err assert_ok_rc = (expr);                                                                      \
        if (assert_ok_rc != OK)                                                                              \
            fail_msg("%s: %s", err_name(assert_ok_rc), diag.text);                                           \
    } while (0)

static struct key_evidence generate(unsigned tenant, enum key_use use, unsigned generation)
{
    struct key_evidence evidence;
    needs_rules();
    ASSERT_OK(hsm_generate_key(hsm, tenant, use, generation, &evidence, &diag));
    return evidence;
}

// ---- HMAC -------------------------------------------------------------------------------------------

static void a_mac_depends_on_key_and_message_only(void **state)
{
    (void)state;
    generate(1, KEY_MAC, 1);
    generate(2, KEY_MAC, 1);
    struct mac one, again, two;
    uint8_t a[MAC_BYTES], b[MAC_BYTES];
    struct key_evidence evidence;
    ASSERT_OK(
        hsm_open_mac(hsm, &(struct hsm_key_ref){KEY_MAC, "symbolon:1:mac:1", NULL}, &one, &evidence, &diag));
    ASSERT_OK(
        hsm_open_mac(hsm, &(struct hsm_key_ref){KEY_MAC, "symbolon:1:mac:1", NULL}, &again, NULL, &diag));
    ASSERT_OK(hsm_open_mac(hsm, &(struct hsm_key_ref){KEY_MAC, "symbolon:2:mac:1", NULL}, &two, NULL, &diag));
    assert_ptr_equal(one.context, again.context); // a reload opens nothing new

    ASSERT_OK(mac_compute(&one, (const uint8_t *)"abc", 3, a));
    ASSERT_OK(mac_compute(&again, (const uint8_t *)"abc", 3, b));
    assert_memory_equal(a, b, MAC_BYTES);
    ASSERT_OK(mac_compute(&two, (const uint8_t *)"abc", 3, b));
    assert_memory_not_equal(a, b, MAC_BYTES);
    ASSERT_OK(mac_compute(&one, (const uint8_t *)"abd", 3, b));
    assert_memory_not_equal(a, b, MAC_BYTES);
    ASSERT_OK(mac_compute(&one, NULL, 0, b)); // nothing is a message too
    assert_memory_not_equal(a, b, MAC_BYTES);

    ASSERT_OK(mac_compute(&one, (const uint8_t *)"symbolon check value", 20, a));
    assert_true(evidence.has_check_value);
    assert_memory_equal(a, evidence.check_value, KEY_CHECK_VALUE_BYTES);
}

// ---- EC ---------------------------------------------------------------------------------------------

static void sign_and_verify(EVP_PKEY *key)
{
    const unsigned char message[] = "sign here";
    unsigned char signature[128];
    size_t bytes = sizeof signature;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestSign(context, signature, &bytes, message, sizeof message), 1);
    EVP_MD_CTX_free(context);

    // Verified by a key that OpenSSL read from the public half alone.
    unsigned char *der = NULL;
    int der_bytes = i2d_PUBKEY(key, &der);
    assert_true(der_bytes > 0);
    const unsigned char *at = der;
    EVP_PKEY *public_key = d2i_PUBKEY(NULL, &at, der_bytes);
    assert_non_null(public_key);
    context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, public_key), 1);
    assert_int_equal(EVP_DigestVerify(context, signature, bytes, message, sizeof message), 1);
    EVP_MD_CTX_free(context);
    context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, public_key), 1);
    assert_int_not_equal(EVP_DigestVerify(context, signature, bytes, message, sizeof message - 1), 1);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(public_key);
    OPENSSL_free(der);
}

static void an_ec_key_of_the_token_signs_and_openssl_verifies(void **state)
{
    (void)state;
    needs_ec(hsm);
    generate(0, KEY_TLS, 1);
    generate(0, KEY_SIGN_P256, 1);
    if (needs_facts(hsm).eddsa)
        generate(0, KEY_SIGN_ED25519, 1); // shares the label with the one before
    EVP_PKEY *tls = NULL, *sign = NULL;
    struct key_evidence evidence;
    ASSERT_OK(hsm_open_private_key(hsm, &(struct hsm_key_ref){KEY_TLS, "symbolon:0:tls:1", NULL}, &tls,
                                   &evidence, &diag));
    assert_true(evidence.sensitive && evidence.never_extractable && evidence.always_sensitive &&
                evidence.local);
    ASSERT_OK(hsm_open_private_key(hsm, &(struct hsm_key_ref){KEY_SIGN_P256, "symbolon:0:sign:1", NULL},
                                   &sign, NULL, &diag));
    assert_int_equal(EVP_PKEY_get_bits(tls), 256);
    assert_int_equal(EVP_PKEY_eq(tls, sign), 0);
    sign_and_verify(tls);
    sign_and_verify(sign);
    EVP_PKEY_free(tls);
    EVP_PKEY_free(sign);
}

static void a_key_made_after_the_first_was_opened_is_found(void **state)
{
    (void)state;
    EVP_PKEY *first = NULL, *second = NULL;
    needs_ec(hsm);
    generate(0, KEY_TLS, 1);
    ASSERT_OK(hsm_open_private_key(hsm, &(struct hsm_key_ref){KEY_TLS, "symbolon:0:tls:1", NULL}, &first,
                                   NULL, &diag));
    generate(0, KEY_TLS, 2);
    ASSERT_OK(hsm_open_private_key(hsm, &(struct hsm_key_ref){KEY_TLS, "symbolon:0:tls:2", NULL}, &second,
                                   NULL, &diag));
    sign_and_verify(second);
    sign_and_verify(first);
    EVP_PKEY_free(first);
    EVP_PKEY_free(second);
}

static void each_use_opens_by_its_own_function_only(void **state)
{
    (void)state;
    struct cipher cipher;
    struct mac mac;
    EVP_PKEY *key;
    if (needs_facts(hsm).eddsa)
        generate(0, KEY_SIGN_ED25519, 1);
    assert_int_equal(
        hsm_open_cipher(hsm, &(struct hsm_key_ref){KEY_MAC, "symbolon:0:mac:1", NULL}, &cipher, NULL, NULL),
        ERR_HSM_KEY);
    assert_int_equal(
        hsm_open_mac(hsm, &(struct hsm_key_ref){KEY_FPE, "symbolon:0:fpe:1", NULL}, &mac, NULL, NULL),
        ERR_HSM_KEY);
    assert_int_equal(hsm_open_private_key(hsm,
                                          &(struct hsm_key_ref){KEY_SIGN_ED25519, "symbolon:0:sign:1", NULL},
                                          &key, NULL, NULL),
                     ERR_HSM_KEY);
}

// ---- random bytes -----------------------------------------------------------------------------------

static void random_bytes_differ_and_none_is_fine(void **state)
{
    (void)state;
    const struct rng rng = hsm_rng(hsm);
    uint8_t a[32] = {0}, b[32] = {0};
    ASSERT_OK(rng_fill(&rng, a, sizeof a));
    ASSERT_OK(rng_fill(&rng, b, sizeof b));
    assert_memory_not_equal(a, b, sizeof a);
    memcpy(b, a, sizeof a);
    ASSERT_OK(rng_fill(&rng, a, 0));
    assert_memory_equal(a, b, sizeof a);
}

// ---- listing and facts ------------------------------------------------------------------------------

static void keys_are_listed_in_numeric_order(void **state)
{
    (void)state;
    struct hsm_key_info *keys = NULL;
    size_t count = 0;
    ASSERT_OK(hsm_list_keys(hsm, &keys, &count, &diag));
    assert_int_equal(count, 0);
    free(keys);
    generate(10, KEY_FPE, 1);
    generate(2, KEY_MAC, 1);
    generate(2, KEY_FPE, 10);
    generate(2, KEY_FPE, 9);
    static const char *const labels[] = {"symbolon:0:sign:1", "symbolon:0:sign:1", "symbolon:2:fpe:9",
                                         "symbolon:2:fpe:10", "symbolon:2:mac:1",  "symbolon:10:fpe:1"};
    static const enum key_use uses[] = {KEY_SIGN_ED25519, KEY_SIGN_P256, KEY_FPE, KEY_FPE, KEY_MAC, KEY_FPE};
    const struct hsm_facts facts = needs_facts(hsm);
    const size_t first = facts.eddsa ? 0 : facts.ecdsa ? 1 : 2;
    for (size_t i = first; i < 2; i++)
        generate(0, uses[i], 1);
    if (first > 0)
        softhsm_note_skip("EdDSA");
    if (first > 1)
        softhsm_note_skip("ECDSA");
    ASSERT_OK(hsm_list_keys(hsm, &keys, &count, &diag));
    assert_int_equal(count, 6 - first);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(keys[i].evidence.label, labels[first + i]);
        assert_int_equal(keys[i].use, uses[first + i]);
        assert_string_equal(keys[i].why.text, "");
        assert_true(keys[i].ok);
        assert_true(keys[i].evidence.has_check_value);
    }
    free(keys);
}

static void the_token_tells_its_facts(void **state)
{
    (void)state;
    struct hsm_facts facts;
    ASSERT_OK(hsm_read_facts(hsm, &facts, &diag));
    assert_true(facts.aes_ecb && facts.aes_keygen && facts.hmac_sha256 && facts.generic_keygen &&
                facts.stream);
    needs(strcmp(softhsm_kind(), "softhsm") == 0, "the facts of SoftHSM");
    assert_string_equal(facts.manufacturer, "SoftHSM project");
    assert_string_equal(facts.model, "SoftHSM v2");
    assert_int_equal(strlen(facts.serial), 16);
    assert_true(facts.aes_ecb && facts.aes_keygen && facts.hmac_sha256 && facts.generic_keygen);
    assert_true(facts.ec_keygen && facts.ecdsa && facts.eddsa && facts.stream);
    assert_false(facts.pin_count_low || facts.pin_final_try || facts.pin_locked || facts.pin_to_be_changed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_mac_depends_on_key_and_message_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_ec_key_of_the_token_signs_and_openssl_verifies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_key_made_after_the_first_was_opened_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_use_opens_by_its_own_function_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(random_bytes_differ_and_none_is_fine, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_are_listed_in_numeric_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_token_tells_its_facts, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
