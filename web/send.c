// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The way out of a reply, whose body is there or is made while it is sent.
#include "web/call.h"

#include "web/reply.h"

enum {
    TOGETHER_BYTES = 16 * 1024, // up to here, head and body leave in one write
    PATIENCE = 3,               // a stream's reader may rest so many times longer than another
};

bool send_bytes(struct call *call, struct slice bytes, int64_t allowed_ns)
{
    struct deadline_slot *deadline = &call->worker->deadline;
    const int64_t until_ns = deadline_now_ns() + allowed_ns;
    deadline_arm(deadline, until_ns, DEADLINE_ALL);
    bool sent = call->wire->write(call->wire->context, bytes.at, bytes.len, until_ns);
    return deadline_disarm(deadline) && sent;
}

static bool make_head(struct call *call)
{
    struct worker *worker = call->worker;
    const struct reply_frame frame = {.request_id = worker->exchange.request.id,
                                      .now_s = worker->exchange.request.now_s,
                                      .keep_alive = !call->close,
                                      .tls = call->service->tls,
                                      .minor = worker->head.minor};
    reply_head(&worker->exchange.reply, &frame, &worker->out);
    return worker->out.error == OK;
}

static bool send_whole(struct call *call, struct slice body)
{
    struct buf *out = &call->worker->out;
    if (!make_head(call))
        return false;
    const bool together = body.len <= TOGETHER_BYTES;
    if (together)
        buf_append(out, body.at, body.len);
    if (out->error != OK || !send_bytes(call, buf_slice(out), body_time_ns(call, out->len)))
        return false;
    return together || send_bytes(call, body, body_time_ns(call, body.len));
}

// Each piece has its own time: only a reader who does not get on ends a long body.
static enum err send_piece(struct call *call, const struct buf *piece)
{
    if (piece->error != OK)
        return piece->error;
    const int64_t allowed_ns = PATIENCE * body_time_ns(call, piece->len);
    return send_bytes(call, buf_slice(piece), allowed_ns) ? OK : ERR_CLOSED;
}

// One write a chunk: with TCP_NODELAY and TLS, three would be three packets and three records. Of length 0
// it is the last one, with no trailer behind it.
static enum err send_chunk(struct call *call, const struct buf *piece)
{
    struct buf *out = &call->worker->out;
    buf_reset(out);
    buf_printf(out, "%zx\r\n", piece->len);
    buf_append(out, piece->at, piece->len);
    buf_text(out, "\r\n");
    return send_piece(call, out);
}

// Makes the next piece in the reply's own, empty body and sends it. out_len: 0 at the end of the body.
static enum err pass_piece(struct call *call, uint64_t sent, size_t *out_len)
{
    enum err rc = OK;
    struct http_reply *reply = &call->worker->exchange.reply;
    const struct http_stream *stream = &reply->stream;
    struct buf *piece = &reply->body;
    TRY(stream->produce(stream->context, piece));
    TRY(piece->error);
    const uint64_t left = stream->length - sent;
    REQUIRE(!stream->has_length || (piece->len > 0 ? piece->len <= left : left == 0), ERR_INTERNAL);
    if (reply_is_chunked(reply, call->worker->head.minor))
        TRY(send_chunk(call, piece));
    else if (piece->len > 0)
        TRY(send_piece(call, piece));
    *out_len = piece->len;
out:
    buf_reset(piece);
    return rc;
}

static enum err send_stream(struct call *call)
{
    enum err rc = OK;
    uint64_t sent = 0;
    size_t len = 0;
    do {
        TRY(pass_piece(call, sent, &len));
        sent += len;
    } while (len > 0);
out:
    return rc;
}

bool send_reply(struct call *call)
{
    struct http_reply *reply = &call->worker->exchange.reply;
    const bool has_body = call->shape.method != HTTP_HEAD && reply_has_body(reply->status);
    const struct http_stream *stream = &reply->stream;
    if (stream->produce == NULL)
        return send_whole(call, has_body ? buf_slice(&reply->body) : (struct slice){0});
    if (!stream->has_length && !reply_is_chunked(reply, call->worker->head.minor))
        call->close = true; // the end of the connection is the end of the body
    if (!send_whole(call, (struct slice){0}))
        call->cut_off = ERR_CLOSED;
    else if (has_body)
        call->cut_off = send_stream(call);
    return call->cut_off == OK;
}
