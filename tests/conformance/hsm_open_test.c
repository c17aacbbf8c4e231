// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Opening a slot: how often a PIN is tried (the calls are counted by pkcs11-spy of OpenSC), which tokens are
// refused before it is, which modules and files are refused, and that a token which is away for an instant
// is looked for again.
#include "tests/support/raw_p11.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <glob.h>

static const char spy_module[] = "/usr/lib/x86_64-linux-gnu/pkcs11-spy.so";

// The spy's own leaks are not ours to mend.
[[gnu::visibility("default")]] const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:pkcs11-spy.so\n";
}

static struct softhsm softhsm;

static int set_up(void **state)
{
    (void)state;
    softhsm_init(&softhsm);
    softhsm_init_token(SOFTHSM_LABEL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    softhsm_done(&softhsm);
    return 0;
}

static enum err try_open(const struct hsm_options *options, struct diag *diag)
{
    struct hsm *hsm = NULL;
    *diag = (struct diag){0};
    enum err rc = hsm_open(options, &hsm, diag);
    hsm_close(hsm);
    return rc;
}

#define ASSERT_REFUSED(options, code, reason)                                                                \
    do {                                                                                                     \
        struct diag assert_diag;                                                                             \
        assert_int_equal(try_open(options, &assert_diag), code);                                             \
        assert_string_equal(assert_diag.text, reason);                                                       \
    } while (0)

#define ASSERT_OPENS(options)                                                                                \
    do {                                                                                                     \
        struct diag assert_diag;                                                                             \
        if (try_open(options, &assert_diag) != OK)                                                           \
            fail_msg("%s", assert_diag.text);                                                                \
    } while (0)

// ---- counting logins --------------------------------------------------------------------------------

// The spy appends to one file for the life of the process.
static char spy_log[64];

static unsigned logins_so_far(void)
{
    static char line[4096];
    unsigned count = 0;
    FILE *file = fopen(spy_log, "re");
    if (file == NULL)
        return 0;
    while (fgets(line, sizeof line, file) != NULL)
        if (strstr(line, ": C_Login\n") != NULL)
            count++;
    fclose(file);
    return count;
}

static struct hsm_options spied_options(void)
{
    struct hsm_options options = softhsm_options(&softhsm);
    options.module = spy_module;
    return options;
}

static void a_wrong_pin_is_tried_once_and_then_not_again_without_pin_retry(void **state)
{
    (void)state;
    char wrong[96], reason[400];
    softhsm_write_file(&softhsm, "wrong", "7654321", 0600, wrong);
    struct hsm_options options = spied_options();
    options.pin_file = wrong;
    const unsigned before = logins_so_far();
    snprintf(
        reason, sizeof reason,
        "soft: C_Login: CKR_PIN_INCORRECT (0xa0); it was tried once and will not be tried again: correct %s, "
        "then start once with --pin-retry",
        wrong);
    ASSERT_REFUSED(&options, ERR_HSM_PIN, reason);
    assert_int_equal(logins_so_far(), before + 1);

    // Even the right one is not used now, and no call is made.
    options.pin_file = softhsm.pin_file;
    ASSERT_REFUSED(
        &options, ERR_HSM_PIN,
        "soft: refused before login: the token has seen a wrong PIN since the last login "
        "(CKF_USER_PIN_COUNT_LOW); make sure that the PIN is right, then try once with --pin-retry");
    assert_int_equal(logins_so_far(), before + 1);

    options.pin_retry = true;
    ASSERT_OPENS(&options);
    assert_int_equal(logins_so_far(), before + 2);
    options.pin_retry = false;
    ASSERT_OPENS(&options); // the token has forgotten the failure
    assert_int_equal(logins_so_far(), before + 3);
}

static void a_pin_with_bytes_of_the_right_one_is_still_wrong(void **state)
{
    (void)state;
    static const char *const pins[] = {"123456", "12345678", "1234567 ", " 1234567", "1234567\r\n"};
    for (size_t i = 0; i < sizeof pins / sizeof pins[0]; i++) {
        char path[96];
        struct diag diag;
        softhsm_write_file(&softhsm, "near", pins[i], 0600, path);
        struct hsm_options options = softhsm_options(&softhsm);
        options.pin_file = path;
        options.pin_retry = true;
        assert_int_equal(try_open(&options, &diag), ERR_HSM_PIN);
    }
}

// ---- flags of the token -----------------------------------------------------------------------------

static void put_be64(uint8_t *out, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> (56 - 8 * i));
}

// SoftHSM never locks a PIN, so the flags are written into its token file: type, kind 2 (number), value.
static void set_token_flags(CK_FLAGS from, CK_FLAGS to)
{
    static uint8_t bytes[4096];
    char pattern[128];
    uint8_t old[8], new[8];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/tokens/*/token.object", softhsm.folder);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 1);
    FILE *file = fopen(found.gl_pathv[0], "r+e");
    assert_non_null(file);
    size_t count = fread(bytes, 1, sizeof bytes, file), patched = 0;
    put_be64(old, from);
    put_be64(new, to);
    for (size_t i = 8; i + 8 <= count; i++) {
        if (memcmp(bytes + i, old, 8) == 0 && bytes[i - 1] == 2) {
            assert_int_equal(fseek(file, (long)i, SEEK_SET), 0);
            assert_int_equal(fwrite(new, 1, 8, file), 8);
            patched++;
        }
    }
    fclose(file);
    globfree(&found);
    assert_int_equal(patched, 1);
}

static void locked_last_try_and_expired_pins_are_refused_before_login_even_with_pin_retry(void **state)
{
    (void)state;
    static const struct {
        CK_FLAGS flag;
        const char *reason;
    } list[] = {
        {CKF_USER_PIN_FINAL_TRY, "soft: refused before login: one try is left for the user PIN "
                                 "(CKF_USER_PIN_FINAL_TRY); log in once with "
                                 "the vendor's tool and the right PIN, this program never uses the last try"},
        {CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_COUNT_LOW,
         "soft: refused before login: one try is left for the user PIN (CKF_USER_PIN_FINAL_TRY); log in once "
         "with "
         "the vendor's tool and the right PIN, this program never uses the last try"},
        {CKF_USER_PIN_LOCKED, "soft: refused before login: the user PIN is locked (CKF_USER_PIN_LOCKED); the "
                              "security officer must set a new one"},
        {CKF_USER_PIN_TO_BE_CHANGED, "soft: refused before login: the user PIN must be changed first "
                                     "(CKF_USER_PIN_TO_BE_CHANGED); do so with the vendor's tool"},
    };
    struct hsm_options options = spied_options();
    options.pin_retry = true;
    struct hsm *hsm = softhsm_open(&options);
    struct raw raw = raw_open_module(spy_module);
    const CK_FLAGS good = raw_token_flags(&raw);
    hsm_close(hsm);
    const unsigned before = logins_so_far();
    CK_FLAGS now = good;
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        set_token_flags(now, good | list[i].flag);
        now = good | list[i].flag;
        ASSERT_REFUSED(&options, ERR_HSM_PIN, list[i].reason);
    }
    assert_int_equal(logins_so_far(), before);
    set_token_flags(now, good);
    ASSERT_OPENS(&options);
}

// ---- PIN files and options --------------------------------------------------------------------------

static void a_pin_file_that_others_may_read_is_refused_without_a_login(void **state)
{
    (void)state;
    static const unsigned modes[] = {0640, 0604, 0620, 0602, 0610, 0644};
    struct hsm_options options = spied_options();
    const unsigned before = logins_so_far();
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        char path[96], reason[200];
        softhsm_write_file(&softhsm, "open-pin", SOFTHSM_PIN, modes[i], path);
        options.pin_file = path;
        snprintf(reason, sizeof reason, "%s: mode is %04o, must be 0400 or 0600", path, modes[i]);
        ASSERT_REFUSED(&options, ERR_CONFIG, reason);
    }
    assert_int_equal(logins_so_far(), before);
    char path[96];
    softhsm_write_file(&softhsm, "closed-pin", SOFTHSM_PIN, 0400, path);
    options.pin_file = path;
    ASSERT_OPENS(&options);
}

static void a_missing_or_empty_pin_is_refused(void **state)
{
    (void)state;
    char path[96];
    struct diag diag;
    struct hsm_options options = softhsm_options(&softhsm);
    options.pin_file = "/nonexistent/pin";
    assert_int_equal(try_open(&options, &diag), ERR_IO);
    softhsm_write_file(&softhsm, "empty", "", 0600, path);
    options.pin_file = path;
    assert_int_equal(try_open(&options, &diag), ERR_CONFIG);
    softhsm_write_file(&softhsm, "newline", "\n", 0600, path);
    options.pin_file = path;
    assert_int_equal(try_open(&options, &diag), ERR_CONFIG);
    options.pin_file = NULL;
    ASSERT_REFUSED(&options, ERR_CONFIG, "soft: no PIN file and no PIN given");
    SECRET pin = {0};
    options.pin = &pin;
    ASSERT_REFUSED(&options, ERR_CONFIG, "soft: no PIN file and no PIN given");
    assert_int_equal(secret_set(&pin, SOFTHSM_PIN, strlen(SOFTHSM_PIN)), OK);
    ASSERT_OPENS(&options);
}

static void lanes_have_a_limit(void **state)
{
    (void)state;
    struct hsm_options options = softhsm_options(&softhsm);
    options.lanes = 65;
    ASSERT_REFUSED(&options, ERR_CONFIG, "lanes is 65, must be 1..64");
    options.lanes = 64;
    ASSERT_OPENS(&options);
}

// ---- modules ----------------------------------------------------------------------------------------

static void modules_that_are_missing_relative_or_no_modules_are_refused(void **state)
{
    (void)state;
    struct hsm_options options = softhsm_options(&softhsm);
    options.module = NULL;
    ASSERT_REFUSED(&options, ERR_CONFIG, "module (none): the path must be absolute");
    options.module = "libsofthsm2.so";
    ASSERT_REFUSED(&options, ERR_CONFIG, "module libsofthsm2.so: the path must be absolute");
    options.module = "/nonexistent/module.so";
    ASSERT_REFUSED(&options, ERR_CONFIG,
                   "module /nonexistent/module.so: no such file; is the HSM's client software installed?");
    options.module = "/usr/lib";
    ASSERT_REFUSED(&options, ERR_CONFIG, "module /usr/lib: not a regular file");
    options.module = "/usr/lib/x86_64-linux-gnu/libcmocka.so.0";
    ASSERT_REFUSED(
        &options, ERR_HSM_CONFIG,
        "module /usr/lib/x86_64-linux-gnu/libcmocka.so.0: is no PKCS#11 module (C_GetFunctionList)");
    options.module = softhsm.pin_file;
    struct diag diag;
    assert_int_equal(try_open(&options, &diag), ERR_HSM_CONFIG);
}

static void a_module_that_others_may_change_is_refused(void **state)
{
    (void)state;
    char path[96], reason[200];
    softhsm_write_file(&softhsm, "module.so", "", 0602, path);
    struct hsm_options options = softhsm_options(&softhsm);
    options.module = path;
    snprintf(reason, sizeof reason, "module %s: must belong to root and not be writable by others", path);
    ASSERT_REFUSED(&options, ERR_CONFIG, reason);
}

static void a_module_that_cannot_start_says_so(void **state)
{
    (void)state;
    struct hsm_options options = softhsm_options(&softhsm);
    struct diag diag;
    char *conf = strdup(getenv("SOFTHSM2_CONF"));
    setenv("SOFTHSM2_CONF", "/nonexistent/softhsm2.conf", 1);
    assert_int_equal(try_open(&options, &diag), ERR_HSM_DOWN);
    assert_non_null(strstr(diag.text, "C_Initialize: CKR_"));
    setenv("SOFTHSM2_CONF", conf, 1);
    free(conf);
    ASSERT_OPENS(&options); // nothing was left behind
}

// ---- tokens -----------------------------------------------------------------------------------------

static void a_token_of_another_label_or_serial_is_not_taken(void **state)
{
    (void)state;
    static const char *const labels[] = {"test toke", "test token2", "Test token", "other"};
    struct hsm_options options = softhsm_options(&softhsm);
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        char reason[200];
        options.token_label = labels[i];
        snprintf(reason, sizeof reason,
                 "soft: no token with label \"%s\" in module " SOFTHSM_MODULE "; symbolon-hsm init makes one",
                 labels[i]);
        ASSERT_REFUSED(&options, ERR_HSM_CONFIG, reason);
    }
    options.token_label = "";
    ASSERT_REFUSED(&options, ERR_CONFIG, "soft: no token label given");
    options.token_label = SOFTHSM_LABEL;
    options.serial = "0000000000000000";
    ASSERT_REFUSED(
        &options, ERR_HSM_CONFIG,
        "soft: no token with label \"test token\" and serial 0000000000000000 in module " SOFTHSM_MODULE
        "; symbolon-hsm init makes one");
}

// Replaces a text by another of the same length wherever it stands in the token files.
static void rename_in_token_files(const char *from, const char *to)
{
    static uint8_t bytes[4096];
    char pattern[128];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/tokens/*/token.object", softhsm.folder);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        FILE *file = fopen(found.gl_pathv[i], "r+e");
        assert_non_null(file);
        size_t count = fread(bytes, 1, sizeof bytes, file);
        for (size_t at = 0; at + strlen(from) <= count; at++) {
            if (memcmp(bytes + at, from, strlen(from)) == 0) {
                assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
                assert_int_equal(fwrite(to, 1, strlen(to), file), strlen(to));
            }
        }
        fclose(file);
    }
    globfree(&found);
}

static void serial_of(const char *label, char *out_serial)
{
    struct hsm_facts facts;
    struct hsm_options options = softhsm_options(&softhsm);
    options.token_label = label;
    struct hsm *hsm = softhsm_open(&options);
    assert_int_equal(hsm_read_facts(hsm, &facts, NULL), OK);
    memcpy(out_serial, facts.serial, sizeof facts.serial);
    hsm_close(hsm);
}

static void of_two_tokens_with_one_label_the_serial_decides(void **state)
{
    (void)state;
    char serials[2][24];
    struct hsm_options options = softhsm_options(&softhsm);
    softhsm_init_token("test tokem");
    serial_of(SOFTHSM_LABEL, serials[0]);
    serial_of("test tokem", serials[1]);
    assert_string_not_equal(serials[0], serials[1]);
    rename_in_token_files("test tokem", SOFTHSM_LABEL);
    ASSERT_REFUSED(&options, ERR_HSM_CONFIG,
                   "soft: 2 tokens are labelled \"test token\" in module " SOFTHSM_MODULE
                   "; name one by its serial");
    for (int i = 0; i < 2; i++) {
        struct hsm_facts facts;
        options.serial = serials[i];
        struct hsm *hsm = softhsm_open(&options);
        assert_int_equal(hsm_read_facts(hsm, &facts, NULL), OK);
        assert_string_equal(facts.serial, serials[i]);
        hsm_close(hsm);
    }
}

static void *bring_back(void *path)
{
    char away[200];
    snprintf(away, sizeof away, "%s.away", (const char *)path);
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    return rename(away, path) == 0 ? path : NULL;
}

static void a_token_that_is_away_for_an_instant_is_looked_for_again(void **state)
{
    (void)state;
    char path[160], away[200];
    pthread_t thread;
    void *brought;
    snprintf(path, sizeof path, "%s/tokens", softhsm.folder);
    snprintf(away, sizeof away, "%s.away", path);
    struct hsm_options options = softhsm_options(&softhsm);
    assert_int_equal(rename(path, away), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(pthread_create(&thread, NULL, bring_back, path), 0);
    ASSERT_OPENS(&options);
    pthread_join(thread, &brought);
    assert_non_null(brought);
}

static void two_slots_of_one_module_under_two_names_do_not_finalize_each_other(void **state)
{
    (void)state;
    char name[96];
    uint8_t byte;
    snprintf(name, sizeof name, "%s/other-name.so", softhsm.folder);
    assert_int_equal(symlink(SOFTHSM_MODULE, name), 0);
    softhsm_init_token("second");
    const struct hsm_options one = softhsm_options(&softhsm);
    struct hsm_options two = one;
    two.module = name;
    two.token_label = "second";
    struct hsm *first = softhsm_open(&one), *second = softhsm_open(&two);
    const struct rng rng = hsm_rng(first);
    assert_int_equal(rng_fill(&rng, &byte, 1), OK);
    hsm_close(second);
    assert_int_equal(rng_fill(&rng, &byte, 1), OK);
    assert_true(hsm_is_up(first));
    hsm_close(first);
}

// ---- initializing -----------------------------------------------------------------------------------

static void a_token_is_never_initialized_twice(void **state)
{
    (void)state;
    SECRET pin = {0};
    struct diag diag = {0};
    assert_int_equal(secret_set(&pin, "another-pin", 11), OK);
    assert_int_equal(hsm_init_token(SOFTHSM_MODULE, SOFTHSM_LABEL, &pin, &pin, &diag), ERR_CONFLICT);
    assert_string_equal(diag.text, "token \"test token\": exists already; nothing was changed");
    const struct hsm_options options = softhsm_options(&softhsm);
    ASSERT_OPENS(&options);
}

static void an_init_that_stopped_half_way_can_be_finished(void **state)
{
    (void)state;
    SECRET so_pin = {0};
    SECRET wrong = {0};
    SECRET short_pin = {0};
    SECRET pin = {0};
    struct diag diag = {0};
    assert_int_equal(secret_set(&so_pin, SOFTHSM_SO_PIN, strlen(SOFTHSM_SO_PIN)), OK);
    assert_int_equal(secret_set(&wrong, "so-wrong", 8), OK);
    assert_int_equal(secret_set(&short_pin, "1", 1), OK);
    assert_int_equal(secret_set(&pin, SOFTHSM_PIN, strlen(SOFTHSM_PIN)), OK);
    assert_int_equal(hsm_init_token(SOFTHSM_MODULE, "half", &short_pin, &pin, &diag), ERR_HSM_PIN);
    assert_string_equal(diag.text, "module " SOFTHSM_MODULE ": C_InitToken: CKR_PIN_INCORRECT (0xa0)");
    diag = (struct diag){0};
    assert_int_equal(hsm_init_token(SOFTHSM_MODULE, "half", &so_pin, &short_pin, &diag), ERR_HSM_PIN);
    assert_string_equal(diag.text, "module " SOFTHSM_MODULE ": C_InitPIN: CKR_PIN_LEN_RANGE (0xa2)");
    struct hsm_options options = softhsm_options(&softhsm);
    options.token_label = "half";
    ASSERT_REFUSED(&options, ERR_HSM_CONFIG,
                   "soft: the token has no user PIN yet; symbolon-hsm init sets one");
    diag = (struct diag){0};
    assert_int_equal(hsm_init_token(SOFTHSM_MODULE, "half", &wrong, &pin, &diag), ERR_HSM_PIN);
    assert_string_equal(diag.text, "module " SOFTHSM_MODULE
                                   ": C_Login of the security officer: CKR_PIN_INCORRECT (0xa0)");
    assert_int_equal(hsm_init_token(SOFTHSM_MODULE, "half", &so_pin, &pin, NULL), OK);
    ASSERT_OPENS(&options);
    assert_int_equal(hsm_init_token(SOFTHSM_MODULE, "half", &so_pin, &pin, NULL), ERR_CONFLICT);
}

static void labels_and_pins_that_cannot_be_are_refused_at_init(void **state)
{
    (void)state;
    SECRET pin = {0};
    SECRET empty = {0};
    SECRET zero = {0};
    static const char *const labels[] = {"", "123456789012345678901234567890123", "blank "};
    assert_int_equal(secret_set(&pin, "1234567", 7), OK);
    assert_int_equal(secret_set(&empty, "", 0), OK);
    assert_int_equal(secret_set(&zero, "123\0004567", 8), OK);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(hsm_init_token(SOFTHSM_MODULE, labels[i], &pin, &pin, NULL), ERR_CONFIG);
    assert_int_equal(hsm_init_token(SOFTHSM_MODULE, "new", &empty, &pin, NULL), ERR_CONFIG);
    assert_int_equal(hsm_init_token(SOFTHSM_MODULE, "new", &pin, &zero, NULL), ERR_CONFIG);
    assert_int_equal(hsm_init_token(SOFTHSM_MODULE, "12345678901234567890123456789012", &pin, &pin, NULL),
                     OK);
}

static int spy_set_up(void **state)
{
    (void)state;
    snprintf(spy_log, sizeof spy_log, "/tmp/symbolon-spy-XXXXXX");
    int fd = mkstemp(spy_log);
    if (fd < 0)
        return -1;
    close(fd);
    return setenv("PKCS11SPY", SOFTHSM_MODULE, 1) + setenv("PKCS11SPY_OUTPUT", spy_log, 1);
}

static int spy_tear_down(void **state)
{
    (void)state;
    return unlink(spy_log);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_wrong_pin_is_tried_once_and_then_not_again_without_pin_retry),
        TEST(a_pin_with_bytes_of_the_right_one_is_still_wrong),
        TEST(locked_last_try_and_expired_pins_are_refused_before_login_even_with_pin_retry),
        TEST(a_pin_file_that_others_may_read_is_refused_without_a_login),
        TEST(a_missing_or_empty_pin_is_refused),
        TEST(lanes_have_a_limit),
        TEST(modules_that_are_missing_relative_or_no_modules_are_refused),
        TEST(a_module_that_others_may_change_is_refused),
        TEST(a_module_that_cannot_start_says_so),
        TEST(a_token_of_another_label_or_serial_is_not_taken),
        TEST(of_two_tokens_with_one_label_the_serial_decides),
        TEST(a_token_that_is_away_for_an_instant_is_looked_for_again),
        TEST(two_slots_of_one_module_under_two_names_do_not_finalize_each_other),
        TEST(a_token_is_never_initialized_twice),
        TEST(an_init_that_stopped_half_way_can_be_finished),
        TEST(labels_and_pins_that_cannot_be_are_refused_at_init),
    };
    return cmocka_run_group_tests(tests, spy_set_up, spy_tear_down);
}
