// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/access_token.h"

#include "appliance/tokens/flat_json.h"
#include "tests/unit/tokens/token_fixture.h"

enum { NOW_S = 1700000000, LIFE_S = 3600 };

#define AUDIENCE "https://api.example/v1/accounts/T12345678"

static struct soft_signer soft, stranger;
static struct soft_mac mac_key = {.key = {5}};
static struct soft_rng random_source = {.state = 1};
static struct access_tokens *tokens, *others;
static struct clients *clients;

static struct access_tokens *new_tokens(struct soft_signer *signer, const char *issuer)
{
    struct access_tokens *made = NULL;
    const struct access_tokens_options options = {soft_signer_seam(signer), issuer, LIFE_S};
    assert_int_equal(access_tokens_new(&options, &made), OK);
    return made;
}

static int set_up(void **state)
{
    (void)state;
    static const uint8_t key[32] = {[31] = 7}, other_key[32] = {[31] = 8};
    static const char *const accounts[] = {"T12345678"};
    soft_signer_init(&soft, SIGNER_ES256, key);
    soft_signer_init(&stranger, SIGNER_ES256, other_key);
    tokens = new_tokens(&soft, "https://here");
    others = new_tokens(&stranger, "https://here");
    const struct client_options options = {.name = "crm",
                                           .id = 7,
                                           .tenant_id = 1,
                                           .generation = 3,
                                           .apis = CLIENT_API_CUSTOMERS,
                                           .permissions = PERMISSION_READ,
                                           .accounts = accounts,
                                           .account_count = 1,
                                           .mac = soft_mac_seam(&mac_key)};
    const struct clients_services services = {.access_tokens = tokens};
    assert_int_equal(clients_new(&options, 1, &services, &clients, NULL), OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    clients_free(clients);
    access_tokens_free(tokens);
    access_tokens_free(others);
    soft_signer_done(&soft);
    soft_signer_done(&stranger);
    return 0;
}

static struct caller caller(void)
{
    const struct client *client = clients_find(clients, "crm");
    return (struct caller){.client = client, .name = "crm", .client_id = 7, .permissions = PERMISSION_READ};
}

static enum err make(const struct access_tokens *of, const char *audience, struct buf *out)
{
    const struct caller who = caller();
    return access_token_make(of, &who, (struct slice){audience, strlen(audience)},
                             soft_rng_seam(&random_source), NOW_S, out);
}

static enum err open_at(const struct access_tokens *by, const struct buf *token, int64_t now_s)
{
    struct access_claims claims;
    return access_token_open(by, buf_slice(token), now_s, &claims);
}

static void a_token_says_who_what_and_for_how_long(void **state)
{
    (void)state;
    BUF token = {0};
    struct access_claims claims;
    assert_int_equal(make(tokens, AUDIENCE, &token), OK);
    assert_int_equal(access_token_open(tokens, buf_slice(&token), NOW_S, &claims), OK);
    assert_int_equal(claims.client_id, 7);
    assert_int_equal(claims.client_generation, 3);
    assert_string_equal(claims.account, "T12345678");
    assert_int_equal(claims.scopes, SCOPE_READ_CUSTOMERS);
    assert_int_equal(claims.expires_s, NOW_S + LIFE_S);
}

static void it_is_valid_from_a_minute_before_to_a_minute_after(void **state)
{
    (void)state;
    BUF token = {0};
    assert_int_equal(make(tokens, AUDIENCE, &token), OK);
    assert_int_equal(open_at(tokens, &token, NOW_S - 60), OK);
    assert_int_equal(open_at(tokens, &token, NOW_S - 61), ERR_CREDENTIAL);
    assert_int_equal(open_at(tokens, &token, NOW_S + LIFE_S + 59), OK);
    assert_int_equal(open_at(tokens, &token, NOW_S + LIFE_S + 60), ERR_CREDENTIAL);
}

static void another_key_or_issuer_is_a_stranger(void **state)
{
    (void)state;
    BUF token = {0}, foreign = {0};
    struct access_tokens *elsewhere = new_tokens(&soft, "https://there");
    assert_int_equal(make(others, AUDIENCE, &token), OK);
    assert_int_equal(open_at(tokens, &token, NOW_S), ERR_CREDENTIAL);
    assert_int_equal(make(elsewhere, AUDIENCE, &foreign), OK);
    assert_int_equal(open_at(tokens, &foreign, NOW_S), ERR_CREDENTIAL);
    access_tokens_free(elsewhere);
}

static void no_byte_of_it_can_be_changed_or_taken_away(void **state)
{
    (void)state;
    BUF token = {0};
    assert_int_equal(make(tokens, AUDIENCE, &token), OK);
    for (size_t i = 0; i < token.len; i++) {
        const char was = token.at[i];
        token.at[i] = was == 'A' ? 'B' : 'A';
        assert_int_equal(open_at(tokens, &token, NOW_S), ERR_CREDENTIAL);
        token.at[i] = was;
    }
    for (size_t len = 0; len < token.len; len++) {
        struct access_claims claims;
        assert_int_equal(access_token_open(tokens, (struct slice){token.at, len}, NOW_S, &claims),
                         ERR_CREDENTIAL);
    }
}

static void only_accounts_that_were_given_are_an_audience(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "T12345678",
                                        "https://h",
                                        "https://h/v1/accounts/T1234567",
                                        "https://h/v1/accounts/T12345678/",
                                        "mailto:/v1/accounts/T12345678"};
    BUF out = {0};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(make(tokens, wrong[i], &out), ERR_INPUT);
    assert_int_equal(make(tokens, "https://h/v1/accounts/T99999999", &out), ERR_FORBIDDEN);
    assert_int_equal(out.len, 0);
}

static void claims_are_flat_strict_JSON(void **state)
{
    (void)state;
    static const char *const good[] = {"{}", " { \"a\" : 1 , \"b\":\"x\" } ", "{\"a\":\"\\\"\\\\\\/\"}",
                                       "{\"a\":-5}"};
    static const char *const bad[] = {"",
                                      "[]",
                                      "{\"a\":1,}",
                                      "{\"a\":1}x",
                                      "{\"a\":01}",
                                      "{\"a\":1.5}",
                                      "{\"a\":{}}",
                                      "{\"a\":true}",
                                      "{a:1}",
                                      "{\"a\":1,\"a\":2}",
                                      "{\"a\":\"",
                                      "{\"a\":\"\\n\"}",
                                      "{\"a\":\"\xff\"}",
                                      "{\"a\":\"\n\"}",
                                      "{\"a\":1234567890123456}"};
    struct flat_json object;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        BUF room = {0};
        assert_true(flat_json_read((struct slice){good[i], strlen(good[i])}, &room, &object));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        BUF room = {0};
        assert_false(flat_json_read((struct slice){bad[i], strlen(bad[i])}, &room, &object));
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_token_says_who_what_and_for_how_long),
        CASE(it_is_valid_from_a_minute_before_to_a_minute_after),
        CASE(another_key_or_issuer_is_a_stranger),
        CASE(no_byte_of_it_can_be_changed_or_taken_away),
        CASE(only_accounts_that_were_given_are_an_audience),
        CASE(claims_are_flat_strict_JSON),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
