// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/store/fixture.h"

static struct store *store;

static int setup(void **state)
{
    make_folder(state);
    store = open_store();
    return 0;
}

static int teardown(void **state)
{
    store_close(store);
    return remove_folder(state);
}

static void assert_line_equal(const struct store_line *a, const struct store_line *b)
{
    assert_memory_equal(a->id, b->id, STORE_ID_BYTES);
    assert_memory_equal(a->session_id, b->session_id, STORE_ID_BYTES);
    assert_int_equal(a->client_id, b->client_id);
    assert_int_equal(a->tenant_id, b->tenant_id);
    assert_int_equal(a->space_row, b->space_row);
    assert_int_equal(a->generation, b->generation);
    assert_string_equal(a->alphabet, b->alphabet);
    assert_string_equal(a->characters, b->characters);
    assert_int_equal(a->digits, b->digits);
    assert_int_equal(a->first_serial, b->first_serial);
    assert_int_equal(a->size, b->size);
    assert_int_equal(a->issued_before, b->issued_before);
    assert_string_equal(a->payment_id, b->payment_id);
    assert_string_equal(a->payment_ident, b->payment_ident);
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->requested_ms, b->requested_ms);
}

static void a_line_is_given_back_as_it_was_ordered(void **state)
{
    (void)state;
    struct sample_order sample;
    struct store_line made = {0}, found = {0};
    sample_order(&sample, 1, 1, 1000);
    assert_int_equal(place(store, &sample, &made), STORE_ORDER_TAKEN);
    assert_int_equal(made.first_serial, 0);
    assert_int_equal(made.issued_before, 0);
    assert_int_equal(made.size, 1000);
    assert_int_equal(made.tenant_id, TENANT);
    assert_int_equal(made.generation, GENERATION);
    assert_int_equal(made.status, STORE_LINE_REQUESTED);
    assert_int_equal(store_line_get(store, made.id, &found), OK);
    assert_line_equal(&made, &found);
    assert_string_equal(found.seed, "a seed");
    assert_null(found.checksum);
    assert_int_equal(found.started_ms | found.ended_ms | found.finished_ms | found.deleted_ms, 0);
    store_line_done(&made);
    store_line_done(&found);
}

// ---- refusals ---------------------------------------------------------------------------------------

static void assert_space_is_not_open(uint8_t space)
{
    uint8_t name[STORE_SPACE_BYTES] = {space};
    struct store_space found = {0};
    assert_int_equal(store_space_get(store, TENANT, name, &found), ERR_NOT_FOUND);
}

// Nothing may be taken, and nothing written to out_line.
static void assert_outcome(const struct sample_order *sample, enum store_order_outcome expected)
{
    struct store_line untouched, line;
    memset(&untouched, 0x5a, sizeof untouched);
    line = untouched;
    assert_int_equal(place(store, sample, &line), expected);
    assert_memory_equal(&line, &untouched, sizeof line);
}

static void assert_refused(const struct sample_order *sample, enum err expected)
{
    struct store_line untouched, line;
    enum store_order_outcome outcome = (enum store_order_outcome)99;
    memset(&untouched, 0x5a, sizeof untouched);
    line = untouched;
    assert_int_equal(store_line_create(store, &sample->order, &outcome, &line), expected);
    assert_int_equal(outcome, 99);
    assert_memory_equal(&line, &untouched, sizeof line);
}

static void a_payment_ident_is_used_once_by_a_client(void **state)
{
    (void)state;
    struct sample_order first, second;
    sample_order(&first, 1, 1, 10);
    take(store, &first, 0, 10);
    sample_order(&second, 2, 2, 10);
    snprintf(second.ident, sizeof second.ident, "%s", first.ident);
    assert_outcome(&second, STORE_ORDER_IDENT_USED);
    assert_space_is_not_open(2);
    assert_int_equal(store_line_delete(store, first.order.line.id, CLIENT, 1), OK);
    assert_outcome(&second, STORE_ORDER_IDENT_USED);
    second.order.line.client_id = CLIENT + 1;
    take(store, &second, 0, 10);
}

static void idents_that_differ_in_case_only_are_two(void **state)
{
    (void)state;
    struct sample_order a, b;
    sample_order(&a, 1, 1, 10);
    sample_order(&b, 2, 1, 10);
    snprintf(a.ident, sizeof a.ident, "pi_abc");
    snprintf(b.ident, sizeof b.ident, "pi_aBc");
    take(store, &a, 0, 10);
    take(store, &b, 10, 10);
}

static void an_id_that_exists_takes_nothing(void **state)
{
    (void)state;
    struct sample_order first, second;
    sample_order(&first, 1, 1, 10);
    take(store, &first, 0, 10);
    sample_order(&second, 2, 2, 10);
    memcpy(second.order.line.id, first.order.line.id, STORE_ID_BYTES);
    assert_outcome(&second, STORE_ORDER_ID_EXISTS);
    assert_space_is_not_open(2);
    second.order.line.id[15] ^= 1;
    take(store, &second, 0, 10); // the refused order has not used its payment
}

static void less_than_the_minimum_is_refused_and_opens_nothing(void **state)
{
    (void)state;
    struct sample_order sample;
    sample_order(&sample, 1, 1, 9);
    sample.order.minimum = 10;
    assert_refused(&sample, ERR_INPUT);
    sample.order.wanted = 100;
    sample.order.limit = 9;
    assert_refused(&sample, ERR_INPUT);
    sample.order.minimum = 0;
    sample.order.limit = 0;
    assert_refused(&sample, ERR_INPUT);
    sample.order.limit = 10;
    sample.order.wanted = 0;
    assert_refused(&sample, ERR_INPUT);
    assert_space_is_not_open(1);
}

static void all_that_a_small_space_has_may_be_less_than_the_minimum(void **state)
{
    (void)state;
    struct sample_order sample;
    sample_order(&sample, 1, 1, 100);
    sample.order.minimum = 10;
    sample.order.space_size = 7;
    take(store, &sample, 0, 7);
    sample_order(&sample, 2, 2, 7);
    sample.order.minimum = 10;
    sample.order.space_size = 7;
    take(store, &sample, 0, 7);
}

static void another_size_of_an_open_space_is_refused(void **state)
{
    (void)state;
    struct sample_order sample;
    sample_order(&sample, 1, 1, 10);
    take(store, &sample, 0, 10);
    sample_order(&sample, 2, 1, 10);
    sample.order.space_size++;
    assert_refused(&sample, ERR_CONFLICT);
    assert_int_equal(issued(store, 1), 10);
}

// ---- exhaustion -------------------------------------------------------------------------------------

static void a_space_is_handed_out_to_its_last_serial(void **state)
{
    (void)state;
    static const struct {
        uint64_t wanted, first, size;
    } steps[] = {{4, 0, 4}, {4, 4, 4}, {4, 8, 2}};
    struct sample_order sample;
    for (size_t i = 0; i < 3; i++) {
        sample_order(&sample, i, 1, steps[i].wanted);
        sample.order.space_size = 10;
        take(store, &sample, steps[i].first, steps[i].size);
    }
    sample_order(&sample, 3, 1, 1);
    sample.order.space_size = 10;
    assert_outcome(&sample, STORE_ORDER_EXHAUSTED);
    assert_int_equal(issued(store, 1), 10);
    sample.order.space[0] = 2;
    take(store, &sample, 0, 1); // its payment is still good elsewhere
}

static void a_space_of_nothing_is_exhausted_and_never_opened(void **state)
{
    (void)state;
    struct sample_order sample;
    sample_order(&sample, 1, 1, 1);
    sample.order.space_size = 0;
    assert_outcome(&sample, STORE_ORDER_EXHAUSTED);
    assert_space_is_not_open(1);
}

static void a_space_ends_at_the_greatest_integer_exactly(void **state)
{
    (void)state;
    struct sample_order sample;
    sample_order(&sample, 1, 1, 10);
    sample.order.space_size = UINT64_MAX;
    take(store, &sample, 0, 10);
    assert_int_equal(store_advance_all_spaces(store, INT64_MAX - 15), OK);
    sample_order(&sample, 2, 1, UINT64_MAX);
    sample.order.space_size = UINT64_MAX;
    take(store, &sample, INT64_MAX - 5, 5);
    assert_int_equal(issued(store, 1), INT64_MAX);
    sample_order(&sample, 3, 1, 1);
    sample.order.space_size = UINT64_MAX;
    assert_outcome(&sample, STORE_ORDER_EXHAUSTED);
    struct store_line line = {0};
    assert_int_equal(store_line_of_serial(store, 1, INT64_MAX - 1ULL, &line), OK);
    store_line_done(&line);
    assert_int_equal(store_line_of_serial(store, 1, INT64_MAX, &line), ERR_NOT_FOUND);
}

static void an_order_for_everything_gets_the_limit(void **state)
{
    (void)state;
    struct sample_order sample;
    sample_order(&sample, 1, 1, UINT64_MAX);
    sample.order.space_size = UINT64_MAX;
    sample.order.limit = UINT64_MAX;
    take(store, &sample, 0, INT64_MAX);
    sample_order(&sample, 2, 2, UINT64_MAX);
    take(store, &sample, 0, sample.order.limit);
}

// ---- spaces -----------------------------------------------------------------------------------------

static void a_space_keeps_the_generation_it_was_opened_in(void **state)
{
    (void)state;
    struct sample_order sample;
    struct store_line line = {0};
    sample_order(&sample, 1, 1, 10);
    take(store, &sample, 0, 10);
    sample_order(&sample, 2, 1, 10);
    sample.order.generation = GENERATION + 1;
    assert_int_equal(place(store, &sample, &line), STORE_ORDER_TAKEN);
    assert_int_equal(line.generation, GENERATION);
    assert_int_equal(line.first_serial, 10);
    store_line_done(&line);
}

static void tenants_do_not_share_spaces(void **state)
{
    (void)state;
    struct sample_order sample;
    sample_order(&sample, 1, 1, 10);
    take(store, &sample, 0, 10);
    sample_order(&sample, 2, 1, 10);
    sample.order.tenant_id = TENANT + 1;
    take(store, &sample, 0, 10);
    sample_order(&sample, 3, 1, 10);
    take(store, &sample, 10, 10);
}

// ---- texts ------------------------------------------------------------------------------------------

static void odd_texts_come_back_byte_for_byte(void **state)
{
    (void)state;
    struct sample_order sample;
    struct store_line line = {0};
    sample_order(&sample, 1, 1, 1);
    static char odd[] = "'); DROP TABLE line; --\"\\%_?1\n\xe2\x9a\x80\xf0\x9f\x82\xa1";
    sample.order.line.alphabet = odd;
    sample.order.line.characters = odd;
    sample.order.line.payment_id = odd;
    sample.order.line.payment_ident = odd;
    sample.order.line.seed = odd;
    assert_int_equal(place(store, &sample, &line), STORE_ORDER_TAKEN);
    store_line_done(&line);
    assert_int_equal(store_line_get(store, sample.order.line.id, &line), OK);
    assert_string_equal(line.alphabet, odd);
    assert_string_equal(line.characters, odd);
    assert_string_equal(line.payment_id, odd);
    assert_string_equal(line.payment_ident, odd);
    assert_string_equal(line.seed, odd);
    store_line_done(&line);
}

static void the_longest_alphabet_is_kept_once_for_all_its_lines(void **state)
{
    (void)state;
    enum { CHARACTERS = 65536, BYTES = 4 * CHARACTERS };
    char *longest = malloc(BYTES + 1);
    assert_non_null(longest);
    for (size_t i = 0; i < CHARACTERS; i++)
        memcpy(longest + 4 * i, "\xf0\x9f\x82\xa1", 4);
    longest[BYTES] = '\0';
    struct sample_order sample;
    struct store_line line = {0};
    for (uint64_t i = 0; i < 20; i++) {
        sample_order(&sample, i, 1, 1);
        sample.order.line.characters = longest;
        take(store, &sample, i, 1);
    }
    assert_int_equal(store_line_get(store, sample.order.line.id, &line), OK);
    assert_string_equal(line.characters, longest);
    store_line_done(&line);
    free(longest);
    struct stat status;
    store_close(store); // brings everything into the file
    store = NULL;
    assert_int_equal(stat(store_path, &status), 0);
    assert_true(status.st_size < 4 * BYTES);
}

static void a_missing_seed_is_missing_and_an_empty_one_is_empty(void **state)
{
    (void)state;
    struct sample_order sample;
    struct store_line line = {0};
    sample_order(&sample, 1, 1, 1);
    sample.order.line.seed = NULL;
    take(store, &sample, 0, 1);
    assert_int_equal(store_line_get(store, sample.order.line.id, &line), OK);
    assert_null(line.seed);
    store_line_done(&line);
    sample_order(&sample, 2, 1, 1);
    sample.seed[0] = '\0';
    take(store, &sample, 1, 1);
    assert_int_equal(store_line_get(store, sample.order.line.id, &line), OK);
    assert_string_equal(line.seed, "");
    store_line_done(&line);
}

// ---- many at once -----------------------------------------------------------------------------------

enum { THREADS = 8, ORDERS = 200, BLOCK = 3 };

static uint64_t firsts[THREADS][ORDERS];

// Civetweb's workers have stacks of 100 KB; sanitizers need more.
static size_t worker_stack_bytes(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 1024 * 1024;
#else
    return 100 * 1024;
#endif
}

static void *order_many(void *argument)
{
    size_t thread = (size_t)(uintptr_t)argument;
    for (size_t i = 0; i < ORDERS; i++) {
        struct sample_order sample;
        struct store_line line = {0};
        sample_order(&sample, thread * ORDERS + i, 1, BLOCK);
        enum store_order_outcome outcome = STORE_ORDER_EXHAUSTED;
        if (store_line_create(store, &sample.order, &outcome, &line) != OK || outcome != STORE_ORDER_TAKEN)
            return (void *)1;
        firsts[thread][i] = line.first_serial;
        store_line_done(&line);
        if (store_line_get(store, sample.order.line.id, &line) != OK)
            return (void *)1;
        store_line_done(&line);
    }
    return NULL;
}

static void orders_of_eight_threads_share_no_serial_and_leave_no_gap(void **state)
{
    (void)state;
    static bool seen[THREADS * ORDERS];
    pthread_t threads[THREADS];
    pthread_attr_t attributes;
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, worker_stack_bytes()), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], &attributes, order_many, (void *)(uintptr_t)i), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    pthread_attr_destroy(&attributes);
    for (size_t i = 0; i < THREADS * ORDERS; i++) {
        uint64_t first = firsts[i / ORDERS][i % ORDERS];
        assert_int_equal(first % BLOCK, 0);
        assert_true(first / BLOCK < THREADS * ORDERS);
        assert_false(seen[first / BLOCK]);
        seen[first / BLOCK] = true;
    }
    assert_int_equal(issued(store, 1), THREADS * ORDERS * BLOCK);
}

static void *order_the_same(void *out_taken)
{
    struct sample_order sample;
    sample_order(&sample, 1, 1, 5);
    enum store_order_outcome outcome = STORE_ORDER_EXHAUSTED;
    struct store_line line = {0};
    sample.order.line.id[15] = *(uint8_t *)out_taken;
    if (store_line_create(store, &sample.order, &outcome, &line) != OK)
        return (void *)1;
    store_line_done(&line);
    *(uint8_t *)out_taken = outcome == STORE_ORDER_TAKEN;
    return outcome == STORE_ORDER_TAKEN || outcome == STORE_ORDER_IDENT_USED ? NULL : (void *)1;
}

static void of_orders_with_one_payment_at_once_one_is_taken(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    uint8_t taken[THREADS];
    unsigned sum = 0;
    for (size_t i = 0; i < THREADS; i++) {
        taken[i] = (uint8_t)(i + 1);
        assert_int_equal(pthread_create(&threads[i], NULL, order_the_same, &taken[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        assert_null(failed);
        sum += taken[i];
    }
    assert_int_equal(sum, 1);
    assert_int_equal(issued(store, 1), 5);
}

// ---- the schema by itself ---------------------------------------------------------------------------

#define RAW_LINE                                                                                             \
    "INSERT INTO line (id, client_id, session_id, space, alphabet, charset, digits, first_serial, size,"     \
    " payment_id, payment_ident, requested_ms) VALUES "

static void the_schema_refuses_what_the_code_never_does(void **state)
{
    (void)state;
    struct sample_order sample;
    for (uint64_t i = 0; i < 3; i++) {
        sample_order(&sample, i, 1, 10);
        take(store, &sample, 10 * i, 10);
    }
    assert_int_equal(store_advance_all_spaces(store, 100), OK);
    static const char *const refused[] = {
        // serials of another line: at its beginning, its end, around it, inside it, and up to its first
        RAW_LINE "(randomblob(16), 11, zeroblob(16), 1, 'A', 1, 10, 0, 1, '', 'x', 1)",
        RAW_LINE "(randomblob(16), 11, zeroblob(16), 1, 'A', 1, 10, 29, 1, '', 'x', 1)",
        RAW_LINE "(randomblob(16), 11, zeroblob(16), 1, 'A', 1, 10, 9, 12, '', 'x', 1)",
        RAW_LINE "(randomblob(16), 11, zeroblob(16), 1, 'A', 1, 10, 12, 2, '', 'x', 1)",
        RAW_LINE "(randomblob(16), 11, zeroblob(16), 1, 'A', 1, 10, 29, 50, '', 'x', 1)",
        // serials that were not issued, none, negative, and a sum over the greatest integer
        RAW_LINE "(randomblob(16), 11, zeroblob(16), 1, 'A', 1, 10, 130, 1, '', 'x', 1)",
        RAW_LINE "(randomblob(16), 11, zeroblob(16), 1, 'A', 1, 10, 40, 0, '', 'x', 1)",
        RAW_LINE "(randomblob(16), 11, zeroblob(16), 1, 'A', 1, 10, -1, 1, '', 'x', 1)",
        RAW_LINE "(randomblob(16), 11, zeroblob(16), 1, 'A', 1, 10, 40, 9223372036854775807, '', 'x', 1)",
        // an id of another size, a space and characters that do not exist, a used payment
        RAW_LINE "(randomblob(15), 11, zeroblob(16), 1, 'A', 1, 10, 40, 1, '', 'x', 1)",
        RAW_LINE "(randomblob(16), 11, zeroblob(16), 2, 'A', 1, 10, 40, 1, '', 'x', 1)",
        RAW_LINE "(randomblob(16), 11, zeroblob(16), 1, 'A', 9, 10, 40, 1, '', 'x', 1)",
        RAW_LINE
        "(randomblob(16), 11, zeroblob(16), 1, 'A', 1, 10, 40, 1, '', 'pi_000000000000000000000001', 1)",
        // another type
        RAW_LINE "(randomblob(16), 11, zeroblob(16), 1, 'A', 1, 10, 40.5, 1, '', 'x', 1)",
        "UPDATE line SET size = 5",
        "UPDATE line SET payment_ident = id",
        "UPDATE line SET status = 3",
        "UPDATE line SET status = 4",
        "DELETE FROM line",
        "UPDATE space SET issued = issued - 1",
        "UPDATE space SET issued = size + 1",
        "UPDATE space SET generation = 4",
        "UPDATE space SET size = size + 1",
        "DELETE FROM space",
        "DELETE FROM charset",
        "INSERT INTO space (tenant_id, space, generation, size, issued)"
        " SELECT tenant_id, space, generation, size, issued FROM space",
        "INSERT INTO opening VALUES (2, 0)",
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        if (db_exec(store->writer, refused[i]) != ERR_CONFLICT)
            fail_msg("%s", refused[i]);
    // The same with free serials is taken, so that it was not refused for something else.
    assert_int_equal(db_exec(store->writer,
                             RAW_LINE "(randomblob(16), 11, zeroblob(16), 1, 'A', 1, 10, 40, 1, '', 'x', 1)"),
                     OK);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_line_is_given_back_as_it_was_ordered),
        CASE(a_payment_ident_is_used_once_by_a_client),
        CASE(idents_that_differ_in_case_only_are_two),
        CASE(an_id_that_exists_takes_nothing),
        CASE(less_than_the_minimum_is_refused_and_opens_nothing),
        CASE(all_that_a_small_space_has_may_be_less_than_the_minimum),
        CASE(another_size_of_an_open_space_is_refused),
        CASE(a_space_is_handed_out_to_its_last_serial),
        CASE(a_space_of_nothing_is_exhausted_and_never_opened),
        CASE(a_space_ends_at_the_greatest_integer_exactly),
        CASE(an_order_for_everything_gets_the_limit),
        CASE(a_space_keeps_the_generation_it_was_opened_in),
        CASE(tenants_do_not_share_spaces),
        CASE(odd_texts_come_back_byte_for_byte),
        CASE(the_longest_alphabet_is_kept_once_for_all_its_lines),
        CASE(a_missing_seed_is_missing_and_an_empty_one_is_empty),
        CASE(orders_of_eight_threads_share_no_serial_and_leave_no_gap),
        CASE(of_orders_with_one_payment_at_once_one_is_taken),
        CASE(the_schema_refuses_what_the_code_never_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
