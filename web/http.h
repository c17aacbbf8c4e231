// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// One request and its reply, as an API file sees them: parsed, authenticated, permitted, its body whole.
// Nothing here knows civetweb. An exchange lives on the heap of one worker thread for one request;
// slices point into it and die with it. The reply's body is a struct buf and so wiped after sending.
#pragma once

#include "appliance/audit/audit.h"
#include "appliance/base/buf.h"
#include "appliance/base/codec.h"
#include "appliance/tokens/registry.h"

#include <stdbool.h>
#include <stddef.h>

enum http_method {
    HTTP_GET = 1 << 0,
    HTTP_HEAD = 1 << 1,
    HTTP_POST = 1 << 2,
    HTTP_PUT = 1 << 3,
    HTTP_DELETE = 1 << 4,
    HTTP_PATCH = 1 << 5,
    HTTP_OPTIONS = 1 << 6,
};

enum {
    HTTP_PARAMS_MAX = 4,
    HTTP_REPLY_HEADERS_MAX = 8,
    HTTP_REQUEST_ID_BYTES = UUID_TEXT_BYTES,
};

struct http_request {
    enum http_method method;
    struct slice path;                    // as sent, percent-encoded, without query
    struct slice query;                   // without '?', as sent; empty when there is none
    struct slice params[HTTP_PARAMS_MAX]; // the route's {captures}, percent-decoded, valid UTF-8, no controls
    struct slice body;
    const char *source; // peer address, text
    char id[HTTP_REQUEST_ID_BYTES];
    int64_t now_s;                   // Unix second at which the request was accepted
    struct caller caller;            // zero on public routes
    const struct registry *registry; // in force when the request began
    const void *headers;             // for http_header
    char *query_decoded;             // room for http_query_next, as long as query
    struct buf scratch;              // holds decoded params and query; wiped with the exchange
};

// The caller's tenant. NULL: there is no caller.
static inline const struct tenant *http_tenant(const struct http_request *request)
{
    return tenants_find(&request->registry->tenants, request->caller.tenant_id);
}

// The value of a header (name case-insensitive), or an empty slice with NULL `at` when absent.
struct slice http_header(const struct http_request *request, const char *name);
// The raw value of a query parameter: false when absent. `out_value` may be empty.
bool http_query(const struct http_request *request, const char *name, struct slice *out_value);
// The next query parameter from *position (0 at first) on, decoded: %XX, and '+' as the space that form
// encoding makes of it. false at the end. Each time the same slices; they live as long as the exchange. A
// name that is no printable UTF-8 when decoded, or has a broken escape, comes as it was sent; such a value
// is empty with NULL `at`. Parameters without '=' have an empty value.
bool http_query_next(const struct http_request *request, size_t *position, struct slice *out_name,
                     struct slice *out_value);

// A body that is made while it is sent, at constant memory. produce appends the next piece to `out`, which
// is empty when it is called, at most about 64 KiB a call; nothing appended is the end of the body. It is
// called by the worker's own thread (stack: 100 KB); request and caller stay valid. An error, or a body that
// is not has_length's length, cuts the connection, so that the client sees a short body (HTTP/1.0 without a
// length cannot show it). Of a body over the length not one byte beyond it is sent. done is called exactly
// once: after the last piece, when the client has gone, or when the reply turned out otherwise (HEAD, a
// failed audit). The audit line is on disk before the first byte.
struct http_stream {
    enum err (*produce)(void *context, struct buf *out); // NULL: no stream
    void (*done)(void *context);                         // NULL: nothing to be done
    void *context;
    bool has_length; // Content-Length; otherwise chunked (HTTP/1.1) or until close (HTTP/1.0)
    uint64_t length;
};

struct http_reply {
    unsigned status;          // 100..599; set by every handler
    const char *content_type; // static text; NULL with an empty body
    struct buf body;          // empty when there is a stream
    struct http_stream stream;
    struct {
        const char *name; // static text
        char value[192];
    } headers[HTTP_REPLY_HEADERS_MAX];
    size_t header_count;
    struct buf long_headers; // whole lines, written by http_reply_long_header
};

// Adds a header; its value must hold no control bytes and is cut at 191 bytes.
[[gnu::format(printf, 3, 4)]] void http_reply_header(struct http_reply *reply, const char *name,
                                                     const char *format, ...);

// The same for a value of any length, such as a Location; ERR_MEMORY is found in long_headers.error.
void http_reply_long_header(struct http_reply *reply, const char *name, struct slice value);

// What the handler knows and the audit line needs.
struct http_note {
    enum audit_event event; // what it turned out to be; AUDIT_NONE: the route's
    const char *role;       // configured name, never the caller's text
    uint64_t items, failed_items;
    unsigned generation;
    unsigned key_tenant_id;        // whose key was changed
    uint64_t request_number;       // the store's, of a token request
    const char *client;            // of a page, which has no caller: whose it is, configured name
    unsigned client_id, tenant_id; // and ids
    enum err outcome;
};

struct exchange {
    struct http_request request;
    struct http_reply reply;
    struct http_note note;
    size_t charged_bytes; // the reply's share of memory_in_flight
};

// Counts what the reply's body has grown by as memory in flight, and makes room for `more` bytes. A handler
// whose reply can become much larger than its request calls this as it goes on. false: too much is in
// flight, answer ERR_BUSY. Streams need not.
bool http_charge(struct exchange *exchange, size_t more);

// application/problem+json (RFC 9457) for everything that no vendor's shape covers. The type is about:blank,
// so that the title is the status's own phrase (4.2.1).
void http_problem(struct http_reply *reply, unsigned status, const char *detail);
// Adds a member of our own (3.2) to the problem that was just written.
void http_problem_add(struct http_reply *reply, const char *name, struct slice text);
