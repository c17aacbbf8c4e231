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
    bool without_body; // HEAD: the headers of a body that is not sent
};

// Appends everything up to and with the empty line to `out`.
void reply_head(const struct http_reply *reply, const struct reply_frame *frame, struct buf *out);
// Whether a reply with this status may carry a body at all (RFC 9110, 6.4.1).
bool reply_has_body(unsigned status);
const char *reply_reason(unsigned status);
// Forgets status, body (wiped) and headers.
void reply_reset(struct http_reply *reply);
