// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/customer.h"

#include "appliance/base/codec.h"
#include "tests/unit/tokens/token_fixture.h"

#include <stdlib.h>

#define ACCOUNT "T12345678"

enum { GENERATIONS = 2 };

static struct soft_cipher ciphers[GENERATIONS];
static struct soft_mac soft = {.key = {9}};
static struct tenant *tenant;

// Generations 1..current. The key of a generation is always the same.
static void open_tenant(unsigned current)
{
    struct generation_options options[GENERATIONS];
    struct keyring *keyring = NULL;
    for (unsigned i = 0; i < current; i++) {
        const uint8_t key[32] = {(uint8_t)(i + 1)};
        soft_cipher_init(&ciphers[i], key, sizeof key);
        options[i] =
            (struct generation_options){.number = i + 1,
                                        .state = i + 1 == current ? GENERATION_CURRENT : GENERATION_RETIRED,
                                        .cipher = soft_cipher_seam(&ciphers[i])};
    }
    assert_int_equal(keyring_new(1, options, current, &keyring, NULL), OK);
    const struct tenant_options of = {.name = "t", .id = 1, .keyring = keyring, .mac = soft_mac_seam(&soft)};
    assert_int_equal(tenant_new(&of, &tenant, NULL), OK);
}

static void close_tenant(void)
{
    tenant_free(tenant);
    for (size_t i = 0; i < GENERATIONS; i++)
        soft_cipher_done(&ciphers[i]);
}

static int set_up(void **state)
{
    (void)state;
    open_tenant(1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close_tenant();
    return 0;
}

static struct customer_value value_of(const char *account, const char *type, const char *value)
{
    return (struct customer_value){tenant, account, {type, strlen(type)}, {value, strlen(value)}};
}

static struct store_subject seal(const char *account, const char *type, const char *value)
{
    struct store_subject subject;
    const struct customer_value of = value_of(account, type, value);
    assert_int_equal(customer_seal(&of, &subject), OK);
    return subject;
}

static void a_sealed_value_opens_to_itself_and_is_nowhere_in_clear(void **state)
{
    (void)state;
    static char longest[CUSTOMER_VALUE_MAX + 1], type[CUSTOMER_TYPE_MAX + 1];
    memset(longest, 'v', CUSTOMER_VALUE_MAX);
    memset(type, 't', CUSTOMER_TYPE_MAX);
    const char *const values[] = {"x", "anna@example.org", "\xf0\x9f\x98\x80", longest};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        BUF opened = {0};
        struct store_subject subject = seal(ACCOUNT, i % 2 == 0 ? "t" : type, values[i]);
        assert_null(memmem(subject.sealed, subject.sealed_bytes, values[i], strlen(values[i]) > 3 ? 4 : 1));
        assert_int_equal(customer_open(tenant, &subject, &opened), OK);
        assert_int_equal(opened.len, strlen(values[i]));
        assert_memory_equal(opened.at, values[i], opened.len);
        store_subject_done(&subject);
    }
}

static void what_was_tampered_with_does_not_open(void **state)
{
    (void)state;
    BUF opened = {0};
    struct store_subject subject = seal(ACCOUNT, "t", "value");
    for (size_t i = 0; i < subject.sealed_bytes; i++) {
        subject.sealed[i] ^= 1;
        assert_int_equal(customer_open(tenant, &subject, &opened), ERR_NOT_GENUINE);
        subject.sealed[i] ^= 1;
    }
    subject.account[1] ^= 1; // moved to another account
    assert_int_equal(customer_open(tenant, &subject, &opened), ERR_NOT_GENUINE);
    subject.account[1] ^= 1;
    subject.type[0] = 'u';
    assert_int_equal(customer_open(tenant, &subject, &opened), ERR_NOT_GENUINE);
    subject.type[0] = 't';
    subject.sealed_bytes -= 1;
    assert_int_equal(customer_open(tenant, &subject, &opened), ERR_NOT_GENUINE);
    subject.generation = 7;
    assert_int_equal(customer_open(tenant, &subject, &opened), ERR_HSM_KEY);
    assert_int_equal(opened.len, 0);
    store_subject_done(&subject);
}

// What somebody who may write into the store could do without a key.
static void what_was_sealed_for_one_row_does_not_open_in_another(void **state)
{
    (void)state;
    BUF opened = {0};
    char id[CUSTOMER_TOKEN_ID_BYTES];
    struct store_subject mine = seal(ACCOUNT, "t", "mine."), yours = seal(ACCOUNT, "t", "yours");
    uint8_t *sealed = mine.sealed;
    assert_int_equal(mine.sealed_bytes, yours.sealed_bytes);
    mine.sealed = yours.sealed;
    yours.sealed = sealed;
    assert_int_equal(customer_open(tenant, &mine, &opened), ERR_NOT_GENUINE);
    assert_int_equal(customer_open(tenant, &yours, &opened), ERR_NOT_GENUINE);
    const struct store_subject *const both[] = {&mine, &yours};
    struct customer_place places[2];
    assert_int_equal(customer_open_all(tenant, both, 2, &opened, places), ERR_NOT_GENUINE);
    assert_int_equal(opened.len, 0);

    const struct customer_value value = value_of(ACCOUNT, "t", "mine.");
    store_subject_done(&mine);
    assert_int_equal(customer_seal_named(&value, &mine, id), OK);
    size_t count = 0; // nor does a token id that is written where a sealed value was, not even its own
    assert_true(base64url_decode((struct slice){id, strlen(id)}, mine.sealed, mine.sealed_bytes, &count));
    assert_int_equal(count, mine.sealed_bytes);
    assert_int_equal(customer_open(tenant, &mine, &opened), ERR_NOT_GENUINE);
    store_subject_done(&mine);
    store_subject_done(&yours);
}

static void the_index_tells_account_type_and_value_apart_and_no_concatenation_fools_it(void **state)
{
    (void)state;
    static const char *const list[][3] = {{ACCOUNT, "t", "v"},
                                          {"P12345678", "t", "v"},
                                          {ACCOUNT, "tv", "v"},
                                          {ACCOUNT, "t", "vv"},
                                          {ACCOUNT, "v", "t"}};
    struct store_subject found[5];
    for (size_t i = 0; i < 5; i++) {
        const struct customer_value of = value_of(list[i][0], list[i][1], list[i][2]);
        assert_int_equal(customer_index(&of, &found[i]), OK);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(found[i].index, found[j].index, STORE_INDEX_BYTES);
    }
}

static void an_index_holds_across_generations_and_old_values_open(void **state)
{
    (void)state;
    BUF opened = {0};
    struct store_subject old = seal(ACCOUNT, "t", "value");
    close_tenant();
    open_tenant(2);
    struct store_subject fresh = seal(ACCOUNT, "t", "value");
    assert_int_equal(fresh.generation, 2);
    assert_memory_equal(old.index, fresh.index, STORE_INDEX_BYTES);
    assert_memory_not_equal(old.sealed, fresh.sealed, old.sealed_bytes);
    assert_int_equal(customer_open(tenant, &old, &opened), OK);
    assert_int_equal(opened.len, 5);
    store_subject_done(&old);
    store_subject_done(&fresh);
}

static unsigned open_id(const char *account, struct slice id, struct buf *out,
                        struct customer_opening *opening)
{
    assert_int_equal(customer_open_token_ids(tenant, account, &id, 1, out, opening), OK);
    return opening->generation;
}

static void token_ids_open_unless_they_are_too_long_foreign_or_made_up(void **state)
{
    (void)state;
    char id[CUSTOMER_TOKEN_ID_BYTES];
    static char value[300];
    for (size_t len = 1; len < sizeof value - 1; len += 37) {
        BUF out = {0};
        struct customer_opening opening;
        memset(value, 'a', len);
        value[len] = '\0';
        struct store_subject subject;
        const struct customer_value of = value_of(ACCOUNT, "type", value);
        assert_int_equal(customer_seal_named(&of, &subject, id), OK);
        const struct slice text = {id, strlen(id)};
        const unsigned generation = open_id(ACCOUNT, text, &out, &opening);
        assert_int_equal(generation, subject.sealed_bytes <= 191 ? 1 : 0);
        if (generation != 0) {
            assert_int_equal(opening.value.len, len);
            assert_memory_equal(out.at + opening.type.at, "type", 4);
            assert_memory_equal(out.at + opening.value.at, value, len);
            assert_int_equal(open_id("P12345678", text, &out, &opening), 0);
            id[0] = id[0] == 'A' ? 'B' : 'A';
            assert_int_equal(open_id(ACCOUNT, text, &out, &opening), 0);
        }
        store_subject_done(&subject);
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_sealed_value_opens_to_itself_and_is_nowhere_in_clear),
        CASE(what_was_tampered_with_does_not_open),
        CASE(what_was_sealed_for_one_row_does_not_open_in_another),
        CASE(the_index_tells_account_type_and_value_apart_and_no_concatenation_fools_it),
        CASE(an_index_holds_across_generations_and_old_values_open),
        CASE(token_ids_open_unless_they_are_too_long_foreign_or_made_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
