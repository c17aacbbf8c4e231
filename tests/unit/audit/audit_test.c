// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/audit/audit.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

static char path[64];

static int fresh_path(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/tmp/audit_test_XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    return unlink(path);
}

static int remove_path(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static struct audit *open_audit(enum audit_sync sync)
{
    struct audit *audit = NULL;
    struct diag diag = {0};
    if (audit_open(path, sync, &audit, &diag) != OK)
        fail_msg("%s", diag.text);
    return audit;
}

static void write_raw(const char *text, size_t len)
{
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

// The whole file, NUL-terminated; the caller frees it.
static char *read_raw(size_t *out_len)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *text = NULL;
    size_t room = 0;
    ssize_t len = getdelim(&text, &room, '\0', file);
    fclose(file);
    *out_len = len < 0 ? 0 : (size_t)len;
    return text;
}

// The linker takes this one for the room's calls: counts, fails while told to, and can wait until so many
// lines stand in the file.
static atomic_int syncs;
static atomic_bool disk_is_broken;
static atomic_long wait_for_bytes;

int fdatasync(int fd)
{
    atomic_fetch_add(&syncs, 1);
    struct stat now = {0};
    while (wait_for_bytes > 0 && fstat(fd, &now) == 0 && now.st_size < wait_for_bytes)
        usleep(1000);
    if (disk_is_broken) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

int ftruncate(int fd, off_t size)
{
    if (disk_is_broken) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_ftruncate, fd, size);
}

static const struct audit_record sample = {
    .event = AUDIT_CARD_TOKENIZE,
    .request_id = "0189-id",
    .source = "192.0.2.7",
    .client = "shop",
    .client_id = 11,
    .tenant_id = 1,
    .items = 3,
    .failed_items = 1,
    .generation = 2,
    .status = 200,
};

static void write_sample(struct audit *audit)
{
    assert_int_equal(audit_write(audit, &sample), OK);
}

// Every line is whole and bears the number `first`, first + 1, ...; returns how many there are.
static unsigned long assert_numbered_from(unsigned long first)
{
    size_t len;
    char *text = read_raw(&len);
    unsigned long lines = 0;
    for (char *line = text; line < text + len; lines++) {
        char *end = strchr(line, '\n');
        assert_non_null(end);
        unsigned long number = 0;
        assert_int_equal(sscanf(line, "{\"number\":%lu,", &number), 1);
        assert_int_equal(number, first + lines);
        assert_int_equal(end[-1], '}');
        line = end + 1;
    }
    free(text);
    return lines;
}

static void a_line_holds_the_record_and_nothing_else(void **state)
{
    (void)state;
    struct audit *audit = open_audit(AUDIT_SYNC_ALWAYS);
    write_sample(audit);
    audit_close(audit);
    size_t len;
    char *text = read_raw(&len);
    char *time = strstr(text, "\"time\":\"");
    assert_non_null(time);
    assert_int_equal(time[8 + 23], 'Z');
    memset(time + 8, 'T', 24);
    assert_string_equal(text,
                        "{\"number\":1,\"time\":\"TTTTTTTTTTTTTTTTTTTTTTTT\",\"event\":\"card_tokenize\","
                        "\"request_id\":\"0189-id\",\"source\":\"192.0.2.7\",\"client\":\"shop\","
                        "\"client_id\":11,\"tenant_id\":1,\"items\":3,\"failed_items\":1,"
                        "\"generation\":2,\"status\":200,\"outcome\":\"ok\"}\n");
    free(text);
}

static void absent_members_are_left_out(void **state)
{
    (void)state;
    struct audit *audit = open_audit(AUDIT_SYNC_INTERVAL);
    assert_int_equal(audit_write(audit, &(struct audit_record){.event = AUDIT_STOP, .outcome = ERR_HSM_DOWN}),
                     OK);
    audit_close(audit);
    size_t len;
    char *text = read_raw(&len);
    assert_non_null(
        strstr(text, "Z\",\"event\":\"stop\",\"items\":0,\"failed_items\":0,\"outcome\":\"hsm_down\"}\n"));
    free(text);
}

static void hostile_bytes_stay_one_ascii_line(void **state)
{
    (void)state;
    char hostile[256];
    for (int i = 0; i < 255; i++)
        hostile[i] = (char)(i + 1);
    hostile[255] = '\0';
    struct audit_record record = sample;
    record.client = hostile;
    struct audit *audit = open_audit(AUDIT_SYNC_INTERVAL);
    assert_int_equal(audit_write(audit, &record), OK);
    write_sample(audit);
    audit_close(audit);

    assert_int_equal(assert_numbered_from(1), 2);
    size_t len;
    char *text = read_raw(&len);
    for (size_t i = 0; i < len; i++)
        assert_true(text[i] == '\n' || (text[i] >= 0x20 && text[i] <= 0x7e));
    assert_non_null(strstr(text, "\\u0009\\u000a\\u000b"));
    assert_non_null(strstr(text, " !\\u0022#$"));
    assert_non_null(strstr(text, "[\\u005c]"));
    assert_non_null(strstr(text, "\\u00fe\\u00ff\",\"client_id\""));
    free(text);
}

static void overlong_text_is_cut_so_that_a_line_stays_bounded(void **state)
{
    (void)state;
    char *name = malloc(100001);
    memset(name, 0xff, 100000);
    name[100000] = '\0';
    struct audit_record record = sample;
    record.client = record.role = record.source = record.request_id = name;
    struct audit *audit = open_audit(AUDIT_SYNC_INTERVAL);
    assert_int_equal(audit_write(audit, &record), OK);
    audit_close(audit);
    free(name);
    audit_close(open_audit(AUDIT_SYNC_INTERVAL));
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_true(status.st_size < 8192);
}

static void the_file_is_for_its_owner_only(void **state)
{
    (void)state;
    umask(0);
    audit_close(open_audit(AUDIT_SYNC_INTERVAL));
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
}

static void numbering_continues_after_reopening(void **state)
{
    (void)state;
    for (int round = 0; round < 4; round++) {
        struct audit *audit = open_audit(round % 2 == 0 ? AUDIT_SYNC_ALWAYS : AUDIT_SYNC_INTERVAL);
        for (int i = 0; i < 5; i++)
            write_sample(audit);
        audit_close(audit);
    }
    assert_int_equal(assert_numbered_from(1), 20);
}

static void numbering_continues_after_more_than_the_tail_that_is_read(void **state)
{
    (void)state;
    struct audit *audit = open_audit(AUDIT_SYNC_INTERVAL);
    for (int i = 0; i < 1000; i++)
        write_sample(audit);
    audit_close(audit);
    audit = open_audit(AUDIT_SYNC_INTERVAL);
    write_sample(audit);
    audit_close(audit);
    assert_int_equal(assert_numbered_from(1), 1001);
}

// What stands in the file, what the next open must make of it, and the number of the next line.
static void assert_recovers(const char *before, const char *kept, unsigned next)
{
    unlink(path);
    write_raw(before, strlen(before));
    audit_close(open_audit(AUDIT_SYNC_INTERVAL)); // a restart without any line changes nothing
    struct audit *audit = open_audit(AUDIT_SYNC_INTERVAL);
    write_sample(audit);
    audit_close(audit);
    size_t len;
    char *text = read_raw(&len);
    assert_memory_equal(text, kept, strlen(kept));
    char head[40];
    snprintf(head, sizeof head, "{\"number\":%u,\"time\"", next);
    assert_memory_equal(text + strlen(kept), head, strlen(head));
    assert_int_equal(text[len - 1], '\n');
    free(text);
}

static void a_torn_last_line_is_ended_and_kept_and_its_number_used_again(void **state)
{
    (void)state;
    assert_recovers("{\"number\":56,\"a\":1}\n{\"number\":57,\"ti",
                    "{\"number\":56,\"a\":1}\n{\"number\":57,\"ti\n", 57);
    assert_recovers("{\"number\":56,\"a\":1}\n{\"number\":5", "{\"number\":56,\"a\":1}\n{\"number\":5\n", 57);
    assert_recovers("{\"num", "{\"num\n", 1);
}

static void a_last_line_that_lacks_only_its_line_feed_counts(void **state)
{
    (void)state;
    assert_recovers("{\"number\":56,\"a\":1}\n{\"number\":57,\"a\":1}",
                    "{\"number\":56,\"a\":1}\n{\"number\":57,\"a\":1}\n", 58);
}

static void assert_refused(enum err expected, const char *reason)
{
    struct audit *audit = NULL;
    struct diag diag = {0};
    assert_int_equal(audit_open(path, AUDIT_SYNC_ALWAYS, &audit, &diag), expected);
    assert_null(audit);
    char text[200];
    snprintf(text, sizeof text, "audit file %s: %s", path, reason);
    assert_string_equal(diag.text, text);
}

static void a_file_of_another_kind_is_refused_untouched(void **state)
{
    (void)state;
    write_raw("listen = 1", 10);
    assert_refused(ERR_CONFIG, "holds something else than audit lines");
    size_t len;
    char *text = read_raw(&len);
    assert_string_equal(text, "listen = 1");
    free(text);
}

static void a_device_is_refused(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/dev/full");
    assert_refused(ERR_CONFIG, "not a regular file");
    path[0] = '\0';
}

static void a_missing_folder_is_named(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/tmp/no/such/folder/audit.log");
    assert_refused(ERR_IO, "cannot be opened: No such file or directory");
}

static void a_second_writer_is_refused_while_the_first_lives(void **state)
{
    (void)state;
    struct audit *audit = open_audit(AUDIT_SYNC_INTERVAL);
    assert_refused(ERR_CONFLICT, "another process writes it");
    audit_close(audit);
    audit_close(open_audit(AUDIT_SYNC_INTERVAL));
}

static void limit_file_size(rlim_t bytes)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

// For every size at which the disk can fill up in the course of a line: the failed write is reported,
// leaves nothing behind, uses up no number, and writing goes on when there is room again.
static void a_full_disk_costs_no_number_and_leaves_no_part(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    struct audit *audit = open_audit(AUDIT_SYNC_ALWAYS);
    write_sample(audit);
    unsigned long lines = 1;
    for (unsigned room = 0; room < 40; room += 13) {
        struct stat before, after;
        assert_int_equal(stat(path, &before), 0);
        limit_file_size((rlim_t)before.st_size + room);
        assert_int_equal(audit_write(audit, &sample), ERR_IO);
        assert_int_equal(audit_write(audit, &sample), ERR_IO);
        assert_int_equal(stat(path, &after), 0);
        assert_int_equal(after.st_size, before.st_size);
        limit_file_size(RLIM_INFINITY);
        write_sample(audit);
        lines++;
    }
    audit_close(audit);
    assert_int_equal(assert_numbered_from(1), lines);
}

static void what_cannot_take_a_line_says_so_before(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    struct stat before, after;
    limit_file_size(4096);
    struct audit *audit = open_audit(AUDIT_SYNC_ALWAYS);
    assert_int_equal(audit_ready(audit), ERR_IO); // there might be more lines in flight than fit
    limit_file_size(RLIM_INFINITY);
    assert_int_equal(audit_ready(audit), OK);
    write_sample(audit);
    disk_is_broken = true;
    assert_int_equal(audit_write(audit, &sample), ERR_IO);
    assert_int_equal(audit_ready(audit), ERR_IO);
    disk_is_broken = false;
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(audit_ready(audit), OK);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_size, before.st_size);
    limit_file_size((rlim_t)before.st_size + 20); // room that is there no longer is noticed by one line
    assert_int_equal(audit_write(audit, &sample), ERR_IO);
    assert_int_equal(audit_ready(audit), ERR_IO);
    limit_file_size(RLIM_INFINITY);
    audit_close(audit);
}

static void a_part_that_cannot_be_cut_off_does_not_spoil_the_next_line(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    struct audit *audit = open_audit(AUDIT_SYNC_INTERVAL);
    write_sample(audit);
    struct stat before;
    assert_int_equal(stat(path, &before), 0);
    limit_file_size((rlim_t)before.st_size + 20);
    disk_is_broken = true;
    assert_int_equal(audit_write(audit, &sample), ERR_IO);
    disk_is_broken = false;
    limit_file_size(RLIM_INFINITY);
    while (audit_write(audit, &sample) != OK)
        usleep(1000); // until no sync is under way that began while the disk was broken
    audit_close(audit);
    size_t len;
    char *text = read_raw(&len);
    assert_memory_equal(text + before.st_size, "{\"number\":2,\"time\":\"\n{\"number\":2,\"time\":\"2", 42);
    free(text);
}

enum { WRITERS = 8, LINES_EACH = 100 };

static void *write_one(void *context)
{
    return audit_write(context, &sample) == OK ? NULL : context;
}

static void *write_many(void *context)
{
    for (int i = 0; i < LINES_EACH; i++) {
        if (audit_write(context, &sample) != OK)
            return context;
    }
    return NULL;
}

static void assert_concurrent_lines_whole(enum audit_sync sync)
{
    struct audit *audit = open_audit(sync);
    pthread_t threads[WRITERS];
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, audit), 0);
    for (int i = 0; i < WRITERS; i++) {
        void *failed = audit;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    audit_close(audit);
    assert_int_equal(assert_numbered_from(1), WRITERS * LINES_EACH);
}

static void concurrent_lines_are_whole_and_numbered_without_gaps(void **state)
{
    (void)state;
    assert_concurrent_lines_whole(AUDIT_SYNC_INTERVAL);
}

static void concurrent_synced_lines_are_whole_and_numbered_without_gaps(void **state)
{
    (void)state;
    assert_concurrent_lines_whole(AUDIT_SYNC_ALWAYS);
}

static void a_line_that_may_not_be_on_disk_is_reported(void **state)
{
    (void)state;
    struct audit *audit = open_audit(AUDIT_SYNC_ALWAYS);
    write_sample(audit);
    disk_is_broken = true;
    assert_int_equal(audit_write(audit, &sample), ERR_IO); // written, then not synced
    assert_int_equal(audit_write(audit, &sample), ERR_IO); // not even written
    disk_is_broken = false;
    write_sample(audit);
    audit_close(audit);
    assert_int_equal(assert_numbered_from(1), 3);
}

static void a_failed_interval_sync_stops_writing_until_the_disk_is_back(void **state)
{
    (void)state;
    struct audit *audit = open_audit(AUDIT_SYNC_INTERVAL);
    disk_is_broken = true;
    int before = syncs;
    write_sample(audit);
    while (syncs == before)
        usleep(1000);
    while (audit_write(audit, &sample) == OK)
        usleep(1000); // the failed sync is about to be noted
    assert_int_equal(audit_write(audit, &sample), ERR_IO);
    disk_is_broken = false;
    write_sample(audit);
    audit_close(audit);
    assert_numbered_from(1);
}

static void writers_that_arrive_during_a_sync_share_the_next(void **state)
{
    (void)state;
    struct audit *audit = open_audit(AUDIT_SYNC_ALWAYS);
    write_sample(audit);
    struct stat one;
    assert_int_equal(stat(path, &one), 0);
    int before = syncs;
    wait_for_bytes = one.st_size * (1 + WRITERS); // all lines are equally long
    pthread_t threads[WRITERS];
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_one, audit), 0);
    for (int i = 0; i < WRITERS; i++) {
        void *failed = audit;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    wait_for_bytes = 0;
    assert_true(syncs - before <= 2);
    audit_close(audit);
    assert_int_equal(assert_numbered_from(1), 1 + WRITERS);
}

static void closing_nothing_is_fine(void **state)
{
    (void)state;
    audit_close(NULL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fresh_path, remove_path)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_line_holds_the_record_and_nothing_else),
        CASE(absent_members_are_left_out),
        CASE(hostile_bytes_stay_one_ascii_line),
        CASE(overlong_text_is_cut_so_that_a_line_stays_bounded),
        CASE(the_file_is_for_its_owner_only),
        CASE(numbering_continues_after_reopening),
        CASE(numbering_continues_after_more_than_the_tail_that_is_read),
        CASE(a_torn_last_line_is_ended_and_kept_and_its_number_used_again),
        CASE(a_last_line_that_lacks_only_its_line_feed_counts),
        CASE(a_file_of_another_kind_is_refused_untouched),
        CASE(a_device_is_refused),
        CASE(a_missing_folder_is_named),
        CASE(a_second_writer_is_refused_while_the_first_lives),
        CASE(a_full_disk_costs_no_number_and_leaves_no_part),
        CASE(what_cannot_take_a_line_says_so_before),
        CASE(a_part_that_cannot_be_cut_off_does_not_spoil_the_next_line),
        CASE(concurrent_lines_are_whole_and_numbered_without_gaps),
        CASE(concurrent_synced_lines_are_whole_and_numbered_without_gaps),
        CASE(a_line_that_may_not_be_on_disk_is_reported),
        CASE(a_failed_interval_sync_stops_writing_until_the_disk_is_back),
        CASE(writers_that_arrive_during_a_sync_share_the_next),
        CASE(closing_nothing_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
