// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/http.h"

#include "appliance/base/json_write.h"
#include "web/guard.h"
#include "web/memory.h"
#include "web/reply.h"
#include "web/text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct slice http_header(const struct http_request *request, const char *name)
{
    size_t count;
    return head_find(request->headers, name, &count);
}

bool http_query(const struct http_request *request, const char *name, struct slice *out_value)
{
    const char *at = request->query.at, *end = at + request->query.len;
    size_t name_len = strlen(name);
    while (at < end) {
        const char *stop = memchr(at, '&', (size_t)(end - at));
        if (stop == NULL)
            stop = end;
        const char *equals = memchr(at, '=', (size_t)(stop - at));
        const char *name_end = equals != NULL ? equals : stop;
        if ((size_t)(name_end - at) == name_len && memcmp(at, name, name_len) == 0) {
            const char *value = equals != NULL ? equals + 1 : stop;
            *out_value = (struct slice){value, (size_t)(stop - value)};
            return true;
        }
        at = stop + (stop < end);
    }
    return false;
}

// Copies, so that the '+' which stands for a space is told from an encoded one, and decodes in place.
static bool decode(struct slice sent, char *room, struct slice *out_text)
{
    struct slice text = {room, sent.len};
    for (size_t i = 0; i < sent.len; i++)
        room[i] = sent.at[i] == '+' ? ' ' : sent.at[i];
    if (!text_percent_decode(text, room, &text.len) || !text_is_printable_utf8(text))
        return false;
    *out_text = text;
    return true;
}

bool http_query_next(const struct http_request *request, size_t *position, struct slice *out_name,
                     struct slice *out_value)
{
    const struct slice query = request->query;
    size_t start = *position;
    while (start < query.len && query.at[start] == '&')
        start++;
    if (start >= query.len)
        return false;
    const char *at = query.at + start;
    const char *stop = memchr(at, '&', query.len - start);
    size_t len = stop != NULL ? (size_t)(stop - at) : query.len - start;
    const char *equals = memchr(at, '=', len);
    struct slice name = {at, equals != NULL ? (size_t)(equals - at) : len};
    size_t value_start = name.len + (equals != NULL);
    struct slice value = {at + value_start, len - value_start}, decoded_name = name, decoded_value = {0};
    decode(name, request->query_decoded + start, &decoded_name);
    decode(value, request->query_decoded + start + value_start, &decoded_value);
    *position = start + len;
    *out_name = decoded_name;
    *out_value = decoded_value;
    return true;
}

void http_reply_header(struct http_reply *reply, const char *name, const char *format, ...)
{
    assert(reply->header_count < HTTP_REPLY_HEADERS_MAX);
    char *value = reply->headers[reply->header_count].value;
    va_list args;
    va_start(args, format);
    vsnprintf(value, sizeof reply->headers[0].value, format, args);
    va_end(args);
    // A control byte would let its author write further headers.
    for (; *value != '\0'; value++) {
        if ((unsigned char)*value < 0x20 || *value == 0x7f)
            *value = '?';
    }
    reply->headers[reply->header_count++].name = name;
}

void http_reply_long_header(struct http_reply *reply, const char *name, struct slice value)
{
    struct buf *out = &reply->long_headers;
    buf_text(out, name);
    buf_append(out, ": ", 2);
    for (size_t i = 0; i < value.len; i++) {
        const unsigned char byte = (unsigned char)value.at[i];
        buf_byte(out, byte < 0x20 || byte == 0x7f ? '?' : (char)byte);
    }
    buf_append(out, "\r\n", 2);
}

bool http_charge(struct exchange *exchange, size_t more)
{
    return memory_reserve(&exchange->reply.body, more, &exchange->charged_bytes);
}

void http_problem(struct http_reply *reply, unsigned status, const char *detail)
{
    reply->status = status;
    reply->content_type = "application/problem+json";
    buf_reset(&reply->body);
    buf_text(&reply->body, "{\"type\":\"about:blank\",");
    json_write_member(&reply->body, "title", reply_reason(status));
    buf_text(&reply->body, ",\"status\":");
    buf_u64(&reply->body, status);
    buf_byte(&reply->body, ',');
    json_write_member(&reply->body, "detail", detail);
    buf_byte(&reply->body, '}');
}

void http_problem_add(struct http_reply *reply, const char *name, struct slice text)
{
    struct buf *body = &reply->body;
    if (body->error != OK)
        return;
    body->at[body->len - 1] = ','; // was the closing brace
    json_write_text(body, name);
    buf_byte(body, ':');
    json_write_string(body, text);
    buf_byte(body, '}');
}
