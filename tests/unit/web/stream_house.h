// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The house with one more API, whose bodies are made while they are sent, as a plan says.
#pragma once

#include "tests/unit/web/probe.h"

#include <pthread.h>

enum { PIECE = 10000 };

#define GET     "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n"
#define HEAD    "HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_1_0 "GET /stream HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"

// What the next streams do.
struct plan {
    uint64_t made; // bytes until the producer ends
    bool fails;    // and does so with an error
    bool has_length;
    uint64_t length;
    unsigned status; // 0: 200
    bool and_body;   // sets a body, too
    bool looks_for_leftovers;
    const char *cache_control;
};

struct maker {
    struct plan plan;
    uint64_t at;
    size_t last; // bytes of the piece before
};

static struct plan plan; // under the lock, as are reads of it by workers
static pthread_mutex_t plan_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int calls, ends; // of produce and done, since the plan was set

static inline void set_plan(const struct plan *next)
{
    pthread_mutex_lock(&plan_lock);
    plan = *next;
    pthread_mutex_unlock(&plan_lock);
    atomic_store(&calls, 0);
    atomic_store(&ends, 0);
}

static inline char made_byte(uint64_t at)
{
    return (char)('a' + at % 23);
}

static inline enum err maker_produce(void *context, struct buf *out)
{
    struct maker *maker = context;
    const uint64_t left = maker->plan.made - maker->at;
    const size_t count = left < PIECE ? (size_t)left : PIECE;
    atomic_fetch_add(&calls, 1);
    if (count == 0)
        return maker->plan.fails ? ERR_HSM_DOWN : OK;
    if (out->len != 0)
        return ERR_INTERNAL;
    for (size_t i = 0; maker->plan.looks_for_leftovers && i < maker->last; i++) {
        if (out->at[i] != 0)
            return ERR_INTERNAL;
    }
    char *room = buf_reserve(out, count);
    if (room == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++)
        room[i] = made_byte(maker->at + i);
    out->len += count;
    maker->at += count;
    maker->last = count;
    return OK;
}

static inline void maker_done(void *context)
{
    free(context); // twice would be seen by the sanitizer as well
    atomic_fetch_add(&ends, 1);
}

static inline void stream_handle(void *state, struct exchange *exchange)
{
    (void)state;
    struct maker *maker = calloc(1, sizeof *maker);
    pthread_mutex_lock(&plan_lock);
    maker->plan = plan;
    pthread_mutex_unlock(&plan_lock);
    struct http_reply *reply = &exchange->reply;
    reply->status = maker->plan.status != 0 ? maker->plan.status : 200;
    reply->content_type = "text/x-test";
    reply->stream = (struct http_stream){.produce = maker_produce,
                                         .done = maker_done,
                                         .context = maker,
                                         .has_length = maker->plan.has_length,
                                         .length = maker->plan.length};
    if (maker->plan.and_body)
        buf_text(&reply->body, "body");
    if (maker->plan.cache_control != NULL)
        http_reply_header(reply, "Cache-Control", "%s", maker->plan.cache_control);
}

static const struct route stream_routes[] = {
    {HTTP_GET, "/stream", PERMISSION_PUBLIC, AUDIT_NONE, 0, MEDIA_NONE, stream_handle},
    {HTTP_GET, "/audited", PERMISSION_PUBLIC, AUDIT_TRANSFORM_ENCODE, 0, MEDIA_NONE, stream_handle},
};
static const struct api stream_api = {.name = "stream", .routes = stream_routes, .route_count = 2};

static inline int open_stream_house(void **state)
{
    house_guest = &stream_api;
    return open_house(state);
}

// The head of a reply into house.answer, and not a byte more.
static inline void read_head(int client)
{
    size_t len = 0;
    house.answer[0] = '\0';
    while (strstr(house.answer, "\r\n\r\n") == NULL && recv(client, house.answer + len, 1, 0) == 1)
        house.answer[++len] = '\0';
}

static inline void ask_for(int client, const char *request, const struct plan *next)
{
    set_plan(next);
    assert_true(probe_say(client, request));
    read_head(client);
}

static inline int64_t announced_length(void)
{
    const char *length = strstr(house.answer, "Content-Length: ");
    return length != NULL ? strtoll(length + 16, NULL, 10) : -1;
}

// Reads what was made from `at` on, `count` bytes or as many as come; returns how many came.
static inline uint64_t read_made(int client, uint64_t at, uint64_t count)
{
    enum { BYTES = 1 << 16 };
    static char bytes[BYTES];
    uint64_t came = 0;
    while (came < count) {
        ssize_t got = recv(client, bytes, count - came < BYTES ? (size_t)(count - came) : BYTES, 0);
        if (got <= 0)
            break;
        for (ssize_t i = 0; i < got; i++) {
            if (bytes[i] != made_byte(at + came + (uint64_t)i))
                fail_msg("byte %llu is wrong", (unsigned long long)(at + came + (uint64_t)i));
        }
        came += (uint64_t)got;
    }
    return came;
}

static inline bool read_line(int client, char *line, size_t room)
{
    size_t len = 0;
    while (len + 1 < room && recv(client, line + len, 1, 0) == 1) {
        line[++len] = '\0';
        if (line[len - 1] == '\n')
            return len >= 2 && line[len - 2] == '\r';
    }
    return false;
}

// The bytes in chunks; out_whole: the last one came.
static inline uint64_t read_chunks(int client, bool *out_whole)
{
    uint64_t at = 0;
    char line[64];
    *out_whole = false;
    while (read_line(client, line, sizeof line)) {
        const uint64_t size = strtoull(line, NULL, 16);
        assert_int_equal(read_made(client, at, size), size);
        at += size;
        assert_true(read_line(client, line, sizeof line));
        assert_string_equal(line, "\r\n");
        *out_whole = size == 0;
        if (size == 0)
            break;
    }
    return at;
}

// That `count` streams of this plan have ended, each once; waits for the last.
static inline void assert_ended(int count)
{
    while (atomic_load(&ends) < count)
        usleep(1000);
    while (server_in_flight(house.server) > 0)
        usleep(1000);
    assert_int_equal(atomic_load(&ends), count);
}

static inline void assert_ended_once(void)
{
    assert_ended(1);
}

// The connection is where the next request is expected; closes it.
static inline void assert_still_serves(int client)
{
    assert_true(probe_say(client, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"));
    probe_reply(client, house.answer, false);
    assert_int_equal(probe_status(house.answer), 200);
    close(client);
}
