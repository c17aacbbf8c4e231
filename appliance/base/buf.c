// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/base/buf.h"

#include "appliance/base/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALLEST_CAPACITY = 256 };

// Not realloc: it may leave an unwiped copy behind.
static bool move(struct buf *buf, size_t needed)
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

char *buf_grow(struct buf *buf, size_t more)
{
    if (buf->error != OK)
        return NULL;
    if (more > SIZE_MAX / 2 - buf->len) {
        buf->error = ERR_MEMORY;
        return NULL;
    }
    if (buf->len + more > buf->capacity && !move(buf, buf->len + more))
        return NULL;
    return buf->at + buf->len;
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

// Formats into what room there is, and again if that was too little.
static int print(struct buf *buf, size_t room, const char *format, va_list args)
{
    return vsnprintf(room == 0 ? NULL : buf->at + buf->len, room, format, args);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args, again;
    const size_t room = buf->error == OK ? buf->capacity - buf->len : 0;
    va_start(args, format);
    va_copy(again, args);
    const int len = print(buf, room, format, args);
    if (len >= 0 && (size_t)len >= room) {
        wipe(buf->at == NULL ? NULL : buf->at + buf->len, room);
        if (buf_reserve(buf, (size_t)len + 1) != NULL)
            print(buf, (size_t)len + 1, format, again);
    }
    if (len >= 0 && buf->error == OK)
        buf->len += (size_t)len;
    va_end(again);
    va_end(args);
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
