// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The audit file is moved, removed or replaced while it is open. What is proven: no line that was reported as
// written goes to a file without a name, and numbers go on over all files.
#include "appliance/audit/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATH_BYTES = 64 };

static char folder[PATH_BYTES], path[2 * PATH_BYTES], rotated[2 * PATH_BYTES];

static int fresh_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/audit_rotation_test_XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/audit.log", folder);
    snprintf(rotated, sizeof rotated, "%s/audit.log.1", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    rmdir(path);
    unlink(rotated);
    return rmdir(folder);
}

// The linker takes this one for the room's calls.
static atomic_bool disk_is_broken;

int fdatasync(int fd)
{
    if (disk_is_broken) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

static struct audit *open_audit(enum audit_sync sync)
{
    struct audit *audit = NULL;
    struct diag diag = {0};
    if (audit_open(path, sync, &audit, &diag) != OK)
        fail_msg("%s", diag.text);
    return audit;
}

static const struct audit_record sample = {.event = AUDIT_CARD_TOKENIZE, .items = 1, .status = 200};

static void write_samples(struct audit *audit, int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(audit_write(audit, &sample), OK);
}

static void put_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

// The file holds whole lines numbered first, first + 1, ... to last, and begins with an event.
static void assert_lines(const char *name, unsigned long first, unsigned long last, const char *first_event)
{
    FILE *file = fopen(name, "r");
    assert_non_null(file);
    char line[1024], event[64];
    unsigned long expected = first, number = 0;
    for (; fgets(line, sizeof line, file) != NULL; expected++) {
        assert_int_equal(
            sscanf(line, "{\"number\":%lu,\"time\":\"%*[^\"]\",\"event\":\"%63[^\"]\"", &number, event), 2);
        assert_int_equal(number, expected);
        assert_string_equal(event, expected == first ? first_event : "card_tokenize");
        assert_string_equal(line + strlen(line) - 2, "}\n");
    }
    fclose(file);
    assert_int_equal(expected, last + 1);
}

static void a_removed_file_is_made_again_before_the_next_line(void **state)
{
    (void)state;
    umask(0);
    struct audit *audit = open_audit(AUDIT_SYNC_INTERVAL);
    write_samples(audit, 3);
    assert_int_equal(unlink(path), 0);
    write_samples(audit, 2);
    audit_close(audit);
    assert_lines(path, 4, 6, "audit_reopened"); // 1 to 3 are missing, and seen to be
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
}

static void assert_rotates(enum audit_sync sync)
{
    struct audit *audit = open_audit(sync);
    write_samples(audit, 3);
    assert_int_equal(rename(path, rotated), 0);
    write_samples(audit, 2);
    assert_lines(rotated, 1, 3, "card_tokenize");
    assert_int_equal(rename(path, rotated), 0);
    write_samples(audit, 1);
    audit_close(audit);
    assert_lines(rotated, 4, 6, "audit_reopened");
    assert_lines(path, 7, 8, "audit_reopened");
}

static void a_moved_file_keeps_its_lines_and_a_new_one_goes_on(void **state)
{
    (void)state;
    assert_rotates(AUDIT_SYNC_INTERVAL);
}

static void a_moved_file_keeps_its_synced_lines_and_a_new_one_goes_on(void **state)
{
    (void)state;
    assert_rotates(AUDIT_SYNC_ALWAYS);
}

static void an_empty_file_put_in_place_is_taken(void **state)
{
    (void)state;
    struct audit *audit = open_audit(AUDIT_SYNC_INTERVAL);
    write_samples(audit, 3);
    assert_int_equal(rename(path, rotated), 0);
    put_file(path, "");
    write_samples(audit, 1);
    audit_close(audit);
    assert_lines(path, 4, 5, "audit_reopened");
}

static void a_restart_after_a_rotation_goes_on_in_the_new_file(void **state)
{
    (void)state;
    struct audit *audit = open_audit(AUDIT_SYNC_INTERVAL);
    write_samples(audit, 3);
    assert_int_equal(rename(path, rotated), 0);
    write_samples(audit, 1);
    audit_close(audit);
    audit = open_audit(AUDIT_SYNC_INTERVAL);
    write_samples(audit, 1);
    audit_close(audit);
    assert_lines(path, 4, 6, "audit_reopened");
}

static void no_number_is_given_twice_in_an_older_file_put_back(void **state)
{
    (void)state;
    struct audit *audit = open_audit(AUDIT_SYNC_INTERVAL);
    write_samples(audit, 3);
    assert_int_equal(rename(path, rotated), 0);
    put_file(path, "{\"number\":41,\"time\":\"T\",\"event\":\"start\"}\n");
    write_samples(audit, 1); // 42 and 43
    assert_int_equal(rename(path, rotated), 0);
    write_samples(audit, 1);
    audit_close(audit);
    assert_lines(path, 44, 45, "audit_reopened");
}

static void assert_refused_until_repaired(struct audit *audit, bool (*repair)(void))
{
    for (int i = 0; i < 3; i++)
        assert_int_equal(audit_write(audit, &sample), ERR_IO);
    assert_true(repair());
    write_samples(audit, 2);
    audit_close(audit);
    assert_lines(path, 4, 6, "audit_reopened"); // the refused ones used up no number
}

static bool remove_file(void)
{
    return unlink(path) == 0;
}

static bool remove_folder_in_its_place(void)
{
    return rmdir(path) == 0;
}

static bool move_folder_back(void)
{
    return rename(rotated, folder) == 0;
}

static void another_file_in_its_place_is_refused_untouched(void **state)
{
    (void)state;
    struct audit *audit = open_audit(AUDIT_SYNC_INTERVAL);
    write_samples(audit, 3);
    assert_int_equal(rename(path, rotated), 0);
    put_file(path, "listen = 1\n");
    assert_int_equal(audit_write(audit, &sample), ERR_IO);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, 11);
    assert_refused_until_repaired(audit, remove_file);
}

static void a_folder_in_its_place_is_refused(void **state)
{
    (void)state;
    struct audit *audit = open_audit(AUDIT_SYNC_ALWAYS);
    write_samples(audit, 3);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_refused_until_repaired(audit, remove_folder_in_its_place);
}

// The lines stand in the moved folder, whence nobody would miss them.
static void lines_are_refused_while_the_folder_is_gone(void **state)
{
    (void)state;
    struct audit *audit = open_audit(AUDIT_SYNC_INTERVAL);
    write_samples(audit, 3);
    snprintf(rotated, sizeof rotated, "%s.moved", folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rename(folder, rotated), 0);
    assert_refused_until_repaired(audit, move_folder_back);
}

static void a_file_that_another_process_writes_is_refused(void **state)
{
    (void)state;
    struct audit *audit = open_audit(AUDIT_SYNC_INTERVAL);
    write_samples(audit, 3);
    assert_int_equal(unlink(path), 0);
    int other = open(path, O_RDWR | O_CREAT, 0600); // a lock of its own, as if of another process
    assert_true(other >= 0);
    assert_int_equal(flock(other, LOCK_EX | LOCK_NB), 0);
    assert_int_equal(audit_write(audit, &sample), ERR_IO);
    assert_int_equal(close(other), 0);
    write_samples(audit, 2);
    audit_close(audit);
    assert_lines(path, 4, 6, "audit_reopened");
}

static void the_new_file_is_locked_and_the_moved_one_free(void **state)
{
    (void)state;
    struct audit *audit = open_audit(AUDIT_SYNC_INTERVAL), *second = NULL;
    struct diag diag = {0};
    write_samples(audit, 1);
    assert_int_equal(rename(path, rotated), 0);
    write_samples(audit, 1);
    assert_int_equal(audit_open(path, AUDIT_SYNC_INTERVAL, &second, &diag), ERR_CONFLICT);
    assert_int_equal(audit_open(rotated, AUDIT_SYNC_INTERVAL, &second, &diag), OK);
    audit_close(second);
    audit_close(audit);
}

// The last lines of the moved file may be lost: nothing is promised until the disk answers again.
static void a_moved_file_that_cannot_be_synced_stops_writing(void **state)
{
    (void)state;
    struct audit *audit = open_audit(AUDIT_SYNC_ALWAYS);
    write_samples(audit, 3);
    assert_int_equal(rename(path, rotated), 0);
    disk_is_broken = true;
    assert_int_equal(audit_write(audit, &sample), ERR_IO);
    assert_int_equal(audit_write(audit, &sample), ERR_IO);
    disk_is_broken = false;
    write_samples(audit, 1);
    audit_close(audit);
    assert_lines(path, 4, 5, "audit_reopened");
}

enum { WRITERS = 4, LINES_EACH = 200, ROTATIONS = 20 };

static void *write_many(void *context)
{
    for (int i = 0; i < LINES_EACH; i++) {
        if (audit_write(context, &sample) != OK)
            return context;
    }
    return NULL;
}

// Marks the number of every line of a file, each at most once.
static void count_lines(const char *name, bool *seen, unsigned long size)
{
    char line[1024];
    FILE *file = fopen(name, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        unsigned long number = 0;
        assert_int_equal(sscanf(line, "{\"number\":%lu,", &number), 1);
        assert_in_range(number, 1, size - 1);
        assert_false(seen[number]);
        seen[number] = true;
    }
    fclose(file);
}

// Lines of writers, and one for each file but the first.
static void assert_all_numbers(const bool *seen, unsigned long files)
{
    for (unsigned long number = 1; number <= WRITERS * LINES_EACH + files - 1; number++)
        assert_true(seen[number]);
    assert_false(seen[WRITERS * LINES_EACH + files]);
}

static void assert_rotates_under_load(enum audit_sync sync)
{
    bool seen[WRITERS * LINES_EACH + ROTATIONS + 2] = {false};
    char name[2 * PATH_BYTES];
    unsigned long files = 0;
    struct audit *audit = open_audit(sync);
    pthread_t threads[WRITERS];
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, audit), 0);
    for (unsigned long i = 0; i < ROTATIONS; i++) {
        snprintf(name, sizeof name, "%s/%lu", folder, files);
        files += rename(path, name) == 0; // fails while no writer has made it again
        usleep(500);
    }
    for (int i = 0; i < WRITERS; i++) {
        void *failed = audit;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    audit_close(audit);
    for (unsigned long i = 0; i < files; i++) {
        snprintf(name, sizeof name, "%s/%lu", folder, i);
        count_lines(name, seen, sizeof seen);
        unlink(name);
    }
    if (access(path, F_OK) == 0) {
        count_lines(path, seen, sizeof seen);
        files++;
    }
    assert_all_numbers(seen, files);
}

static void writers_lose_no_line_to_rotations(void **state)
{
    (void)state;
    assert_rotates_under_load(AUDIT_SYNC_INTERVAL);
}

static void synced_writers_lose_no_line_to_rotations(void **state)
{
    (void)state;
    assert_rotates_under_load(AUDIT_SYNC_ALWAYS);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fresh_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_removed_file_is_made_again_before_the_next_line),
        CASE(a_moved_file_keeps_its_lines_and_a_new_one_goes_on),
        CASE(a_moved_file_keeps_its_synced_lines_and_a_new_one_goes_on),
        CASE(an_empty_file_put_in_place_is_taken),
        CASE(a_restart_after_a_rotation_goes_on_in_the_new_file),
        CASE(no_number_is_given_twice_in_an_older_file_put_back),
        CASE(another_file_in_its_place_is_refused_untouched),
        CASE(a_folder_in_its_place_is_refused),
        CASE(lines_are_refused_while_the_folder_is_gone),
        CASE(a_file_that_another_process_writes_is_refused),
        CASE(the_new_file_is_locked_and_the_moved_one_free),
        CASE(a_moved_file_that_cannot_be_synced_stops_writing),
        CASE(writers_lose_no_line_to_rotations),
        CASE(synced_writers_lose_no_line_to_rotations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
