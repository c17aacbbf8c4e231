// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/tokens/token_fixture.h"

#include "appliance/tokens/login.h"

enum { NOW_S = 1700000000 };

static struct soft_mac mac_key = {.key = {7}};

static struct slice slice(const char *text)
{
    return (struct slice){text, strlen(text)};
}

// The system tenant's ring, and a table of two clients who may log in.
struct house {
    struct fixture system;
    struct sealed_ids *logins;
    struct clients *clients;
};

static struct clients *new_clients(const struct sealed_ids *logins, unsigned generation, bool accept_previous)
{
    struct client_options options[2];
    for (unsigned i = 0; i < 2; i++)
        options[i] = (struct client_options){.name = i == 0 ? "app" : "other",
                                             .id = 2 + i,
                                             .tenant_id = 1,
                                             .generation = generation,
                                             .accept_previous = accept_previous,
                                             .apis = CLIENT_API_TRANSFORM,
                                             .permissions = PERMISSION_TOKENIZE,
                                             .mac = soft_mac_seam(&mac_key)};
    struct clients *clients;
    const struct clients_services services = {.logins = logins};
    assert_int_equal(clients_new(options, 2, &services, &clients, NULL), OK);
    return clients;
}

static void house_init(struct house *house)
{
    fixture_init(&house->system, 0, 1);
    assert_int_equal(sealed_ids_new(house->system.keyring, &login_kind, &house->logins), OK);
    house->clients = new_clients(house->logins, 1, false);
}

static void house_done(struct house *house)
{
    clients_free(house->clients);
    sealed_ids_free(house->logins);
    fixture_done(&house->system);
}

static enum err authenticate(const struct clients *clients, const char *text, int64_t now_s)
{
    struct caller caller;
    const struct presented presented = {.kind = CREDENTIAL_TOKEN, .secret = slice(text)};
    const enum err rc = clients_authenticate(clients, CLIENT_API_TRANSFORM, &presented, now_s, &caller);
    if (rc == OK)
        assert_int_equal(caller.client_id, 2);
    return rc;
}

static void own_token(const struct clients *clients, char out_token[80])
{
    SECRET id = {0}, secret = {0};
    assert_int_equal(client_credential(clients_find(clients, "app"), CLIENT_API_TRANSFORM, &id, &secret), OK);
    snprintf(out_token, 80, "%s", secret.text);
}

static enum err log_in(const struct clients *clients, const char *name, const char *token, char *out_text)
{
    struct caller caller;
    return clients_login(clients, slice(name), slice(token), NOW_S, &caller, out_text);
}

static void a_login_token_is_a_uuid_of_version_8_and_comes_back(void **state)
{
    (void)state;
    struct house house;
    house_init(&house);
    for (unsigned i = 0; i < 500; i++) {
        const struct login login = {i * 131 % 65536, i, (int64_t)i * 8589934};
        struct login opened;
        char text[LOGIN_TEXT_BYTES];
        assert_int_equal(login_seal(house.logins, &login, text), OK);
        assert_int_equal(strlen(text), 36);
        assert_int_equal(text[14], '8');
        assert_non_null(strchr("89ab", text[19]));
        assert_int_equal(login_open(house.logins, slice(text), &opened), OK);
        assert_int_equal(opened.client_id, login.client_id);
        assert_int_equal(opened.generation, login.generation % 16);
        assert_true(opened.issued_s == login.issued_s);
    }
    house_done(&house);
}

static void any_changed_character_is_refused(void **state)
{
    (void)state;
    struct house house;
    struct login opened;
    char text[LOGIN_TEXT_BYTES];
    house_init(&house);
    assert_int_equal(login_seal(house.logins, &(struct login){2, 1, NOW_S}, text), OK);
    for (size_t i = 0; i < LOGIN_TEXT_BYTES - 1; i++) {
        const char was = text[i];
        for (const char *other = "0123456789abcdefgG- {\x80"; *other != '\0'; other++) {
            text[i] = *other;
            assert_int_equal(login_open(house.logins, slice(text), &opened),
                             *other == was ? OK : ERR_NOT_GENUINE);
        }
        text[i] = was;
    }
    assert_int_equal(login_open(house.logins, (struct slice){text, 35}, &opened), ERR_NOT_GENUINE);
    assert_int_equal(login_open(house.logins, (struct slice){text, 37}, &opened), ERR_NOT_GENUINE);
    assert_int_equal(login_open(house.logins, slice(""), &opened), ERR_NOT_GENUINE);
    house_done(&house);
}

static void another_tenants_key_does_not_open(void **state)
{
    (void)state;
    struct house house;
    struct fixture other; // the same key bytes under another tenant's id
    struct sealed_ids *foreign;
    struct login opened;
    char text[LOGIN_TEXT_BYTES];
    house_init(&house);
    fixture_init(&other, 1, 1);
    assert_int_equal(sealed_ids_new(other.keyring, &login_kind, &foreign), OK);
    assert_int_equal(login_seal(foreign, &(struct login){2, 1, NOW_S}, text), OK);
    assert_int_equal(login_open(house.logins, slice(text), &opened), ERR_NOT_GENUINE);
    assert_int_equal(authenticate(house.clients, text, NOW_S), ERR_CREDENTIAL);
    sealed_ids_free(foreign);
    fixture_done(&other);
    house_done(&house);
}

static void it_lives_for_an_hour_and_not_before(void **state)
{
    (void)state;
    struct house house;
    char token[80], text[LOGIN_TEXT_BYTES];
    house_init(&house);
    own_token(house.clients, token);
    assert_int_equal(log_in(house.clients, "app", token, text), OK);
    for (int64_t age_s = -100; age_s <= 3700; age_s++)
        assert_int_equal(authenticate(house.clients, text, NOW_S + age_s),
                         age_s >= -60 && age_s < 3600 ? OK : ERR_CREDENTIAL);
    struct caller caller;
    const struct presented presented = {.kind = CREDENTIAL_TOKEN, .secret = slice(text)};
    assert_int_equal(clients_authenticate(house.clients, CLIENT_API_TRANSFORM, &presented, NOW_S, &caller),
                     OK);
    assert_true(caller.expires_s == NOW_S + LOGIN_LIFE_S);
    assert_string_equal(caller.name, "app");
    assert_int_equal(clients_authenticate(house.clients, CLIENT_API_CARD, &presented, NOW_S, &caller),
                     ERR_CREDENTIAL);
    house_done(&house);
}

static void only_the_right_name_and_token_log_in(void **state)
{
    (void)state;
    struct house house;
    char token[80], text[LOGIN_TEXT_BYTES] = "untouched", traded[LOGIN_TEXT_BYTES];
    house_init(&house);
    own_token(house.clients, token);
    static const char *const names[] = {"other", "", "App", "app ", "nobody"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(log_in(house.clients, names[i], token, text), ERR_CREDENTIAL);
    assert_int_equal(log_in(house.clients, "app", "", text), ERR_CREDENTIAL);
    assert_int_equal(log_in(house.clients, "app", "sym.2.x", text), ERR_CREDENTIAL);
    assert_string_equal(text, "untouched");
    assert_int_equal(log_in(house.clients, "app", token, text), OK);
    assert_int_equal(log_in(house.clients, "app", text, traded),
                     ERR_CREDENTIAL); // no longer life for a token
    house_done(&house);
}

static void rotation_ends_logins_of_generations_no_longer_accepted(void **state)
{
    (void)state;
    struct house house;
    char token[80], text[LOGIN_TEXT_BYTES];
    house_init(&house);
    struct clients *both = new_clients(house.logins, 2, true), *fresh = new_clients(house.logins, 2, false),
                   *later = new_clients(house.logins, 17, true);
    own_token(house.clients, token);
    assert_int_equal(log_in(house.clients, "app", token, text), OK);
    assert_int_equal(authenticate(house.clients, text, NOW_S), OK);
    assert_int_equal(authenticate(both, text, NOW_S), OK);
    assert_int_equal(authenticate(fresh, text, NOW_S), ERR_CREDENTIAL);
    // Sixteen rotations within an hour look the same: what LOGIN_LIFE_S leaves possible.
    assert_int_equal(authenticate(later, text, NOW_S), OK);
    own_token(fresh, token);
    assert_int_equal(log_in(fresh, "app", token, text), OK);
    assert_int_equal(authenticate(house.clients, text, NOW_S), ERR_CREDENTIAL);
    assert_int_equal(authenticate(fresh, text, NOW_S), OK);
    clients_free(both);
    clients_free(fresh);
    clients_free(later);
    house_done(&house);
}

static void a_generation_of_the_system_key_stays_readable_while_live(void **state)
{
    (void)state;
    struct fixture ring; // current 2, retired 1
    fixture_init_many(&ring, 0, 2, 2);
    const struct generation_options old = {
        .number = 1, .state = GENERATION_CURRENT, .cipher = soft_cipher_seam(&ring.ciphers[1])};
    struct keyring *before;
    struct sealed_ids *sealing, *opening;
    struct login opened;
    char text[LOGIN_TEXT_BYTES];
    assert_int_equal(keyring_new(0, &old, 1, &before, NULL), OK);
    assert_int_equal(sealed_ids_new(before, &login_kind, &sealing), OK);
    assert_int_equal(sealed_ids_new(ring.keyring, &login_kind, &opening), OK);
    assert_int_equal(login_seal(sealing, &(struct login){2, 1, NOW_S}, text), OK);
    assert_int_equal(login_open(opening, slice(text), &opened), OK);
    assert_int_equal(login_seal(opening, &(struct login){2, 1, NOW_S}, text), OK);
    assert_int_equal(login_open(sealing, slice(text), &opened), ERR_NOT_GENUINE);
    sealed_ids_free(sealing);
    sealed_ids_free(opening);
    keyring_free(before);
    fixture_done(&ring);
}

static void an_hsm_error_is_not_a_wrong_credential(void **state)
{
    (void)state;
    struct house house;
    char token[80], text[LOGIN_TEXT_BYTES];
    house_init(&house);
    own_token(house.clients, token);
    assert_int_equal(log_in(house.clients, "app", token, text), OK);
    struct soft_cipher *cipher = &house.system.ciphers[0];
    cipher->failure = ERR_HSM_DOWN;
    for (size_t call = 1; call <= 10; call++) {
        cipher->fail_at_call = atomic_load(&cipher->calls) + call;
        assert_int_equal(authenticate(house.clients, text, NOW_S), ERR_HSM_DOWN);
        cipher->fail_at_call = atomic_load(&cipher->calls) + call;
        assert_int_equal(log_in(house.clients, "app", token, text), ERR_HSM_DOWN);
    }
    house_done(&house);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_login_token_is_a_uuid_of_version_8_and_comes_back),
        cmocka_unit_test(any_changed_character_is_refused),
        cmocka_unit_test(another_tenants_key_does_not_open),
        cmocka_unit_test(it_lives_for_an_hour_and_not_before),
        cmocka_unit_test(only_the_right_name_and_token_log_in),
        cmocka_unit_test(rotation_ends_logins_of_generations_no_longer_accepted),
        cmocka_unit_test(a_generation_of_the_system_key_stays_readable_while_live),
        cmocka_unit_test(an_hsm_error_is_not_a_wrong_credential),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
