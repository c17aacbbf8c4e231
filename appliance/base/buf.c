// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/base/buf.h"

#include "appliance/base/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALLEST_CAPACITY = 256 };

bool slice_is(struct slice slice, const char *text)
{
    return slice_equal(slice, (struct slice){text, strlen(text)});
}

bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

// Not realloc: it may leave an unwiped copy behind.
static bool grow(struct buf *buf, size_t needed)
{
    size_t capacity = buf->capacity < SMALLEST_CAPACITY ? SMALLEST_CAPACITY : buf->capacity;
    while (capacity < needed)
        capacity += capacity / 2;
    char *fresh = malloc(capacity);
    if (fresh == NULL) {
        buf->error = ERR_MEMORY;
        return false;
    }
    if (buf->len > 0)
        memcpy(fresh, buf->at, buf->len);
    wipe(buf->at, buf->len);
    free(buf->at);
    buf->at = fresh;
    buf->capacity = capacity;
    return true;
}

char *buf_reserve(struct buf *buf, size_t more)
{
    if (buf->error != OK)
        return NULL;
    if (more > SIZE_MAX / 2 - buf->len) {
        buf->error = ERR_MEMORY;
        return NULL;
    }
    if (buf->len + more > buf->capacity && !grow(buf, buf->len + more))
        return NULL;
    return buf->at + buf->len;
}

void buf_append(struct buf *buf, const void *bytes, size_t count)
{
    if (count == 0)
        return;
    char *room = buf_reserve(buf, count);
    if (room == NULL)
        return;
    memcpy(room, bytes, count);
    buf->len += count;
}

void buf_text(struct buf *buf, const char *text)
{
    buf_append(buf, text, strlen(text));
}

void buf_byte(struct buf *buf, char byte)
{
    buf_append(buf, &byte, 1);
}

void buf_u64(struct buf *buf, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    buf_append(buf, digits + at, sizeof digits - at);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *room = len < 0 ? NULL : buf_reserve(buf, (size_t)len + 1);
    if (room != NULL) {
        vsnprintf(room, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    }
    va_end(again);
}

void buf_reset(struct buf *buf)
{
    wipe(buf->at, buf->len);
    buf->len = 0;
    buf->error = OK;
}

void buf_done(struct buf *buf)
{
    wipe(buf->at, buf->len);
    free(buf->at);
    *buf = (struct buf){0};
}
