// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Time, handed down by main so that nothing below reads a global clock.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CLOCK_RFC3339_BYTES = 25 };

struct clock {
    int64_t (*now_ns)(void *context); // nanoseconds since 1970-01-01T00:00:00Z, leap seconds not counted
    void *context;
};

struct clock clock_system(void); // CLOCK_REALTIME

static inline int64_t clock_now_s(const struct clock *clock)
{
    return clock->now_ns(clock->context) / 1000000000;
}

// "2030-01-02T03:04:05.678Z" (RFC 3339, UTC, milliseconds); out holds CLOCK_RFC3339_BYTES. Years 1970..9999.
void clock_rfc3339_ms(int64_t unix_ns, char *out_text);
// "2030-01-02T03:04:05Z"; out holds CLOCK_RFC3339_BYTES.
void clock_rfc3339_s(int64_t unix_s, char *out_text);
// Unix second of the first instant of a month, UTC. year 1970..9999, month 1..12 (13 is January after).
int64_t clock_month_start_s(int year, int month);
// Unix milliseconds of a date-time of RFC 3339 (5.6): any offset, any fraction, of which milliseconds are
// kept; no leap second. false: it is none, or of a year before 1970.
bool clock_read_rfc3339(const char *text, size_t len, int64_t *out_unix_ms);
