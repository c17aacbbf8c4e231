// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Group commit: what waits together is committed together, and fails alone or all together.
#include "tests/unit/store/fixture.h"

#include <semaphore.h>

enum { WAITERS = 16 };

static struct store *store;
static sem_t leader_is_in, leader_may_go;

static int setup(void **state)
{
    make_folder(state);
    sem_init(&leader_is_in, 0, 0);
    sem_init(&leader_may_go, 0, 0);
    store = open_store();
    return 0;
}

static int teardown(void **state)
{
    store_close(store);
    sem_destroy(&leader_is_in);
    sem_destroy(&leader_may_go);
    return remove_folder(state);
}

// A writing thread: the verb, and what store_write said of it.
struct writer {
    pthread_t thread;
    store_verb *verb;
    char sql[96];
    enum err fails_with; // after it wrote
    enum err rc;
};

static void *write_it(void *argument)
{
    struct writer *writer = argument;
    writer->rc = store_write(store, writer->verb, writer);
    return NULL;
}

static enum err hold(struct db *db, void *argument)
{
    (void)db;
    (void)argument;
    sem_post(&leader_is_in);
    sem_wait(&leader_may_go);
    return OK;
}

static enum err execute(struct db *db, void *argument)
{
    const struct writer *writer = argument;
    enum err rc = db_exec(db, writer->sql);
    return rc == OK ? writer->fails_with : rc;
}

static size_t queue_length(void)
{
    size_t length = 0;
    pthread_mutex_lock(&store->lock);
    for (const struct pending_write *write = store->first; write != NULL; write = write->next)
        length++;
    pthread_mutex_unlock(&store->lock);
    return length;
}

// Has one thread lead while all writers queue up behind it, lets go, and waits for the end.
static void write_together(struct writer *writers, size_t count)
{
    struct writer leader = {.verb = hold};
    pthread_create(&leader.thread, NULL, write_it, &leader);
    sem_wait(&leader_is_in);
    for (size_t i = 0; i < count; i++)
        pthread_create(&writers[i].thread, NULL, write_it, &writers[i]);
    while (queue_length() < count)
        usleep(1000);
    sem_post(&leader_may_go);
    for (size_t i = 0; i < count; i++)
        pthread_join(writers[i].thread, NULL);
    pthread_join(leader.thread, NULL);
    assert_int_equal(leader.rc, OK);
}

static void prepare_writers(struct writer writers[WAITERS])
{
    for (size_t i = 0; i < WAITERS; i++) {
        writers[i] = (struct writer){.verb = execute, .rc = ERR_INTERNAL};
        snprintf(writers[i].sql, sizeof writers[i].sql,
                 "INSERT INTO alphabet (client_id, name, characters) VALUES (%d, 'N%02zu', '01')", CLIENT, i);
    }
}

static void assert_alphabet(size_t i, enum err expected)
{
    char name[8];
    struct store_alphabet found = {0};
    snprintf(name, sizeof name, "N%02zu", i);
    assert_int_equal(store_alphabet_get(store, CLIENT, name, &found), expected);
    store_alphabet_done(&found);
}

static void writers_that_wait_together_are_committed_at_once(void **state)
{
    (void)state;
    struct writer writers[WAITERS];
    prepare_writers(writers);
    size_t before = atomic_load(&store->commits);
    write_together(writers, WAITERS);
    assert_int_equal(atomic_load(&store->commits), before + 2); // the leader's own, and one for all
    for (size_t i = 0; i < WAITERS; i++) {
        assert_int_equal(writers[i].rc, OK);
        assert_alphabet(i, OK);
    }
}

static void a_failing_verb_takes_back_itself_alone(void **state)
{
    (void)state;
    struct writer writers[WAITERS];
    prepare_writers(writers);
    for (size_t i = 0; i < WAITERS; i += 3)
        writers[i].fails_with = ERR_FORBIDDEN;
    write_together(writers, WAITERS);
    for (size_t i = 0; i < WAITERS; i++) {
        assert_int_equal(writers[i].rc, i % 3 == 0 ? ERR_FORBIDDEN : OK);
        assert_alphabet(i, i % 3 == 0 ? ERR_NOT_FOUND : OK);
    }
}

static void assert_all_failed(const struct writer writers[WAITERS])
{
    for (size_t i = 0; i < WAITERS; i++) {
        assert_int_equal(writers[i].rc, ERR_IO);
        assert_alphabet(i, ERR_NOT_FOUND);
    }
    assert_int_equal(store_alphabet_create(store, CLIENT, "AFTER", "01"), OK); // usable as before
}

static void a_commit_that_fails_fails_for_everybody(void **state)
{
    (void)state;
    struct writer writers[WAITERS];
    prepare_writers(writers);
    // A reference that dangles is noticed by COMMIT when it was deferred.
    writers[4].fails_with = ERR_FORBIDDEN;
    snprintf(writers[7].sql, sizeof writers[7].sql,
             "PRAGMA defer_foreign_keys = ON; INSERT INTO line SELECT * FROM broken");
    assert_int_equal(
        db_exec(store->writer,
                "CREATE TEMP TABLE broken AS SELECT 1, zeroblob(16), 11, zeroblob(16), 1, 'A', 99, 10, 0, 1,"
                " '', 'x', NULL, 0, 0, 0, 0, 0, 0, NULL, 0, NULL;"
                "INSERT INTO space VALUES (1, 7, zeroblob(32), 1, 10, 10)"),
        OK);
    size_t before = atomic_load(&store->commits);
    write_together(writers, WAITERS);
    assert_int_equal(atomic_load(&store->commits), before + 1);
    assert_all_failed(writers);
}

static void a_transaction_lost_in_the_middle_fails_for_everybody(void **state)
{
    (void)state;
    struct writer writers[WAITERS];
    prepare_writers(writers);
    // As the engine does by itself when it runs out of space or memory.
    snprintf(writers[7].sql, sizeof writers[7].sql, "ROLLBACK");
    write_together(writers, WAITERS);
    assert_all_failed(writers);
}

static void *order_it(void *argument)
{
    struct sample_order *sample = argument;
    struct store_line line = {0};
    enum store_order_outcome outcome = STORE_ORDER_EXHAUSTED;
    enum err rc = store_line_create(store, &sample->order, &outcome, &line);
    store_line_done(&line);
    return (void *)(uintptr_t)(rc == OK && outcome == STORE_ORDER_TAKEN);
}

static void one_payment_twice_in_one_transaction_is_taken_once(void **state)
{
    (void)state;
    struct writer leader = {.verb = hold};
    struct sample_order samples[WAITERS];
    pthread_t threads[WAITERS];
    size_t sum = 0;
    pthread_create(&leader.thread, NULL, write_it, &leader);
    sem_wait(&leader_is_in);
    for (size_t i = 0; i < WAITERS; i++) {
        sample_order(&samples[i], i, 1, 10);
        snprintf(samples[i].ident, sizeof samples[i].ident, "pi_%zu", i / 2);
        pthread_create(&threads[i], NULL, order_it, &samples[i]);
    }
    while (queue_length() < WAITERS)
        usleep(1000);
    sem_post(&leader_may_go);
    for (size_t i = 0; i < WAITERS; i++) {
        void *taken = NULL;
        pthread_join(threads[i], &taken);
        sum += (uintptr_t)taken;
    }
    pthread_join(leader.thread, NULL);
    assert_int_equal(sum, WAITERS / 2);
    assert_int_equal(atomic_load(&store->commits), 2);
    assert_int_equal(issued(store, 1), 10 * WAITERS / 2);
}

static enum err write_while_reading(struct db *db, void *argument)
{
    (void)argument;
    struct sample_order sample;
    enum err rc = db_exec(db, "BEGIN; SELECT count(*) FROM line");
    sample_order(&sample, 1, 1, 10);
    take(store, &sample, 0, 10);
    return rc != OK ? rc : db_exec(db, "COMMIT");
}

static void a_reader_in_the_middle_of_reading_does_not_hold_a_writer_up(void **state)
{
    (void)state;
    assert_int_equal(store_read(store, write_while_reading, NULL), OK);
}

static void a_writer_in_the_middle_of_writing_does_not_hold_readers_up(void **state)
{
    (void)state;
    struct writer leader = {.verb = hold};
    struct store_alphabet found = {0};
    assert_int_equal(store_alphabet_create(store, CLIENT, "A1", "01"), OK);
    pthread_create(&leader.thread, NULL, write_it, &leader);
    sem_wait(&leader_is_in);
    assert_int_equal(store_alphabet_get(store, CLIENT, "A1", &found), OK);
    store_alphabet_done(&found);
    sem_post(&leader_may_go);
    pthread_join(leader.thread, NULL);
}

// ---- more readers than connections ------------------------------------------------------------------

static void *read_many(void *argument)
{
    size_t *failures = argument;
    for (size_t i = 0; i < 200; i++) {
        struct store_alphabet found = {0};
        *failures += store_alphabet_get(store, CLIENT, "A1", &found) != OK;
        store_alphabet_done(&found);
    }
    return NULL;
}

static void readers_share_few_connections(void **state)
{
    (void)state;
    enum { THREADS = 3 * STORE_READERS };
    pthread_t threads[THREADS];
    size_t failures[THREADS] = {0};
    assert_int_equal(store_alphabet_create(store, CLIENT, "A1", "01"), OK);
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, read_many, &failures[i]);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(failures[i], 0);
    }
    assert_int_equal(store->idle_count, STORE_READERS);
}

static enum err write_by_reader(struct db *db, void *argument)
{
    (void)argument;
    return db_exec(db, "INSERT INTO alphabet (client_id, name, characters) VALUES (1, 'A', 'B')");
}

static void a_reading_connection_cannot_write(void **state)
{
    (void)state;
    assert_int_equal(store_read(store, write_by_reader, NULL), ERR_IO);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(writers_that_wait_together_are_committed_at_once),
        CASE(a_failing_verb_takes_back_itself_alone),
        CASE(a_commit_that_fails_fails_for_everybody),
        CASE(a_transaction_lost_in_the_middle_fails_for_everybody),
        CASE(one_payment_twice_in_one_transaction_is_taken_once),
        CASE(a_reader_in_the_middle_of_reading_does_not_hold_a_writer_up),
        CASE(a_writer_in_the_middle_of_writing_does_not_hold_readers_up),
        CASE(readers_share_few_connections),
        CASE(a_reading_connection_cannot_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
