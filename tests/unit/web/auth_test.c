// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "web/auth.h"
#include "web/text.h"

#include <stdio.h>

static struct buf scratch;

static int clean(void **state)
{
    (void)state;
    buf_done(&scratch);
    return 0;
}

static struct head head_of(const char *const (*headers)[2], size_t count)
{
    struct head head = {.path = text_slice("/v2/tokens"), .header_count = count};
    for (size_t i = 0; i < count; i++) {
        head.headers[i].name = text_slice(headers[i][0]);
        head.headers[i].value = text_slice(headers[i][1]);
    }
    return head;
}

static struct presented parse(enum credential_kind kind, const char *name, const char *value)
{
    static struct head head;
    const char *const header[1][2] = {{name, value}};
    head = head_of(header, 1);
    return auth_parse(kind, &head, text_slice("{}"), &scratch);
}

#define DIGEST                                                                                               \
    "8271566dad2e4d580ea4be88bdf7ec02dfb9b5b8c8b3776038a83e0f7beb4bbe736f4979d5dddbd03d5ce17c267291307bf3"   \
    "23dc97ce4fec57894ba31e33e38f"

static void a_WP3_credential_is_taken_apart(void **state)
{
    (void)state;
    struct presented presented = parse(CREDENTIAL_WP3, "Authorization", "WP3-v2.1 abc 1700000000 " DIGEST);
    assert_int_equal(presented.kind, CREDENTIAL_WP3);
    assert_true(slice_is(presented.id, "abc"));
    assert_true(slice_is(presented.timestamp, "1700000000"));
    assert_true(slice_is(presented.secret, DIGEST));
    assert_true(slice_is(presented.path, "/v2/tokens"));
    assert_true(slice_is(presented.body, "{}"));
}

static void other_spellings_of_WP3_are_no_credential(void **state)
{
    (void)state;
    static const char *const values[] = {
        "",
        "WP3-v2.1",
        "WP3-v2.1 abc",
        "WP3-v2.1 abc 1700000000",
        "WP3-v2.1  abc 1700000000 " DIGEST,
        "WP3-v2.1 abc  1700000000 " DIGEST,
        "WP3-v2.1 abc 1700000000  " DIGEST,
        "WP3-v2.1 abc 1700000000 " DIGEST " x",
        "WP3-v2.1 abc 1700000000 " DIGEST "0",
        "WP3-v2.1 abc 1700000000000 " DIGEST,
        "WP3-v2.1 abc 170000000 " DIGEST,
        "WP3-v2.1 abc -700000000 " DIGEST,
        "WP3-v2.1 abc 1700000000 x" DIGEST,
        "WP3-v2.1\tabc\t1700000000\t" DIGEST,
        "WP3-v2 abc 1700000000 " DIGEST,
        "WP3-v2-Client abc",
        "Bearer abc",
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        assert_int_equal(parse(CREDENTIAL_WP3, "Authorization", values[i]).kind, CREDENTIAL_NONE);
}

static void a_token_comes_in_either_header(void **state)
{
    (void)state;
    assert_true(
        slice_is(parse(CREDENTIAL_TOKEN, "x-vault-token", "sym.1.abc-_~+/==").secret, "sym.1.abc-_~+/=="));
    assert_true(slice_is(parse(CREDENTIAL_TOKEN, "Authorization", "bearer sym.1.abc").secret, "sym.1.abc"));
}

static void malformed_tokens_are_no_credential(void **state)
{
    (void)state;
    static const char *const values[] = {"",           "Bearer",       "Bearer ",    "Bearer  a",
                                         "Bearer a b", "Bearera",      "Basic Og==", "Token a",
                                         "Bearer a,b", "Bearer \"a\"", "Bearer ="};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        assert_int_equal(parse(CREDENTIAL_TOKEN, "Authorization", values[i]).kind, CREDENTIAL_NONE);
    assert_int_equal(parse(CREDENTIAL_TOKEN, "X-Vault-Token", "").kind, CREDENTIAL_NONE);
    assert_int_equal(parse(CREDENTIAL_TOKEN, "X-Vault-Token", "a b").kind, CREDENTIAL_NONE);
    assert_int_equal(parse(CREDENTIAL_TOKEN, "X-Other", "a").kind, CREDENTIAL_NONE);
}

static void a_credential_presented_twice_is_none(void **state)
{
    (void)state;
    static const char *const pairs[][2][2] = {
        {{"Authorization", "Bearer a"}, {"authorization", "Bearer a"}},
        {{"X-Vault-Token", "a"}, {"X-Vault-Token", "a"}},
        {{"X-Vault-Token", "a"}, {"Authorization", "Bearer b"}},
        {{"X-Vault-Token", "a"}, {"Authorization", "Basic YTpi"}},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct head head = head_of(pairs[i], 2);
        assert_int_equal(auth_parse(CREDENTIAL_TOKEN, &head, text_slice(""), &scratch).kind, CREDENTIAL_NONE);
    }
    static const char *const same[2][2] = {{"X-Vault-Token", "a"}, {"Authorization", "Bearer a"}};
    struct head head = head_of(same, 2);
    assert_true(slice_is(auth_parse(CREDENTIAL_TOKEN, &head, text_slice(""), &scratch).secret, "a"));
    static const char *const basics[2][2] = {{"Authorization", "Basic YTpi"},
                                             {"Authorization", "Basic YTpi"}};
    head = head_of(basics, 2);
    assert_int_equal(auth_parse(CREDENTIAL_BASIC, &head, text_slice(""), &scratch).kind, CREDENTIAL_NONE);
}

static void Basic_is_split_at_the_first_colon(void **state)
{
    (void)state;
    static const struct {
        const char *value, *id, *secret;
    } pairs[] = {{"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame"},
                 {"bAsIc YTpiOmM=", "a", "b:c"},
                 {"Basic YTo=", "a", ""},
                 {"Basic OmE=", "", "a"},
                 {"Basic w6Q6w7Y=", "\xc3\xa4", "\xc3\xb6"}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct presented presented = parse(CREDENTIAL_BASIC, "Authorization", pairs[i].value);
        assert_int_equal(presented.kind, CREDENTIAL_BASIC);
        assert_true(slice_is(presented.id, pairs[i].id));
        assert_true(slice_is(presented.secret, pairs[i].secret));
    }
}

static void malformed_Basic_is_no_credential(void **state)
{
    (void)state;
    static const char *const values[] = {
        "Basic",        "Basic ",      "Basic Og==",     "Basic YWI=",     "Basic  YTpi", "Basic YTpi=",
        "Basic YTo",    "Basic YTp*",  "Basic YTpi,x",   "Basic YQA6Yg==", "Basic YToK",  "Basic YTr/",
        "Basic YT p i", "Digest YTpi", "Basic YTpiYg=a", "Basic YTqA",     "Basic AAAA"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        if (parse(CREDENTIAL_BASIC, "Authorization", values[i]).kind != CREDENTIAL_NONE)
            fail_msg("%s", values[i]);
    }
}

#define KEY "5b0f7c1e-1D7a-4c55-9A52-0c6a3b8f2e11"

static void keys_are_taken_from_their_own_header(void **state)
{
    (void)state;
    struct presented presented = parse(CREDENTIAL_API_KEY, "api-key", KEY);
    assert_int_equal(presented.kind, CREDENTIAL_API_KEY);
    assert_true(slice_is(presented.secret, KEY));
    presented = parse(CREDENTIAL_SESSION_KEY, "Session-Key", KEY);
    assert_int_equal(presented.kind, CREDENTIAL_SESSION_KEY);
    assert_true(slice_is(presented.secret, KEY));
    assert_int_equal(parse(CREDENTIAL_API_KEY, "Session-Key", KEY).kind, CREDENTIAL_NONE);
    assert_int_equal(parse(CREDENTIAL_SESSION_KEY, "Api-Key", KEY).kind, CREDENTIAL_NONE);
    assert_int_equal(parse(CREDENTIAL_SESSION_KEY, "Authorization", KEY).kind, CREDENTIAL_NONE);
}

static void other_spellings_of_a_key_are_no_credential(void **state)
{
    (void)state;
    static const char *const values[] = {"",
                                         "5b0f7c1e-1d7a-4c55-9a52-0c6a3b8f2e1",
                                         "5b0f7c1e-1d7a-4c55-9a52-0c6a3b8f2e111",
                                         "5b0f7c1e-1d7a-4c55-9a52-0c6a3b8f2e1g",
                                         "5b0f7c1e01d7a04c5509a5200c6a3b8f2e11",
                                         "5b0f7c1-e1d7a-4c55-9a52-0c6a3b8f2e11",
                                         "5b0f7c1e-1d7a-4c55-9a52-0c6a3b8f2e1-",
                                         "{5b0f7c1e-1d7a-4c55-9a52-0c6a3b8f2e11}",
                                         "5b0f7c1e1d7a4c559a520c6a3b8f2e11",
                                         KEY ", " KEY,
                                         "Bearer " KEY};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        if (parse(CREDENTIAL_API_KEY, "Api-Key", values[i]).kind != CREDENTIAL_NONE ||
            parse(CREDENTIAL_SESSION_KEY, "Session-Key", values[i]).kind != CREDENTIAL_NONE)
            fail_msg("%s", values[i]);
    }
}

static void a_key_presented_twice_is_none(void **state)
{
    (void)state;
    static const char *const twice[2][2] = {{"Session-Key", KEY}, {"session-key", KEY}};
    struct head head = head_of(twice, 2);
    assert_int_equal(auth_parse(CREDENTIAL_SESSION_KEY, &head, text_slice(""), &scratch).kind,
                     CREDENTIAL_NONE);
    static const char *const both[2][2] = {{"Session-Key", KEY}, {"Api-Key", KEY}};
    head = head_of(both, 2);
    assert_int_equal(auth_parse(CREDENTIAL_API_KEY, &head, text_slice(""), &scratch).kind,
                     CREDENTIAL_API_KEY);
}

static void an_access_token_comes_as_Bearer_and_in_no_other_way(void **state)
{
    (void)state;
    struct presented presented = parse(CREDENTIAL_ACCESS_TOKEN, "authorization", "bEARER a.b-_.c");
    assert_int_equal(presented.kind, CREDENTIAL_ACCESS_TOKEN);
    assert_true(slice_is(presented.secret, "a.b-_.c"));
    static const char *const values[] = {"",           "Bearer",     "Bearer ",     "Bearer  a.b.c",
                                         "Bearer a b", "Bearer a,b", "Bearera.b.c", "Basic YTpi",
                                         "a.b.c",      "Token a.b.c"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        assert_int_equal(parse(CREDENTIAL_ACCESS_TOKEN, "Authorization", values[i]).kind, CREDENTIAL_NONE);
    assert_int_equal(parse(CREDENTIAL_ACCESS_TOKEN, "X-Vault-Token", "a.b.c").kind, CREDENTIAL_NONE);
    static const char *const twice[2][2] = {{"Authorization", "Bearer a.b.c"},
                                            {"Authorization", "Bearer a.b.c"}};
    struct head head = head_of(twice, 2);
    assert_int_equal(auth_parse(CREDENTIAL_ACCESS_TOKEN, &head, text_slice(""), &scratch).kind,
                     CREDENTIAL_NONE);
    head.query = text_slice("access_token=a.b.c"); // RFC 6750, 2.3: not from there
    head.header_count = 0;
    assert_int_equal(
        auth_parse(CREDENTIAL_ACCESS_TOKEN, &head, text_slice("access_token=a.b.c"), &scratch).kind,
        CREDENTIAL_NONE);
}

// A member signs everything that decides what its request does.
static void a_member_shows_a_secret_or_signs_the_whole_request(void **state)
{
    (void)state;
    static const char *const signed_request[2][2] = {{"Host", "api.example:8443"},
                                                     {"Authorization", "Bearer a..b"}};
    struct head head = head_of(signed_request, 2);
    head.method = text_slice("POST");
    head.query = text_slice("a=1");
    struct presented presented = auth_parse(CREDENTIAL_MEMBER, &head, text_slice("{}"), &scratch);
    assert_int_equal(presented.kind, CREDENTIAL_MEMBER);
    assert_int_equal(presented.id.len, 0);
    assert_true(slice_is(presented.secret, "a..b"));
    assert_true(slice_is(presented.method, "POST"));
    assert_true(slice_is(presented.host, "api.example:8443"));
    assert_true(slice_is(presented.path, "/v2/tokens"));
    assert_true(slice_is(presented.query, "a=1"));
    assert_true(slice_is(presented.body, "{}"));

    presented = parse(CREDENTIAL_MEMBER, "Authorization", "Basic bS14LXk6a2V5"); // m-x-y:key
    assert_int_equal(presented.kind, CREDENTIAL_MEMBER);
    assert_true(slice_is(presented.id, "m-x-y"));
    assert_true(slice_is(presented.secret, "key"));
}

static void other_spellings_of_a_members_credential_are_none(void **state)
{
    (void)state;
    // The third is ":a..b": a signature is not taken for the password of nobody.
    static const char *const values[] = {
        "", "Basic Og==", "Basic OmEuLmI=", "Bearer", "Bearer a b", "Digest YTpi"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        assert_int_equal(parse(CREDENTIAL_MEMBER, "Authorization", values[i]).kind, CREDENTIAL_NONE);
    static const char *const both[2][2] = {{"Authorization", "Basic YTpi"}, {"Authorization", "Bearer a..b"}};
    struct head head = head_of(both, 2);
    assert_int_equal(auth_parse(CREDENTIAL_MEMBER, &head, text_slice(""), &scratch).kind, CREDENTIAL_NONE);
}

static void an_API_without_credentials_sees_none(void **state)
{
    (void)state;
    assert_int_equal(parse(CREDENTIAL_NONE, "Authorization", "Bearer a").kind, CREDENTIAL_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_WP3_credential_is_taken_apart, clean),
        cmocka_unit_test_teardown(other_spellings_of_WP3_are_no_credential, clean),
        cmocka_unit_test_teardown(a_token_comes_in_either_header, clean),
        cmocka_unit_test_teardown(malformed_tokens_are_no_credential, clean),
        cmocka_unit_test_teardown(a_credential_presented_twice_is_none, clean),
        cmocka_unit_test_teardown(Basic_is_split_at_the_first_colon, clean),
        cmocka_unit_test_teardown(malformed_Basic_is_no_credential, clean),
        cmocka_unit_test_teardown(keys_are_taken_from_their_own_header, clean),
        cmocka_unit_test_teardown(other_spellings_of_a_key_are_no_credential, clean),
        cmocka_unit_test_teardown(a_key_presented_twice_is_none, clean),
        cmocka_unit_test_teardown(an_access_token_comes_as_Bearer_and_in_no_other_way, clean),
        cmocka_unit_test_teardown(a_member_shows_a_secret_or_signs_the_whole_request, clean),
        cmocka_unit_test_teardown(other_spellings_of_a_members_credential_are_none, clean),
        cmocka_unit_test_teardown(an_API_without_credentials_sees_none, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
