// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What a service manager hears, and that nobody is harmed when there is none.
#include "appliance/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], path[96], heard[4096];
static int manager;

static int bind_manager(const char *name, socklen_t len)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int bound = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(bound >= 0);
    memcpy(address.sun_path, name, len);
    assert_int_equal(
        bind(bound, (struct sockaddr *)&address, (socklen_t)offsetof(struct sockaddr_un, sun_path) + len), 0);
    return bound;
}

static int start_manager(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/notify_test_XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/socket", folder);
    manager = bind_manager(path, (socklen_t)strlen(path) + 1);
    return setenv("NOTIFY_SOCKET", path, 1);
}

static int stop_manager(void **state)
{
    (void)state;
    close(manager);
    unlink(path);
    return rmdir(folder);
}

// What came; every datagram is there when its sender returns.
static const char *hear_at(int socket)
{
    const ssize_t got = recv(socket, heard, sizeof heard - 1, MSG_DONTWAIT);
    heard[got > 0 ? got : 0] = '\0';
    return heard;
}

static const char *hear(void)
{
    return hear_at(manager);
}

static void the_manager_hears_of_each_step(void **state)
{
    (void)state;
    notify_ready();
    assert_string_equal(hear(), "READY=1");
    notify_stopping();
    assert_string_equal(hear(), "STOPPING=1");
    notify_watchdog();
    assert_string_equal(hear(), "WATCHDOG=1");
    assert_string_equal(hear(), "");
}

static unsigned long long now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000;
}

static void a_reload_bears_its_time(void **state)
{
    (void)state;
    unsigned long long told_us = 0, before_us = now_us();
    notify_reloading();
    assert_int_equal(sscanf(hear(), "RELOADING=1\nMONOTONIC_USEC=%llu", &told_us), 1);
    assert_true(told_us >= before_us && told_us <= now_us());
}

static void a_status_is_one_line_however_it_is_spelled(void **state)
{
    (void)state;
    notify_status("serving, slot main");
    assert_string_equal(hear(), "STATUS=serving, slot main");
    notify_status("down\nMAINPID=1\r\x7f\x1b[2Jcaf\xc3\xa9");
    assert_string_equal(hear(), "STATUS=down MAINPID=1   [2Jcaf\xc3\xa9");
    notify_status("");
    assert_string_equal(hear(), "STATUS=");
}

static void a_long_status_is_cut(void **state)
{
    (void)state;
    char text[1000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    notify_status(text);
    assert_int_equal(strlen(hear()), strlen("STATUS=") + NOTIFY_STATUS_MAX);
}

static void an_abstract_socket_is_reached(void **state)
{
    (void)state;
    char name[64];
    snprintf(name, sizeof name, "@symbolon-notify-test-%d", (int)getpid());
    name[0] = '\0';
    const int abstract = bind_manager(name, (socklen_t)(1 + strlen(name + 1)));
    name[0] = '@';
    setenv("NOTIFY_SOCKET", name, 1);
    notify_ready();
    assert_string_equal(hear_at(abstract), "READY=1");
    assert_string_equal(hear(), "");
    close(abstract);
    setenv("NOTIFY_SOCKET", path, 1);
}

static void without_a_manager_nothing_happens(void **state)
{
    (void)state;
    char missing[128], longest[200];
    snprintf(missing, sizeof missing, "%s/missing", folder);
    memset(longest, 'x', sizeof longest - 1);
    longest[0] = '/';
    longest[sizeof longest - 1] = '\0';
    const char *const names[] = {"", "/", "@", "relative", "vsock:2:1", "/dev/null", missing, longest};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        setenv("NOTIFY_SOCKET", names[i], 1);
        notify_ready();
        notify_status("nobody hears");
    }
    unsetenv("NOTIFY_SOCKET");
    notify_ready();
    notify_watchdog();
    assert_string_equal(hear(), "");
    setenv("NOTIFY_SOCKET", path, 1);
}

// How many datagrams may wait at a socket.
static unsigned queue_length(void)
{
    unsigned length = 0;
    FILE *file = fopen("/proc/sys/net/unix/max_dgram_qlen", "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%u", &length), 1);
    fclose(file);
    return length;
}

static void a_manager_that_does_not_read_holds_nobody_up(void **state)
{
    (void)state;
    const unsigned more = queue_length() + 3; // than fit
    unsigned kept = 0;
    for (unsigned i = 0; i < more; i++)
        notify_ready();
    while (hear()[0] != '\0')
        kept++;
    assert_in_range(kept, 1, more - 1);
}

static void the_watchdogs_interval_is_ours_or_none(void **state)
{
    (void)state;
    char pid[32];
    static const char *const wrong[] = {"", "x", "-1", "30s", "0x10", " 5", "9999999999999999999"};
    unsetenv("WATCHDOG_PID");
    unsetenv("WATCHDOG_USEC");
    assert_int_equal(notify_watchdog_interval_us(), 0);
    setenv("WATCHDOG_USEC", "30000000", 1);
    assert_int_equal(notify_watchdog_interval_us(), 30000000);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(notify_watchdog_interval_us(), 30000000);
    snprintf(pid, sizeof pid, "%d", (int)getppid());
    setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(notify_watchdog_interval_us(), 0);
    setenv("WATCHDOG_PID", "", 1);
    assert_int_equal(notify_watchdog_interval_us(), 0);
    unsetenv("WATCHDOG_PID");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        setenv("WATCHDOG_USEC", wrong[i], 1);
        assert_int_equal(notify_watchdog_interval_us(), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_manager_hears_of_each_step),
        cmocka_unit_test(a_reload_bears_its_time),
        cmocka_unit_test(a_status_is_one_line_however_it_is_spelled),
        cmocka_unit_test(a_long_status_is_cut),
        cmocka_unit_test(an_abstract_socket_is_reached),
        cmocka_unit_test(without_a_manager_nothing_happens),
        cmocka_unit_test(a_manager_that_does_not_read_holds_nobody_up),
        cmocka_unit_test(the_watchdogs_interval_is_ours_or_none),
    };
    return cmocka_run_group_tests(tests, start_manager, stop_manager);
}
