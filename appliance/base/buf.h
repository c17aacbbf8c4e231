// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A growing byte buffer with a sticky error: append without checking, look once at the end. Its bytes
// are wiped whenever they are given up (growth, reset, done), because replies may hold card data.
// One owner, no locking.
#pragma once

#include "appliance/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Bytes that belong to somebody else.
struct slice {
    const char *at;
    size_t len;
};
static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}
static inline bool slice_is(struct slice slice, const char *text)
{
    return slice_equal(slice, (struct slice){text, strlen(text)});
}

struct buf {
    char *at; // len bytes, not NUL-terminated
    size_t len, capacity;
    enum err error; // first failure: OK or ERR_MEMORY; later appends do nothing
};

// buf is used zero-initialised.
// Makes room for `more` bytes behind len, so that they can be written in place; NULL on ERR_MEMORY.
char *buf_grow(struct buf *buf, size_t more);
static inline char *buf_reserve(struct buf *buf, size_t more)
{
    return buf->error == OK && more <= buf->capacity - buf->len ? buf->at + buf->len : buf_grow(buf, more);
}

// Replies are written with these, piece by piece: what does not need more memory is done in line.
static inline void buf_append(struct buf *buf, const void *bytes, size_t count)
{
    char *room = count == 0 ? NULL : buf_reserve(buf, count);
    if (room == NULL)
        return;
    memcpy(room, bytes, count);
    buf->len += count;
}
static inline void buf_text(struct buf *buf, const char *text)
{
    buf_append(buf, text, strlen(text));
}
static inline void buf_byte(struct buf *buf, char byte)
{
    buf_append(buf, &byte, 1);
}
void buf_u64(struct buf *buf, uint64_t value); // decimal
[[gnu::format(printf, 2, 3)]] void buf_printf(struct buf *buf, const char *format, ...);
// Wipes the content and keeps the memory.
void buf_reset(struct buf *buf);
void buf_done(struct buf *buf);

#define BUF [[gnu::cleanup(buf_done)]] struct buf

static inline struct slice buf_slice(const struct buf *buf)
{
    return (struct slice){buf->at, buf->len};
}
