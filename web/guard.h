// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What may pass before anything is routed. civetweb's parser forgives much that lets two readers of one
// byte stream disagree (request smuggling); this one forgives nothing. Pure functions over a parsed
// head, so that they can be fuzzed without a server.
#pragma once

#include "web/http.h"

#include <stdint.h>

enum { GUARD_HEADERS_MAX = 50, HEAD_HEADERS_MAX = 64 };

// A request line and its headers, as the server found them. Slices point into the server's buffer.
struct head {
    struct slice method, path, query; // path and query as sent
    unsigned minor;                   // HTTP/1.minor: 0 or 1
    bool plain_layout;                // CRLF line ends, one space between words, no folding, none dropped
    size_t header_count;
    struct {
        struct slice name, value;
    } headers[HEAD_HEADERS_MAX];
};

enum body_kind {
    BODY_NONE,    // neither Content-Length nor Transfer-Encoding
    BODY_LENGTH,  // Content-Length, possibly 0
    BODY_CHUNKED, // Transfer-Encoding: chunked
};

// What the guard learnt on the way.
struct shape {
    enum http_method method;
    enum body_kind body;
    uint64_t length; // BODY_LENGTH only
    bool expects_continue;
    bool keep_alive; // the client allows another request on this connection
};

static inline bool shape_has_body(const struct shape *shape)
{
    return shape->body == BODY_CHUNKED || (shape->body == BODY_LENGTH && shape->length > 0);
}

// A target in origin-form (RFC 9112, 3.2.1): the path of an absolute-form target of this listener's scheme,
// whose authority is nobody's business here; any other target as it stands, to be refused by guard_check.
struct slice guard_origin_form(struct slice target, bool tls);

struct verdict {
    unsigned status; // 0: may pass
    const char *why; // static text for the reply; NULL when it may pass
};

// RFC 9112, strictly; and that no credential, nor Content-Type, is there twice. 400, 417 (Expect), 431 (more
// than GUARD_HEADERS_MAX headers) or 501 (method).
struct verdict guard_check(const struct head *head, struct shape *out_shape);

// The value of the first header of this name; NULL `at` when absent. out_count: how many there are.
struct slice head_find(const struct head *head, const char *name, size_t *out_count);

const char *http_method_name(enum http_method method);
