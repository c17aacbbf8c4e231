// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// hsm_destroy_key on SoftHSM: who may, what goes and what stays, and that the security officer's PIN is tried
// once. And what a listing tells of a key's attributes.
#include "tests/support/fault_module.h"
#include "tests/support/raw_p11.h"

#include <limits.h>
#include <openssl/evp.h>

static struct softhsm softhsm;
static struct fault_control *control;
static char module_path[PATH_MAX];
static struct hsm *hsm;

static void open_as(bool pin_retry, bool replica)
{
    struct hsm_options options = softhsm_options(&softhsm);
    options.module = module_path;
    options.pin_retry = pin_retry;
    options.replica = replica;
    hsm_close(hsm);
    hsm = softhsm_open(&options);
}

static void open_again(bool pin_retry)
{
    open_as(pin_retry, false);
}

static int set_up(void **state)
{
    (void)state;
    *control = (struct fault_control){0};
    softhsm_init(&softhsm);
    softhsm_init_token(SOFTHSM_LABEL);
    open_again(false);
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

static void generate(unsigned tenant_id, enum key_use use, unsigned generation)
{
    struct diag diag = {0};
    if (hsm_generate_key(hsm, tenant_id, use, generation, NULL, &diag) != OK)
        fail_msg("%s", diag.text);
}

static enum err destroy_with(const char *so_pin_text, unsigned tenant_id, enum key_use use,
                             unsigned generation, struct diag *diag)
{
    SECRET so_pin = {0};
    assert_int_equal(secret_set(&so_pin, so_pin_text, strlen(so_pin_text)), OK);
    return hsm_destroy_key(hsm, tenant_id, use, generation, &so_pin, diag);
}

static enum err destroy(unsigned tenant_id, enum key_use use, unsigned generation)
{
    struct diag diag = {0};
    return destroy_with(SOFTHSM_SO_PIN, tenant_id, use, generation, &diag);
}

// Whether the token holds a key, by a listing: it needs the user's login.
static bool holds(unsigned tenant_id, enum key_use use, unsigned generation)
{
    struct hsm_key_info *keys = NULL;
    size_t count = 0;
    bool found = false;
    struct diag diag = {0};
    if (hsm_list_keys(hsm, &keys, &count, &diag) != OK)
        fail_msg("%s", diag.text);
    for (size_t i = 0; i < count; i++)
        found = found ||
                (keys[i].tenant_id == tenant_id && keys[i].use == use && keys[i].generation == generation);
    free(keys);
    return found;
}

static size_t logins(void)
{
    return atomic_load(&control->fault[FAULT_LOGIN].calls);
}

// ---- who may ----------------------------------------------------------------------------------------

static void a_wrong_officer_is_tried_once_and_nothing_is_destroyed(void **state)
{
    (void)state;
    struct diag diag = {0};
    generate(1, KEY_FPE, 1);
    size_t before = logins();
    assert_int_equal(destroy_with("so-7654322", 1, KEY_FPE, 1, &diag), ERR_HSM_PIN);
    assert_non_null(strstr(diag.text, "CKR_PIN_INCORRECT"));
    assert_null(strstr(diag.text, "7654322"));
    assert_int_equal(logins() - before, 2); // the officer's, and the user's, who is back
    assert_true(holds(1, KEY_FPE, 1));

    before = logins();
    diag = (struct diag){0};
    assert_int_equal(destroy_with(SOFTHSM_SO_PIN, 1, KEY_FPE, 1, &diag), ERR_HSM_PIN);
    assert_non_null(strstr(diag.text, "CKF_SO_PIN_COUNT_LOW"));
    assert_int_equal(logins() - before, 1); // the user's
    assert_true(holds(1, KEY_FPE, 1));

    open_again(true); // --pin-retry
    assert_int_equal(destroy(1, KEY_FPE, 1), OK);
    assert_false(holds(1, KEY_FPE, 1));
}

static void the_users_PIN_is_not_the_officers(void **state)
{
    (void)state;
    struct diag diag = {0};
    generate(1, KEY_FPE, 1);
    assert_int_equal(destroy_with(SOFTHSM_PIN, 1, KEY_FPE, 1, &diag), ERR_HSM_PIN);
    assert_true(holds(1, KEY_FPE, 1));
}

static void an_empty_PIN_is_no_PIN(void **state)
{
    (void)state;
    generate(1, KEY_FPE, 1);
    struct diag diag = {0};
    const struct secret none = {0};
    const struct raw raw = raw_open_module(module_path);
    assert_int_equal(hsm_destroy_key(hsm, 1, KEY_FPE, 1, &none, &diag), ERR_HSM_PIN);
    assert_int_equal(raw_token_flags(&raw) & CKF_SO_PIN_COUNT_LOW, 0); // it was not even tried
    assert_true(holds(1, KEY_FPE, 1));
}

static void what_is_not_there_needs_no_officer(void **state)
{
    (void)state;
    generate(1, KEY_FPE, 1);
    generate(11, KEY_FPE, 1);
    const size_t before = logins();
    struct diag diag = {0};
    assert_int_equal(destroy_with("so-7654322", 1, KEY_FPE, 2, &diag), ERR_NOT_FOUND);
    assert_int_equal(destroy_with("so-7654322", 2, KEY_FPE, 1, &diag), ERR_NOT_FOUND);
    assert_int_equal(destroy_with("so-7654322", 1, KEY_MAC, 1, &diag), ERR_NOT_FOUND);
    assert_int_equal(destroy_with("so-7654322", 1, KEY_FPE, 11, &diag), ERR_NOT_FOUND);
    assert_int_equal(logins(), before);
    assert_true(holds(1, KEY_FPE, 1) && holds(11, KEY_FPE, 1));
}

static void read_only_sessions_of_the_process_do_not_stand_in_the_way(void **state)
{
    (void)state;
    generate(1, KEY_FPE, 1);
    uint8_t random[8];
    const struct rng rng = hsm_rng(hsm); // leaves a session in the pool
    assert_int_equal(rng_fill(&rng, random, sizeof random), OK);
    assert_int_equal(destroy(1, KEY_FPE, 1), OK);
    assert_int_equal(rng_fill(&rng, random, sizeof random), OK);
}

// ---- what goes --------------------------------------------------------------------------------------

static void one_key_goes_and_all_others_stay(void **state)
{
    (void)state;
    generate(1, KEY_FPE, 1);
    generate(1, KEY_FPE, 2);
    generate(1, KEY_FPE, 11);
    generate(1, KEY_MAC, 1);
    generate(2, KEY_FPE, 1);
    assert_int_equal(destroy(1, KEY_FPE, 1), OK);
    assert_false(holds(1, KEY_FPE, 1));
    assert_true(holds(1, KEY_FPE, 2) && holds(1, KEY_FPE, 11) && holds(1, KEY_MAC, 1) &&
                holds(2, KEY_FPE, 1));
    assert_int_equal(destroy(1, KEY_FPE, 1), ERR_NOT_FOUND); // twice
    open_again(false);
    assert_false(holds(1, KEY_FPE, 1));
    assert_true(holds(1, KEY_FPE, 2));
    generate(1, KEY_FPE, 1); // the label is free
}

static void kinds_of_sign_share_a_label_and_nothing_else(void **state)
{
    (void)state;
    generate(0, KEY_SIGN_ED25519, 1);
    generate(0, KEY_SIGN_P256, 1);
    assert_int_equal(destroy(0, KEY_SIGN_ED25519, 1), OK);
    assert_false(holds(0, KEY_SIGN_ED25519, 1));
    assert_true(holds(0, KEY_SIGN_P256, 1));
    EVP_PKEY *key = NULL; // with its public half
    const struct hsm_key_ref ref = {KEY_SIGN_P256, "symbolon:0:sign:1", NULL};
    assert_int_equal(hsm_open_private_key(hsm, &ref, &key, NULL, NULL), OK);
    EVP_PKEY_free(key);
    hsm_release_key(hsm, &ref);
    assert_int_equal(destroy(0, KEY_SIGN_P256, 1), OK);
    const struct raw raw = raw_open_module(module_path);
    assert_int_equal(raw_find(&raw, CKO_PUBLIC_KEY, "symbolon:0:sign:1"), CK_INVALID_HANDLE);
}

static CK_OBJECT_HANDLE make_certificate(const struct raw *raw, const char *label)
{
    struct raw_template template = {0};
    CK_OBJECT_HANDLE made;
    raw_set_ulong(&template, CKA_CLASS, CKO_CERTIFICATE);
    raw_set_ulong(&template, CKA_CERTIFICATE_TYPE, CKC_X_509);
    raw_set_bool(&template, CKA_TOKEN, true);
    raw_set_label(&template, label);
    raw_set(&template, CKA_SUBJECT, "subject", 7);
    raw_set(&template, CKA_VALUE, "not parsed", 10);
    assert_int_equal(raw->f->C_CreateObject(raw->session, template.attributes, template.count, &made),
                     CKR_OK);
    return made;
}

static void public_key_and_certificate_go_with_the_key(void **state)
{
    (void)state;
    const char *label = "symbolon:0:tls:1", *other = "symbolon:0:tls:2";
    generate(0, KEY_TLS, 1);
    generate(0, KEY_TLS, 2);
    const struct raw raw = raw_open_module(module_path);
    make_certificate(&raw, label);
    make_certificate(&raw, label);
    make_certificate(&raw, other);
    assert_int_equal(destroy(0, KEY_TLS, 1), OK);
    const struct raw after = raw_open_module(module_path);
    assert_int_equal(raw_find(&after, CKO_PRIVATE_KEY, label), CK_INVALID_HANDLE);
    assert_int_equal(raw_find(&after, CKO_PUBLIC_KEY, label), CK_INVALID_HANDLE);
    assert_int_equal(raw_find(&after, CKO_CERTIFICATE, label), CK_INVALID_HANDLE);
    assert_int_not_equal(raw_find(&after, CKO_PRIVATE_KEY, other), CK_INVALID_HANDLE);
    assert_int_not_equal(raw_find(&after, CKO_PUBLIC_KEY, other), CK_INVALID_HANDLE);
    assert_int_not_equal(raw_find(&after, CKO_CERTIFICATE, other), CK_INVALID_HANDLE);
}

static void what_an_interrupted_destruction_left_can_be_destroyed(void **state)
{
    (void)state;
    const char *label = "symbolon:0:tls:1";
    generate(0, KEY_TLS, 1);
    const struct raw raw = raw_open_module(module_path);
    assert_int_equal(raw.f->C_DestroyObject(raw.session, raw_find(&raw, CKO_PRIVATE_KEY, label)), CKR_OK);
    assert_int_equal(destroy(0, KEY_TLS, 1), OK);
    const struct raw after = raw_open_module(module_path);
    assert_int_equal(raw_find(&after, CKO_PUBLIC_KEY, label), CK_INVALID_HANDLE);
    assert_int_equal(destroy(0, KEY_TLS, 1), ERR_NOT_FOUND);
}

static CK_OBJECT_HANDLE make_secret(const struct raw *raw, const char *label, bool destroyable)
{
    struct raw_template template = {0};
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_OBJECT_HANDLE made;
    raw_set_bool(&template, CKA_TOKEN, true);
    raw_set_bool(&template, CKA_PRIVATE, true);
    raw_set_bool(&template, CKA_DESTROYABLE, destroyable);
    raw_set_ulong(&template, CKA_VALUE_LEN, 32);
    raw_set_label(&template, label);
    assert_int_equal(
        raw->f->C_GenerateKey(raw->session, &mechanism, template.attributes, template.count, &made), CKR_OK);
    return made;
}

static void every_object_of_the_label_goes(void **state)
{
    (void)state;
    const char *label = "symbolon:1:fpe:1";
    generate(1, KEY_FPE, 1);
    const struct raw raw = raw_open_module(module_path);
    make_secret(&raw, label, true);
    make_secret(&raw, label, true);
    assert_int_equal(destroy(1, KEY_FPE, 1), OK);
    assert_false(holds(1, KEY_FPE, 1));
}

static void a_token_that_keeps_the_key_is_believed(void **state)
{
    (void)state;
    const struct raw raw = raw_open_module(module_path);
    struct diag diag = {0};
    make_secret(&raw, "symbolon:1:fpe:1", false);
    assert_int_not_equal(destroy_with(SOFTHSM_SO_PIN, 1, KEY_FPE, 1, &diag), OK);
    assert_non_null(strstr(diag.text, "C_DestroyObject"));
    assert_true(holds(1, KEY_FPE, 1));
}

// ---- evidence ---------------------------------------------------------------------------------------

static const struct hsm_key_attribute *attribute(const struct hsm_key_info *key, const char *name)
{
    for (size_t i = 0; i < HSM_KEY_ATTRIBUTES; i++)
        if (strcmp(key->attributes[i].name, name) == 0)
            return &key->attributes[i];
    fail_msg("no attribute %s", name);
    return NULL;
}

static void a_listing_tells_what_each_key_may(void **state)
{
    (void)state;
    struct hsm_key_info *keys = NULL;
    size_t count = 0;
    generate(1, KEY_FPE, 1);
    const struct raw raw = raw_open_module(module_path);
    make_secret(&raw, "symbolon:2:fpe:1", true);
    assert_int_equal(hsm_list_keys(hsm, &keys, &count, NULL), OK);
    assert_int_equal(count, 2);
    static const char *const wanted[] = {
        "token", "private", "sensitive", "always_sensitive", "never_extractable", "local", "encrypt"};
    static const char *const unwanted[] = {"modifiable", "extractable", "decrypt", "sign",
                                           "verify",     "wrap",        "unwrap",  "derive"};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        assert_true(attribute(&keys[0], wanted[i])->known && attribute(&keys[0], wanted[i])->value);
    for (size_t i = 0; i < sizeof unwanted / sizeof unwanted[0]; i++)
        assert_true(attribute(&keys[0], unwanted[i])->known && !attribute(&keys[0], unwanted[i])->value);
    assert_false(attribute(&keys[0], "sign_recover")->known); // a secret key has none
    assert_true(keys[0].ok && hsm_key_never_left(&keys[0].evidence));
    assert_true(attribute(&keys[1], "modifiable")->value);
    assert_false(keys[1].ok);
    free(keys);

    control->flipped = CKA_LOCAL;
    assert_int_equal(hsm_list_keys(hsm, &keys, &count, NULL), OK);
    assert_false(attribute(&keys[0], "local")->value || hsm_key_never_left(&keys[0].evidence));
    control->flipped = 0;
    free(keys);
}

static bool first_is_ok(bool *out_never_left)
{
    struct hsm_key_info *keys = NULL;
    size_t count = 0;
    assert_int_equal(hsm_list_keys(hsm, &keys, &count, NULL), OK);
    const bool ok = keys[0].ok;
    *out_never_left = hsm_key_never_left(&keys[0].evidence);
    free(keys);
    return ok;
}

static void a_key_from_elsewhere_is_in_order_in_a_replica_only_and_is_not_said_to_be_made_there(void **state)
{
    (void)state;
    bool never_left = false;
    generate(1, KEY_FPE, 1);
    control->flipped = CKA_LOCAL;
    assert_false(first_is_ok(&never_left));
    open_as(false, true);
    assert_true(first_is_ok(&never_left));
    assert_false(never_left);
    control->flipped = CKA_SENSITIVE; // nothing else is waived
    assert_false(first_is_ok(&never_left));
}

int main(void)
{
    setenv("SOFTHSM2_CONF", "/nonexistent", 1);
    if (realpath(FAULT_MODULE, module_path) == NULL)
        return 1;
    void *code = dlopen(module_path, RTLD_NOW | RTLD_LOCAL);
    struct fault_control *(*get)(void) = (struct fault_control * (*)(void)) dlsym(code, "fault_control");
    control = get();
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_wrong_officer_is_tried_once_and_nothing_is_destroyed),
        TEST(the_users_PIN_is_not_the_officers),
        TEST(an_empty_PIN_is_no_PIN),
        TEST(what_is_not_there_needs_no_officer),
        TEST(read_only_sessions_of_the_process_do_not_stand_in_the_way),
        TEST(one_key_goes_and_all_others_stay),
        TEST(kinds_of_sign_share_a_label_and_nothing_else),
        TEST(public_key_and_certificate_go_with_the_key),
        TEST(what_an_interrupted_destruction_left_can_be_destroyed),
        TEST(every_object_of_the_label_goes),
        TEST(a_token_that_keeps_the_key_is_believed),
        TEST(a_listing_tells_what_each_key_may),
        TEST(a_key_from_elsewhere_is_in_order_in_a_replica_only_and_is_not_said_to_be_made_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
