// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A token whose files go away under the running module is down for whoever asks, and is used again as soon as
// they are back, by the keys that were open before.
#include "tests/support/raw_p11.h"
#include "tests/support/soft.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

static struct softhsm softhsm;
static struct hsm *hsm;
static struct cipher cipher;
static struct mac mac;
static struct rng rng;
static EVP_PKEY *key;
static uint8_t block_before[CIPHER_BLOCK_BYTES], mac_before[MAC_BYTES];

static enum err encrypt_one(uint8_t *out_block)
{
    memset(out_block, 0x5a, CIPHER_BLOCK_BYTES);
    return cipher_encrypt(&cipher, out_block, 1);
}

static enum err mac_one(uint8_t *out_mac)
{
    return mac_compute(&mac, (const uint8_t *)"abc", 3, out_mac);
}

static int set_up(void **state)
{
    (void)state;
    softhsm_init(&softhsm);
    softhsm_init_token(SOFTHSM_LABEL);
    const struct hsm_options options = softhsm_options(&softhsm);
    hsm = softhsm_open(&options);
    assert_int_equal(hsm_generate_key(hsm, 1, KEY_FPE, 1, NULL, NULL), OK);
    assert_int_equal(hsm_generate_key(hsm, 1, KEY_MAC, 1, NULL, NULL), OK);
    assert_int_equal(hsm_generate_key(hsm, 0, KEY_TLS, 1, NULL, NULL), OK);
    assert_int_equal(
        hsm_open_cipher(hsm, &(struct hsm_key_ref){KEY_FPE, "symbolon:1:fpe:1", NULL}, &cipher, NULL, NULL),
        OK);
    assert_int_equal(
        hsm_open_mac(hsm, &(struct hsm_key_ref){KEY_MAC, "symbolon:1:mac:1", NULL}, &mac, NULL, NULL), OK);
    assert_int_equal(
        hsm_open_private_key(hsm, &(struct hsm_key_ref){KEY_TLS, "symbolon:0:tls:1", NULL}, &key, NULL, NULL),
        OK);
    rng = hsm_rng(hsm);
    assert_int_equal(encrypt_one(block_before), OK);
    assert_int_equal(mac_one(mac_before), OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    EVP_PKEY_free(key);
    hsm_close(hsm);
    softhsm_done(&softhsm);
    return 0;
}

static void move_tokens(bool away)
{
    char here[96], there[96];
    snprintf(here, sizeof here, "%s/tokens", softhsm.folder);
    snprintf(there, sizeof there, "%s/elsewhere", softhsm.folder);
    assert_int_equal(away ? rename(here, there) : rename(there, here), 0);
}

static bool sign(void)
{
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
    uint8_t block[CIPHER_BLOCK_BYTES], computed[MAC_BYTES], byte;
    assert_true(hsm_is_up(hsm));
    assert_true(sign());
    assert_int_equal(mac_one(computed), OK);
    assert_memory_equal(computed, mac_before, MAC_BYTES);
    assert_int_equal(encrypt_one(block), OK);
    assert_memory_equal(block, block_before, CIPHER_BLOCK_BYTES);
    assert_int_equal(rng_fill(&rng, &byte, 1), OK);
    assert_true(hsm_is_up(hsm));
}

static void assert_check(enum err expected, const char *why)
{
    struct diag diag = {0};
    assert_int_equal(hsm_check(hsm, &diag), expected);
    if (strstr(diag.text, why) == NULL)
        fail_msg("%s", diag.text);
}

// ---- what is said -----------------------------------------------------------------------------------

static void a_check_of_a_sound_token_changes_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_check(OK, "");
    assert_all_work();
}

static void a_signature_that_finds_the_token_gone_takes_the_slot_down(void **state)
{
    (void)state;
    move_tokens(true);
    assert_false(sign());
    assert_false(hsm_is_up(hsm));
    move_tokens(false);
}

static void a_mac_that_finds_the_token_gone_says_down_and_not_that_its_key_is_missing(void **state)
{
    (void)state;
    uint8_t computed[MAC_BYTES];
    move_tokens(true);
    assert_int_equal(mac_one(computed), ERR_HSM_DOWN);
    assert_false(hsm_is_up(hsm));
    move_tokens(false);
}

static void a_check_finds_the_token_gone_before_a_request_does(void **state)
{
    (void)state;
    move_tokens(true);
    assert_true(hsm_is_up(hsm)); // nobody knows yet
    assert_check(ERR_HSM_DOWN, "C_GetTokenInfo");
    assert_false(hsm_is_up(hsm));
    assert_true(hsm_check(hsm, NULL) != OK); // still away
    assert_false(hsm_is_up(hsm));
    move_tokens(false);
}

static void a_key_that_is_missing_is_named_and_the_others_go_on(void **state)
{
    (void)state;
    uint8_t computed[MAC_BYTES];
    struct raw raw = raw_open();
    assert_int_equal(raw.f->C_DestroyObject(raw.session, raw_find(&raw, CKO_PRIVATE_KEY, "symbolon:0:tls:1")),
                     CKR_OK);
    assert_check(ERR_HSM_KEY, "key symbolon:0:tls:1");
    assert_false(hsm_is_up(hsm));
    assert_int_equal(mac_one(computed), OK);
    assert_check(ERR_HSM_KEY, "key symbolon:0:tls:1");
}

// ---- what comes back --------------------------------------------------------------------------------

static void everything_works_again_when_the_token_is_back(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        move_tokens(true);
        assert_false(sign());
        assert_true(hsm_check(hsm, NULL) != OK);
        move_tokens(false);
        assert_check(OK, "");
        assert_all_work();
    }
}

static void a_finalized_module_is_initialized_again(void **state)
{
    (void)state;
    struct raw raw = raw_open();
    uint8_t block[CIPHER_BLOCK_BYTES];
    assert_int_equal(raw.f->C_Finalize(NULL), CKR_OK);
    assert_int_equal(encrypt_one(block), ERR_HSM_DOWN);
    assert_check(OK, "");
    assert_all_work();
}

static struct hsm *open_other(const char *label)
{
    struct hsm_options options = softhsm_options(&softhsm);
    options.name = options.token_label = label;
    return softhsm_open(&options);
}

static void slots_of_one_module_that_was_finalized_come_back_together(void **state)
{
    (void)state;
    uint8_t byte;
    hsm_close(hsm); // tokens are made by one who is alone
    EVP_PKEY_free(key);
    key = NULL;
    softhsm_init_token("second");
    softhsm_init_token("third");
    struct hsm *all[] = {open_other(SOFTHSM_LABEL), open_other("second"), open_other("third")};
    hsm = all[0]; // closed in the end
    struct raw raw = raw_open();
    for (int round = 0; round < 3; round++) {
        assert_int_equal(raw.f->C_Finalize(NULL), CKR_OK);
        for (int i = 0; i < 3; i++) {
            const struct rng one = hsm_rng(all[i]);
            assert_int_equal(rng_fill(&one, &byte, 1), ERR_HSM_DOWN);
        }
        assert_int_equal(hsm_check(all[0], NULL), ERR_HSM_DOWN); // the others might be inside
        assert_int_equal(hsm_check(all[0], NULL), ERR_HSM_DOWN);
        assert_int_equal(hsm_check(all[1], NULL), ERR_HSM_DOWN);
        assert_int_equal(hsm_check(all[2], NULL), OK); // now nobody is
        for (int i = 0; i < 3; i++) {
            const struct rng one = hsm_rng(all[i]);
            assert_int_equal(hsm_check(all[i], NULL), OK);
            assert_int_equal(rng_fill(&one, &byte, 1), OK);
        }
    }
    hsm_close(all[1]);
    hsm_close(all[2]);
}

static void a_pin_that_was_refused_is_not_tried_again_by_later_checks(void **state)
{
    (void)state;
    char path[96];
    softhsm_write_file(&softhsm, "pin", "7654321", 0600, path);
    move_tokens(true);
    assert_false(sign());
    move_tokens(false);
    assert_true(hsm_check(hsm, NULL) != OK);
    // The right one again, but nobody told us to: a login would clear the flag.
    softhsm_write_file(&softhsm, "pin", SOFTHSM_PIN, 0600, path);
    assert_check(ERR_HSM_PIN, "PIN");
    assert_false(hsm_is_up(hsm));
    struct raw raw = raw_open();
    assert_true((raw_token_flags(&raw) & CKF_USER_PIN_COUNT_LOW) != 0);
}

// ---- the watcher ------------------------------------------------------------------------------------

struct watched {
    atomic_int downs, ups, wrongs;
};

static void note_change(void *context, bool up, const char *why)
{
    struct watched *watched = context;
    if (up == (why[0] != '\0'))
        atomic_fetch_add(&watched->wrongs, 1);
    atomic_fetch_add(up ? &watched->ups : &watched->downs, 1);
}

static void wait_for(const atomic_int *count, int value)
{
    for (int i = 0; i < 6000 && atomic_load(count) != value; i++)
        usleep(10000);
    assert_int_equal(atomic_load(count), value);
}

static atomic_bool enough;

// Works on while the token comes and goes: what is answered is right, or not answered.
static void *use_keys(void *context)
{
    atomic_int *wrongs = context;
    while (!atomic_load(&enough)) {
        uint8_t block[CIPHER_BLOCK_BYTES], computed[MAC_BYTES];
        if (encrypt_one(block) == OK && memcmp(block, block_before, sizeof block) != 0)
            atomic_fetch_add(wrongs, 1);
        if (mac_one(computed) == OK && memcmp(computed, mac_before, sizeof computed) != 0)
            atomic_fetch_add(wrongs, 1);
        usleep(1000);
    }
    return NULL;
}

static void the_watcher_tells_each_change_once_and_brings_busy_keys_back(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    struct watched watched = {0};
    atomic_store(&enough, false);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_keys, &watched.wrongs), 0);
    assert_int_equal(hsm_watch(hsm, note_change, &watched), OK);
    for (int i = 1; i <= 2; i++) {
        move_tokens(true);
        wait_for(&watched.downs, i);
        assert_false(hsm_is_up(hsm));
        move_tokens(false);
        wait_for(&watched.ups, i);
        assert_true(hsm_is_up(hsm));
    }
    atomic_store(&enough, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&watched.wrongs), 0);
    assert_int_equal(atomic_load(&watched.downs), 2);
    assert_all_work();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_check_of_a_sound_token_changes_nothing),
        TEST(a_signature_that_finds_the_token_gone_takes_the_slot_down),
        TEST(a_mac_that_finds_the_token_gone_says_down_and_not_that_its_key_is_missing),
        TEST(a_check_finds_the_token_gone_before_a_request_does),
        TEST(a_key_that_is_missing_is_named_and_the_others_go_on),
        TEST(everything_works_again_when_the_token_is_back),
        TEST(a_finalized_module_is_initialized_again),
        TEST(slots_of_one_module_that_was_finalized_come_back_together),
        TEST(a_pin_that_was_refused_is_not_tried_again_by_later_checks),
        TEST(the_watcher_tells_each_change_once_and_brings_busy_keys_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
