// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/http.h"

#include "appliance/base/json_write.h"
#include "web/guard.h"
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

void http_problem(struct http_reply *reply, unsigned status, const char *title, const char *detail)
{
    reply->status = status;
    reply->content_type = "application/problem+json";
    buf_reset(&reply->body);
    buf_text(&reply->body, "{\"type\":\"about:blank\",");
    json_write_member(&reply->body, "title", title);
    buf_text(&reply->body, ",\"status\":");
    buf_u64(&reply->body, status);
    if (detail != NULL) {
        buf_byte(&reply->body, ',');
        json_write_member(&reply->body, "detail", detail);
    }
    buf_byte(&reply->body, '}');
}
