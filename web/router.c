// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/route_table.h"

#include "web/guard.h"
#include "web/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEGMENTS_MAX = 12 };

struct segments {
    struct slice at[SEGMENTS_MAX];
    size_t count;
};

struct row {
    const struct api *api;
    const struct route *route;
    unsigned methods; // HEAD added
    struct segments pattern;
};

struct router {
    struct api *apis; // copies: only what they point to must outlive the router
    size_t api_count;
    struct row *rows; // more literal patterns first
    size_t row_count;
};

static const unsigned all_methods =
    HTTP_GET | HTTP_HEAD | HTTP_POST | HTTP_PUT | HTTP_DELETE | HTTP_PATCH | HTTP_OPTIONS;

unsigned failure_status(enum failure failure)
{
    static const unsigned statuses[] = {
        [FAIL_NOT_FOUND] = 404,   [FAIL_METHOD] = 405,   [FAIL_BODY_SIZE] = 413,  [FAIL_BODY_MISSING] = 411,
        [FAIL_BODY_BROKEN] = 400, [FAIL_TIMEOUT] = 408,  [FAIL_CREDENTIAL] = 401, [FAIL_THROTTLED] = 429,
        [FAIL_PERMISSION] = 403,  [FAIL_MEDIA] = 415,    [FAIL_ACCEPT] = 406,     [FAIL_BUSY] = 503,
        [FAIL_HSM] = 503,         [FAIL_STOPPING] = 503, [FAIL_AUDIT] = 503,      [FAIL_INTERNAL] = 500,
    };
    return statuses[failure];
}

// Cuts "/a/b" into "a" and "b"; false when it does not begin with '/' or has too many segments.
static bool split(struct slice path, struct segments *out)
{
    out->count = 0;
    if (path.len == 0 || path.at[0] != '/')
        return false;
    const char *at = path.at + 1, *end = path.at + path.len;
    for (;;) {
        const char *stop = memchr(at, '/', (size_t)(end - at));
        if (out->count == SEGMENTS_MAX)
            return false;
        out->at[out->count++] = (struct slice){at, (size_t)((stop != NULL ? stop : end) - at)};
        if (stop == NULL)
            return true;
        at = stop + 1;
    }
}

static bool is_capture(struct slice segment)
{
    return segment.len > 2 && segment.at[0] == '{' && segment.at[segment.len - 1] == '}';
}

static bool fits(const struct segments *pattern, const struct segments *path)
{
    if (pattern->count != path->count)
        return false;
    for (size_t i = 0; i < path->count; i++) {
        struct slice segment = path->at[i];
        if (is_capture(pattern->at[i]) ? segment.len == 0 : !slice_equal(pattern->at[i], segment))
            return false;
    }
    return true;
}

static bool has_dot_segment(const struct segments *path)
{
    for (size_t i = 0; i < path->count; i++) {
        if (slice_is(path->at[i], ".") || slice_is(path->at[i], ".."))
            return true;
    }
    return false;
}

// A literal segment sorts before a capture in the same place, so the first row that fits is the one.
static int by_literals(const void *a, const void *b)
{
    const struct segments *left = &((const struct row *)a)->pattern;
    const struct segments *right = &((const struct row *)b)->pattern;
    if (left->count != right->count)
        return left->count < right->count ? -1 : 1;
    for (size_t i = 0; i < left->count; i++) {
        int difference = is_capture(left->at[i]) - is_capture(right->at[i]);
        if (difference != 0)
            return difference;
    }
    return 0;
}

enum credential_kind router_credential(const struct api *api, const struct route *route)
{
    return route->credential != CREDENTIAL_NONE ? route->credential : api->credential;
}

static bool is_one_bit(unsigned set)
{
    return set != 0 && (set & (set - 1)) == 0;
}

static const char *complaint(const struct api *api, const struct route *route, bool has_audit)
{
    if (route->methods == 0 || (route->methods & ~all_methods) != 0)
        return "has no methods";
    if (!is_one_bit(route->permission))
        return "must name exactly one permission";
    if (route->handle == NULL)
        return "has no handler";
    if (route->body_limit > 0 && (route->methods & ~(unsigned)(HTTP_GET | HTTP_HEAD)) == 0)
        return "has a body limit, but only GET";
    if (route->permission != PERMISSION_PUBLIC && router_credential(api, route) == CREDENTIAL_NONE)
        return "demands a permission, but neither it nor its API has a credential";
    if (route->event != AUDIT_NONE && !has_audit)
        return "has an audit event, but the server has no audit file";
    return NULL;
}

static size_t count_captures(const struct segments *pattern)
{
    size_t count = 0;
    for (size_t i = 0; i < pattern->count; i++)
        count += is_capture(pattern->at[i]);
    return count;
}

static enum err compile_row(const struct api *api, const struct route *route, bool has_audit,
                            struct row *out_row, struct diag *diag)
{
    if (route->pattern == NULL)
        return diag_set(diag, ERR_CONFIG, "route of API %s has no pattern", api->name);
    const char *wrong = complaint(api, route, has_audit);
    struct row row = {.api = api, .route = route, .methods = route->methods};
    if (wrong == NULL &&
        (!split(text_slice(route->pattern), &row.pattern) || count_captures(&row.pattern) > HTTP_PARAMS_MAX))
        wrong = "has a pattern that cannot be matched";
    if (wrong != NULL)
        return diag_set(diag, ERR_CONFIG, "route %s of API %s %s", route->pattern, api->name, wrong);
    if ((row.methods & HTTP_GET) != 0)
        row.methods |= HTTP_HEAD;
    *out_row = row;
    return OK;
}

// Two rows that fit the same paths and share a method would hide each other.
static enum err check_distinct(const struct router *router, struct diag *diag)
{
    for (size_t i = 1; i < router->row_count; i++) {
        for (size_t j = 0; j < i; j++) {
            const struct row *a = &router->rows[j], *b = &router->rows[i];
            if (by_literals(a, b) == 0 && fits(&a->pattern, &b->pattern) && (a->methods & b->methods) != 0)
                return diag_set(diag, ERR_CONFIG, "routes %s and %s are the same", a->route->pattern,
                                b->route->pattern);
        }
    }
    return OK;
}

static enum err compile(struct router *router, bool has_audit, struct diag *diag)
{
    enum err rc = OK;
    for (size_t i = 0; i < router->api_count; i++) {
        const struct api *api = &router->apis[i];
        for (size_t j = 0; j < api->route_count; j++) {
            TRY(compile_row(api, &api->routes[j], has_audit, &router->rows[router->row_count], diag));
            router->row_count++;
        }
    }
    qsort(router->rows, router->row_count, sizeof *router->rows, by_literals);
    TRY(check_distinct(router, diag));
out:
    return rc;
}

enum err router_new(const struct api *const *apis, size_t count, bool has_audit, struct router **out_router,
                    struct diag *diag)
{
    enum err rc = OK;
    size_t rows = 0;
    struct router *router = calloc(1, sizeof *router);
    REQUIRE(router != NULL, ERR_MEMORY);
    router->apis = calloc(count + 1, sizeof *router->apis);
    REQUIRE(router->apis != NULL, ERR_MEMORY);
    for (; router->api_count < count; router->api_count++) {
        router->apis[router->api_count] = *apis[router->api_count];
        rows += apis[router->api_count]->route_count;
    }
    router->rows = calloc(rows + 1, sizeof *router->rows);
    REQUIRE(router->rows != NULL, ERR_MEMORY);
    TRY(compile(router, has_audit, diag));
    *out_router = router;
    router = NULL;
out:
    router_free(router);
    return rc;
}

void router_free(struct router *router)
{
    if (router == NULL)
        return;
    free(router->apis);
    free(router->rows);
    free(router);
}

static bool owns(const char *prefix, struct slice path)
{
    size_t len = strlen(prefix);
    if (path.len < len || memcmp(path.at, prefix, len) != 0)
        return false;
    return path.len == len || prefix[len - 1] == '/' || path.at[len] == '/';
}

// The API with the longest prefix of this path.
static const struct api *owner(const struct router *router, struct slice path)
{
    const struct api *best = NULL;
    size_t best_len = 0;
    for (size_t i = 0; i < router->api_count; i++) {
        const char *const *prefix = router->apis[i].prefixes;
        for (; prefix != NULL && *prefix != NULL; prefix++) {
            size_t len = strlen(*prefix);
            if (len > best_len && owns(*prefix, path)) {
                best = &router->apis[i];
                best_len = len;
            }
        }
    }
    return best;
}

static void note_captures(const struct row *row, const struct segments *path, struct match *match)
{
    for (size_t i = 0; i < path->count; i++) {
        if (is_capture(row->pattern.at[i]))
            match->captures[match->capture_count++] = path->at[i];
    }
}

enum found router_find(const struct router *router, enum http_method method, struct slice path,
                       struct match *out_match)
{
    struct match match = {0};
    struct segments segments;
    bool matchable = split(path, &segments) && !has_dot_segment(&segments);
    for (size_t i = 0; matchable && i < router->row_count; i++) {
        const struct row *row = &router->rows[i];
        if (!fits(&row->pattern, &segments))
            continue;
        if (match.api == NULL)
            match.api = row->api;
        match.allowed |= row->methods;
        if ((row->methods & method) != 0) {
            match.api = row->api;
            match.route = row->route;
            note_captures(row, &segments, &match);
            break;
        }
    }
    if (match.api == NULL)
        match.api = owner(router, path);
    *out_match = match;
    if (match.route != NULL)
        return ROUTE_FOUND;
    return match.allowed != 0 ? ROUTE_METHOD : ROUTE_NONE;
}

void router_allow(struct http_reply *reply, unsigned methods)
{
    char text[96] = "";
    size_t len = 0;
    for (unsigned bit = 1; bit <= HTTP_OPTIONS; bit <<= 1) {
        if ((methods & bit) != 0)
            len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", len > 0 ? ", " : "",
                                    http_method_name((enum http_method)bit));
    }
    http_reply_header(reply, "Allow", "%s", text);
}
