// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/tokens/token_fixture.h"

#include <openssl/sha.h>

enum { NOW_S = 1700000000 };

static struct soft_mac mac_key = {.key = {7}};

static struct slice slice(const char *text)
{
    return (struct slice){text, strlen(text)};
}

static const char *const writer_roles[] = {"pan"};
static const char *const shop_accounts[] = {"T12345678", "P00000001"};

static struct clients *new_clients(unsigned generation, bool accept_previous)
{
    const struct client_options options[] = {
        {.name = "cards",
         .id = 300,
         .tenant_id = 1,
         .generation = generation,
         .accept_previous = accept_previous,
         .apis = CLIENT_API_CARD,
         .permissions = PERMISSION_TOKENIZE,
         .mac = soft_mac_seam(&mac_key)},
        {.name = "app",
         .id = 2,
         .tenant_id = 1,
         .generation = generation,
         .accept_previous = accept_previous,
         .apis = CLIENT_API_TRANSFORM,
         .permissions = PERMISSION_TOKENIZE,
         .roles = writer_roles,
         .role_count = 1,
         .mac = soft_mac_seam(&mac_key)},
        {.name = "shop",
         .id = 65535,
         .tenant_id = 2,
         .generation = generation,
         .accept_previous = accept_previous,
         .apis = CLIENT_API_GIFTCARD | CLIENT_API_CUSTOMERS,
         .accounts = shop_accounts,
         .account_count = 2,
         .permissions = PERMISSION_TOKENIZE,
         .mac = soft_mac_seam(&mac_key)},
    };
    struct clients *clients;
    assert_int_equal(clients_new(options, 3, NULL, &clients, NULL), OK);
    return clients;
}

static void credential(const struct clients *clients, const char *name, enum client_api api, char *out_id,
                       char *out_secret)
{
    SECRET id = {0}, secret = {0};
    assert_int_equal(client_credential(clients_find(clients, name), api, &id, &secret), OK);
    snprintf(out_id, 80, "%s", id.text);
    snprintf(out_secret, 80, "%s", secret.text);
}

static enum err token_login(const struct clients *clients, const char *token)
{
    struct caller caller;
    const struct presented presented = {.kind = CREDENTIAL_TOKEN, .secret = slice(token)};
    return clients_authenticate(clients, CLIENT_API_TRANSFORM, &presented, NOW_S, &caller);
}

static void a_token_opens_its_own_client_and_nothing_like_it_does(void **state)
{
    (void)state;
    char id[80], token[80];
    struct clients *clients = new_clients(1, false);
    credential(clients, "app", CLIENT_API_TRANSFORM, id, token);
    struct caller caller;
    const struct presented presented = {.kind = CREDENTIAL_TOKEN, .secret = slice(token)};
    assert_int_equal(clients_authenticate(clients, CLIENT_API_TRANSFORM, &presented, NOW_S, &caller), OK);
    assert_string_equal(caller.name, "app");
    assert_int_equal(caller.client_id, 2);
    assert_true(caller_may(&caller, PERMISSION_TOKENIZE));
    assert_true(caller_may(&caller, PERMISSION_CALLER));
    assert_false(caller_may(&caller, PERMISSION_DETOKENIZE));
    assert_true(caller_may_use_role(&caller, "pan"));
    assert_false(caller_may_use_role(&caller, "card"));

    assert_int_equal(clients_authenticate(clients, CLIENT_API_CARD, &presented, NOW_S, &caller),
                     ERR_CREDENTIAL);
    const size_t len = strlen(token);
    for (size_t i = 0; i < len; i++) {
        const char was = token[i];
        token[i] = was == 'A' ? 'B' : 'A';
        assert_int_equal(token_login(clients, token), ERR_CREDENTIAL);
        token[i] = was;
    }
    token[len - 1] = '\0';
    assert_int_equal(token_login(clients, token), ERR_CREDENTIAL);
    const char *const junk[] = {
        "", "sym.", "sym.2", "sym.2.", "sym..", "sym.65536.x", "sym.99999999999.x", "sym.-2.x"};
    for (size_t i = 0; i < sizeof junk / sizeof junk[0]; i++)
        assert_int_equal(token_login(clients, junk[i]), ERR_CREDENTIAL);
    clients_free(clients);
}

static void rotation_accepts_the_previous_secret_only_when_told(void **state)
{
    (void)state;
    char id[80], first[80], second[80];
    struct clients *old = new_clients(1, false), *both = new_clients(2, true), *fresh = new_clients(2, false);
    credential(old, "app", CLIENT_API_TRANSFORM, id, first);
    credential(both, "app", CLIENT_API_TRANSFORM, id, second);
    assert_string_not_equal(first, second);
    assert_int_equal(token_login(both, first), OK);
    assert_int_equal(token_login(both, second), OK);
    assert_int_equal(token_login(fresh, first), ERR_CREDENTIAL);
    assert_int_equal(token_login(fresh, second), OK);
    clients_free(old);
    clients_free(both);
    clients_free(fresh);
}

static void basic_needs_the_exact_user_and_password(void **state)
{
    (void)state;
    char user[80], password[80];
    struct clients *clients = new_clients(1, false);
    struct caller caller;
    credential(clients, "shop", CLIENT_API_GIFTCARD, user, password);
    assert_string_equal(user, "shop");
    struct presented presented = {.kind = CREDENTIAL_BASIC, .id = slice(user), .secret = slice(password)};
    assert_int_equal(clients_authenticate(clients, CLIENT_API_GIFTCARD, &presented, NOW_S, &caller), OK);
    presented.id = slice("Shop");
    assert_int_equal(clients_authenticate(clients, CLIENT_API_GIFTCARD, &presented, NOW_S, &caller),
                     ERR_CREDENTIAL);
    presented.id = presented.secret = slice("");
    assert_int_equal(clients_authenticate(clients, CLIENT_API_GIFTCARD, &presented, NOW_S, &caller),
                     ERR_CREDENTIAL);
    clients_free(clients);
}

// Get Token takes the same pair as the gift cards do, for a client of both.
static void a_client_of_the_customers_shows_its_name_and_secret(void **state)
{
    (void)state;
    char id[80], secret[80];
    struct clients *clients = new_clients(1, false);
    const struct client *shop = clients_find(clients, "shop");
    struct caller caller;
    credential(clients, "shop", CLIENT_API_CUSTOMERS, id, secret);
    assert_string_equal(id, "shop");
    struct presented presented = {.kind = CREDENTIAL_BASIC, .id = slice(id), .secret = slice(secret)};
    assert_int_equal(clients_authenticate(clients, CLIENT_API_CUSTOMERS, &presented, NOW_S, &caller), OK);
    assert_string_equal(caller.account, ""); // only an access token is for one
    assert_int_equal(caller.scopes, 0);
    presented.kind = CREDENTIAL_ACCESS_TOKEN;
    assert_int_equal(clients_authenticate(clients, CLIENT_API_CUSTOMERS, &presented, NOW_S, &caller),
                     ERR_CREDENTIAL);
    assert_true(client_has_account(shop, "T12345678") && client_has_account(shop, "P00000001"));
    assert_false(client_has_account(shop, "T12345679") || client_has_account(shop, "") ||
                 client_has_account(clients_find(clients, "app"), "T12345678"));
    clients_free(clients);
}

static void sign(const char *key, const struct presented *presented, char out_hex[129])
{
    uint8_t digest[SHA512_DIGEST_LENGTH];
    char message[512];
    const int len =
        snprintf(message, sizeof message, "%s%.*s%.*s%.*s%.*s", key, (int)presented->timestamp.len,
                 presented->timestamp.at, (int)presented->id.len, presented->id.at, (int)presented->path.len,
                 presented->path.at, (int)presented->body.len, presented->body.at);
    SHA512((const uint8_t *)message, (size_t)len, digest);
    hex_encode(digest, sizeof digest, out_hex);
}

// The composition that the vendor documents, on its published order and our own values.
static void the_wp3_digest_is_the_documented_one(void **state)
{
    (void)state;
    char hex[129];
    const struct presented presented = {
        .kind = CREDENTIAL_WP3,
        .id = slice("0123456789abcdef0123456789abcdef01234567"),
        .timestamp = slice("1700000000"),
        .path = slice("/v2/tokens"),
        .body =
            slice("{\"type\":\"card\",\"card\":{\"pan\":\"4111111111111111\",\"expiration_date\":\"2912\"}}"),
    };
    sign("example-merchant-key", &presented, hex);
    assert_string_equal(hex, "8271566dad2e4d580ea4be88bdf7ec02dfb9b5b8c8b3776038a83e0f7beb4bbe"
                             "736f4979d5dddbd03d5ce17c267291307bf323dc97ce4fec57894ba31e33e38f");
}

static void wp3_covers_key_time_path_and_body(void **state)
{
    (void)state;
    char id[80], key[80], hex[129];
    struct clients *clients = new_clients(1, false);
    struct caller caller;
    credential(clients, "cards", CLIENT_API_CARD, id, key);
    struct presented presented = {.kind = CREDENTIAL_WP3,
                                  .id = slice(id),
                                  .timestamp = slice("1700000000"),
                                  .path = slice("/v2/tokens"),
                                  .body = slice("{}")};
    sign(key, &presented, hex);
    presented.secret = slice(hex);
    assert_int_equal(clients_authenticate(clients, CLIENT_API_CARD, &presented, NOW_S, &caller), OK);
    assert_int_equal(clients_authenticate(clients, CLIENT_API_CARD, &presented, NOW_S + 300, &caller), OK);
    assert_int_equal(clients_authenticate(clients, CLIENT_API_CARD, &presented, NOW_S - 300, &caller), OK);
    assert_int_equal(clients_authenticate(clients, CLIENT_API_CARD, &presented, NOW_S + 301, &caller),
                     ERR_CREDENTIAL);
    assert_int_equal(clients_authenticate(clients, CLIENT_API_CARD, &presented, NOW_S - 301, &caller),
                     ERR_CREDENTIAL);
    struct presented changed = presented;
    changed.body = slice("{ }");
    assert_int_equal(clients_authenticate(clients, CLIENT_API_CARD, &changed, NOW_S, &caller),
                     ERR_CREDENTIAL);
    changed = presented;
    changed.path = slice("/v2/other");
    assert_int_equal(clients_authenticate(clients, CLIENT_API_CARD, &changed, NOW_S, &caller),
                     ERR_CREDENTIAL);
    changed = presented;
    changed.timestamp = slice("1700000001");
    assert_int_equal(clients_authenticate(clients, CLIENT_API_CARD, &changed, NOW_S, &caller),
                     ERR_CREDENTIAL);
    changed = presented;
    changed.id = slice("0000000000000000000000000000000000000000");
    assert_int_equal(clients_authenticate(clients, CLIENT_API_CARD, &changed, NOW_S, &caller),
                     ERR_CREDENTIAL);
    changed = presented;
    changed.timestamp = slice("1700000000000"); // milliseconds, correctly signed
    sign(key, &changed, hex);
    assert_int_equal(clients_authenticate(clients, CLIENT_API_CARD, &changed, NOW_S, &caller),
                     ERR_CREDENTIAL);
    clients_free(clients);
}

static void ids_and_names_are_unique_and_hsm_errors_pass_through(void **state)
{
    (void)state;
    struct clients *clients;
    struct diag diag = {0};
    struct client_options options[] = {
        {.name = "a", .id = 1, .tenant_id = 1, .generation = 1, .mac = soft_mac_seam(&mac_key)},
        {.name = "b", .id = 1, .tenant_id = 1, .generation = 1, .mac = soft_mac_seam(&mac_key)},
    };
    assert_int_equal(clients_new(options, 2, NULL, &clients, &diag), ERR_CONFLICT);
    assert_non_null(strstr(diag.text, "share id 1"));
    diag = (struct diag){0};
    options[1].id = 2;
    options[1].name = "a";
    assert_int_equal(clients_new(options, 2, NULL, &clients, &diag), ERR_CONFLICT);
    assert_string_equal(diag.text, "two clients are named a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_opens_its_own_client_and_nothing_like_it_does),
        cmocka_unit_test(rotation_accepts_the_previous_secret_only_when_told),
        cmocka_unit_test(basic_needs_the_exact_user_and_password),
        cmocka_unit_test(a_client_of_the_customers_shows_its_name_and_secret),
        cmocka_unit_test(the_wp3_digest_is_the_documented_one),
        cmocka_unit_test(wp3_covers_key_time_path_and_body),
        cmocka_unit_test(ids_and_names_are_unique_and_hsm_errors_pass_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
