// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Sessions and logins that are taken away behind the product's back come back by themselves, once; what
// cannot come back is reported for what it is.
#include "tests/support/needs.h"
#include "tests/support/raw_p11.h"
#include "tests/support/soft.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

static struct softhsm softhsm;
static struct hsm *hsm;
static struct raw raw;
static struct cipher cipher;
static struct mac mac;
static struct rng rng;
static EVP_PKEY *key;
static uint8_t block_before[CIPHER_BLOCK_BYTES], mac_before[MAC_BYTES];

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
    assert_int_equal(hsm_generate_key(hsm, 1, KEY_FPE, 1, NULL, NULL), OK);
    assert_int_equal(hsm_generate_key(hsm, 1, KEY_MAC, 1, NULL, NULL), OK);
    const bool has_ec = needs_facts(hsm).ecdsa;
    if (has_ec)
        assert_int_equal(hsm_generate_key(hsm, 0, KEY_TLS, 1, NULL, NULL), OK);
    assert_int_equal(
        hsm_open_cipher(hsm, &(struct hsm_key_ref){KEY_FPE, "symbolon:1:fpe:1", NULL}, &cipher, NULL, NULL),
        OK);
    assert_int_equal(
        hsm_open_mac(hsm, &(struct hsm_key_ref){KEY_MAC, "symbolon:1:mac:1", NULL}, &mac, NULL, NULL), OK);
    if (has_ec)
        assert_int_equal(hsm_open_private_key(hsm, &(struct hsm_key_ref){KEY_TLS, "symbolon:0:tls:1", NULL},
                                              &key, NULL, NULL),
                         OK);
    rng = hsm_rng(hsm);
    memset(block_before, 0x5a, sizeof block_before);
    assert_int_equal(cipher_encrypt(&cipher, block_before, 1), OK);
    assert_int_equal(mac_compute(&mac, (const uint8_t *)"abc", 3, mac_before), OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    EVP_PKEY_free(key);
    key = NULL;
    hsm_close(hsm);
    softhsm_done(&softhsm);
    return 0;
}

static enum err encrypt_one(uint8_t *out_block)
{
    memset(out_block, 0x5a, CIPHER_BLOCK_BYTES);
    return cipher_encrypt(&cipher, out_block, 1);
}

static void assert_cipher_works(void)
{
    uint8_t block[CIPHER_BLOCK_BYTES];
    assert_int_equal(encrypt_one(block), OK);
    assert_memory_equal(block, block_before, sizeof block);
}

static void assert_mac_works(void)
{
    uint8_t computed[MAC_BYTES];
    assert_int_equal(mac_compute(&mac, (const uint8_t *)"abc", 3, computed), OK);
    assert_memory_equal(computed, mac_before, sizeof computed);
}

// true also if the token knows no EC keys.
static bool sign(void)
{
    if (key == NULL)
        return true;
    uint8_t signature[128];
    size_t bytes = sizeof signature;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key), 1);
    bool good = EVP_DigestSign(context, signature, &bytes, (const unsigned char *)"abc", 3) == 1;
    EVP_MD_CTX_free(context);
    if (!good)
        return false;
    context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key), 1);
    good = EVP_DigestVerify(context, signature, bytes, (const unsigned char *)"abc", 3) == 1;
    EVP_MD_CTX_free(context);
    return good;
}

static void assert_all_work(void)
{
    uint8_t byte;
    assert_mac_works();
    assert_true(sign());
    assert_int_equal(rng_fill(&rng, &byte, 1), OK);
    assert_cipher_works();
    assert_true(hsm_is_up(hsm));
}

// ---- recovery ---------------------------------------------------------------------------------------

static void close_all(void)
{
    assert_int_equal(raw.f->C_CloseAllSessions(raw.slot), CKR_OK); // which ends the login too
}

static void the_cipher_survives_the_loss_of_sessions_and_login(void **state)
{
    (void)state;
    needs_rules();
    close_all();
    assert_cipher_works();
}

static void the_mac_survives_the_loss_of_sessions_and_login(void **state)
{
    (void)state;
    needs_rules();
    close_all();
    assert_mac_works();
    assert_mac_works();
}

static void the_private_key_survives_the_loss_of_sessions_and_login(void **state)
{
    (void)state;
    needs_ec(hsm);
    close_all();
    assert_true(sign());
}

static void random_bytes_survive_the_loss_of_sessions_and_login(void **state)
{
    (void)state;
    needs_rules();
    uint8_t byte;
    assert_int_equal(rng_fill(&rng, &byte, 1), OK);
    close_all();
    assert_int_equal(rng_fill(&rng, &byte, 1), OK);
}

static void everything_survives_many_losses(void **state)
{
    (void)state;
    needs_rules();
    if (key == NULL)
        softhsm_note_skip("ECDSA");
    for (int i = 0; i < 20; i++) {
        close_all();
        assert_all_work();
    }
}

static void everything_survives_a_logout(void **state)
{
    (void)state;
    needs_rules();
    if (key == NULL)
        softhsm_note_skip("ECDSA");
    for (int i = 0; i < 5; i++) {
        assert_int_equal(raw.f->C_Logout(raw.session), CKR_OK);
        assert_all_work();
    }
}

static void a_call_of_several_chunks_survives_a_loss(void **state)
{
    (void)state;
    needs_rules();
    enum { BLOCKS = 5000 };
    uint8_t *blocks = malloc(BLOCKS * CIPHER_BLOCK_BYTES);
    assert_non_null(blocks);
    memset(blocks, 0x5a, BLOCKS * CIPHER_BLOCK_BYTES);
    close_all();
    assert_int_equal(cipher_encrypt(&cipher, blocks, BLOCKS), OK);
    for (size_t i = 0; i < BLOCKS; i++)
        assert_memory_equal(blocks + i * CIPHER_BLOCK_BYTES, block_before, CIPHER_BLOCK_BYTES);
    free(blocks);
}

static void a_typed_pin_is_kept_for_the_login_that_was_lost(void **state)
{
    (void)state;
    needs_rules();
    SECRET pin = {0};
    assert_int_equal(secret_set(&pin, SOFTHSM_PIN, strlen(SOFTHSM_PIN)), OK);
    struct hsm_options options = softhsm_options(&softhsm);
    options.pin_file = NULL;
    options.pin = &pin;
    struct hsm *typed = softhsm_open(&options);
    struct mac typed_mac;
    uint8_t computed[MAC_BYTES];
    assert_int_equal(
        hsm_open_mac(typed, &(struct hsm_key_ref){KEY_MAC, "symbolon:1:mac:1", NULL}, &typed_mac, NULL, NULL),
        OK);
    secret_done(&pin);
    close_all();
    assert_int_equal(mac_compute(&typed_mac, (const uint8_t *)"abc", 3, computed), OK);
    assert_memory_equal(computed, mac_before, MAC_BYTES);
    hsm_close(typed);
}

// ---- what does not come back ------------------------------------------------------------------------

static void a_pin_that_became_wrong_is_tried_once_and_the_slot_goes_down(void **state)
{
    (void)state;
    needs_rules();
    char path[96];
    uint8_t block[CIPHER_BLOCK_BYTES], byte;
    softhsm_write_file(&softhsm, "pin", "7654321", 0600, path);
    assert_string_equal(path, softhsm.pin_file);
    close_all();
    assert_int_equal(encrypt_one(block), ERR_HSM_DOWN);
    assert_false(hsm_is_up(hsm));
    assert_true((raw_token_flags(&raw) & CKF_USER_PIN_COUNT_LOW) != 0);
    // The right one again, but nobody told us to: a second login would clear the flag.
    softhsm_write_file(&softhsm, "pin", SOFTHSM_PIN, 0600, path);
    assert_int_equal(encrypt_one(block), ERR_HSM_DOWN);
    assert_int_equal(mac_compute(&mac, &byte, 0, mac_before), ERR_HSM_DOWN);
    assert_int_equal(rng_fill(&rng, &byte, 1), ERR_HSM_DOWN);
    assert_true(key == NULL || !sign());
    assert_true((raw_token_flags(&raw) & CKF_USER_PIN_COUNT_LOW) != 0);
}

static void a_finalized_module_takes_the_slot_down_at_once(void **state)
{
    (void)state;
    needs_rules();
    uint8_t block[CIPHER_BLOCK_BYTES];
    assert_int_equal(raw.f->C_Finalize(NULL), CKR_OK);
    assert_int_equal(encrypt_one(block), ERR_HSM_DOWN);
    assert_false(hsm_is_up(hsm));
    assert_int_equal(mac_compute(&mac, block, 1, mac_before), ERR_HSM_DOWN);
}

static void a_key_that_was_destroyed_is_missed_when_its_lane_is_reopened(void **state)
{
    (void)state;
    needs_rules();
    uint8_t block[CIPHER_BLOCK_BYTES];
    assert_int_equal(raw.f->C_DestroyObject(raw.session, raw_find(&raw, CKO_SECRET_KEY, "symbolon:1:fpe:1")),
                     CKR_OK);
    close_all();
    assert_int_equal(encrypt_one(block), ERR_HSM_KEY);
    assert_true(hsm_is_up(hsm));
    assert_int_equal(encrypt_one(block), ERR_HSM_KEY); // and again, with nothing left to close
    assert_mac_works();
}

static void another_key_under_the_same_label_is_not_taken_for_the_one_that_was_lost(void **state)
{
    (void)state;
    needs_rules();
    uint8_t block[CIPHER_BLOCK_BYTES], computed[MAC_BYTES];
    assert_int_equal(raw.f->C_DestroyObject(raw.session, raw_find(&raw, CKO_SECRET_KEY, "symbolon:1:fpe:1")),
                     CKR_OK);
    assert_int_equal(raw.f->C_DestroyObject(raw.session, raw_find(&raw, CKO_SECRET_KEY, "symbolon:1:mac:1")),
                     CKR_OK);
    assert_int_equal(hsm_generate_key(hsm, 1, KEY_FPE, 1, NULL, NULL), OK);
    assert_int_equal(hsm_generate_key(hsm, 1, KEY_MAC, 1, NULL, NULL), OK);
    assert_int_equal(mac_compute(&mac, (const uint8_t *)"abc", 3, computed), ERR_HSM_KEY);
    close_all();
    assert_int_equal(encrypt_one(block), ERR_HSM_KEY);
}

// ---- an independent HMAC ----------------------------------------------------------------------------

// The module's mechanism that the mac seam uses, against OpenSSL, with a key that both know.
static void the_modules_hmac_is_rfc_2104(void **state)
{
    (void)state;
    uint8_t bytes[32], message[100], computed[MAC_BYTES], expected[MAC_BYTES];
    struct raw_template template = {0};
    CK_OBJECT_HANDLE object;
    CK_MECHANISM hmac = {CKM_SHA256_HMAC, NULL, 0};
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 5 + 3);
    raw_set_ulong(&template, CKA_CLASS, CKO_SECRET_KEY);
    raw_set_ulong(&template, CKA_KEY_TYPE, CKK_GENERIC_SECRET);
    raw_set_bool(&template, CKA_TOKEN, false);
    raw_set_bool(&template, CKA_SIGN, true);
    raw_set(&template, CKA_VALUE, bytes, sizeof bytes);
    assert_int_equal(raw.f->C_CreateObject(raw.session, template.attributes, template.count, &object),
                     CKR_OK);
    for (size_t i = 0; i < sizeof message; i++) {
        message[i] = (uint8_t)(i * 11);
        CK_ULONG out = sizeof computed;
        assert_int_equal(raw.f->C_SignInit(raw.session, &hmac, object), CKR_OK);
        assert_int_equal(raw.f->C_Sign(raw.session, message, i + 1, computed, &out), CKR_OK);
        assert_non_null(HMAC(EVP_sha256(), bytes, sizeof bytes, message, i + 1, expected, NULL));
        assert_memory_equal(computed, expected, sizeof expected);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_cipher_survives_the_loss_of_sessions_and_login),
        TEST(the_mac_survives_the_loss_of_sessions_and_login),
        TEST(the_private_key_survives_the_loss_of_sessions_and_login),
        TEST(random_bytes_survive_the_loss_of_sessions_and_login),
        TEST(everything_survives_many_losses),
        TEST(everything_survives_a_logout),
        TEST(a_call_of_several_chunks_survives_a_loss),
        TEST(a_typed_pin_is_kept_for_the_login_that_was_lost),
        TEST(a_pin_that_became_wrong_is_tried_once_and_the_slot_goes_down),
        TEST(a_finalized_module_takes_the_slot_down_at_once),
        TEST(a_key_that_was_destroyed_is_missed_when_its_lane_is_reopened),
        TEST(another_key_under_the_same_label_is_not_taken_for_the_one_that_was_lost),
        TEST(the_modules_hmac_is_rfc_2104),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
