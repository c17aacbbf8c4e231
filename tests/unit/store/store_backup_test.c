// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The rehearsal of appliance/store/README.md: a backup by another process while orders are taken, the
// restore, and what keeps serials that the copy does not know from being issued again.
#include "tests/unit/store/fixture.h"

#include <sqlite3.h>

enum { THREADS = 4, BLOCK = 5, ORDERS = 150 };

static struct store *store;
static char copy_path[128];

static int setup(void **state)
{
    make_folder(state);
    snprintf(copy_path, sizeof copy_path, "%s/copy.db", folder);
    store = open_store();
    return 0;
}

static int teardown(void **state)
{
    store_close(store);
    return remove_folder(state);
}

// ---- the backup -------------------------------------------------------------------------------------

static int vacuum_into(sqlite3 *source)
{
    char sql[160];
    snprintf(sql, sizeof sql, "VACUUM INTO '%s'", copy_path);
    return sqlite3_exec(source, sql, NULL, NULL, NULL);
}

// What the shell's .backup does.
static int backup_step_by_step(sqlite3 *source)
{
    sqlite3 *target = NULL;
    int code = sqlite3_open(copy_path, &target);
    sqlite3_backup *backup = code == SQLITE_OK ? sqlite3_backup_init(target, "main", source, "main") : NULL;
    if (backup != NULL) {
        do
            code = sqlite3_backup_step(backup, 100);
        while (code == SQLITE_OK || code == SQLITE_BUSY || code == SQLITE_LOCKED);
        code = sqlite3_backup_finish(backup);
    }
    return sqlite3_close(target) == SQLITE_OK ? code : SQLITE_ERROR;
}

// Another process, forked before any thread exists; it waits for a byte and ends with SQLite's code.
struct operator_process {
    pid_t child;
    int go;
};

static struct operator_process fork_operator(int (*make_copy)(sqlite3 *source))
{
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        sqlite3 *source = NULL;
        close(ends[1]);
        if (read(ends[0], &byte, 1) != 1 || sqlite3_open(store_path, &source) != SQLITE_OK)
            _exit(99);
        sqlite3_busy_timeout(source, 10000);
        int code = make_copy(source);
        sqlite3_close(source);
        _exit(code);
    }
    close(ends[0]);
    return (struct operator_process){child, ends[1]};
}

static void operator_copies(struct operator_process operator_process)
{
    int status = 0;
    assert_int_equal(write(operator_process.go, "!", 1), 1);
    close(operator_process.go);
    assert_int_equal(waitpid(operator_process.child, &status, 0), operator_process.child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), SQLITE_OK);
}

// ---- the writers ------------------------------------------------------------------------------------

static atomic_size_t taken;

static void *order_many(void *argument)
{
    uint64_t thread = (uintptr_t)argument;
    for (uint64_t i = 0; i < ORDERS; i++) {
        struct sample_order sample;
        struct store_line line = {0};
        enum store_order_outcome outcome = STORE_ORDER_EXHAUSTED;
        sample_order(&sample, 1000 * (thread + 1) + i, 1, BLOCK);
        if (store_line_create(store, &sample.order, &outcome, &line) != OK || outcome != STORE_ORDER_TAKEN)
            return (void *)1;
        store_line_done(&line);
        atomic_fetch_add(&taken, 1);
    }
    return NULL;
}

// Replaces the store by the copy, as the README says, and opens it.
static void restore(void)
{
    store_close(store);
    store = NULL;
    assert_int_equal(rename(copy_path, store_path), 0);
    store = open_store();
}

static void assert_blocks_have_owners(uint64_t from, uint64_t to)
{
    for (uint64_t serial = from; serial < to; serial += BLOCK) {
        struct store_line line = {0};
        assert_int_equal(store_line_of_serial(store, 1, serial, &line), OK);
        assert_int_equal(line.first_serial, serial);
        store_line_done(&line);
    }
}

static void rehearse(int (*make_copy)(sqlite3 *source))
{
    pthread_t threads[THREADS];
    struct operator_process operator_process = fork_operator(make_copy);
    atomic_store(&taken, 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, order_many, (void *)(uintptr_t)i), 0);
    while (atomic_load(&taken) < ORDERS)
        usleep(1000);
    size_t before = atomic_load(&taken);
    operator_copies(operator_process);
    size_t after = atomic_load(&taken);
    for (size_t i = 0; i < THREADS; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        assert_null(failed); // no order met the backup
    }
    assert_int_equal(issued(store, 1), THREADS * ORDERS * BLOCK);

    restore();
    uint64_t in_copy = issued(store, 1);
    assert_int_equal(in_copy % BLOCK, 0);
    assert_true(in_copy >= before * BLOCK); // all that was acknowledged when it began
    assert_true(in_copy <= (after + THREADS) * BLOCK);
    assert_blocks_have_owners(0, in_copy);
}

static void a_vacuumed_copy_made_under_load_is_whole(void **state)
{
    (void)state;
    rehearse(vacuum_into);
}

static void a_backup_made_under_load_is_whole(void **state)
{
    (void)state;
    rehearse(backup_step_by_step);
}

// ---- what an older copy means -----------------------------------------------------------------------

static void copy_now(void)
{
    sqlite3 *source = NULL;
    assert_int_equal(sqlite3_open(store_path, &source), SQLITE_OK);
    assert_int_equal(vacuum_into(source), SQLITE_OK);
    assert_int_equal(sqlite3_close(source), SQLITE_OK);
}

// The copy knows ten serials of space 1. Afterwards twenty more of it are issued, and thirty of space 2,
// which the copy does not know at all.
static void lose_three_lines(void)
{
    struct sample_order sample;
    sample_order(&sample, 1, 1, 10);
    take(store, &sample, 0, 10);
    copy_now();
    sample_order(&sample, 2, 1, 20);
    take(store, &sample, 10, 20);
    sample_order(&sample, 3, 2, 30);
    take(store, &sample, 0, 30);
    restore();
}

static void an_older_copy_alone_would_issue_serials_again(void **state)
{
    (void)state;
    struct sample_order sample;
    lose_three_lines();
    sample_order(&sample, 4, 1, 10);
    take(store, &sample, 10, 10); // this is why the next test exists
}

static void advanced_spaces_issue_nothing_again(void **state)
{
    (void)state;
    struct sample_order sample;
    struct store_line line = {0};
    size_t before;
    lose_three_lines();
    before = atomic_load(&store->commits);
    assert_int_equal(store_advance_all_spaces(store, 30), OK);
    assert_int_equal(atomic_load(&store->commits), before + 1);
    sample_order(&sample, 4, 1, 10);
    take(store, &sample, 40, 10);
    sample_order(&sample, 5, 2, 10);
    take(store, &sample, 30, 10); // opened later, behind what the lost line had
    assert_int_equal(store_line_of_serial(store, 1, 15, &line), ERR_NOT_FOUND);
    assert_int_equal(store_line_of_serial(store, 1, 9, &line), OK);
    store_line_done(&line);
}

static void a_second_restore_advances_again(void **state)
{
    (void)state;
    struct sample_order sample;
    lose_three_lines();
    assert_int_equal(store_advance_all_spaces(store, 30), OK);
    assert_int_equal(store_advance_all_spaces(store, 100), OK);
    store_close(store);
    store = open_store();
    sample_order(&sample, 4, 1, 10);
    take(store, &sample, 140, 10);
    sample_order(&sample, 5, 2, 10);
    take(store, &sample, 130, 10);
}

static void a_space_with_less_than_that_has_nothing_left(void **state)
{
    (void)state;
    static const uint64_t far[] = {95, UINT64_MAX, INT64_MAX, 1};
    struct sample_order sample;
    struct store_line line = {0};
    sample_order(&sample, 1, 1, 10);
    sample.order.space_size = 100;
    take(store, &sample, 0, 10);
    for (size_t i = 0; i < sizeof far / sizeof far[0]; i++) {
        assert_int_equal(store_advance_all_spaces(store, far[i]), OK);
        assert_int_equal(issued(store, 1), 100);
        sample_order(&sample, 2, 1, 1);
        sample.order.space_size = 100;
        assert_int_equal(place(store, &sample, &line), STORE_ORDER_EXHAUSTED);
        sample.order.space[0] = 2; // not open yet, of 90
        sample.order.space_size = 90;
        assert_int_equal(place(store, &sample, &line), STORE_ORDER_EXHAUSTED);
    }
}

static void advancing_by_nothing_changes_nothing(void **state)
{
    (void)state;
    struct sample_order sample;
    assert_int_equal(store_advance_all_spaces(store, 0), OK);
    sample_order(&sample, 1, 1, 10);
    take(store, &sample, 0, 10);
    assert_int_equal(store_advance_all_spaces(store, 0), OK);
    assert_int_equal(issued(store, 1), 10);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_vacuumed_copy_made_under_load_is_whole),
        CASE(a_backup_made_under_load_is_whole),
        CASE(an_older_copy_alone_would_issue_serials_again),
        CASE(advanced_spaces_issue_nothing_again),
        CASE(a_second_restore_advances_again),
        CASE(a_space_with_less_than_that_has_nothing_left),
        CASE(advancing_by_nothing_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
