// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Calls that do not return from a module in our own process: the slot is down, nobody else waits, what such a
// call brings in the end is not used, and when it has come back everything works again.
#include "pkcs11/lane_pool.h"
#include "tests/conformance/set_rig.h"

#include <stdatomic.h>

enum { TIMEOUT_MS = 1000, CALLERS = 16, SESSIONS = 32 };

static struct set_rig rig;
static struct fault_control *control;
static struct hsm *hsm;
static struct cipher cipher;
static struct mac mac;
static uint8_t right_block[CIPHER_BLOCK_BYTES], right_mac[MAC_BYTES];

// ---- what the watcher tells -------------------------------------------------------------------------

static struct {
    atomic_int downs, ups;
    pthread_mutex_t lock;
    char why[256];
} told = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void note_change(void *context, bool up, const char *why)
{
    (void)context;
    if (!up) {
        pthread_mutex_lock(&told.lock);
        snprintf(told.why, sizeof told.why, "%s", why);
        pthread_mutex_unlock(&told.lock);
    }
    atomic_fetch_add(up ? &told.ups : &told.downs, 1);
}

static void rest(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void wait_for(const atomic_int *count, int value)
{
    while (atomic_load(count) < value)
        rest();
}

static void assert_told(const char *why)
{
    pthread_mutex_lock(&told.lock);
    assert_non_null(strstr(told.why, why));
    pthread_mutex_unlock(&told.lock);
}

// ---- calls ------------------------------------------------------------------------------------------

static int set_up(void **state)
{
    (void)state;
    rig_init(&rig);
    control = rig.sides[0].control;
    struct hsm_options options = side_options(&rig, 0);
    options.call_timeout_ms = TIMEOUT_MS;
    hsm = softhsm_open(&options);
    assert_int_equal(hsm_open_cipher(hsm, &fpe_ref, &cipher, NULL, NULL), OK);
    assert_int_equal(hsm_open_mac(hsm, &mac_ref, &mac, NULL, NULL), OK);
    memset(right_block, 0, sizeof right_block);
    assert_int_equal(cipher_encrypt(&cipher, right_block, 1), OK);
    assert_int_equal(mac_compute(&mac, (const uint8_t *)"abc", 3, right_mac), OK);
    atomic_store(&told.downs, 0);
    atomic_store(&told.ups, 0);
    assert_int_equal(hsm_watch(hsm, note_change, NULL), OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hsm_close(hsm);
    rig_done(&rig);
    return 0;
}

struct caller {
    pthread_t thread;
    atomic_bool back;
    enum err rc;
    bool right;
};

static void *encrypt(void *context)
{
    struct caller *caller = context;
    uint8_t block[CIPHER_BLOCK_BYTES] = {0};
    caller->rc = cipher_encrypt(&cipher, block, 1);
    caller->right = memcmp(block, right_block, sizeof block) == 0;
    atomic_store(&caller->back, true);
    return NULL;
}

static void *compute(void *context)
{
    struct caller *caller = context;
    uint8_t computed[MAC_BYTES] = {0};
    caller->rc = mac_compute(&mac, (const uint8_t *)"abc", 3, computed);
    caller->right = memcmp(computed, right_mac, sizeof computed) == 0;
    atomic_store(&caller->back, true);
    return NULL;
}

static void start(struct caller *callers, size_t count, void *(*run)(void *context))
{
    for (size_t i = 0; i < count; i++) {
        callers[i] = (struct caller){0};
        assert_int_equal(pthread_create(&callers[i].thread, NULL, run, &callers[i]), 0);
    }
}

static void join(struct caller *callers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        pthread_join(callers[i].thread, NULL);
}

static size_t back(struct caller *callers, size_t count)
{
    size_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += atomic_load(&callers[i].back);
    return sum;
}

static void wait_for_back(struct caller *callers, size_t count, size_t value)
{
    while (back(callers, count) < value)
        rest();
}

static void hold_from(enum fault_call call, size_t number)
{
    atomic_store(&control->hold_from[call], number);
}

static void hold_next(enum fault_call call)
{
    hold_from(call, atomic_load(&control->fault[call].calls) + 1);
}

static void wait_for_held(enum fault_call call, unsigned value)
{
    while (atomic_load(&control->held[call]) < value)
        rest();
}

static void assert_refused(const struct caller *callers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (atomic_load(&callers[i].back))
            assert_int_equal(callers[i].rc, ERR_HSM_DOWN);
    }
}

static void assert_all_work(void)
{
    struct caller callers[CALLERS];
    start(callers, CALLERS, encrypt);
    join(callers, CALLERS);
    for (size_t i = 0; i < CALLERS; i++)
        assert_true(callers[i].rc == OK && callers[i].right);
    start(callers, CALLERS, compute);
    join(callers, CALLERS);
    for (size_t i = 0; i < CALLERS; i++)
        assert_true(callers[i].rc == OK && callers[i].right);
}

// ---- tests ------------------------------------------------------------------------------------------

static void a_call_that_hangs_takes_the_slot_down_and_its_late_result_is_not_used(void **state)
{
    (void)state;
    struct caller first, others[CALLERS], late;
    hold_next(FAULT_UPDATE);
    start(&first, 1, encrypt);
    wait_for_held(FAULT_UPDATE, 1);
    start(others, CALLERS, encrypt); // in line
    join(others, CALLERS);
    assert_refused(others, CALLERS);
    assert_false(hsm_is_up(hsm));
    start(&late, 1, encrypt);
    join(&late, 1);
    assert_int_equal(late.rc, ERR_HSM_DOWN);
    wait_for(&told.downs, 1);
    assert_told("has not returned from the module within 1000 ms");
    assert_false(atomic_load(&first.back));
    struct diag diag = {0};
    assert_int_equal(hsm_check(hsm, &diag), ERR_HSM_DOWN); // nothing is reopened with a thread inside
    assert_non_null(strstr(diag.text, "has not returned"));
    hold_from(FAULT_UPDATE, 0);
    join(&first, 1);
    assert_int_equal(first.rc, ERR_TIMEOUT);
    wait_for(&told.ups, 1);
    assert_all_work();
}

static void those_whose_blocks_are_in_a_call_that_hangs_leave_it(void **state)
{
    (void)state;
    struct caller first, line[CALLERS];
    hold_next(FAULT_UPDATE);
    const size_t number = atomic_load(&control->hold_from[FAULT_UPDATE]);
    start(&first, 1, encrypt);
    wait_for_held(FAULT_UPDATE, 1);
    start(line, CALLERS, encrypt);
    while (lane_pool_waiting(cipher.context) != CALLERS)
        rest();
    hold_from(FAULT_UPDATE, number + 1); // the first one goes on, the call of the others does not
    join(&first, 1);
    assert_int_equal(first.rc, OK);
    wait_for_back(line, CALLERS, CALLERS - 1);
    assert_refused(line, CALLERS);
    assert_int_equal(back(line, CALLERS), CALLERS - 1);
    hold_from(FAULT_UPDATE, 0);
    join(line, CALLERS);
    wait_for(&told.ups, 1);
    assert_all_work();
}

static void those_who_wait_for_a_session_are_refused_when_all_hang(void **state)
{
    (void)state;
    static struct caller callers[SESSIONS + CALLERS];
    hold_next(FAULT_SIGN);
    start(callers, SESSIONS + CALLERS, compute);
    wait_for_back(callers, SESSIONS + CALLERS, CALLERS);
    assert_refused(callers, SESSIONS + CALLERS);
    assert_int_equal(back(callers, SESSIONS + CALLERS), CALLERS);
    hold_from(FAULT_SIGN, 0);
    join(callers, SESSIONS + CALLERS);
    for (size_t i = 0; i < SESSIONS + CALLERS; i++) // one that began late may have been in time
        assert_true(callers[i].rc == ERR_HSM_DOWN || (callers[i].rc == OK && callers[i].right));
    wait_for(&told.ups, 1);
    assert_all_work();
}

static void a_check_that_hangs_is_told_and_keys_are_neither_opened_nor_kept_from_release(void **state)
{
    (void)state;
    struct signer signer;
    struct diag diag = {0};
    hold_next(FAULT_TOKEN_INFO);
    wait_for(&told.downs, 1);
    assert_told("has not returned");
    assert_int_equal(hsm_open_signer(hsm, &p256_ref, &signer, NULL, &diag), ERR_HSM_DOWN);
    assert_string_not_equal(diag.text, "");
    hsm_release_key(hsm, &mac_ref);
    hold_from(FAULT_TOKEN_INFO, 0);
    wait_for(&told.ups, 1);
    assert_int_equal(hsm_open_mac(hsm, &mac_ref, &mac, NULL, NULL), OK);
    assert_all_work();
}

static void a_login_that_hangs_while_the_slot_is_reopened_keeps_it_down_until_it_returns(void **state)
{
    (void)state;
    uint8_t block[CIPHER_BLOCK_BYTES] = {0};
    control->fault[FAULT_UPDATE].rv = CKR_DEVICE_REMOVED;
    control->fault[FAULT_UPDATE].always = true;
    hold_next(FAULT_LOGIN);
    assert_int_equal(cipher_encrypt(&cipher, block, 1), ERR_HSM_DOWN);
    control->fault[FAULT_UPDATE].always = false;
    wait_for_held(FAULT_LOGIN, 1);
    wait_for(&told.downs, 1);
    assert_int_equal(cipher_encrypt(&cipher, block, 1), ERR_HSM_DOWN);
    hold_from(FAULT_LOGIN, 0);
    wait_for(&told.ups, 1);
    assert_all_work();
}

// ---- under load -------------------------------------------------------------------------------------

enum { WORKERS = 8, ROUNDS = 3 };

static atomic_bool enough;
static atomic_size_t works, refusals, wrongs;

static void *work(void *context)
{
    (void)context;
    while (!atomic_load(&enough)) {
        struct caller one = {0};
        encrypt(&one);
        atomic_fetch_add(one.rc != OK ? &refusals : one.right ? &works : &wrongs, 1);
        one = (struct caller){0};
        compute(&one);
        atomic_fetch_add(one.rc != OK ? &refusals : one.right ? &works : &wrongs, 1);
        if (one.rc != OK)
            rest();
    }
    return NULL;
}

static void under_load_every_hang_passes_and_no_answer_is_wrong(void **state)
{
    (void)state;
    static const enum fault_call calls[ROUNDS] = {FAULT_UPDATE, FAULT_SIGN, FAULT_SIGN_INIT};
    pthread_t workers[WORKERS];
    atomic_store(&enough, false);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&workers[i], NULL, work, NULL), 0);
    for (int round = 0; round < ROUNDS; round++) {
        const size_t before = atomic_load(&works);
        hold_next(calls[round]);
        wait_for(&told.downs, round + 1);
        hold_from(calls[round], 0);
        wait_for(&told.ups, round + 1);
        while (atomic_load(&works) < before + 100)
            rest();
    }
    atomic_store(&enough, true);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(workers[i], NULL);
    print_message("%d hangs, %zu answers right, %zu refused, %zu wrong\n", ROUNDS, works, refusals, wrongs);
    assert_int_equal(wrongs, 0);
    assert_all_work();
}

// ---- the end ----------------------------------------------------------------------------------------

// Last: the module is left as it is.
static void closing_with_a_call_inside_does_not_wait_for_it(void **state)
{
    (void)state;
    struct caller first;
    hold_next(FAULT_UPDATE);
    start(&first, 1, encrypt);
    wait_for_held(FAULT_UPDATE, 1);
    hsm_close(hsm);
    assert_false(atomic_load(&first.back));
    hold_from(FAULT_UPDATE, 0);
    join(&first, 1); // it finds everything where it was
}

static int tear_down_files(void **state)
{
    (void)state;
    rig_done(&rig);
    return 0;
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
        TEST(a_call_that_hangs_takes_the_slot_down_and_its_late_result_is_not_used),
        TEST(those_whose_blocks_are_in_a_call_that_hangs_leave_it),
        TEST(those_who_wait_for_a_session_are_refused_when_all_hang),
        TEST(a_check_that_hangs_is_told_and_keys_are_neither_opened_nor_kept_from_release),
        TEST(a_login_that_hangs_while_the_slot_is_reopened_keeps_it_down_until_it_returns),
        TEST(under_load_every_hang_passes_and_no_answer_is_wrong),
        cmocka_unit_test_setup_teardown(closing_with_a_call_inside_does_not_wait_for_it, set_up,
                                        tear_down_files),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
