// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/notify.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

// The address that a text names; its length, or 0 when it names none.
static socklen_t read_address(const char *text, struct sockaddr_un *out_address)
{
    const size_t len = text == NULL ? 0 : strlen(text);
    if (len < 2 || len >= sizeof out_address->sun_path || (text[0] != '/' && text[0] != '@'))
        return 0;
    *out_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(out_address->sun_path, text, len);
    const bool is_abstract = text[0] == '@';
    if (is_abstract)
        out_address->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + !is_abstract);
}

static void notify(const char *lines)
{
    struct sockaddr_un address;
    const struct timeval patience = {.tv_sec = 1};
    const socklen_t len = read_address(secure_getenv("NOTIFY_SOCKET"), &address);
    const int channel = len == 0 ? -1 : socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (channel < 0)
        return;
    // A manager that does not read must not hold us up.
    (void)setsockopt(channel, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    (void)sendto(channel, lines, strlen(lines), MSG_NOSIGNAL, (const struct sockaddr *)&address, len);
    close(channel);
}

void notify_ready(void)
{
    notify("READY=1");
}

// The time tells the manager that this is the reload that it asked for.
void notify_reloading(void)
{
    struct timespec now;
    char lines[80];
    clock_gettime(CLOCK_MONOTONIC, &now);
    const uint64_t now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    snprintf(lines, sizeof lines, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, now_us);
    notify(lines);
}

void notify_stopping(void)
{
    notify("STOPPING=1");
}

// A line feed would begin another assignment.
void notify_status(const char *text)
{
    char lines[sizeof "STATUS=" + NOTIFY_STATUS_MAX];
    snprintf(lines, sizeof lines, "STATUS=%s", text);
    for (char *at = lines; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = ' ';
    }
    notify(lines);
}

// A number of decimal digits; 0 when it is none.
static uint64_t read_number(const char *name)
{
    const char *text = secure_getenv(name);
    uint64_t value = 0;
    if (text == NULL || strspn(text, "0123456789") != strlen(text) || strlen(text) > 18)
        return 0;
    for (; *text != '\0'; text++)
        value = value * 10 + (uint64_t)(*text - '0');
    return value;
}

uint64_t notify_watchdog_interval_us(void)
{
    const bool is_ours =
        secure_getenv("WATCHDOG_PID") == NULL || read_number("WATCHDOG_PID") == (uint64_t)getpid();
    return is_ours ? read_number("WATCHDOG_USEC") : 0;
}

void notify_watchdog(void)
{
    notify("WATCHDOG=1");
}
