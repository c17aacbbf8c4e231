// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t system_now_ns(void *context)
{
    (void)context;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

struct clock clock_system(void)
{
    return (struct clock){.now_ns = system_now_ns};
}

// strftime bounds its output; "%F" pads the year to four digits for the years allowed here.
static size_t put_seconds(int64_t unix_s, char *out_text, size_t room)
{
    time_t second = (time_t)unix_s;
    struct tm parts;
    gmtime_r(&second, &parts);
    return strftime(out_text, room, "%FT%T", &parts);
}

void clock_rfc3339_ms(int64_t unix_ns, char *out_text)
{
    size_t len = put_seconds(unix_ns / 1000000000, out_text, CLOCK_RFC3339_BYTES);
    snprintf(out_text + len, CLOCK_RFC3339_BYTES - len, ".%03uZ", (unsigned)(unix_ns / 1000000 % 1000));
}

void clock_rfc3339_s(int64_t unix_s, char *out_text)
{
    size_t len = put_seconds(unix_s, out_text, CLOCK_RFC3339_BYTES);
    snprintf(out_text + len, CLOCK_RFC3339_BYTES - len, "Z");
}

int64_t clock_month_start_s(int year, int month)
{
    struct tm parts = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = 1};
    return (int64_t)timegm(&parts);
}
