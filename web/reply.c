// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/reply.h"

#include <string.h>
#include <time.h>

static const struct {
    unsigned status;
    const char *reason;
} reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {303, "See Other"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

const char *reply_reason(unsigned status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "Status";
}

bool reply_has_body(unsigned status)
{
    return status >= 200 && status != 204 && status != 304;
}

bool reply_is_chunked(const struct http_reply *reply, unsigned minor)
{
    return reply->stream.produce != NULL && !reply->stream.has_length && minor == 1;
}

static void end_stream(struct http_reply *reply)
{
    struct http_stream stream = reply->stream;
    reply->stream = (struct http_stream){0};
    if (stream.done != NULL)
        stream.done(stream.context);
}

void reply_reset(struct http_reply *reply)
{
    end_stream(reply);
    buf_reset(&reply->body);
    buf_reset(&reply->long_headers);
    reply->status = 0;
    reply->content_type = NULL;
    reply->header_count = 0;
}

static void append_two_digits(struct buf *out, int value, char behind)
{
    const char text[] = {(char)('0' + value / 10 % 10), (char)('0' + value % 10), behind};
    buf_append(out, text, sizeof text);
}

// IMF-fixdate (RFC 9110, 5.6.7); strftime would follow the locale.
static void append_date(struct buf *out, int64_t now_s)
{
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t now = (time_t)now_s;
    struct tm tm;
    if (gmtime_r(&now, &tm) == NULL)
        return;
    buf_text(out, "Date: ");
    buf_append(out, days + 3 * tm.tm_wday, 3);
    buf_text(out, ", ");
    append_two_digits(out, tm.tm_mday, ' ');
    buf_append(out, months + 3 * tm.tm_mon, 3);
    buf_byte(out, ' ');
    buf_u64(out, (uint64_t)tm.tm_year + 1900);
    buf_byte(out, ' ');
    append_two_digits(out, tm.tm_hour, ':');
    append_two_digits(out, tm.tm_min, ':');
    append_two_digits(out, tm.tm_sec, ' ');
    buf_text(out, "GMT\r\n");
}

static void append_field(struct buf *out, const char *name, const char *value)
{
    buf_text(out, name);
    buf_append(out, ": ", 2);
    buf_text(out, value);
    buf_append(out, "\r\n", 2);
}

static bool has_header(const struct http_reply *reply, const char *name)
{
    for (size_t i = 0; i < reply->header_count; i++) {
        if (strcmp(reply->headers[i].name, name) == 0)
            return true;
    }
    return false;
}

static void append_framing(const struct http_reply *reply, unsigned minor, struct buf *out)
{
    const struct http_stream *stream = &reply->stream;
    const bool streams = stream->produce != NULL;
    if (reply->content_type != NULL && (streams || reply->body.len > 0))
        append_field(out, "Content-Type", reply->content_type);
    if (reply_is_chunked(reply, minor)) {
        append_field(out, "Transfer-Encoding", "chunked");
    } else if (!streams || stream->has_length) {
        buf_text(out, "Content-Length: ");
        buf_u64(out, streams ? stream->length : reply->body.len);
        buf_text(out, "\r\n");
    }
}

void reply_head(const struct http_reply *reply, const struct reply_frame *frame, struct buf *out)
{
    buf_text(out, "HTTP/1.1 ");
    buf_u64(out, reply->status);
    buf_byte(out, ' ');
    buf_text(out, reply_reason(reply->status));
    buf_text(out, "\r\n");
    append_date(out, frame->now_s);
    append_field(out, "X-Request-Id", frame->request_id);
    if (!has_header(reply, "Cache-Control"))
        append_field(out, "Cache-Control", "no-store");
    append_field(out, "X-Content-Type-Options", "nosniff");
    if (frame->tls)
        append_field(out, "Strict-Transport-Security", "max-age=31536000");
    if (reply_has_body(reply->status))
        append_framing(reply, frame->minor, out);
    for (size_t i = 0; i < reply->header_count; i++)
        append_field(out, reply->headers[i].name, reply->headers[i].value);
    buf_append(out, reply->long_headers.at, reply->long_headers.len);
    append_field(out, "Connection", frame->keep_alive ? "keep-alive" : "close");
    buf_text(out, "\r\n");
}
