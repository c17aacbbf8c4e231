// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The cipher seam through SoftHSM: right for every count, shared between threads, and what is proved of it.
#include "pkcs11/hsm.h"
#include "tests/support/needs.h"
#include "tests/support/soft.h"

#include <pthread.h>
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

static void fill(uint8_t *bytes, size_t count, uint64_t seed)
{
    struct soft_rng soft = {.state = seed};
    const struct rng rng = soft_rng_seam(&soft);
    assert_int_equal(rng_fill(&rng, bytes, count), OK);
}

static void equals_openssl_for(size_t key_bytes, size_t count)
{
    uint8_t key[32];
    struct diag diag = {0};
    struct cipher cipher;
    struct soft_cipher soft;
    uint8_t *blocks = malloc(count * CIPHER_BLOCK_BYTES + 1),
            *expected = malloc(count * CIPHER_BLOCK_BYTES + 1);
    assert_non_null(blocks);
    assert_non_null(expected);
    fill(key, sizeof key, key_bytes);
    fill(blocks, count * CIPHER_BLOCK_BYTES, count + 7);
    memcpy(expected, blocks, count * CIPHER_BLOCK_BYTES);
    blocks[count * CIPHER_BLOCK_BYTES] = 0xa5;
    soft_cipher_init(&soft, key, key_bytes);
    const struct cipher reference = soft_cipher_seam(&soft);
    assert_int_equal(cipher_encrypt(&reference, expected, count), OK);

    if (hsm_import_test_cipher(hsm, key, key_bytes, &cipher, &diag) != OK)
        fail_msg("%s", diag.text);
    assert_int_equal(cipher_encrypt(&cipher, blocks, count), OK);
    assert_memory_equal(blocks, expected, count * CIPHER_BLOCK_BYTES);
    assert_int_equal(blocks[count * CIPHER_BLOCK_BYTES], 0xa5); // not one byte further
    // The operation is still open and in step.
    assert_int_equal(cipher_encrypt(&reference, expected, count), OK);
    assert_int_equal(cipher_encrypt(&cipher, blocks, count), OK);
    assert_memory_equal(blocks, expected, count * CIPHER_BLOCK_BYTES);
    soft_cipher_done(&soft);
    free(blocks);
    free(expected);
}

static void blocks_equal_openssl_for_every_count_and_key_size(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 2, 2047, 2048, 2049, 5000};
    static const size_t key_sizes[] = {16, 24, 32};
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
            equals_openssl_for(key_sizes[k], counts[i]);
}

static void a_test_key_of_another_size_is_refused(void **state)
{
    (void)state;
    const uint8_t key[33] = {0};
    struct cipher cipher;
    static const size_t sizes[] = {0, 15, 17, 31, 33};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        assert_int_equal(hsm_import_test_cipher(hsm, key, sizes[i], &cipher, NULL), ERR_INPUT);
}

static void a_generated_key_is_proved_and_its_check_value_is_that_of_the_zero_block(void **state)
{
    (void)state;
    needs_rules();
    struct diag diag = {0};
    struct key_evidence generated, opened;
    struct cipher cipher;
    uint8_t zero[CIPHER_BLOCK_BYTES] = {0};
    const struct hsm_key_ref ref = {.use = KEY_FPE, .name = "symbolon:7:fpe:3"};
    if (hsm_generate_key(hsm, 7, KEY_FPE, 3, &generated, &diag) != OK)
        fail_msg("%s", diag.text);
    if (hsm_open_cipher(hsm, &ref, &cipher, &opened, &diag) != OK)
        fail_msg("%s", diag.text);
    assert_string_equal(opened.label, "symbolon:7:fpe:3");
    assert_true(opened.sensitive && opened.never_extractable && opened.always_sensitive && opened.local);
    assert_true(opened.has_check_value);
    assert_int_equal(cipher_encrypt(&cipher, zero, 1), OK);
    assert_memory_equal(opened.check_value, zero, KEY_CHECK_VALUE_BYTES);
    assert_memory_equal(&generated, &opened, sizeof opened);
}

static void a_label_is_generated_once(void **state)
{
    (void)state;
    needs_rules();
    struct diag diag = {0};
    struct key_evidence evidence;
    assert_int_equal(hsm_generate_key(hsm, 1, KEY_FPE, 1, &evidence, &diag), OK);
    assert_int_equal(hsm_generate_key(hsm, 1, KEY_FPE, 1, &evidence, &diag), ERR_CONFLICT);
    assert_string_equal(diag.text, "key symbolon:1:fpe:1: exists already");
    assert_int_equal(hsm_generate_key(hsm, 1, KEY_FPE, 2, &evidence, NULL), OK);
    assert_int_equal(hsm_generate_key(hsm, 2, KEY_FPE, 1, &evidence, NULL), OK);
}

// ---- threads ----------------------------------------------------------------------------------------

enum { THREADS = 4, ROUNDS = 200, SHARED_BLOCKS = 37 };

struct worker {
    pthread_t thread;
    const struct cipher *cipher, *reference;
    uint64_t seed;
    bool good;
};

static void *worker_run(void *context)
{
    struct worker *worker = context;
    uint8_t blocks[SHARED_BLOCKS * CIPHER_BLOCK_BYTES], expected[sizeof blocks];
    struct soft_rng soft = {.state = worker->seed};
    const struct rng rng = soft_rng_seam(&soft);
    worker->good = rng_fill(&rng, blocks, sizeof blocks) == OK;
    memcpy(expected, blocks, sizeof blocks);
    for (int i = 0; i < ROUNDS && worker->good; i++) {
        size_t count = 1 + (size_t)i % SHARED_BLOCKS;
        worker->good = cipher_encrypt(worker->cipher, blocks, count) == OK &&
                       cipher_encrypt(worker->reference, expected, count) == OK &&
                       memcmp(blocks, expected, sizeof blocks) == 0;
    }
    return NULL;
}

static void threads_share(struct hsm *shared)
{
    const uint8_t key[32] = {9};
    struct cipher cipher;
    struct soft_cipher soft[THREADS];
    struct cipher reference[THREADS];
    struct worker workers[THREADS];
    assert_int_equal(hsm_import_test_cipher(shared, key, sizeof key, &cipher, NULL), OK);
    for (int i = 0; i < THREADS; i++) {
        soft_cipher_init(&soft[i], key, sizeof key);
        reference[i] = soft_cipher_seam(&soft[i]);
        workers[i] = (struct worker){
            .cipher = &cipher, .reference = &reference[i], .seed = (uint64_t)i + 1, .good = false};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_true(workers[i].good);
        soft_cipher_done(&soft[i]);
    }
}

static void threads_share_one_lane(void **state)
{
    (void)state;
    threads_share(hsm);
}

static void threads_share_three_lanes(void **state)
{
    (void)state;
    struct hsm_options options = softhsm_options(&softhsm);
    options.lanes = 3;
    struct hsm *wide = softhsm_open(&options); // a second user of the module and the token
    threads_share(wide);
    hsm_close(wide);
    assert_true(hsm_is_up(hsm));
    threads_share(hsm); // which the close of the other has not disturbed
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(blocks_equal_openssl_for_every_count_and_key_size, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_test_key_of_another_size_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_generated_key_is_proved_and_its_check_value_is_that_of_the_zero_block, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_label_is_generated_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(threads_share_one_lane, set_up, tear_down),
        cmocka_unit_test_setup_teardown(threads_share_three_lanes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
