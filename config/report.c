// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "config/report.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static struct complaint *next_complaint(struct report *report)
{
    if (report->count == report->capacity) {
        size_t capacity = report->capacity * 2 + 8;
        struct complaint *more = reallocarray(report->complaints, capacity, sizeof *more);
        if (more == NULL)
            return NULL;
        report->complaints = more;
        report->capacity = capacity;
    }
    return &report->complaints[report->count];
}

void report_add_args(struct report *report, int line, const char *format, va_list args)
{
    struct complaint *complaint = next_complaint(report);
    if (complaint == NULL || vasprintf(&complaint->text, format, args) < 0) {
        report->error = ERR_MEMORY;
        return;
    }
    complaint->line = line;
    complaint->order = report->count++;
}

void report_add(struct report *report, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report_add_args(report, line, format, args);
    va_end(args);
}

static int compare(const void *left, const void *right)
{
    const struct complaint *a = left, *b = right;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

enum err report_print(struct report *report, struct buf *out)
{
    if (report->count > 0)
        qsort(report->complaints, report->count, sizeof *report->complaints, compare);
    for (size_t i = 0; i < report->count; i++) {
        const struct complaint *complaint = &report->complaints[i];
        buf_text(out, report->file);
        if (complaint->line != 0)
            buf_printf(out, ":%d", complaint->line);
        buf_printf(out, ": %s\n", complaint->text);
    }
    if (report->error != OK || out->error != OK)
        return ERR_MEMORY;
    return report->count == 0 ? OK : ERR_CONFIG;
}

void report_done(struct report *report)
{
    for (size_t i = 0; i < report->count; i++)
        free(report->complaints[i].text);
    free(report->complaints);
    report->complaints = NULL;
    report->count = report->capacity = 0;
}
