// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/call_log.h"

#include <stdlib.h>

static void add(struct call_log *log, size_t count)
{
    if (log->calls == log->capacity) {
        log->capacity = 2 * log->capacity + 64;
        log->sizes = reallocarray(log->sizes, log->capacity, sizeof *log->sizes);
        if (log->sizes == NULL)
            abort();
    }
    log->sizes[log->calls++] = count;
    log->blocks += count;
    log->largest = count > log->largest ? count : log->largest;
}

static enum err encrypt(void *context, uint8_t *blocks, size_t count)
{
    struct call_log *log = context;
    if (log->on)
        add(log, count);
    return cipher_encrypt(&log->inner, blocks, count);
}

struct cipher call_log_seam(struct call_log *log)
{
    return (struct cipher){.encrypt = encrypt, .context = log};
}

void call_log_reset(struct call_log *log)
{
    log->calls = log->blocks = log->largest = 0;
}

void call_log_done(struct call_log *log)
{
    free(log->sizes);
}
