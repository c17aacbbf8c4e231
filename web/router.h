// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Routes as data. The router finds the row, reads the body, asks tokens/client who is calling, checks
// the row's permission, calls the handler and writes the audit event: the order of checks is guard,
// route 404, method 405, body size 413, authentication 401, permission 403, the client's rate 429, media
// type 415 and 406, for what changes something an audit file that takes a line, then the handler (JSON,
// schema, semantics, HSM). A failure before the handler is rendered by the API's own `fail`, so that each API
// keeps its vendor's error shape.
#pragma once

#include "web/http.h"

// A failure that the router found. Statuses in brackets are the usual ones; `fail` decides.
enum failure {
    FAIL_NOT_FOUND,    // 404 no route
    FAIL_METHOD,       // 405; Allow is already set in the reply
    FAIL_BODY_SIZE,    // 413
    FAIL_BODY_MISSING, // 411 or 400: a body is required and none was announced
    FAIL_BODY_BROKEN,  // 400 shorter than announced, or bad chunk
    FAIL_TIMEOUT,      // 408 the body did not arrive before the deadline
    FAIL_CREDENTIAL,   // 401 (the transform API: 403)
    FAIL_THROTTLED,    // 429: too many failed authentications, or more than the client's rate; Retry-After is
                       // already set
    FAIL_PERMISSION,   // 403
    FAIL_MEDIA,        // 415
    FAIL_ACCEPT,       // 406
    FAIL_BUSY,         // 503; Retry-After is already set
    FAIL_HSM,          // 503; Retry-After is already set
    FAIL_STOPPING,     // 503; Connection: close is already set
    FAIL_AUDIT,        // 503: the audit line could not be written
    FAIL_INTERNAL,     // 500
};

// The usual status of a failure.
unsigned failure_status(enum failure failure);

// What happened, for a person who sees the reply; static text.
const char *failure_detail(enum failure failure);
// The same for the log and the audit line.
enum err failure_outcome(enum failure failure);
// The outcome of a reply whose handler noted none: OK below 400.
enum err failure_outcome_of_status(unsigned status);

// The failure that an error from tokens/ stands for when a handler cannot go on: FAIL_HSM, FAIL_BUSY (both
// with Retry-After set in the reply) or FAIL_INTERNAL. Notes the outcome for the audit line.
enum failure failure_from(struct exchange *exchange, enum err code);

enum media {
    MEDIA_NONE,     // Content-Type is not looked at
    MEDIA_JSON,     // application/json, charset=utf-8 allowed
    MEDIA_FORM,     // application/x-www-form-urlencoded, charset=utf-8 allowed
    MEDIA_JSON_API, // JSON:API 1.1: application/vnd.api+json and no parameter but profile; Accept as well
};

struct route {
    unsigned methods;           // set of enum http_method; HEAD comes with GET by itself
    const char *pattern;        // "/v1/transform/encode/{role}": {x} matches one non-empty segment
    enum permission permission; // exactly one; 0 is refused at start
    enum audit_event event;
    size_t body_limit; // bytes; 0: the route takes no body (one that comes is a 413)
    enum media media;
    void (*handle)(void *state, struct exchange *exchange);
    enum credential_kind credential; // NONE: the API's own scheme
};

struct api {
    const char *name;
    enum client_api client_api;
    enum credential_kind
        credential;              // the scheme web/auth looks for; NONE when each route is public or names one
    bool signs_body;             // the body is read before authentication (at most 64 KiB)
    const char *const *prefixes; // paths it owns beyond its rows, for 404 in its own shape; NULL-ended
    const struct route *routes;
    size_t route_count;
    // Renders reply.status and body. Whether anything was presented at all (RFC 6750, 3: no error code then)
    // it sees by http_header(&exchange->request, "Authorization").at, which is NULL otherwise.
    void (*fail)(struct exchange *exchange, enum failure failure);
    void *state;
};
