// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/base/clock.h"

#include <string.h>
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

// Writes `count` digits; where they end. printf and strftime cost more than all else that an audit line
// needs.
static char *put_digits(char *at, unsigned value, size_t count)
{
    for (size_t i = count; i > 0; i--, value /= 10)
        at[i - 1] = (char)('0' + value % 10);
    return at + count;
}

static char *put_seconds(int64_t unix_s, char *at)
{
    time_t second = (time_t)unix_s;
    struct tm parts;
    gmtime_r(&second, &parts);
    at = put_digits(at, (unsigned)parts.tm_year + 1900, 4);
    *at++ = '-';
    at = put_digits(at, (unsigned)parts.tm_mon + 1, 2);
    *at++ = '-';
    at = put_digits(at, (unsigned)parts.tm_mday, 2);
    *at++ = 'T';
    at = put_digits(at, (unsigned)parts.tm_hour, 2);
    *at++ = ':';
    at = put_digits(at, (unsigned)parts.tm_min, 2);
    *at++ = ':';
    return put_digits(at, (unsigned)parts.tm_sec, 2);
}

void clock_rfc3339_ms(int64_t unix_ns, char *out_text)
{
    char *at = put_seconds(unix_ns / 1000000000, out_text);
    *at++ = '.';
    at = put_digits(at, (unsigned)(unix_ns / 1000000 % 1000), 3);
    memcpy(at, "Z", 2);
}

void clock_rfc3339_s(int64_t unix_s, char *out_text)
{
    memcpy(put_seconds(unix_s, out_text), "Z", 2);
}

int64_t clock_month_start_s(int year, int month)
{
    struct tm parts = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = 1};
    return (int64_t)timegm(&parts);
}

// Digits at a place; -1: there are others.
static int read_digits(const char *text, size_t count)
{
    int value = 0;
    for (size_t i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

// "2030-01-02T03:04:05", 19 characters.
static bool read_local(const char *text, int64_t *out_s)
{
    const int year = read_digits(text, 4), month = read_digits(text + 5, 2), day = read_digits(text + 8, 2);
    const int hour = read_digits(text + 11, 2), minute = read_digits(text + 14, 2),
              second = read_digits(text + 17, 2);
    if (text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') || text[13] != ':' ||
        text[16] != ':')
        return false;
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days_in(year, month) || hour < 0 ||
        hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
        return false;
    *out_s = clock_month_start_s(year, month) + (day - 1) * 86400 + hour * 3600 + minute * 60 + second;
    return true;
}

// ".678" and any more digits; how many characters. 0: there is no fraction, or none behind the point.
static size_t read_fraction(const char *text, size_t len, int *out_ms)
{
    size_t used = 0;
    *out_ms = 0;
    if (len == 0 || text[0] != '.')
        return 0;
    for (used = 1; used < len && text[used] >= '0' && text[used] <= '9'; used++) {
        if (used <= 3)
            *out_ms = *out_ms * 10 + (text[used] - '0');
    }
    for (size_t digits = used; digits <= 3; digits++)
        *out_ms *= 10;
    return used > 1 ? used : 0;
}

// "Z", or "+01:30".
static bool read_offset(const char *text, size_t len, int *out_s)
{
    *out_s = 0;
    if (len == 1)
        return text[0] == 'Z' || text[0] == 'z';
    if (len != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':')
        return false;
    const int hours = read_digits(text + 1, 2), minutes = read_digits(text + 4, 2);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
        return false;
    *out_s = (hours * 3600 + minutes * 60) * (text[0] == '-' ? -1 : 1);
    return true;
}

bool clock_read_rfc3339(const char *text, size_t len, int64_t *out_unix_ms)
{
    enum { LOCAL_LENGTH = 19 };
    int64_t local_s;
    int ms, offset_s;
    if (len <= LOCAL_LENGTH || !read_local(text, &local_s))
        return false;
    const char *rest = text + LOCAL_LENGTH;
    const size_t rest_len = len - LOCAL_LENGTH, used = read_fraction(rest, rest_len, &ms);
    if (!read_offset(rest + used, rest_len - used, &offset_s))
        return false;
    const int64_t unix_ms = (local_s - offset_s) * 1000 + ms;
    if (unix_ms < 0)
        return false;
    *out_unix_ms = unix_ms;
    return true;
}
