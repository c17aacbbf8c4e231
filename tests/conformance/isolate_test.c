// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Slots whose module runs in a process of its own: whatever happens to that process, ours stays, answers with
// an error or with what is right, and has the slot back by itself; and the process ends when ours does.
#include "pkcs11/hsm_private.h"
#include "tests/support/processes.h"
#include "tests/support/softhsm.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { THREADS = 4, ROUNDS = 3 };

static struct softhsm softhsm;
static char temporary[] = "/tmp/symbolon-servers-XXXXXX"; // where the servers' folders are made

// Not by our own means, which would load the module into this process.
static void make_token(const char *label)
{
    char command[256];
    snprintf(command, sizeof command,
             "softhsm2-util --init-token --free --label '%s' --so-pin %s --pin %s >/dev/null", label,
             SOFTHSM_SO_PIN, SOFTHSM_PIN);
    const char *const arguments[] = {"/bin/sh", "-c", command, NULL};
    pid_t pid;
    int status;
    assert_int_equal(
        posix_spawn(&pid, arguments[0], NULL, NULL, (char *const *)(uintptr_t)arguments, environ), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static struct hsm *open_isolated(const char *label)
{
    struct hsm_options options = softhsm_options(&softhsm);
    options.name = options.token_label = label;
    return softhsm_open(&options);
}

// A slot under load.
struct rig {
    struct hsm *hsm;
    pid_t server; // leads a process group
    struct cipher cipher;
    struct mac mac;
    uint8_t block[CIPHER_BLOCK_BYTES], code[MAC_BYTES]; // what is right
    pthread_t threads[THREADS];
    atomic_bool stop;
    atomic_size_t right, refused, wrong;
};

static void rig_open(struct rig *rig, const char *label)
{
    static const struct hsm_key_ref fpe = {KEY_FPE, "symbolon:1:fpe:1", NULL};
    static const struct hsm_key_ref mac = {KEY_MAC, "symbolon:1:mac:1", NULL};
    pid_t before[16], after[16];
    *rig = (struct rig){0};
    make_token(label);
    const size_t had = processes_below(getpid(), before, 16);
    rig->hsm = open_isolated(label);
    assert_int_equal(processes_below(getpid(), after, 16), had + 1);
    rig->server = after[had];
    assert_int_equal(hsm_generate_key(rig->hsm, 1, KEY_FPE, 1, NULL, NULL), OK);
    assert_int_equal(hsm_generate_key(rig->hsm, 1, KEY_MAC, 1, NULL, NULL), OK);
    assert_int_equal(hsm_open_cipher(rig->hsm, &fpe, &rig->cipher, NULL, NULL), OK);
    assert_int_equal(hsm_open_mac(rig->hsm, &mac, &rig->mac, NULL, NULL), OK);
    assert_int_equal(cipher_encrypt(&rig->cipher, rig->block, 1), OK);
    assert_int_equal(mac_compute(&rig->mac, rig->block, 3, rig->code), OK);
}

static void count(struct rig *rig, enum err code, bool equal)
{
    if (code == OK && !equal)
        atomic_fetch_add(&rig->wrong, 1);
    else
        atomic_fetch_add(code == OK ? &rig->right : &rig->refused, 1);
}

static void *work(void *context)
{
    struct rig *rig = context;
    while (!atomic_load(&rig->stop)) {
        uint8_t blocks[8 * CIPHER_BLOCK_BYTES] = {0}, code[MAC_BYTES];
        bool equal = true;
        const enum err encrypted = cipher_encrypt(&rig->cipher, blocks, 8);
        for (size_t i = 0; i < 8; i++)
            equal &= memcmp(blocks + i * CIPHER_BLOCK_BYTES, rig->block, CIPHER_BLOCK_BYTES) == 0;
        count(rig, encrypted, equal);
        const enum err made = mac_compute(&rig->mac, rig->block, 3, code);
        count(rig, made, memcmp(code, rig->code, sizeof code) == 0);
        if (encrypted != OK)
            usleep(1000);
    }
    return NULL;
}

static void rig_start(struct rig *rig)
{
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&rig->threads[i], NULL, work, rig), 0);
}

static void rig_close(struct rig *rig)
{
    atomic_store(&rig->stop, true);
    for (size_t i = 0; i < THREADS && rig->threads[i] != 0; i++)
        pthread_join(rig->threads[i], NULL);
    hsm_close(rig->hsm);
    assert_int_equal(rig->wrong, 0);
}

static void wait_for_more(const atomic_size_t *counter)
{
    const size_t before = atomic_load(counter);
    while (atomic_load(counter) < before + 100)
        usleep(1000);
}

static void recovers(struct rig *rig)
{
    struct diag diag = {0};
    unsigned tries = 0;
    while (hsm_check(rig->hsm, &diag) != OK) {
        if (tries++ > 50)
            fail_msg("%s", diag.text);
        diag.text[0] = '\0';
        usleep(100000);
    }
    assert_true(hsm_is_up(rig->hsm));
    wait_for_more(&rig->right);
}

static int set_up(void **state)
{
    (void)state;
    softhsm_init(&softhsm);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    softhsm_done(&softhsm);
    return 0;
}

// ---- what passes ----------------------------------------------------------------------------------------

static void the_module_is_not_in_our_process(void **state)
{
    (void)state;
    make_token("a");
    struct hsm *hsm = open_isolated("a");
    assert_null(dlopen(SOFTHSM_MODULE, RTLD_NOW | RTLD_NOLOAD));
    hsm_close(hsm);
}

static void keys_of_every_use_but_ed25519_are_made_and_listed(void **state)
{
    (void)state;
    static const enum key_use uses[] = {KEY_FPE, KEY_MAC, KEY_SIGN_P256, KEY_TLS};
    struct hsm_key_info *keys = NULL;
    struct diag diag = {0};
    size_t number = 0;
    make_token("a");
    struct hsm *hsm = open_isolated("a");
    for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++)
        if (hsm_generate_key(hsm, 1, uses[i], 1, NULL, &diag) != OK)
            fail_msg("%s", diag.text);
    assert_int_equal(hsm_list_keys(hsm, &keys, &number, &diag), OK);
    assert_int_equal(number, 4);
    for (size_t i = 0; i < number; i++)
        if (!keys[i].ok)
            fail_msg("%s", keys[i].why.text);
    free(keys);
    hsm_close(hsm);
}

static void what_p11_kit_does_not_pass_is_named(void **state)
{
    (void)state;
    struct hsm_facts facts;
    struct diag diag = {0};
    make_token("a");
    struct hsm *hsm = open_isolated("a");
    assert_int_equal(hsm_read_facts(hsm, &facts, &diag), OK);
    assert_true(facts.aes_ecb && facts.aes_keygen && facts.hmac_sha256 && facts.generic_keygen &&
                facts.ec_keygen && facts.ecdsa && facts.stream);
    if (!facts.eddsa) { // p11-kit before 0.25
        softhsm_note_skip("EdDSA");
        assert_int_equal(hsm_generate_key(hsm, 1, KEY_SIGN_ED25519, 2, NULL, &diag), ERR_HSM_CONFIG);
        assert_non_null(strstr(diag.text, "0x1055"));
    }
    hsm_close(hsm);
}

static void signatures_verify(void **state)
{
    (void)state;
    static const uint8_t message[] = "to whom it may concern";
    struct diag diag = {0};
    uint8_t signature[128];
    size_t bytes = sizeof signature;
    EVP_PKEY *key = NULL;
    make_token("a");
    struct hsm *hsm = open_isolated("a");
    assert_int_equal(hsm_generate_key(hsm, 0, KEY_TLS, 1, NULL, NULL), OK);
    if (hsm_open_private_key(hsm, &(struct hsm_key_ref){KEY_TLS, "symbolon:0:tls:1", NULL}, &key, NULL,
                             &diag) != OK)
        fail_msg("%s", diag.text);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestSign(context, signature, &bytes, message, sizeof message), 1);
    EVP_MD_CTX_reset(context);
    assert_int_equal(EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestVerify(context, signature, bytes, message, sizeof message), 1);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    hsm_close(hsm);
}

static void more_slots_than_places_are_refused(void **state)
{
    (void)state;
    struct hsm *open[ISOLATED_MAX], *another = NULL;
    struct diag diag = {0};
    make_token("a");
    struct hsm_options options = softhsm_options(&softhsm);
    options.token_label = "a";
    for (size_t i = 0; i < ISOLATED_MAX; i++)
        open[i] = open_isolated("a");
    assert_int_equal(hsm_open(&options, &another, &diag), ERR_CONFIG);
    assert_non_null(strstr(diag.text, "isolated"));
    for (size_t i = 0; i < ISOLATED_MAX; i++)
        hsm_close(open[i]);
    hsm_close(open_isolated("a")); // a place that was given back
}

static void arguments_are_refused_as_they_would_be_lost(void **state)
{
    (void)state;
    struct hsm *hsm = NULL;
    struct diag diag = {0};
    struct hsm_options options = softhsm_options(&softhsm);
    options.arguments = "configdir='/nonexistent'";
    assert_int_equal(hsm_open(&options, &hsm, &diag), ERR_CONFIG);
    assert_non_null(strstr(diag.text, "`arguments` do not pass p11-kit"));
}

// ---- what may happen to it --------------------------------------------------------------------------

static void a_hanging_server_is_killed_and_replaced_under_load(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, "a");
    rig_start(&rig);
    for (unsigned i = 0; i < ROUNDS; i++) {
        pid_t server;
        assert_int_equal(processes_below(getpid(), &server, 1), 1);
        wait_for_more(&rig.right);
        assert_int_equal(kill(-server, SIGSTOP), 0);
        usleep(50000); // all of them are inside
        slot_mark_down(&rig.hsm->slot);
        slot_break(&rig.hsm->slot);
        wait_for_more(&rig.refused);
        recovers(&rig);
        assert_true(processes_gone(server));
    }
    rig_close(&rig);
}

static void a_server_that_is_stopped_when_it_is_reopened_is_replaced(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, "a");
    slot_mark_down(&rig.hsm->slot);
    assert_int_equal(kill(-rig.server, SIGSTOP), 0);
    assert_int_equal(hsm_check(rig.hsm, NULL), OK);
    rig_close(&rig);
}

static void a_killed_server_is_replaced_under_load(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, "a");
    rig_start(&rig);
    for (unsigned i = 0; i < ROUNDS; i++) {
        pid_t server;
        assert_int_equal(processes_below(getpid(), &server, 1), 1);
        wait_for_more(&rig.right);
        assert_int_equal(kill(-server, SIGKILL), 0);
        wait_for_more(&rig.refused);
        recovers(&rig);
    }
    rig_close(&rig);
}

static void a_killed_remote_is_replaced_under_load(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, "a");
    rig_start(&rig);
    for (unsigned i = 0; i < ROUNDS; i++) {
        pid_t server, remote;
        assert_int_equal(processes_below(getpid(), &server, 1), 1);
        remote = process_named(server, "p11-kit-remote");
        assert_true(remote > 0);
        wait_for_more(&rig.right);
        assert_int_equal(kill(remote, SIGKILL), 0);
        wait_for_more(&rig.refused);
        recovers(&rig);
    }
    rig_close(&rig);
}

static void a_server_killed_alone_disturbs_nobody(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, "a");
    rig_start(&rig);
    assert_int_equal(kill(rig.server, SIGKILL), 0);
    recovers(&rig);
    assert_int_equal(kill(-rig.server, SIGKILL), 0); // and what was left is replaced as a whole
    wait_for_more(&rig.refused);
    recovers(&rig);
    rig_close(&rig);
}

static void two_slots_have_a_server_each(void **state)
{
    (void)state;
    struct rig a, b;
    rig_open(&a, "a");
    rig_open(&b, "b");
    assert_int_not_equal(a.server, b.server);
    assert_memory_not_equal(a.block, b.block, CIPHER_BLOCK_BYTES);
    rig_start(&a);
    rig_start(&b);
    wait_for_more(&b.right);
    assert_int_equal(kill(-a.server, SIGSTOP), 0);
    wait_for_more(&b.right); // goes on while the other hangs
    slot_break(&a.hsm->slot);
    wait_for_more(&a.refused);
    assert_int_equal(b.refused, 0);
    recovers(&a);
    wait_for_more(&b.right);
    assert_int_equal(b.refused, 0);
    assert_false(processes_gone(b.server));
    rig_close(&a);
    wait_for_more(&b.right);
    rig_close(&b);
}

static void breaking_a_slot_that_is_not_isolated_does_nothing(void **state)
{
    (void)state;
    make_token("a");
    struct hsm_options options = softhsm_options(&softhsm);
    options.token_label = "a";
    options.isolate = false;
    struct hsm *hsm = softhsm_open(&options);
    slot_break(&hsm->slot);
    assert_int_equal(hsm_check(hsm, NULL), OK);
    hsm_close(hsm);
}

// ---- its end ----------------------------------------------------------------------------------------

static size_t folders(void)
{
    size_t found = 0;
    DIR *folder = opendir(temporary);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        found += entry->d_name[0] != '.';
    closedir(folder);
    return found;
}

static void nothing_is_left_after_close(void **state)
{
    (void)state;
    struct rig rig;
    const size_t before = folders();
    rig_open(&rig, "a");
    assert_int_equal(folders(), before + 1);
    rig_close(&rig);
    assert_true(processes_gone(rig.server));
    assert_int_equal(folders(), before);
}

static void nothing_is_left_after_close_of_one_that_hangs(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, "a");
    assert_int_equal(kill(-rig.server, SIGSTOP), 0);
    slot_mark_down(&rig.hsm->slot);
    rig_close(&rig);
    assert_true(processes_gone(rig.server));
}

// Opens a slot and tells its server's number; never returns.
static void live(int told)
{
    pid_t server = 0;
    struct hsm *hsm = open_isolated("a");
    if (hsm != NULL && processes_below(getpid(), &server, 1) == 1 &&
        write(told, &server, sizeof server) == sizeof server)
        for (;;)
            pause();
    _exit(1);
}

static void dies_with_us(bool hanging)
{
    int ends[2];
    pid_t server;
    const size_t before = folders();
    make_token("a");
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    const pid_t we = fork();
    if (we == 0)
        live(ends[1]);
    assert_int_equal(read(ends[0], &server, sizeof server), sizeof server);
    if (hanging)
        assert_int_equal(kill(process_named(server, "p11-kit-remote"), SIGSTOP), 0);
    assert_int_equal(kill(we, SIGKILL), 0);
    assert_int_equal(waitpid(we, NULL, 0), we);
    for (unsigned i = 0; i < 1000 && !(processes_gone(server) && folders() == before); i++)
        usleep(10000);
    assert_true(processes_gone(server));
    assert_int_equal(folders(), before);
    close(ends[0]);
    close(ends[1]);
}

static void the_server_dies_with_us(void **state)
{
    (void)state;
    dies_with_us(false);
}

static void a_hanging_server_dies_with_us(void **state)
{
    (void)state;
    dies_with_us(true);
}

#define WITH_TOKENS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static int make_temporary(void **state)
{
    (void)state;
    return mkdtemp(temporary) == NULL || setenv("TMPDIR", temporary, 1) != 0 ||
           setenv("SYMBOLON_TOKEN", "isolated", 1) != 0;
}

static int remove_temporary(void **state)
{
    (void)state;
    return rmdir(temporary);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TOKENS(the_server_dies_with_us), // first: they fork
        WITH_TOKENS(a_hanging_server_dies_with_us),
        WITH_TOKENS(the_module_is_not_in_our_process),
        WITH_TOKENS(keys_of_every_use_but_ed25519_are_made_and_listed),
        WITH_TOKENS(what_p11_kit_does_not_pass_is_named),
        WITH_TOKENS(signatures_verify),
        WITH_TOKENS(more_slots_than_places_are_refused),
        WITH_TOKENS(arguments_are_refused_as_they_would_be_lost),
        WITH_TOKENS(a_hanging_server_is_killed_and_replaced_under_load),
        WITH_TOKENS(a_server_that_is_stopped_when_it_is_reopened_is_replaced),
        WITH_TOKENS(a_killed_server_is_replaced_under_load),
        WITH_TOKENS(a_killed_remote_is_replaced_under_load),
        WITH_TOKENS(a_server_killed_alone_disturbs_nobody),
        WITH_TOKENS(two_slots_have_a_server_each),
        WITH_TOKENS(nothing_is_left_after_close),
        WITH_TOKENS(nothing_is_left_after_close_of_one_that_hangs),
        WITH_TOKENS(breaking_a_slot_that_is_not_isolated_does_nothing),
    };
    return cmocka_run_group_tests(tests, make_temporary, remove_temporary);
}
