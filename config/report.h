// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What is wrong with a configuration file: complaints gathered in any order and printed in the file's.
// One owner, no locking. Running out of memory is sticky and told by report_print.
#pragma once

#include "appliance/base/buf.h"
#include "appliance/base/err.h"

#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>

struct complaint {
    int line;
    size_t order; // of arrival, for complaints about one line
    char *text;
};

struct report {
    const char *file;
    struct complaint *complaints;
    size_t count, capacity;
    enum err error; // OK or ERR_MEMORY
};

// report is used with `file` set and everything else zero.
[[gnu::format(printf, 3, 4)]] void report_add(struct report *report, int line, const char *format, ...);
void report_add_args(struct report *report, int line, const char *format, va_list args);
// Appends "FILE:LINE: TEXT\n" for each complaint; line 0 stands for the file as a whole ("FILE: TEXT\n"). OK
// when there are none, ERR_CONFIG, ERR_MEMORY.
enum err report_print(struct report *report, struct buf *out);
void report_done(struct report *report);
