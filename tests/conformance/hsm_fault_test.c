// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What the seams answer when the module fails: the class of the code decides, each call is made as often as
// it should and not once more, and the caller's blocks are never encrypted twice.
#include "tests/support/fault_module.h"
#include "tests/support/raw_p11.h"

#include <limits.h>
#include <openssl/evp.h>
#include <pthread.h>

static struct softhsm softhsm;
static struct fault_control *control;
static char module_path[PATH_MAX];
static struct hsm *hsm;
static struct cipher cipher;
static struct mac mac;
static uint8_t block_before[CIPHER_BLOCK_BYTES], mac_before[MAC_BYTES];

static struct hsm_options options(void)
{
    struct hsm_options made = softhsm_options(&softhsm);
    made.module = module_path;
    return made;
}

static void open_keys(void)
{
    assert_int_equal(
        hsm_open_cipher(hsm, &(struct hsm_key_ref){KEY_FPE, "symbolon:1:fpe:1", NULL}, &cipher, NULL, NULL),
        OK);
    assert_int_equal(
        hsm_open_mac(hsm, &(struct hsm_key_ref){KEY_MAC, "symbolon:1:mac:1", NULL}, &mac, NULL, NULL), OK);
}

static void open_all(void)
{
    const struct hsm_options faulty = options();
    hsm = softhsm_open(&faulty);
    open_keys();
}

static int set_up(void **state)
{
    (void)state;
    *control = (struct fault_control){0};
    softhsm_init(&softhsm);
    softhsm_init_token(SOFTHSM_LABEL);
    const struct hsm_options faulty = options();
    hsm = softhsm_open(&faulty);
    assert_int_equal(hsm_generate_key(hsm, 1, KEY_FPE, 1, NULL, NULL), OK);
    assert_int_equal(hsm_generate_key(hsm, 1, KEY_MAC, 1, NULL, NULL), OK);
    hsm_close(hsm);
    hsm = NULL;
    open_all();
    memset(block_before, 0x5a, sizeof block_before);
    assert_int_equal(cipher_encrypt(&cipher, block_before, 1), OK);
    assert_int_equal(mac_compute(&mac, (const uint8_t *)"abc", 3, mac_before), OK);
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

// The next so many calls fail, and no others.
static void fail_next(enum fault_call call, unsigned failures, CK_RV rv)
{
    control->fault[call].pattern = (1U << failures) - 1;
    control->fault[call].always = false;
    control->fault[call].rv = rv;
}

static void fail_always(enum fault_call call, CK_RV rv)
{
    control->fault[call].always = true;
    control->fault[call].rv = rv;
}

static size_t calls(enum fault_call call)
{
    return control->fault[call].calls;
}

static enum err encrypt_one(void)
{
    uint8_t block[CIPHER_BLOCK_BYTES];
    memset(block, 0x5a, sizeof block);
    enum err rc = cipher_encrypt(&cipher, block, 1);
    if (rc == OK)
        assert_memory_equal(block, block_before, sizeof block);
    return rc;
}

static enum err mac_one(void)
{
    uint8_t computed[MAC_BYTES];
    memset(computed, 0x77, sizeof computed);
    enum err rc = mac_compute(&mac, (const uint8_t *)"abc", 3, computed);
    if (rc == OK)
        assert_memory_equal(computed, mac_before, sizeof computed);
    for (size_t i = 0; rc != OK && i < sizeof computed; i++)
        assert_int_equal(computed[i], 0x77); // untouched on failure
    return rc;
}

// ---- what is retried --------------------------------------------------------------------------------

static const CK_RV retriable[] = {
    CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED,     CKR_OPERATION_ACTIVE,  CKR_OPERATION_NOT_INITIALIZED,
    CKR_OBJECT_HANDLE_INVALID,  CKR_KEY_HANDLE_INVALID, CKR_USER_NOT_LOGGED_IN};
enum { RETRIABLE = sizeof retriable / sizeof retriable[0] };

static void a_lost_session_is_replaced_and_the_call_made_once_more(void **state)
{
    (void)state;
    for (size_t i = 0; i < RETRIABLE; i++) {
        const size_t sessions = calls(FAULT_OPEN_SESSION);
        fail_next(FAULT_UPDATE, 1, retriable[i]);
        assert_int_equal(encrypt_one(), OK);
        assert_int_equal(calls(FAULT_OPEN_SESSION), sessions + 1);
        fail_next(FAULT_SIGN, 1, retriable[i]);
        assert_int_equal(mac_one(), OK);
        fail_next(FAULT_SIGN_INIT, 1, retriable[i]);
        assert_int_equal(mac_one(), OK);
    }
    assert_true(hsm_is_up(hsm));
}

static void a_session_that_stays_lost_is_given_up_after_one_retry(void **state)
{
    (void)state;
    for (size_t i = 0; i < RETRIABLE; i++) {
        const size_t signs = calls(FAULT_SIGN_INIT), sessions = calls(FAULT_OPEN_SESSION);
        fail_always(FAULT_UPDATE, retriable[i]);
        fail_always(FAULT_ENCRYPT_INIT, retriable[i]);
        assert_int_equal(encrypt_one(), ERR_HSM_DOWN);
        assert_int_equal(calls(FAULT_OPEN_SESSION), sessions + 1);
        fail_next(FAULT_UPDATE, 0, CKR_OK);
        fail_next(FAULT_ENCRYPT_INIT, 0, CKR_OK);
        assert_int_equal(encrypt_one(), OK);
        fail_always(FAULT_SIGN, retriable[i]);
        assert_int_equal(mac_one(), ERR_HSM_DOWN); // met while the key that was found again is verified
        assert_int_equal(calls(FAULT_SIGN_INIT), signs + 2);
        fail_next(FAULT_SIGN, 0, CKR_OK);
        assert_int_equal(mac_one(), OK);
    }
    assert_true(hsm_is_up(hsm));
}

static void a_new_lane_that_fails_at_once_is_not_replaced_again(void **state)
{
    (void)state;
    const size_t sessions = calls(FAULT_OPEN_SESSION);
    fail_next(FAULT_UPDATE, 1, CKR_SESSION_CLOSED);
    control->fault[FAULT_UPDATE].pattern = 0b1001; // the call, not the two of the probe, the call again
    assert_int_equal(encrypt_one(), ERR_BUSY);
    assert_int_equal(calls(FAULT_OPEN_SESSION), sessions + 1);
    assert_true(hsm_is_up(hsm));
    assert_int_equal(encrypt_one(), OK);
}

static void a_signature_that_fails_again_after_all_was_renewed_is_given_up(void **state)
{
    (void)state;
    const size_t signs = calls(FAULT_SIGN);
    fail_next(FAULT_SIGN, 1, CKR_SESSION_CLOSED);
    control->fault[FAULT_SIGN].pattern = 0b101; // the call, not the check value, the call again
    assert_int_equal(mac_one(), ERR_BUSY);
    assert_int_equal(calls(FAULT_SIGN), signs + 3);
    assert_int_equal(mac_one(), OK);
}

static void blocks_that_a_failing_call_has_touched_are_not_encrypted_again(void **state)
{
    (void)state;
    const size_t sessions = calls(FAULT_OPEN_SESSION);
    control->scribble = true;
    fail_next(FAULT_UPDATE, 1, CKR_SESSION_HANDLE_INVALID);
    assert_int_equal(encrypt_one(), ERR_BUSY);
    assert_int_equal(calls(FAULT_OPEN_SESSION), sessions); // not even tried
    assert_int_equal(encrypt_one(), OK);                   // a new lane for the next caller
}

static void random_bytes_are_drawn_again_after_a_lost_session(void **state)
{
    (void)state;
    const struct rng rng = hsm_rng(hsm);
    uint8_t byte;
    const size_t before = calls(FAULT_RANDOM);
    fail_next(FAULT_RANDOM, 1, CKR_SESSION_HANDLE_INVALID);
    assert_int_equal(rng_fill(&rng, &byte, 1), OK);
    assert_int_equal(calls(FAULT_RANDOM), before + 2);
    fail_next(FAULT_RANDOM, 1, CKR_DEVICE_MEMORY);
    assert_int_equal(rng_fill(&rng, &byte, 1), ERR_BUSY);
    assert_int_equal(calls(FAULT_RANDOM), before + 3);
}

// ---- what is not ------------------------------------------------------------------------------------

static void each_other_class_is_reported_at_once_and_the_next_call_works(void **state)
{
    (void)state;
    static const struct {
        CK_RV rv;
        enum err err;
    } list[] = {
        {CKR_SESSION_COUNT, ERR_BUSY},        {CKR_DEVICE_MEMORY, ERR_BUSY},
        {CKR_HOST_MEMORY, ERR_MEMORY},        {CKR_KEY_FUNCTION_NOT_PERMITTED, ERR_HSM_KEY},
        {CKR_MECHANISM_INVALID, ERR_HSM_KEY}, {CKR_DATA_LEN_RANGE, ERR_HSM_KEY},
        {CKR_PIN_EXPIRED, ERR_HSM_DOWN},
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        const size_t updates = calls(FAULT_UPDATE), signs = calls(FAULT_SIGN);
        fail_next(FAULT_UPDATE, 1, list[i].rv);
        assert_int_equal(encrypt_one(), list[i].err);
        assert_int_equal(calls(FAULT_UPDATE), updates + 1);
        fail_next(FAULT_SIGN, 1, list[i].rv);
        assert_int_equal(mac_one(), list[i].err);
        assert_int_equal(calls(FAULT_SIGN), signs + 1);
        assert_true(hsm_is_up(hsm));
        assert_int_equal(encrypt_one(), OK);
        assert_int_equal(mac_one(), OK);
    }
}

static void a_slot_that_is_gone_is_down_for_everybody_without_another_call(void **state)
{
    (void)state;
    static const CK_RV gone[] = {CKR_DEVICE_REMOVED,     CKR_DEVICE_ERROR,
                                 CKR_TOKEN_NOT_PRESENT,  CKR_FUNCTION_FAILED,
                                 CKR_GENERAL_ERROR,      CKR_CRYPTOKI_NOT_INITIALIZED,
                                 CKR_VENDOR_DEFINED | 3, 0x7777};
    uint8_t byte;
    for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++) {
        const struct rng rng = hsm_rng(hsm);
        fail_next(FAULT_UPDATE, 1, gone[i]);
        assert_int_equal(encrypt_one(), ERR_HSM_DOWN);
        assert_false(hsm_is_up(hsm));
        struct fault_control frozen = *control;
        assert_int_equal(encrypt_one(), ERR_HSM_DOWN);
        assert_int_equal(mac_one(), ERR_HSM_DOWN);
        assert_int_equal(rng_fill(&rng, &byte, 1), ERR_HSM_DOWN);
        assert_memory_equal(&frozen, control, sizeof frozen);
        hsm_close(hsm);
        hsm = NULL;
        open_all();
    }
}

static void a_slot_that_goes_while_a_lane_is_reopened_is_down(void **state)
{
    (void)state;
    fail_next(FAULT_UPDATE, 1, CKR_SESSION_HANDLE_INVALID);
    fail_next(FAULT_OPEN_SESSION, 1, CKR_DEVICE_REMOVED);
    assert_int_equal(encrypt_one(), ERR_HSM_DOWN);
    assert_false(hsm_is_up(hsm));
}

static void no_more_sessions_is_overload_and_passes(void **state)
{
    (void)state;
    fail_next(FAULT_UPDATE, 1, CKR_SESSION_CLOSED);
    fail_next(FAULT_OPEN_SESSION, 1, CKR_SESSION_COUNT);
    assert_int_equal(encrypt_one(), ERR_BUSY);
    assert_true(hsm_is_up(hsm));
    assert_int_equal(encrypt_one(), OK);
    fail_next(FAULT_SIGN, 1, CKR_SESSION_CLOSED);
    fail_next(FAULT_OPEN_SESSION, 1, CKR_SESSION_COUNT);
    assert_int_equal(mac_one(), ERR_BUSY);
    assert_int_equal(mac_one(), OK);
}

static void *mac_run(void *context)
{
    uint8_t computed[MAC_BYTES];
    bool *good = context;
    *good = mac_compute(&mac, (const uint8_t *)"abc", 3, computed) == OK &&
            memcmp(computed, mac_before, sizeof computed) == 0;
    return NULL;
}

static void callers_beyond_the_limit_of_the_session_pool_wait_in_line(void **state)
{
    (void)state;
    enum { CALLERS = 100, POOL = 32 };
    pthread_t threads[CALLERS];
    bool good[CALLERS] = {0};
    const size_t sessions = calls(FAULT_OPEN_SESSION);
    control->sign_ms = 20;
    for (int i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, mac_run, &good[i]), 0);
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(threads[i], NULL);
        assert_true(good[i]);
    }
    assert_in_range(control->most_signing, 2, POOL);
    assert_in_range(calls(FAULT_OPEN_SESSION) - sessions, 1, POOL);
}

// ---- logins -----------------------------------------------------------------------------------------

enum { THREADS = 8 };

struct worker {
    pthread_t thread;
    pthread_barrier_t *start;
    bool good;
};

static void *worker_run(void *context)
{
    struct worker *worker = context;
    uint8_t block[CIPHER_BLOCK_BYTES], computed[MAC_BYTES];
    memset(block, 0x5a, sizeof block);
    pthread_barrier_wait(worker->start);
    worker->good = cipher_encrypt(&cipher, block, 1) == OK &&
                   memcmp(block, block_before, sizeof block) == 0 &&
                   mac_compute(&mac, (const uint8_t *)"abc", 3, computed) == OK &&
                   memcmp(computed, mac_before, sizeof computed) == 0;
    return NULL;
}

static void threads_that_lost_the_login_together_share_one_new_login(void **state)
{
    (void)state;
    struct worker workers[THREADS];
    pthread_barrier_t start;
    hsm_close(hsm);
    struct hsm_options wide = options();
    wide.lanes = 4;
    hsm = softhsm_open(&wide);
    open_keys();
    struct raw raw = raw_open_module(module_path);
    for (int round = 0; round < 20; round++) {
        const size_t logins = calls(FAULT_LOGIN);
        assert_int_equal(raw.f->C_CloseAllSessions(raw.slot), CKR_OK);
        assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
        for (int i = 0; i < THREADS; i++) {
            workers[i] = (struct worker){.start = &start};
            assert_int_equal(pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]), 0);
        }
        for (int i = 0; i < THREADS; i++) {
            pthread_join(workers[i].thread, NULL);
            assert_true(workers[i].good);
        }
        pthread_barrier_destroy(&start);
        assert_int_equal(calls(FAULT_LOGIN), logins + 1);
    }
}

static void each_answer_to_a_login_is_told_apart_and_none_is_repeated(void **state)
{
    (void)state;
    static const struct {
        CK_RV rv;
        enum err err;
    } list[] = {
        {CKR_PIN_INCORRECT, ERR_HSM_PIN},
        {CKR_PIN_LOCKED, ERR_HSM_PIN},
        {CKR_PIN_EXPIRED, ERR_HSM_PIN},
        {CKR_PIN_LEN_RANGE, ERR_HSM_PIN},
        {CKR_DEVICE_ERROR, ERR_HSM_DOWN},
        {CKR_DEVICE_MEMORY, ERR_BUSY},
        {CKR_USER_PIN_NOT_INITIALIZED, ERR_HSM_CONFIG},
    };
    hsm_close(hsm);
    hsm = NULL;
    const struct hsm_options faulty = options();
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        const size_t logins = calls(FAULT_LOGIN);
        fail_next(FAULT_LOGIN, 1, list[i].rv);
        assert_int_equal(hsm_open(&faulty, &hsm, NULL), list[i].err);
        assert_int_equal(calls(FAULT_LOGIN), logins + 1);
    }
    fail_next(FAULT_LOGIN, 1, CKR_USER_ALREADY_LOGGED_IN);
    struct diag diag = {0};
    assert_int_equal(hsm_open(&faulty, &hsm, &diag), OK); // it says that we are in
}

// ---- calls and streams ------------------------------------------------------------------------------

static size_t updates_for(size_t count)
{
    uint8_t *blocks = calloc(count + 1, CIPHER_BLOCK_BYTES);
    assert_non_null(blocks);
    const size_t before = calls(FAULT_UPDATE);
    assert_int_equal(cipher_encrypt(&cipher, blocks, count), OK);
    free(blocks);
    return calls(FAULT_UPDATE) - before;
}

static void calls_are_cut_at_2048_blocks_and_nothing_is_initialized_again(void **state)
{
    (void)state;
    const size_t inits = calls(FAULT_ENCRYPT_INIT), sessions = calls(FAULT_OPEN_SESSION);
    assert_int_equal(updates_for(0), 0);
    assert_int_equal(updates_for(1), 1);
    assert_int_equal(updates_for(2048), 1);
    assert_int_equal(updates_for(2049), 2);
    assert_int_equal(updates_for(5000), 3);
    assert_int_equal(calls(FAULT_ENCRYPT_INIT), inits);
    assert_int_equal(calls(FAULT_OPEN_SESSION), sessions);
}

static void check_call_by_call(void)
{
    struct hsm_facts facts;
    hsm_close(hsm);
    hsm = NULL;
    open_all();
    assert_int_equal(hsm_read_facts(hsm, &facts, NULL), OK);
    assert_false(facts.stream);
    const size_t inits = calls(FAULT_ENCRYPT_INIT), updates = calls(FAULT_UPDATE);
    for (size_t i = 1; i <= 5; i++) {
        assert_int_equal(encrypt_one(), OK);
        assert_int_equal(calls(FAULT_ENCRYPT_INIT), inits + i);
    }
    assert_int_equal(calls(FAULT_UPDATE), updates);
    fail_next(FAULT_ENCRYPT, 1, CKR_SESSION_HANDLE_INVALID);
    assert_int_equal(encrypt_one(), OK);
    fail_next(FAULT_ENCRYPT_INIT, 1, CKR_KEY_HANDLE_INVALID);
    assert_int_equal(encrypt_one(), OK);
}

static void a_module_that_holds_blocks_back_is_called_part_by_part(void **state)
{
    (void)state;
    control->hold_back = true;
    check_call_by_call();
}

static void a_module_whose_stream_is_wrong_is_called_part_by_part(void **state)
{
    (void)state;
    control->wrong_in_stream = true;
    check_call_by_call();
}

static void a_module_without_updates_is_called_part_by_part(void **state)
{
    (void)state;
    fail_always(FAULT_UPDATE, CKR_FUNCTION_NOT_SUPPORTED);
    check_call_by_call();
}

// Of the two calls of the probe.
static void a_fault_that_passes_while_a_lane_is_first_opened_does_not_make_it_a_slow_one(void **state)
{
    (void)state;
    static const CK_RV passing[] = {CKR_DEVICE_MEMORY, CKR_HOST_MEMORY,        CKR_SESSION_COUNT,
                                    CKR_DEVICE_ERROR,  CKR_FUNCTION_FAILED,    CKR_GENERAL_ERROR,
                                    0x80000384,        CKR_USER_NOT_LOGGED_IN, CKR_SESSION_CLOSED};
    hsm_release_key(hsm, &(struct hsm_key_ref){KEY_FPE, "symbolon:1:fpe:1", NULL});
    for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++) {
        for (unsigned pattern = 1; pattern <= 2; pattern++) {
            const struct hsm_key_ref ref = {KEY_FPE, "symbolon:1:fpe:1", NULL};
            control->fault[FAULT_UPDATE].rv = passing[i];
            control->fault[FAULT_UPDATE].pattern = pattern;
            assert_int_not_equal(hsm_open_cipher(hsm, &ref, &cipher, NULL, NULL), OK);
            assert_int_equal(hsm_open_cipher(hsm, &ref, &cipher, NULL, NULL), OK);
            const size_t updates = calls(FAULT_UPDATE);
            assert_int_equal(encrypt_one(), OK);
            assert_int_equal(calls(FAULT_UPDATE), updates + 1); // it streams
            hsm_release_key(hsm, &ref);
        }
    }
    open_keys();
}

static void a_stream_that_begins_to_hold_back_fails_and_is_not_used_again(void **state)
{
    (void)state;
    control->hold_back = true;
    assert_int_equal(encrypt_one(), ERR_BUSY);
    assert_int_equal(encrypt_one(), OK); // part by part from now on
}

// ---- generating -------------------------------------------------------------------------------------

static void attributes_that_a_token_does_not_know_are_given_up_one_by_one(void **state)
{
    (void)state;
    static const CK_ATTRIBUTE_TYPE optional[] = {CKA_ALLOWED_MECHANISMS, CKA_COPYABLE, CKA_MODIFIABLE};
    for (unsigned i = 0; i < 3; i++) {
        struct key_evidence evidence;
        const size_t before = calls(FAULT_GENERATE);
        control->refused = optional[i];
        assert_int_equal(hsm_generate_key(hsm, 1, KEY_FPE, 10 + i, &evidence, NULL), OK);
        assert_int_equal(calls(FAULT_GENERATE), before + 2 + i);
    }
    struct diag diag = {0};
    control->refused = CKA_SENSITIVE; // never given up
    assert_int_equal(hsm_generate_key(hsm, 1, KEY_FPE, 20, NULL, &diag), ERR_HSM_CONFIG);
    assert_string_equal(diag.text,
                        "soft: key symbolon:1:fpe:20: generating it: CKR_ATTRIBUTE_TYPE_INVALID (0x12)");
}

static void a_key_that_came_out_otherwise_than_asked_is_destroyed(void **state)
{
    (void)state;
    struct diag diag = {0};
    struct hsm_key_info *keys = NULL;
    size_t count = 0;
    control->too_powerful = true;
    assert_int_equal(hsm_generate_key(hsm, 1, KEY_FPE, 2, NULL, &diag), ERR_HSM_KEY);
    assert_string_equal(diag.text, "key symbolon:1:fpe:2: CKA_DECRYPT is true, must be false");
    assert_int_equal(hsm_list_keys(hsm, &keys, &count, NULL), OK);
    assert_int_equal(count, 2); // those of set_up
    free(keys);
}

static void a_key_pair_that_came_out_otherwise_leaves_neither_half(void **state)
{
    (void)state;
    struct diag diag = {0};
    struct raw raw = raw_open_module(module_path);
    control->flipped = CKA_DERIVE;
    assert_int_equal(hsm_generate_key(hsm, 0, KEY_TLS, 1, NULL, &diag), ERR_HSM_KEY);
    assert_int_equal(raw_find(&raw, CKO_PRIVATE_KEY, "symbolon:0:tls:1"), CK_INVALID_HANDLE);
    assert_int_equal(raw_find(&raw, CKO_PUBLIC_KEY, "symbolon:0:tls:1"), CK_INVALID_HANDLE);
    assert_string_equal(diag.text, "key symbolon:0:tls:1: CKA_DERIVE is true, must be false");
}

static void a_token_without_a_mechanism_says_so_and_makes_no_key(void **state)
{
    (void)state;
    static const struct {
        enum key_use use;
        CK_MECHANISM_TYPE mechanism;
        const char *reason;
    } list[] = {
        {KEY_FPE, CKM_AES_KEY_GEN, "key symbolon:5:fpe:1: slot soft has no mechanism 0x1080 to generate it"},
        {KEY_MAC, CKM_GENERIC_SECRET_KEY_GEN,
         "key symbolon:5:mac:1: slot soft has no mechanism 0x350 to generate it"},
        {KEY_TLS, CKM_EC_KEY_PAIR_GEN,
         "key symbolon:5:tls:1: slot soft has no mechanism 0x1040 to generate it"},
        {KEY_SIGN_ED25519, CKM_EC_EDWARDS_KEY_PAIR_GEN,
         "key symbolon:5:sign:1: slot soft has no mechanism 0x1055 to generate it"},
    };
    const size_t before = calls(FAULT_GENERATE);
    for (size_t i = 0; i < 4; i++) {
        struct diag diag = {0};
        control->missing_mechanism = list[i].mechanism;
        assert_int_equal(hsm_generate_key(hsm, 5, list[i].use, 1, NULL, &diag), ERR_HSM_CONFIG);
        assert_string_equal(diag.text, list[i].reason);
    }
    assert_int_equal(calls(FAULT_GENERATE), before);
    struct hsm_facts facts;
    control->missing_mechanism = CKM_AES_ECB;
    assert_int_equal(hsm_read_facts(hsm, &facts, NULL), OK);
    assert_false(facts.aes_ecb || facts.stream);
    assert_true(facts.ecdsa);
}

// ---- what a token does not tell ---------------------------------------------------------------------

static void attributes_that_cannot_be_read_count_against_the_key_unless_they_mean_less_power(void **state)
{
    (void)state;
    static const struct {
        CK_ATTRIBUTE_TYPE hidden;
        const char *reason; // NULL: the key is taken
    } list[] = {
        {CKA_TOKEN, "key symbolon:1:fpe:1: CKA_TOKEN is not available"},
        {CKA_PRIVATE, "key symbolon:1:fpe:1: CKA_PRIVATE is not available"},
        {CKA_SENSITIVE, "key symbolon:1:fpe:1: CKA_SENSITIVE is not available"},
        {CKA_EXTRACTABLE, "key symbolon:1:fpe:1: CKA_EXTRACTABLE is not available"},
        {CKA_ALWAYS_SENSITIVE, "key symbolon:1:fpe:1: CKA_ALWAYS_SENSITIVE is not available"},
        {CKA_NEVER_EXTRACTABLE, "key symbolon:1:fpe:1: CKA_NEVER_EXTRACTABLE is not available"},
        {CKA_LOCAL, "key symbolon:1:fpe:1: CKA_LOCAL is not available"},
        {CKA_KEY_TYPE, "key symbolon:1:fpe:1: CKA_KEY_TYPE is not available"},
        {CKA_VALUE_LEN, "key symbolon:1:fpe:1: CKA_VALUE_LEN is not available"},
        {CKA_ENCRYPT, "key symbolon:1:fpe:1: CKA_ENCRYPT is not available"},
        {CKA_DECRYPT, NULL},
        {CKA_SIGN, NULL},
        {CKA_DERIVE, NULL},
        {CKA_WRAP, NULL},
    };
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        struct diag diag = {0};
        hsm_close(hsm);
        const struct hsm_options faulty = options();
        hsm = softhsm_open(&faulty);
        control->hidden = list[i].hidden;
        enum err rc = hsm_open_cipher(hsm, &(struct hsm_key_ref){KEY_FPE, "symbolon:1:fpe:1", NULL}, &cipher,
                                      NULL, &diag);
        control->hidden = 0;
        assert_int_equal(rc, list[i].reason == NULL ? OK : ERR_HSM_KEY);
        assert_string_equal(diag.text, list[i].reason == NULL ? "" : list[i].reason);
    }
}

static void a_public_point_is_taken_bare_or_wrapped_but_only_from_the_curve(void **state)
{
    (void)state;
    struct diag diag = {0};
    const struct hsm_key_ref ref = {KEY_TLS, "symbolon:0:tls:1", NULL};
    EVP_PKEY *wrapped = NULL, *bare = NULL, *bad = NULL;
    assert_int_equal(hsm_generate_key(hsm, 0, KEY_TLS, 1, NULL, NULL), OK);
    assert_int_equal(hsm_open_private_key(hsm, &ref, &wrapped, NULL, NULL), OK);
    hsm_release_key(hsm, &ref); // so that the point is read again
    control->bare_point = true;
    assert_int_equal(hsm_open_private_key(hsm, &ref, &bare, NULL, NULL), OK);
    assert_int_equal(EVP_PKEY_eq(wrapped, bare), 1);
    hsm_release_key(hsm, &ref);
    control->bad_point = true;
    assert_int_equal(hsm_open_private_key(hsm, &ref, &bad, NULL, &diag), ERR_HSM_KEY);
    assert_string_equal(diag.text, "key symbolon:0:tls:1: its public key is no point of P-256");
    control->bare_point = false;
    assert_int_equal(hsm_open_private_key(hsm, &ref, &bad, NULL, NULL), ERR_HSM_KEY);
    assert_null(bad);
    EVP_PKEY_free(wrapped);
    EVP_PKEY_free(bare);
}

static int load_module(void **state)
{
    (void)state;
    if (realpath(FAULT_MODULE, module_path) == NULL)
        return -1;
    void *code = dlopen(module_path, RTLD_NOW | RTLD_LOCAL);
    if (code == NULL)
        return -1;
    typedef struct fault_control *(*getter)(void);
    getter get = (getter)dlsym(code, "fault_control");
    if (get == NULL)
        return -1;
    control = get();
    return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_lost_session_is_replaced_and_the_call_made_once_more),
        TEST(a_session_that_stays_lost_is_given_up_after_one_retry),
        TEST(a_new_lane_that_fails_at_once_is_not_replaced_again),
        TEST(a_signature_that_fails_again_after_all_was_renewed_is_given_up),
        TEST(blocks_that_a_failing_call_has_touched_are_not_encrypted_again),
        TEST(random_bytes_are_drawn_again_after_a_lost_session),
        TEST(each_other_class_is_reported_at_once_and_the_next_call_works),
        TEST(a_slot_that_is_gone_is_down_for_everybody_without_another_call),
        TEST(a_slot_that_goes_while_a_lane_is_reopened_is_down),
        TEST(no_more_sessions_is_overload_and_passes),
        TEST(callers_beyond_the_limit_of_the_session_pool_wait_in_line),
        TEST(threads_that_lost_the_login_together_share_one_new_login),
        TEST(each_answer_to_a_login_is_told_apart_and_none_is_repeated),
        TEST(calls_are_cut_at_2048_blocks_and_nothing_is_initialized_again),
        TEST(a_module_that_holds_blocks_back_is_called_part_by_part),
        TEST(a_module_whose_stream_is_wrong_is_called_part_by_part),
        TEST(a_module_without_updates_is_called_part_by_part),
        TEST(a_fault_that_passes_while_a_lane_is_first_opened_does_not_make_it_a_slow_one),
        TEST(a_stream_that_begins_to_hold_back_fails_and_is_not_used_again),
        TEST(attributes_that_a_token_does_not_know_are_given_up_one_by_one),
        TEST(a_key_that_came_out_otherwise_than_asked_is_destroyed),
        TEST(a_key_pair_that_came_out_otherwise_leaves_neither_half),
        TEST(a_token_without_a_mechanism_says_so_and_makes_no_key),
        TEST(attributes_that_cannot_be_read_count_against_the_key_unless_they_mean_less_power),
        TEST(a_public_point_is_taken_bare_or_wrapped_but_only_from_the_curve),
    };
    return cmocka_run_group_tests(tests, load_module, NULL);
}
