// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Opening: whose file it is, in what state, and that only one opens it.
#include "tests/unit/store/fixture.h"

#include "appliance/store/migrations.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>

static void assert_refused(enum err expected, const char *expected_words)
{
    struct store *store = (struct store *)1;
    struct diag diag = {0};
    assert_int_equal(store_open(store_path, &store, &diag), expected);
    assert_ptr_equal(store, (struct store *)1);
    if (strstr(diag.text, expected_words) == NULL || strstr(diag.text, store_path) == NULL)
        fail_msg("not \"%s\": %s", expected_words, diag.text);
}

static void write_file(const void *bytes, size_t count)
{
    FILE *file = fopen(store_path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, count, file), count);
    assert_int_equal(fclose(file), 0);
}

static char *read_file(size_t *out_bytes)
{
    struct stat status;
    assert_int_equal(stat(store_path, &status), 0);
    char *bytes = malloc((size_t)status.st_size + 1);
    assert_non_null(bytes);
    FILE *file = fopen(store_path, "r");
    assert_non_null(file);
    *out_bytes = fread(bytes, 1, (size_t)status.st_size, file);
    fclose(file);
    return bytes;
}

// By SQLite itself, as another program would.
static void by_sqlite(const char *sql)
{
    sqlite3 *handle = NULL;
    assert_int_equal(sqlite3_open(store_path, &handle), SQLITE_OK);
    if (sqlite3_exec(handle, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(handle));
    assert_int_equal(sqlite3_close(handle), SQLITE_OK);
}

static void make_store(uint64_t lines)
{
    struct store *store = open_store();
    struct sample_order sample;
    for (uint64_t i = 0; i < lines; i++) {
        sample_order(&sample, i, 1, 10);
        take(store, &sample, 10 * i, 10);
    }
    store_close(store);
}

static void assert_line(uint64_t number)
{
    struct store *store = open_store();
    struct sample_order sample;
    struct store_line line = {0};
    sample_order(&sample, number, 1, 10);
    assert_int_equal(store_line_get(store, sample.order.line.id, &line), OK);
    store_line_done(&line);
    store_close(store);
}

// ---- its own files ----------------------------------------------------------------------------------

static void an_empty_file_becomes_a_store_and_stays_one(void **state)
{
    (void)state;
    write_file("", 0);
    make_store(1);
    assert_line(0);
    assert_line(0);
}

static mode_t mode_of(const char *suffix)
{
    char name[128];
    struct stat status;
    snprintf(name, sizeof name, "%s%s", store_path, suffix);
    assert_int_equal(stat(name, &status), 0);
    return status.st_mode & 07777;
}

static void nobody_else_may_read_the_file_or_its_log(void **state)
{
    (void)state;
    mode_t old = umask(0);
    struct store *store = open_store();
    umask(old);
    assert_int_equal(mode_of(""), 0600);
    assert_int_equal(mode_of("-wal"), 0600);
    assert_int_equal(mode_of("-shm"), 0600);
    store_close(store);
}

static void a_restored_copy_that_others_may_read_is_closed_to_them(void **state)
{
    (void)state;
    make_store(1);
    assert_int_equal(chmod(store_path, 0664), 0);
    assert_line(0);
    assert_int_equal(mode_of(""), 0600);
}

// The statement's only value is 1.
static void assert_one(struct db *db, const char *select)
{
    char check[256];
    snprintf(check, sizeof check,
             "CREATE TEMP TABLE promise (kept CHECK (kept = 1) NOT NULL);"
             "INSERT INTO promise %s; DROP TABLE promise",
             select);
    if (db_exec(db, check) != OK)
        fail_msg("%s", select);
}

static void the_connection_is_as_strict_as_promised(void **state)
{
    (void)state;
    struct store *store = open_store();
    static const char *const settings[] = {
        "SELECT synchronous = 2 FROM pragma_synchronous",
        "SELECT journal_mode = 'wal' FROM pragma_journal_mode",
        "SELECT foreign_keys FROM pragma_foreign_keys",
        "SELECT cell_size_check FROM pragma_cell_size_check",
        "SELECT trusted_schema = 0 FROM pragma_trusted_schema",
        "SELECT user_version = 3 FROM pragma_user_version",
    };
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        assert_one(store->writer, settings[i]);
    store_close(store);
}

static void a_relative_path_survives_a_change_of_folder(void **state)
{
    (void)state;
    char before[256];
    struct store *store = NULL;
    struct sample_order sample;
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(store_open("store.db", &store, NULL), OK);
    assert_int_equal(chdir("/"), 0);
    sample_order(&sample, 0, 1, 10);
    take(store, &sample, 0, 10);
    store_close(store);
    assert_int_equal(chdir(before), 0);
    assert_line(0);
}

static void a_path_is_a_name_and_never_an_option(void **state)
{
    (void)state;
    static const char *const names[] = {":memory:", "file:x.db?mode=memory", " ", "%00"};
    char before[256];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        store_close(open_store_at(names[i]));
        struct stat status;
        assert_int_equal(stat(names[i], &status), 0);
        assert_true(status.st_size > 0);
        assert_int_equal(unlink(names[i]), 0);
    }
    assert_int_equal(chdir(before), 0);
}

// ---- files of others --------------------------------------------------------------------------------

static void a_text_file_is_refused_and_left_alone(void **state)
{
    (void)state;
    static const char text[] = "This is a letter, and no database at all.\n";
    size_t count = 0;
    write_file(text, sizeof text);
    assert_refused(ERR_CONFIG, "not a store");
    char *after = read_file(&count);
    assert_int_equal(count, sizeof text);
    assert_memory_equal(after, text, sizeof text);
    free(after);
}

static void a_database_of_another_program_is_refused_and_left_alone(void **state)
{
    (void)state;
    size_t count = 0, count_after = 0;
    by_sqlite("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)");
    char *before = read_file(&count);
    assert_refused(ERR_CONFIG, "another program");
    char *after = read_file(&count_after);
    assert_int_equal(count, count_after);
    assert_memory_equal(before, after, count);
    free(before);
    free(after);
    by_sqlite("PRAGMA application_id = 1");
    assert_refused(ERR_CONFIG, "another program");
}

static void a_newer_version_is_refused_and_left_alone(void **state)
{
    (void)state;
    char sql[64];
    size_t count = 0, count_after = 0;
    make_store(1);
    snprintf(sql, sizeof sql, "PRAGMA user_version = %d", STORE_VERSION + 1);
    by_sqlite(sql);
    char *before = read_file(&count);
    assert_refused(ERR_CONFIG, "newer program");
    char *after = read_file(&count_after);
    assert_int_equal(count, count_after);
    assert_memory_equal(before, after, count);
    free(before);
    free(after);
    by_sqlite("PRAGMA user_version = 2147483647");
    assert_refused(ERR_CONFIG, "newer program");
}

static void a_version_that_never_was_is_refused(void **state)
{
    (void)state;
    make_store(1);
    by_sqlite("PRAGMA user_version = 0");
    assert_refused(ERR_CONFIG, "restore a backup");
    by_sqlite("PRAGMA user_version = -1");
    assert_refused(ERR_CONFIG, "restore a backup");
}

static void what_is_not_a_file_is_refused(void **state)
{
    (void)state;
    assert_int_equal(mkdir(store_path, 0700), 0);
    assert_refused(ERR_IO, "cannot be opened");
    assert_int_equal(rmdir(store_path), 0);
    assert_int_equal(mkfifo(store_path, 0600), 0);
    assert_refused(ERR_CONFIG, "not a regular file");
    assert_int_equal(unlink(store_path), 0);
    assert_int_equal(symlink("/dev/null", store_path), 0);
    assert_refused(ERR_CONFIG, "not a regular file");
}

static void a_missing_folder_is_an_io_error(void **state)
{
    (void)state;
    struct store *store = NULL;
    struct diag diag = {0};
    assert_int_equal(store_open("/nonexistent/store.db", &store, &diag), ERR_IO);
    assert_non_null(strstr(diag.text, "/nonexistent/store.db"));
    assert_null(store);
}

// Root may write everything, so the test becomes somebody else.
static void a_file_that_may_only_be_read_is_refused(void **state)
{
    (void)state;
    make_store(1);
    assert_int_equal(chmod(store_path, 0400), 0);
    bool root = geteuid() == 0;
    if (root) {
        assert_int_equal(chown(folder, 65534, (gid_t)-1), 0);
        assert_int_equal(chown(store_path, 65534, (gid_t)-1), 0);
        assert_int_equal(seteuid(65534), 0);
    }
    assert_refused(ERR_IO, "cannot be opened for writing");
    if (root)
        assert_int_equal(seteuid(0), 0);
}

// ---- damage -----------------------------------------------------------------------------------------

static void overwrite(long at, size_t bytes)
{
    FILE *file = fopen(store_path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    for (size_t i = 0; i < bytes; i++)
        assert_int_not_equal(fputc(0xa5, file), EOF);
    assert_int_equal(fclose(file), 0);
}

static void a_damaged_page_anywhere_is_found_when_the_store_is_opened(void **state)
{
    (void)state;
    enum { PAGE = 4096 };
    size_t count = 0;
    make_store(100);
    char *good = read_file(&count);
    assert_true(count / PAGE > 10);
    for (size_t page = 0; page < count / PAGE; page++) {
        overwrite((long)(page * PAGE) + (page == 0 ? 100 : 0), 64); // of the first page the schema's head
        assert_refused(ERR_CONFIG, "restore a backup");
        write_file(good, count);
    }
    free(good);
    assert_line(99);
}

static void a_file_cut_short_is_found(void **state)
{
    (void)state;
    size_t count = 0;
    make_store(100);
    char *good = read_file(&count);
    for (size_t cut = 1; cut < count; cut += cut < 600 ? 1 : 509) {
        write_file(good, cut);
        assert_refused(ERR_CONFIG, "");
    }
    write_file(good, count);
    free(good);
    assert_line(99);
}

// ---- two appliances ---------------------------------------------------------------------------------

// A child that holds the store open until it is killed.
static pid_t open_elsewhere(void)
{
    int ready[2];
    char byte = 0;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct store *store = NULL;
        enum err rc = store_open(store_path, &store, NULL);
        if (rc == OK && write(ready[1], "!", 1) == 1)
            pause();
        _exit(1);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return child;
}

static void a_second_appliance_is_refused_until_the_first_is_dead(void **state)
{
    (void)state;
    int status = 0;
    pid_t child = open_elsewhere();
    assert_refused(ERR_BUSY, "another appliance");
    assert_refused(ERR_BUSY, "another appliance");
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    store_close(open_store());
}

static void another_program_may_read_meanwhile(void **state)
{
    (void)state;
    pid_t child = open_elsewhere();
    sqlite3 *handle = NULL;
    assert_int_equal(sqlite3_open_v2(store_path, &handle, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(handle, "SELECT count(*) FROM line", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(handle);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        CASE(an_empty_file_becomes_a_store_and_stays_one),
        CASE(nobody_else_may_read_the_file_or_its_log),
        CASE(a_restored_copy_that_others_may_read_is_closed_to_them),
        CASE(the_connection_is_as_strict_as_promised),
        CASE(a_relative_path_survives_a_change_of_folder),
        CASE(a_path_is_a_name_and_never_an_option),
        CASE(a_text_file_is_refused_and_left_alone),
        CASE(a_database_of_another_program_is_refused_and_left_alone),
        CASE(a_newer_version_is_refused_and_left_alone),
        CASE(a_version_that_never_was_is_refused),
        CASE(what_is_not_a_file_is_refused),
        CASE(a_missing_folder_is_an_io_error),
        CASE(a_file_that_may_only_be_read_is_refused),
        CASE(a_damaged_page_anywhere_is_found_when_the_store_is_opened),
        CASE(a_file_cut_short_is_found),
        CASE(a_second_appliance_is_refused_until_the_first_is_dead),
        CASE(another_program_may_read_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
