// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/customers.h"

#include "appliance/tokens/role.h"
#include "tests/unit/tokens/token_fixture.h"

#include <stdlib.h>
#include <unistd.h>

#define ACCOUNT "T12345678"
#define SECOND  "P00000002"

enum { GENERATIONS = 2, NOW_S = 1800000000, VALUES = 600 };

static struct soft_cipher ciphers[GENERATIONS];
static struct soft_mac soft = {.key = {9}};
static struct soft_rng random_bytes = {7};
static struct tenant *tenant;
static struct store *store;
static int64_t now_s;
static char folder[64], path[96];

static int64_t read_clock(void *context)
{
    (void)context;
    return now_s * 1000000000;
}

static struct customers service(void)
{
    return (struct customers){store, soft_rng_seam(&random_bytes), {.now_ns = read_clock}};
}

// Generations 1..current, each with its own key; two accounts, a transformation and a role over the first.
static void open_tenant(unsigned current)
{
    struct generation_options options[GENERATIONS];
    struct keyring *keyring = NULL;
    static const struct account_expiry expiries[] = {{"SOON", 60}};
    static const struct account_options accounts[] = {
        {.id = ACCOUNT, .auto_customer = true, .expiries = expiries, .expiry_count = 1},
        {.id = SECOND, .auto_customer = true}};
    static const struct transformation_options crm = {
        .name = "crm", .id = 1, .template = "customer", .account = ACCOUNT};
    static const char *const transformations[] = {"crm"};
    static const struct role_options role = {"crm", transformations, 1};
    for (unsigned i = 0; i < current; i++) {
        const uint8_t key[32] = {(uint8_t)(i + 1)};
        soft_cipher_init(&ciphers[i], key, sizeof key);
        options[i] =
            (struct generation_options){.number = i + 1,
                                        .state = i + 1 == current ? GENERATION_CURRENT : GENERATION_RETIRED,
                                        .cipher = soft_cipher_seam(&ciphers[i])};
    }
    assert_int_equal(keyring_new(1, options, current, &keyring, NULL), OK);
    const struct tenant_options of = {.name = "t",
                                      .id = 1,
                                      .keyring = keyring,
                                      .mac = soft_mac_seam(&soft),
                                      .store = store,
                                      .accounts = accounts,
                                      .account_count = 2,
                                      .transformations = &crm,
                                      .transformation_count = 1,
                                      .roles = &role,
                                      .role_count = 1};
    assert_int_equal(tenant_new(&of, &tenant, NULL), OK);
}

static void close_tenant(void)
{
    tenant_free(tenant);
    for (size_t i = 0; i < GENERATIONS; i++)
        soft_cipher_done(&ciphers[i]);
    memset(ciphers, 0, sizeof ciphers);
}

static void turn_key(void)
{
    close_tenant();
    open_tenant(2);
}

static int set_up(void **state)
{
    (void)state;
    struct diag diag = {0};
    snprintf(folder, sizeof folder, "/tmp/customers_test_XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/store.db", folder);
    assert_int_equal(store_open(path, &store, &diag), OK);
    now_s = NOW_S;
    open_tenant(1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    close_tenant();
    store_close(store);
    for (size_t i = 0; i < 3; i++) {
        char name[112];
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        unlink(name);
    }
    return rmdir(folder);
}

static struct customer_value value_of(const char *account, const char *value)
{
    return (struct customer_value){tenant, account, {"t", 1}, {value, strlen(value)}};
}

static enum store_customer_outcome create(const char *account, const char *value, const char *token_id)
{
    enum store_customer_outcome outcome;
    struct store_customer_token token = {0};
    const struct customers customers = service();
    const struct customer_order order = {.value = value_of(account, value),
                                         .customer_id = {"anna", 4},
                                         .token_id = {token_id, token_id != NULL ? strlen(token_id) : 0},
                                         .created_by = "client"};
    assert_int_equal(customers_create(&customers, &order, &outcome, &token), OK);
    store_customer_token_done(&token);
    return outcome;
}

static void record(const char *value, const char *status, int64_t expires_ms, struct store_token_detail *out)
{
    const struct customers customers = service();
    const struct event_order order = {.value = value_of(ACCOUNT, value),
                                      .account = tenant_account(tenant, (struct slice){ACCOUNT, 9}),
                                      .name = {"e", status != NULL},
                                      .status = {status, status != NULL ? strlen(status) : 0},
                                      .expires_ms = expires_ms,
                                      .created_by = "client"};
    struct event_order wish = order;
    if (status == NULL)
        wish.name.at = NULL;
    assert_int_equal(customers_record(&customers, &wish, out), OK);
}

static void assert_status(const char *value, const char *expected)
{
    struct store_token_detail detail;
    const struct customers customers = service();
    record(value, NULL, 0, &detail);
    assert_string_equal(customers_status(&customers, &detail), expected);
    store_token_detail_done(&detail);
}

static void add_event(const char *value, const char *status, int64_t expires_ms)
{
    struct store_token_detail detail;
    record(value, status, expires_ms, &detail);
    store_token_detail_done(&detail);
}

static void a_status_holds_until_it_ends_and_then_the_one_before_it_does(void **state)
{
    (void)state;
    assert_status("v", "UNKNOWN");
    add_event("v", "FIRST", 0);
    add_event("v", "SOON", 0); // the account says: a minute
    add_event("v", "LATE", (NOW_S + 30) * 1000LL);
    assert_status("v", "LATE");
    now_s = NOW_S + 29;
    assert_status("v", "LATE");
    now_s = NOW_S + 30;
    assert_status("v", "SOON");
    now_s = NOW_S + 60;
    assert_status("v", "FIRST");
}

// Values of both accounts, in turn, short and long.
static void text_of(unsigned i, char out[64])
{
    snprintf(out, 64, "value %04u %.*s", i, (int)(i % 40), "........................................");
}

static void fill(void)
{
    for (unsigned i = 0; i < VALUES; i++) {
        char value[64];
        text_of(i, value);
        assert_int_equal(create(i % 3 == 0 ? SECOND : ACCOUNT, value, NULL), STORE_CUSTOMER_CREATED);
    }
}

// Every value of the store opens to what it was. How many are under the generation.
static unsigned check_all(unsigned generation)
{
    unsigned under = 0, seen = 0;
    for (unsigned g = 1; g <= GENERATIONS; g++) {
        size_t count = 0;
        struct store_subject *subjects = NULL;
        const struct store_subject_query query = {1, g, 0, VALUES};
        assert_int_equal(store_subject_list_under(store, &query, &subjects, &count), OK);
        for (size_t i = 0; i < count; i++) {
            BUF opened = {0};
            char expected[64];
            text_of((unsigned)subjects[i].row - 1, expected);
            assert_int_equal(customer_open(tenant, &subjects[i], &opened), OK);
            assert_int_equal(opened.len, strlen(expected));
            assert_memory_equal(opened.at, expected, opened.len);
            store_subject_done(&subjects[i]);
        }
        free(subjects);
        seen += (unsigned)count;
        under += g == generation ? (unsigned)count : 0;
    }
    assert_int_equal(seen, VALUES);
    return under;
}

static void values_of_all_accounts_move_to_the_current_key(void **state)
{
    (void)state;
    uint64_t moved = 0;
    fill();
    assert_int_equal(customers_rewrap(store, tenant, 1, VALUES, &moved), ERR_CONFLICT); // it is current
    turn_key();
    assert_int_equal(check_all(1), VALUES);
    assert_int_equal(customers_rewrap(store, tenant, 1, 300, &moved), OK);
    assert_int_equal(moved, 300);
    assert_int_equal(check_all(2), 300);
    assert_int_equal(customers_rewrap(store, tenant, 1, VALUES, &moved), OK);
    assert_int_equal(moved, VALUES - 300);
    assert_int_equal(check_all(2), VALUES);
    assert_int_equal(customers_rewrap(store, tenant, 1, VALUES, &moved), OK);
    assert_int_equal(moved, 0);
    char value[64];
    text_of(4, value);
    assert_int_equal(create(ACCOUNT, value, NULL), STORE_CUSTOMER_VALUE_EXISTS);
}

static void a_cipher_that_fails_at_any_call_loses_and_spoils_no_value(void **state)
{
    (void)state;
    uint64_t moved = 0;
    fill();
    turn_key();
    bool failed = true;
    for (size_t call = 1; failed; call += 7) {
        failed = false;
        for (size_t i = 0; i < GENERATIONS; i++) {
            ciphers[i].fail_at_call = atomic_load(&ciphers[i].calls) + call;
            ciphers[i].failure = ERR_HSM_DOWN;
            const enum err rc = customers_rewrap(store, tenant, 1, VALUES, &moved);
            ciphers[i].fail_at_call = 0;
            assert_true(rc == OK || rc == ERR_HSM_DOWN);
            failed |= rc != OK;
            check_all(2);
        }
    }
    assert_int_equal(check_all(2), VALUES);
}

static void a_value_that_was_tampered_with_is_not_sealed_again(void **state)
{
    (void)state;
    uint64_t moved = 7;
    size_t count = 0;
    struct store_subject *subjects = NULL;
    const struct store_subject_query query = {1, 1, 0, 1};
    fill();
    assert_int_equal(store_subject_list_under(store, &query, &subjects, &count), OK);
    subjects[0].sealed[0] ^= 1;
    assert_int_equal(store_subject_reseal(store, subjects, 1, 1, &moved), OK);
    store_subject_done(&subjects[0]);
    free(subjects);
    turn_key();
    assert_int_equal(customers_rewrap(store, tenant, 1, VALUES, &moved), ERR_NOT_GENUINE);
}

static void a_page_costs_hardly_more_calls_than_its_longest_value(void **state)
{
    (void)state;
    enum { PAGE = 100 };
    size_t count = 0;
    BUF all = {0}, one = {0};
    struct customer_place places[PAGE];
    const struct store_subject *each[PAGE];
    struct store_subject *subjects = NULL;
    const struct store_subject_query query = {1, 1, 0, PAGE};
    fill();
    assert_int_equal(store_subject_list_under(store, &query, &subjects, &count), OK);
    for (size_t i = 0; i < count; i++)
        each[i] = &subjects[i];
    assert_int_equal(customer_open_all(tenant, each, count, &all, places), OK); // prefixes are known then
    const size_t before = atomic_load(&ciphers[0].calls);
    assert_int_equal(customer_open(tenant, each[39], &one), OK); // one of the longest
    const size_t lone = atomic_load(&ciphers[0].calls) - before;
    buf_reset(&all);
    assert_int_equal(customer_open_all(tenant, each, count, &all, places), OK);
    // Short ones go by themselves, in 10 rounds; and each kind asks for its tweaks, which differ, in 2 calls.
    assert_true(atomic_load(&ciphers[0].calls) - before - lone <= lone + 10 + 2 * 2);
    for (size_t i = 0; i < count; i++) {
        char expected[64];
        text_of((unsigned)i, expected);
        assert_int_equal(places[i].len, strlen(expected));
        assert_memory_equal(all.at + places[i].at, expected, places[i].len);
        store_subject_done(&subjects[i]);
    }
    free(subjects);
}

static void a_name_that_opens_as_another_value_is_refused(void **state)
{
    (void)state;
    unsigned generation;
    static char ids[2][CUSTOMER_TOKEN_ID_BYTES];
    const struct customer_value values[] = {value_of(ACCOUNT, "mine"), value_of(ACCOUNT, "yours")};
    assert_int_equal(customer_make_token_ids(values, 2, ids, &generation), OK);
    assert_int_equal(create(ACCOUNT, "mine", ids[1]), STORE_CUSTOMER_TOKEN_ID_EXISTS);
    assert_int_equal(create(ACCOUNT, "mine", ids[0]), STORE_CUSTOMER_CREATED);
    assert_int_equal(create(ACCOUNT, "yours", NULL), STORE_CUSTOMER_CREATED);
    assert_int_equal(create(SECOND, "mine", ids[1]), STORE_CUSTOMER_CREATED); // means nothing there
}

enum { ITEMS = 2500 }; // more than a slice of a role's batch

static bool is_bad(size_t index)
{
    return index % 5 == 0;
}

static void assert_opened(const struct token_item *item, size_t index, const struct buf *opened,
                          const char *text)
{
    if ((item->fault != NULL) != is_bad(index))
        fail_msg("item %zu", index);
    if (item->fault != NULL)
        return;
    assert_int_equal(item->result_len, strlen(text));
    assert_memory_equal(opened->at + item->result_at, text, item->result_len);
    assert_int_equal(item->type_len, 4);
    assert_memory_equal(opened->at + item->type_at, "mail", 4);
}

static void items_of_a_batch_keep_their_places(void **state)
{
    (void)state;
    static char texts[ITEMS][16];
    static struct token_item items[ITEMS], back[ITEMS];
    BUF made = {0}, opened = {0};
    struct batch batch = {tenant, NOW_S, &made};
    const struct role *role = tenant_role(tenant, (struct slice){"crm", 3});
    for (size_t i = 0; i < ITEMS; i++) {
        snprintf(texts[i], sizeof texts[i], "item %zu", i);
        items[i].value = (struct clear){texts[i], strlen(texts[i])};
        items[i].type.at = "mail";
        items[i].type.len = is_bad(i) ? 0 : 4;
    }
    assert_int_equal(role_run(role, ROLE_ENCODE, &batch, items, ITEMS), OK);
    for (size_t i = 0; i < ITEMS; i++) {
        assert_true((items[i].fault != NULL) == is_bad(i));
        back[i].value.text = is_bad(i) ? "AAAAAAAAAAAAAAAAAAAA" : made.at + items[i].result_at;
        back[i].value.len = is_bad(i) ? 20 : items[i].result_len;
    }
    batch.out = &opened;
    assert_int_equal(role_run(role, ROLE_DECODE, &batch, back, ITEMS), OK);
    for (size_t i = 0; i < ITEMS; i++)
        assert_opened(&back[i], i, &opened, texts[i]);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_status_holds_until_it_ends_and_then_the_one_before_it_does),
        CASE(values_of_all_accounts_move_to_the_current_key),
        CASE(a_cipher_that_fails_at_any_call_loses_and_spoils_no_value),
        CASE(a_value_that_was_tampered_with_is_not_sealed_again),
        CASE(a_page_costs_hardly_more_calls_than_its_longest_value),
        CASE(a_name_that_opens_as_another_value_is_refused),
        CASE(items_of_a_batch_keep_their_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
