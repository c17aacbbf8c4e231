// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The bytes of a reply: status line, the headers that every reply carries, the handler's own, the body.
#pragma once

#include "web/http.h"

struct reply_frame {
    const char *request_id;
    int64_t now_s;
    bool keep_alive, tls;
    unsigned minor; // HTTP/1.minor of the request
};

// Appends everything up to and with the empty line to `out`.
void reply_head(const struct http_reply *reply, const struct reply_frame *frame, struct buf *out);
// Whether a reply with this status may carry a body at all (RFC 9110, 6.4.1).
bool reply_has_body(unsigned status);
// How the end of a streamed body is told, if neither by its length nor by the end of the connection.
bool reply_is_chunked(const struct http_reply *reply, unsigned minor);
const char *reply_reason(unsigned status);
// Forgets status, body (wiped), headers and the stream, whose done it calls.
void reply_reset(struct http_reply *reply);
