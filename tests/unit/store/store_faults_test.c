// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// While it runs: the disk full, broken, read-only, the file gone, memory short. Each time nothing of the
// failed order remains, and the store is usable when the fault is over.
#include "tests/unit/store/fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/resource.h>

static struct store *store;
static uint64_t orders; // taken so far, ten serials each

static int setup(void **state)
{
    make_folder(state);
    orders = 0;
    store = open_store();
    return 0;
}

static int teardown(void **state)
{
    store_close(store);
    return remove_folder(state);
}

static enum err order_once(uint64_t number, const char *seed)
{
    struct sample_order sample;
    struct store_line line = {.digits = 77};
    enum store_order_outcome outcome = STORE_ORDER_EXHAUSTED;
    sample_order(&sample, number, 1, 10);
    char *copy = seed == NULL ? NULL : strdup(seed);
    sample.order.line.seed = copy;
    enum err rc = store_line_create(store, &sample.order, &outcome, &line);
    if (rc == OK) {
        assert_int_equal(outcome, STORE_ORDER_TAKEN);
        assert_int_equal(line.first_serial, 10 * orders++);
        store_line_done(&line);
    } else {
        assert_int_equal(line.digits, 77);
    }
    free(copy);
    return rc;
}

static void assert_as_before(uint64_t failed_number)
{
    struct sample_order sample;
    struct store_line line = {0};
    sample_order(&sample, failed_number, 1, 10);
    assert_int_equal(store_line_get(store, sample.order.line.id, &line), ERR_NOT_FOUND);
    if (orders > 0)
        assert_int_equal(issued(store, 1), 10 * orders);
}

static char *long_text(size_t bytes)
{
    char *text = malloc(bytes + 1);
    assert_non_null(text);
    memset(text, 'x', bytes);
    text[bytes] = '\0';
    return text;
}

// Orders until one fails, and asks for the code it fails with.
static void fill_up(enum err expected)
{
    char *seed = long_text(20000);
    enum err rc = OK;
    uint64_t number = 0;
    while ((rc = order_once(number, seed)) == OK)
        assert_in_range(++number, 1, 10000);
    free(seed);
    assert_int_equal(rc, expected);
    assert_as_before(number);
}

// ---- the disk ---------------------------------------------------------------------------------------

static void a_file_size_limit_is_an_io_error_and_passes(void **state)
{
    (void)state;
    struct rlimit before, limit;
    assert_int_equal(order_once(100000, NULL), OK);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 1024 * 1024;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    fill_up(ERR_IO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(order_once(200000, NULL), OK);
    store_close(store);
    store = open_store(); // and it is not damaged
    assert_int_equal(issued(store, 1), 10 * orders);
}

static void a_full_disk_is_an_io_error_and_passes(void **state)
{
    (void)state;
    store_close(store);
    if (mount("tmpfs", folder, "tmpfs", 0, "size=2m") != 0) {
        store = open_store();
        skip();
    }
    store = open_store();
    fill_up(ERR_IO);
    for (size_t i = 0; i < 3; i++)
        (void)order_once(300000 + i, NULL);          // small ones may still fit
    assert_int_equal(issued(store, 1), 10 * orders); // reading goes on
    assert_int_equal(mount("tmpfs", folder, "tmpfs", MS_REMOUNT, "size=8m"), 0);
    assert_int_equal(order_once(400000, NULL), OK);
    assert_int_equal(issued(store, 1), 10 * orders);
    store_close(store);
    store = open_store();
    assert_int_equal(issued(store, 1), 10 * orders);
    store_close(store);
    assert_int_equal(umount(folder), 0);
    store = open_store();
}

static void a_database_that_may_not_grow_is_an_io_error_and_passes(void **state)
{
    (void)state;
    assert_int_equal(db_exec(store->writer, "PRAGMA max_page_count = 60"), OK);
    fill_up(ERR_IO);
    assert_int_equal(db_exec(store->writer, "PRAGMA max_page_count = 1000000"), OK);
    assert_int_equal(order_once(200000, NULL), OK);
}

static void a_read_only_store_still_answers_and_recovers(void **state)
{
    (void)state;
    assert_int_equal(order_once(1, NULL), OK);
    assert_int_equal(db_exec(store->writer, "PRAGMA query_only = ON"), OK);
    assert_int_equal(order_once(2, NULL), ERR_IO);
    assert_as_before(2);
    assert_int_equal(db_exec(store->writer, "PRAGMA query_only = OFF"), OK);
    assert_int_equal(order_once(2, NULL), OK);
}

static void a_file_that_was_deleted_or_replaced_takes_no_orders(void **state)
{
    (void)state;
    char other[128];
    assert_int_equal(order_once(1, NULL), OK);
    snprintf(other, sizeof other, "%s/other.db", folder);
    assert_int_equal(rename(store_path, other), 0);
    assert_int_equal(order_once(2, NULL), ERR_IO);
    int fd = open(store_path, O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(order_once(2, NULL), ERR_IO);
    assert_int_equal(rename(other, store_path), 0);
    assert_int_equal(order_once(2, NULL), OK);
}

static void damage_met_while_running_is_an_io_error(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 50; i++)
        assert_int_equal(order_once(i, NULL), OK);
    store_close(store);
    store = open_store();
    int fd = open(store_path, O_RDWR);
    static char rubbish[4096];
    struct stat status;
    memset(rubbish, 0xa5, sizeof rubbish);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &status), 0);
    for (off_t at = 4096; at < status.st_size; at += 4096)
        assert_int_equal(pwrite(fd, rubbish, sizeof rubbish, at), sizeof rubbish);
    struct sample_order sample;
    struct store_line line = {.digits = 77};
    sample_order(&sample, 1, 1, 1);
    assert_int_equal(store_line_get(store, sample.order.line.id, &line), ERR_IO);
    assert_int_equal(line.digits, 77);
    assert_int_equal(db_exec(store->writer, "PRAGMA shrink_memory"), OK); // forget the good pages
    assert_int_equal(order_once(99, NULL), ERR_IO);
    store_close(store);
    store = NULL;
    struct diag diag = {0};
    assert_int_equal(store_open(store_path, &store, &diag), ERR_CONFIG);
    close(fd);
}

// ---- another process --------------------------------------------------------------------------------

static void a_writer_from_outside_makes_orders_busy_until_it_is_done(void **state)
{
    (void)state;
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        sqlite3 *handle = NULL;
        if (sqlite3_open(store_path, &handle) == SQLITE_OK &&
            sqlite3_exec(handle, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK &&
            write(ready[1], "!", 1) == 1)
            pause();
        _exit(1);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    assert_int_equal(order_once(1, NULL), ERR_BUSY);
    assert_as_before(1);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_int_equal(order_once(1, NULL), OK);
}

// ---- memory -----------------------------------------------------------------------------------------

static sqlite3_mem_methods real_memory;
static size_t allocations_until_failure = SIZE_MAX;
static bool fails_once; // else ever after

static bool is_refused(void)
{
    if (allocations_until_failure == SIZE_MAX)
        return false;
    if (allocations_until_failure > 0)
        allocations_until_failure--;
    bool refused = allocations_until_failure == 0;
    if (refused && fails_once)
        allocations_until_failure = SIZE_MAX;
    return refused;
}

static void *scarce_malloc(int bytes)
{
    return is_refused() ? NULL : real_memory.xMalloc(bytes);
}

static void *scarce_realloc(void *memory, int bytes)
{
    return is_refused() ? NULL : real_memory.xRealloc(memory, bytes);
}

// With room for `allowed` allocations. Returns whether there were fewer, so that nothing failed.
static bool order_with_little_memory(size_t allowed, const char *seed)
{
    store_close(store); // cold: no statement is prepared, no page is cached
    store = open_store();
    allocations_until_failure = allowed;
    enum err rc = order_once(allowed, seed);
    bool enough = allocations_until_failure != SIZE_MAX && allocations_until_failure > 0;
    allocations_until_failure = SIZE_MAX;
    if (rc != OK) {
        assert_int_equal(rc, ERR_MEMORY);
        assert_as_before(allowed);
        assert_int_equal(order_once(1000000 + allowed, NULL), OK);
    }
    return enough;
}

static void assert_orders_are_whole_wherever_memory_runs_out(void)
{
    char *seed = long_text(3000);
    size_t allowed = 1;
    assert_int_equal(order_once(0, NULL), OK);
    while (!order_with_little_memory(allowed, seed))
        allowed++;
    assert_true(allowed > 50);
    free(seed);
}

static void without_memory_for_a_while_an_order_fails_whole(void **state)
{
    (void)state;
    fails_once = false;
    assert_orders_are_whole_wherever_memory_runs_out();
}

static void without_memory_once_an_order_is_whole_or_not_at_all(void **state)
{
    (void)state;
    fails_once = true;
    assert_orders_are_whole_wherever_memory_runs_out();
    fails_once = false;
}

static void without_memory_a_store_does_not_open_and_leaves_nothing_open(void **state)
{
    (void)state;
    struct store *other = NULL;
    size_t failures = 0;
    enum err rc = ERR_MEMORY;
    store_close(store);
    store = NULL;
    for (size_t allowed = 1; rc != OK; allowed += 3, failures++) {
        allocations_until_failure = allowed;
        rc = store_open(store_path, &other, NULL);
        allocations_until_failure = SIZE_MAX;
        if (rc != OK)
            assert_int_equal(rc, ERR_MEMORY);
    }
    assert_true(failures > 20);
    store = other;
    assert_int_equal(order_once(0, NULL), OK);
}

// Before SQLite is first used.
static int replace_memory(void **state)
{
    (void)state;
    int code = sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory);
    sqlite3_mem_methods scarce = real_memory;
    scarce.xMalloc = scarce_malloc;
    scarce.xRealloc = scarce_realloc;
    if (code == SQLITE_OK)
        code = sqlite3_config(SQLITE_CONFIG_MALLOC, &scarce);
    if (code == SQLITE_OK)
        code = sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0); // so that every allocation can fail
    return code;
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_file_size_limit_is_an_io_error_and_passes),
        CASE(a_full_disk_is_an_io_error_and_passes),
        CASE(a_database_that_may_not_grow_is_an_io_error_and_passes),
        CASE(a_read_only_store_still_answers_and_recovers),
        CASE(a_file_that_was_deleted_or_replaced_takes_no_orders),
        CASE(damage_met_while_running_is_an_io_error),
        CASE(a_writer_from_outside_makes_orders_busy_until_it_is_done),
        CASE(without_memory_for_a_while_an_order_fails_whole),
        CASE(without_memory_once_an_order_is_whole_or_not_at_all),
        CASE(without_memory_a_store_does_not_open_and_leaves_nothing_open),
    };
    return cmocka_run_group_tests(tests, replace_memory, NULL);
}
