// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The operator's log: one JSON object a line on stderr, which may be lost (the audit file may not).
// Fields are typed; there is none for a secret. Threads: each line is one write(2).
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

struct log_field {
    const char *name; // NULL ends the list
    const char *text; // NULL: number counts
    int64_t number;
};

// Lines above this level are dropped. Set once at start; default LOG_INFO.
void log_set_level(enum log_level level);
// "error", "warning", "info" or "debug"; false for anything else.
bool log_level_from_name(const char *name, enum log_level *out_level);

void log_write(enum log_level level, const char *event, const struct log_field *fields);

#define LOG_TEXT(field_name, value)   ((struct log_field){.name = (field_name), .text = (value)})
#define LOG_NUMBER(field_name, value) ((struct log_field){.name = (field_name), .number = (int64_t)(value)})
#define LOG_FIELDS(...)               ((const struct log_field[]){__VA_ARGS__ __VA_OPT__(, )(struct log_field){0}})

#define log_error(event, ...)   log_write(LOG_ERROR, event, LOG_FIELDS(__VA_ARGS__))
#define log_warning(event, ...) log_write(LOG_WARNING, event, LOG_FIELDS(__VA_ARGS__))
#define log_info(event, ...)    log_write(LOG_INFO, event, LOG_FIELDS(__VA_ARGS__))
#define log_debug(event, ...)   log_write(LOG_DEBUG, event, LOG_FIELDS(__VA_ARGS__))
