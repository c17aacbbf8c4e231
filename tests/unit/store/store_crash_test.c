// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A process that is killed while it takes orders, and a log that ends anywhere, as after a power loss: no
// serial is given twice, and every acknowledged line is there.
#include "tests/unit/store/fixture.h"

#include <fcntl.h>
#include <signal.h>

enum { THREADS = 4, ROUNDS = 12, BLOCK = 3, LINES_MAX = 20000 };

// What a client was told.
struct acknowledged {
    uint64_t number, first_serial, size;
};

// ---- the process that will be killed ----------------------------------------------------------------

struct taker {
    struct store *store;
    int out;
    uint64_t next; // number of the next order; threads count in steps of THREADS
};

static void *take_for_ever(void *argument)
{
    struct taker *taker = argument;
    for (;; taker->next += THREADS) {
        struct sample_order sample;
        struct store_line line = {0};
        enum store_order_outcome outcome = STORE_ORDER_EXHAUSTED;
        sample_order(&sample, taker->next, 1, BLOCK);
        if (store_line_create(taker->store, &sample.order, &outcome, &line) != OK)
            _exit(2);
        if (outcome != STORE_ORDER_TAKEN)
            continue; // an earlier life got that far without acknowledging it
        struct acknowledged told = {taker->next, line.first_serial, line.size};
        if (write(taker->out, &told, sizeof told) != sizeof told)
            _exit(3);
        store_line_done(&line);
    }
    return NULL;
}

static void child_takes(int out, uint64_t from)
{
    struct store *store = NULL;
    struct taker takers[THREADS];
    pthread_t threads[THREADS];
    if (store_open(store_path, &store, NULL) != OK)
        _exit(1);
    for (size_t i = 0; i < THREADS; i++) {
        takers[i] = (struct taker){store, out, from + i};
        pthread_create(&threads[i], NULL, take_for_ever, &takers[i]);
    }
    pause();
}

// ---- the one who kills ------------------------------------------------------------------------------

static struct acknowledged told[LINES_MAX];
static size_t told_count;

// Kills the child after some acknowledgements, and takes in all that it still told.
static void kill_after(pid_t child, int in, size_t acknowledgements)
{
    size_t enough = told_count + acknowledgements;
    int status = 0;
    while (read(in, &told[told_count], sizeof told[0]) == sizeof told[0]) {
        assert_true(++told_count < LINES_MAX);
        if (told_count == enough)
            kill(child, SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status)); // else it met a failure
}

static void run_and_kill(size_t acknowledgements)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    uint64_t from = told_count == 0 ? 0 : told[told_count - 1].number + 1;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        child_takes(ends[1], from);
    close(ends[1]);
    kill_after(child, ends[0], acknowledgements);
    close(ends[0]);
}

static void assert_all_told_are_there(struct store *store)
{
    for (size_t i = 0; i < told_count; i++) {
        struct sample_order sample;
        struct store_line line = {0};
        sample_order(&sample, told[i].number, 1, BLOCK);
        assert_int_equal(store_line_get(store, sample.order.line.id, &line), OK);
        assert_int_equal(line.first_serial, told[i].first_serial);
        assert_int_equal(line.size, told[i].size);
        store_line_done(&line);
    }
}

static void assert_no_serial_was_told_twice(void)
{
    static bool seen[LINES_MAX];
    memset(seen, 0, sizeof seen);
    for (size_t i = 0; i < told_count; i++) {
        uint64_t block = told[i].first_serial / BLOCK;
        assert_int_equal(told[i].first_serial % BLOCK, 0);
        assert_true(block < LINES_MAX);
        assert_false(seen[block]);
        seen[block] = true;
    }
}

// Walks the space from its first serial to its last: each belongs to one line, whole. Returns the lines.
static size_t count_lines_without_gap(struct store *store)
{
    size_t lines = 0;
    uint64_t end = issued(store, 1);
    for (uint64_t serial = 0; serial < end; lines++) {
        struct store_line line = {0};
        assert_int_equal(store_line_of_serial(store, 1, serial, &line), OK);
        assert_int_equal(line.first_serial, serial);
        serial += line.size;
        assert_true(serial <= end);
        store_line_done(&line);
    }
    return lines;
}

static void killed_in_the_middle_of_orders_it_forgets_none_and_repeats_none(void **state)
{
    (void)state;
    told_count = 0;
    for (size_t round = 0; round < ROUNDS; round++) {
        run_and_kill(1 + 13 * round);
        struct store *store = open_store();
        assert_all_told_are_there(store);
        assert_true(count_lines_without_gap(store) >= told_count);
        store_close(store);
    }
    assert_no_serial_was_told_twice();
}

static void killed_before_anything_else_it_leaves_a_good_store(void **state)
{
    (void)state;
    for (unsigned wait_us = 0; wait_us < 20000; wait_us += 500) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct store *store = NULL;
            _exit(store_open(store_path, &store, NULL) == OK ? pause() : 1);
        }
        usleep(wait_us);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        store_close(open_store());
        unlink(store_path);
    }
}

// ---- power loss -------------------------------------------------------------------------------------

static size_t read_whole(const char *path, char **out_bytes)
{
    struct stat status;
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &status), 0);
    *out_bytes = malloc((size_t)status.st_size + 1);
    assert_non_null(*out_bytes);
    assert_int_equal(read(fd, *out_bytes, (size_t)status.st_size), status.st_size);
    close(fd);
    return (size_t)status.st_size;
}

static void write_whole(const char *path, const char *bytes, size_t count)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, count), count);
    close(fd);
}

// The store as a kill left it: the file, and the log beside it.
struct remains {
    char log_path[128];
    char *file, *log;
    size_t file_bytes, log_bytes;
};

static void lay_out(const struct remains *remains, size_t log_bytes)
{
    write_whole(store_path, remains->file, remains->file_bytes);
    write_whole(remains->log_path, remains->log, log_bytes);
}

static size_t count_lines_found(void)
{
    struct store *store = open_store();
    uint8_t space[STORE_SPACE_BYTES] = {1};
    struct store_space found = {0};
    size_t lines = 0;
    if (store_space_get(store, TENANT, space, &found) == OK)
        lines = count_lines_without_gap(store);
    store_close(store);
    return lines;
}

static void a_log_that_ends_anywhere_holds_whole_orders(void **state)
{
    (void)state;
    struct remains remains = {0};
    told_count = 0;
    run_and_kill(60);
    snprintf(remains.log_path, sizeof remains.log_path, "%s-wal", store_path);
    remains.file_bytes = read_whole(store_path, &remains.file);
    remains.log_bytes = read_whole(remains.log_path, &remains.log);
    size_t before = 0, cuts = 0;
    for (size_t cut = remains.log_bytes / 4; cut < remains.log_bytes; cut += remains.log_bytes / 97, cuts++) {
        lay_out(&remains, cut);
        size_t lines = count_lines_found();
        assert_true(lines >= before); // a longer log never holds less
        before = lines;
    }
    lay_out(&remains, remains.log_bytes);
    assert_true(count_lines_found() >= told_count);
    assert_true(cuts > 50 && before > 10);
    free(remains.file);
    free(remains.log);
}

static void a_log_damaged_anywhere_ends_there(void **state)
{
    (void)state;
    struct remains remains = {0};
    told_count = 0;
    run_and_kill(60);
    snprintf(remains.log_path, sizeof remains.log_path, "%s-wal", store_path);
    remains.file_bytes = read_whole(store_path, &remains.file);
    remains.log_bytes = read_whole(remains.log_path, &remains.log);
    lay_out(&remains, remains.log_bytes);
    size_t all = count_lines_found();
    for (size_t at = remains.log_bytes / 3; at < remains.log_bytes; at += remains.log_bytes / 53) {
        remains.log[at] ^= 1;
        lay_out(&remains, remains.log_bytes);
        assert_true(count_lines_found() <= all);
        remains.log[at] ^= 1;
    }
    free(remains.file);
    free(remains.log);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        CASE(killed_in_the_middle_of_orders_it_forgets_none_and_repeats_none),
        CASE(killed_before_anything_else_it_leaves_a_good_store),
        CASE(a_log_that_ends_anywhere_holds_whole_orders),
        CASE(a_log_damaged_anywhere_ends_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
