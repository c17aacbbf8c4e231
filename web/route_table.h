// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The rows of all APIs, compiled once: which one serves this method and path. Immutable, so any number
// of threads may ask. Paths are compared byte for byte as they were sent: no decoding, no cleaning, no
// folding of case; an empty, "." or ".." segment never matches a {capture}.
#pragma once

#include "web/router.h"

struct router;

struct match {
    const struct api *api;                  // also set for a path that is only owned; NULL: nobody's
    const struct route *route;              // NULL unless ROUTE_FOUND
    unsigned allowed;                       // ROUTE_METHOD: set of methods that this path has
    struct slice captures[HTTP_PARAMS_MAX]; // raw
    size_t capture_count;
};

enum found { ROUTE_FOUND, ROUTE_METHOD, ROUTE_NONE };

// Checks every row. ERR_CONFIG: a row without pattern, exactly one permission, event that can be
// written (has_audit) or handler; with a body but only GET; or the same row twice.
enum err router_new(const struct api *const *apis, size_t count, bool has_audit, struct router **out_router,
                    struct diag *diag);
void router_free(struct router *router);

enum found router_find(const struct router *router, enum http_method method, struct slice path,
                       struct match *out_match);

// Writes "GET, HEAD, POST" for a set of methods.
void router_allow(struct http_reply *reply, unsigned methods);

// The scheme that a caller of this row must use.
enum credential_kind router_credential(const struct api *api, const struct route *route);
