// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/base/log.h"

#include "appliance/base/buf.h"
#include "appliance/base/clock.h"
#include "appliance/base/json_write.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static const char *const level_names[] = {
    [LOG_ERROR] = "error",
    [LOG_WARNING] = "warning",
    [LOG_INFO] = "info",
    [LOG_DEBUG] = "debug",
};

static atomic_int threshold = LOG_INFO;

void log_set_level(enum log_level level)
{
    atomic_store(&threshold, (int)level);
}

bool log_level_from_name(const char *name, enum log_level *out_level)
{
    for (int level = LOG_ERROR; level <= LOG_DEBUG; level++) {
        if (strcmp(name, level_names[level]) == 0) {
            *out_level = (enum log_level)level;
            return true;
        }
    }
    return false;
}

static void write_field(struct buf *line, const struct log_field *field)
{
    buf_byte(line, ',');
    json_write_text(line, field->name);
    buf_byte(line, ':');
    if (field->text != NULL)
        json_write_text(line, field->text);
    else
        buf_printf(line, "%lld", (long long)field->number);
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
    if ((int)level > atomic_load_explicit(&threshold, memory_order_relaxed))
        return;
    char time_text[CLOCK_RFC3339_BYTES];
    struct clock clock = clock_system();
    clock_rfc3339_ms(clock.now_ns(clock.context), time_text);

    BUF line = {0};
    buf_byte(&line, '{');
    json_write_member(&line, "time", time_text);
    buf_byte(&line, ',');
    json_write_member(&line, "level", level_names[level]);
    buf_byte(&line, ',');
    json_write_member(&line, "event", event);
    for (; fields->name != NULL; fields++)
        write_field(&line, fields);
    buf_text(&line, "}\n");
    if (line.error == OK && write(STDERR_FILENO, line.at, line.len) < 0)
        return; // nowhere left to complain
}
