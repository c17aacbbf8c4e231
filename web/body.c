// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/call.h"

#include "web/memory.h"
#include "web/reply.h"
#include "web/text.h"

enum {
    PIECE_BYTES = 64 * 1024,
    SIGNED_BODY_MAX = 64 * 1024,  // read before anybody is known
    DISCARD_KEEP_MAX = 64 * 1024, // an unread rest up to this size is worth a connection
    DISCARD_CLOSE_MAX = 256 * 1024,
    DISCARD_CLOSE_S = 1,
};
static const int64_t second_ns = 1000000000;

int64_t body_time_ns(const struct call *call, size_t bytes)
{
    int64_t fixed_s = 2 * (int64_t)call->service->options->limits.header_timeout_s;
    return (fixed_s + (int64_t)(bytes / PIECE_BYTES)) * second_ns;
}

static size_t limit_of(const struct call *call)
{
    if (call->shape.method == HTTP_GET || call->shape.method == HTTP_HEAD)
        return 0;
    size_t limit = call->match.route->body_limit;
    return call->match.api->signs_body && limit > SIGNED_BODY_MAX ? SIGNED_BODY_MAX : limit;
}

static bool too_large(struct call *call)
{
    call->close = true;
    return call_fail(call, FAIL_BODY_SIZE);
}

bool body_check(struct call *call)
{
    size_t limit = limit_of(call);
    enum http_method method = call->shape.method;
    bool expected = limit > 0 && (method == HTTP_POST || method == HTTP_PUT || method == HTTP_PATCH);
    if (expected && call->shape.body == BODY_NONE) {
        call->close = true;
        return call_fail(call, FAIL_BODY_MISSING);
    }
    if (call->shape.body == BODY_LENGTH && call->shape.length > limit)
        return too_large(call);
    if (call->shape.body == BODY_CHUNKED && limit == 0)
        return too_large(call);
    return true;
}

void body_release(struct call *call)
{
    memory_release(&call->charged_bytes);
}

static bool busy(struct call *call)
{
    call->close = true;
    return call_fail_later(call, FAIL_BUSY);
}

static bool invite(struct call *call)
{
    const struct slice text = text_slice("HTTP/1.1 100 Continue\r\n\r\n");
    call->body_started = true;
    return !call->shape.expects_continue || send_bytes(call, text, body_time_ns(call, text.len));
}

// For a body of announced length all at once: bodies that arrive together would otherwise all be turned away
// half read, where some could have been served. Memory that nothing is written to costs nothing yet.
static bool make_room(struct call *call, size_t bytes)
{
    return memory_reserve(&call->worker->body, bytes, &call->charged_bytes);
}

// Reads one piece of at most `most` bytes into the room made for it. The deadline moves with every piece, so
// that only a sender slower than 64 KiB a second (after the fixed part) meets it.
static int read_piece(struct call *call, size_t most)
{
    struct buf *body = &call->worker->body;
    int got = call->wire->read(call->wire->context, body->at + body->len, most);
    if (got > 0)
        body->len += (size_t)got;
    return got;
}

static bool broken(struct call *call, enum failure failure)
{
    call->close = true;
    call->body_over = true;
    return call_fail(call, failure);
}

static bool read_announced(struct call *call, int64_t started_ns)
{
    struct buf *body = &call->worker->body;
    size_t length = (size_t)call->shape.length;
    if (!make_room(call, length))
        return busy(call);
    while (body->len < length) {
        size_t left = length - body->len;
        int got = read_piece(call, left < PIECE_BYTES ? left : PIECE_BYTES);
        if (got <= 0)
            return broken(call, FAIL_BODY_BROKEN);
        int64_t allowed_ns = body_time_ns(call, body->len + PIECE_BYTES);
        deadline_extend(&call->worker->deadline, started_ns + allowed_ns);
    }
    call->body_over = true;
    return true;
}

static bool read_chunked(struct call *call, int64_t started_ns)
{
    struct buf *body = &call->worker->body;
    size_t limit = limit_of(call);
    for (;;) {
        size_t room = limit - body->len + 1; // one more than allowed shows that it is too much
        size_t most = room < PIECE_BYTES ? room : PIECE_BYTES;
        if (!make_room(call, most))
            return busy(call);
        int got = read_piece(call, most);
        if (got < 0)
            return broken(call, FAIL_BODY_BROKEN);
        if (got == 0)
            break;
        if (body->len > limit)
            return too_large(call);
        int64_t allowed_ns = body_time_ns(call, body->len + PIECE_BYTES);
        deadline_extend(&call->worker->deadline, started_ns + allowed_ns);
    }
    call->body_over = true;
    return true;
}

bool body_read(struct call *call)
{
    struct worker *worker = call->worker;
    if (!shape_has_body(&call->shape)) {
        call->body_over = true;
        return true;
    }
    // civetweb's chunk parser is lenient in a corner (a bare CR inside a size): whatever it makes of
    // such a stream, nothing after it is taken for a request.
    if (call->shape.body == BODY_CHUNKED)
        call->close = true;
    int64_t started_ns = deadline_now_ns();
    if (!invite(call))
        return broken(call, FAIL_BODY_BROKEN);
    deadline_arm(&worker->deadline, started_ns + body_time_ns(call, PIECE_BYTES), DEADLINE_READS);
    bool done =
        call->shape.body == BODY_CHUNKED ? read_chunked(call, started_ns) : read_announced(call, started_ns);
    if (!deadline_disarm(&worker->deadline) && !done) {
        reply_reset(&worker->exchange.reply);
        return broken(call, FAIL_TIMEOUT);
    }
    if (done)
        worker->exchange.request.body = buf_slice(&worker->body);
    return done;
}

void body_decide_close(struct call *call)
{
    if (call->body_over || !shape_has_body(&call->shape))
        return;
    bool worth = call->shape.body == BODY_LENGTH && call->shape.length <= DISCARD_KEEP_MAX &&
                 !call->shape.expects_continue && !call->body_started;
    if (!worth)
        call->close = true;
}

void body_discard(struct call *call)
{
    if (call->body_over || !shape_has_body(&call->shape) ||
        (call->shape.expects_continue && !call->body_started))
        return;
    struct worker *worker = call->worker;
    size_t left = call->close ? DISCARD_CLOSE_MAX : (size_t)call->shape.length;
    int64_t allowed_ns = call->close ? DISCARD_CLOSE_S * second_ns : body_time_ns(call, left);
    buf_reset(&worker->body);
    char *room = buf_reserve(&worker->body, PIECE_BYTES);
    deadline_arm(&worker->deadline, deadline_now_ns() + allowed_ns, DEADLINE_READS);
    while (room != NULL && left > 0) {
        int got = call->wire->read(call->wire->context, room, left < PIECE_BYTES ? left : PIECE_BYTES);
        if (got <= 0)
            break;
        worker->body.len = worker->body.len > (size_t)got ? worker->body.len : (size_t)got; // to be wiped
        left -= (size_t)got;
    }
    if (!deadline_disarm(&worker->deadline) || (left > 0 && !call->close))
        call->close = true;
}
