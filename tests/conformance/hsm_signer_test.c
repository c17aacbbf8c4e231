// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Keys that sign, judged by OpenSSL; keys given back, seen from the module; keys that answer wrongly.
#include "tests/conformance/set_rig.h"

#include <openssl/ec.h>
#include <stdatomic.h>

enum { LANES = 3 };

static struct set_rig rig;
static struct fault_control *control;
static struct hsm *hsm;

// SoftHSM 2.6.1 leaks 37 bytes at each C_SignInit with an Ed25519 key; its own frames are not seen.
[[gnu::visibility("default")]] const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:ASN1_STRING_set\nleak:CRYPTO_zalloc\n";
}

static int set_up(void **state)
{
    (void)state;
    rig_init(&rig);
    control = rig.sides[0].control;
    struct hsm_options options = side_options(&rig, 0);
    options.lanes = LANES;
    hsm = softhsm_open(&options);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hsm_close(hsm);
    rig_done(&rig);
    return 0;
}

static size_t calls(enum fault_call call)
{
    return control->fault[call].calls;
}

// ---- signatures -------------------------------------------------------------------------------------

static EVP_PKEY *p256_key(const uint8_t *coordinates)
{
    uint8_t point[65] = {POINT_CONVERSION_UNCOMPRESSED};
    char group[] = "P-256";
    memcpy(point + 1, coordinates, 64);
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string("group", group, 0),
        OSSL_PARAM_construct_octet_string("pub", point, sizeof point),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    assert_int_equal(EVP_PKEY_fromdata_init(context), 1);
    assert_int_equal(EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters), 1);
    EVP_PKEY_CTX_free(context);
    return key;
}

// From R and S side by side to what OpenSSL reads.
static size_t to_der(const uint8_t *raw, uint8_t *out_der)
{
    ECDSA_SIG *signature = ECDSA_SIG_new();
    assert_int_equal(ECDSA_SIG_set0(signature, BN_bin2bn(raw, 32, NULL), BN_bin2bn(raw + 32, 32, NULL)), 1);
    const int bytes = i2d_ECDSA_SIG(signature, &out_der);
    ECDSA_SIG_free(signature);
    assert_true(bytes > 0);
    return (size_t)bytes;
}

static bool verifies(const struct signer *signer, const uint8_t *message, size_t bytes, const uint8_t *raw)
{
    uint8_t der[80];
    const bool ed25519 = signer->kind == SIGNER_ED25519;
    const size_t der_bytes = ed25519 ? 0 : to_der(raw, der);
    EVP_PKEY *key = ed25519 ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, signer->public_key, 32)
                            : p256_key(signer->public_key);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_non_null(key);
    assert_int_equal(EVP_DigestVerifyInit(context, NULL, ed25519 ? NULL : EVP_sha256(), NULL, key), 1);
    const bool good = ed25519 ? EVP_DigestVerify(context, raw, SIGNATURE_BYTES, message, bytes) == 1
                              : EVP_DigestVerify(context, der, der_bytes, message, bytes) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return good;
}

static void assert_signs_every_length(const struct signer *signer)
{
    static uint8_t message[5002];
    static const size_t lengths[] = {0, 1, 31, 32, 33, 64, 65, 5000};
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (uint8_t)(i * 31);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        uint8_t signature[SIGNATURE_BYTES];
        assert_int_equal(signer_sign(signer, message, lengths[i], signature), OK);
        assert_true(verifies(signer, message, lengths[i], signature));
        assert_false(verifies(signer, message, lengths[i] ^ 1, signature));
        signature[5] ^= 1;
        assert_false(verifies(signer, message, lengths[i], signature));
    }
}

static void signatures_of_both_kinds_are_verified_by_openssl(void **state)
{
    (void)state;
    struct signer ed25519, p256;
    struct key_evidence evidence;
    assert_int_equal(hsm_open_signer(hsm, &ed25519_ref, &ed25519, &evidence, NULL), OK);
    assert_int_equal(ed25519.kind, SIGNER_ED25519);
    assert_string_equal(evidence.label, ed25519_ref.name);
    assert_true(hsm_key_never_left(&evidence));
    assert_int_equal(hsm_open_signer(hsm, &p256_ref, &p256, &evidence, NULL), OK);
    assert_int_equal(p256.kind, SIGNER_ES256);
    assert_string_equal(evidence.label, p256_ref.name);
    assert_signs_every_length(&ed25519);
    assert_signs_every_length(&p256);
}

static void a_key_of_another_use_signs_nothing(void **state)
{
    (void)state;
    struct signer signer = {0};
    assert_int_equal(hsm_open_signer(hsm, &tls_ref, &signer, NULL, NULL), ERR_HSM_KEY);
    assert_int_equal(hsm_open_signer(hsm, &mac_ref, &signer, NULL, NULL), ERR_HSM_KEY);
    assert_int_equal(hsm_open_signer(hsm, &fpe_ref, &signer, NULL, NULL), ERR_HSM_KEY);
    const struct hsm_key_ref other_kind = {KEY_SIGN_P256, ed25519_ref.name, NULL};
    assert_int_equal(hsm_open_signer(hsm, &other_kind, &signer, NULL, NULL), ERR_HSM_KEY);
    assert_null(signer.sign);
}

static void a_signer_survives_the_loss_of_all_sessions(void **state)
{
    (void)state;
    struct signer signer;
    uint8_t signature[SIGNATURE_BYTES];
    assert_int_equal(hsm_open_signer(hsm, &p256_ref, &signer, NULL, NULL), OK);
    const struct raw raw = raw_open_hsm(hsm);
    assert_int_equal(raw.f->C_CloseAllSessions(raw.slot), CKR_OK);
    assert_int_equal(signer_sign(&signer, (const uint8_t *)"abc", 3, signature), OK);
    assert_true(verifies(&signer, (const uint8_t *)"abc", 3, signature));
}

// ---- release ----------------------------------------------------------------------------------------

static void the_last_release_closes_the_sessions_of_the_lanes(void **state)
{
    (void)state;
    struct cipher first, second;
    uint8_t block[CIPHER_BLOCK_BYTES] = {0};
    for (int i = 0; i < 3; i++) {
        const size_t opened = calls(FAULT_OPEN_SESSION), closed = calls(FAULT_CLOSE_SESSION);
        assert_int_equal(hsm_open_cipher(hsm, &fpe_ref, &first, NULL, NULL), OK);
        assert_int_equal(calls(FAULT_OPEN_SESSION), opened + LANES);
        assert_int_equal(hsm_open_cipher(hsm, &fpe_ref, &second, NULL, NULL), OK);
        assert_int_equal(calls(FAULT_OPEN_SESSION), opened + LANES);
        hsm_release_key(hsm, &fpe_ref);
        assert_int_equal(calls(FAULT_CLOSE_SESSION), closed);
        assert_int_equal(cipher_encrypt(&first, block, 1), OK);
        hsm_release_key(hsm, &fpe_ref);
        assert_int_equal(calls(FAULT_CLOSE_SESSION), closed + LANES);
    }
}

static void a_key_released_while_the_slot_is_down_leaves_nothing_behind(void **state)
{
    (void)state;
    struct cipher cipher;
    struct mac mac;
    uint8_t block[CIPHER_BLOCK_BYTES] = {0};
    assert_int_equal(hsm_open_cipher(hsm, &fpe_ref, &cipher, NULL, NULL), OK);
    assert_int_equal(hsm_open_mac(hsm, &mac_ref, &mac, NULL, NULL), OK);
    control->fault[FAULT_UPDATE].rv = CKR_DEVICE_REMOVED;
    control->fault[FAULT_UPDATE].pattern = 1;
    assert_int_equal(cipher_encrypt(&cipher, block, 1), ERR_HSM_DOWN);
    const size_t closed = calls(FAULT_CLOSE_SESSION);
    hsm_release_key(hsm, &fpe_ref);
    assert_int_equal(calls(FAULT_CLOSE_SESSION), closed); // nobody enters a module that is down
    struct diag diag = {0};
    assert_int_equal(hsm_open_cipher(hsm, &fpe_ref, &cipher, NULL, &diag), ERR_HSM_DOWN);
    assert_int_equal(hsm_check(hsm, NULL), OK);
    assert_int_equal(hsm_open_cipher(hsm, &fpe_ref, &cipher, NULL, NULL), OK);
    assert_int_equal(cipher_encrypt(&cipher, block, 1), OK);
}

// ---- wrong answers ----------------------------------------------------------------------------------

static void assert_found_wrong(const char *label, int checks)
{
    struct diag diag = {0};
    enum err rc = OK;
    for (int i = 0; i < checks && rc == OK; i++)
        rc = hsm_check(hsm, &diag);
    assert_int_equal(rc, ERR_HSM_KEY);
    if (strstr(diag.text, "check value differs") == NULL || strstr(diag.text, label) == NULL)
        fail_msg("%s", diag.text);
    assert_false(hsm_is_up(hsm));
}

static void a_wrong_mac_is_found_and_not_used(void **state)
{
    (void)state;
    struct mac mac;
    uint8_t computed[MAC_BYTES];
    assert_int_equal(hsm_open_mac(hsm, &mac_ref, &mac, NULL, NULL), OK);
    control->wrong_signature = true;
    assert_found_wrong(mac_ref.name, 1);
    for (int i = 0; i < 3; i++) {
        assert_int_not_equal(mac_compute(&mac, (const uint8_t *)"abc", 3, computed), OK);
        assert_int_equal(hsm_check(hsm, NULL), ERR_HSM_KEY);
    }
    control->wrong_signature = false;
    assert_int_equal(hsm_check(hsm, NULL), OK);
    assert_int_equal(mac_compute(&mac, (const uint8_t *)"abc", 3, computed), OK);
}

static void wrong_signatures_are_found_and_not_used(const struct hsm_key_ref *ref, int checks)
{
    struct signer signer;
    uint8_t signature[SIGNATURE_BYTES];
    assert_int_equal(hsm_open_signer(hsm, ref, &signer, NULL, NULL), OK);
    assert_int_equal(hsm_check(hsm, NULL), OK);
    control->wrong_signature = true;
    assert_found_wrong(ref->name, checks);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(signer_sign(&signer, (const uint8_t *)"abc", 3, signature), ERR_HSM_DOWN);
        assert_int_equal(hsm_check(hsm, NULL), ERR_HSM_KEY);
    }
    control->wrong_signature = false;
    assert_int_equal(hsm_check(hsm, NULL), OK);
    assert_int_equal(signer_sign(&signer, (const uint8_t *)"abc", 3, signature), OK);
    hsm_release_key(hsm, ref);
}

static void wrong_p256_signatures_are_found_at_the_next_check(void **state)
{
    (void)state;
    wrong_signatures_are_found_and_not_used(&p256_ref, 1);
}

static void wrong_ed25519_signatures_are_found_within_a_minute_of_checks(void **state)
{
    (void)state;
    wrong_signatures_are_found_and_not_used(&ed25519_ref, 60 / HSM_CHECK_INTERVAL_S);
}

// One lane answers wrongly, and it need not be the one that the next caller gets.
static void a_wrong_lane_among_right_ones_is_found_within_a_minute_of_checks(void **state)
{
    (void)state;
    struct cipher cipher;
    for (size_t lane = 0; lane < LANES; lane++) {
        const size_t opened = calls(FAULT_OPEN_SESSION);
        assert_int_equal(hsm_open_cipher(hsm, &fpe_ref, &cipher, NULL, NULL), OK);
        assert_int_equal(hsm_check(hsm, NULL), OK);
        control->wrong_session = control->sessions[(opened + 1 + lane) % FAULT_SESSIONS];
        assert_found_wrong(fpe_ref.name, 60 / HSM_CHECK_INTERVAL_S);
        control->wrong_session = 0;
        assert_int_equal(hsm_check(hsm, NULL), OK);
        hsm_release_key(hsm, &fpe_ref);
    }
}

static int load(void **state)
{
    (void)state;
    rig_load(&rig, FAULT_MODULE);
    return 0;
}

static int unload(void **state)
{
    (void)state;
    rig_unload(&rig);
    return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(signatures_of_both_kinds_are_verified_by_openssl),
        TEST(a_key_of_another_use_signs_nothing),
        TEST(a_signer_survives_the_loss_of_all_sessions),
        TEST(the_last_release_closes_the_sessions_of_the_lanes),
        TEST(a_key_released_while_the_slot_is_down_leaves_nothing_behind),
        TEST(a_wrong_mac_is_found_and_not_used),
        TEST(wrong_p256_signatures_are_found_at_the_next_check),
        TEST(wrong_ed25519_signatures_are_found_within_a_minute_of_checks),
        TEST(a_wrong_lane_among_right_ones_is_found_within_a_minute_of_checks),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
