// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/guard.h"

#include "web/text.h"

#include <string.h>

static const struct {
    enum http_method method;
    const char *name;
} methods[] = {
    {HTTP_GET, "GET"},       {HTTP_HEAD, "HEAD"},   {HTTP_POST, "POST"},       {HTTP_PUT, "PUT"},
    {HTTP_DELETE, "DELETE"}, {HTTP_PATCH, "PATCH"}, {HTTP_OPTIONS, "OPTIONS"},
};
enum { METHODS = sizeof methods / sizeof methods[0], LENGTH_DIGITS_MAX = 10 };

static const struct verdict pass = {0};

static struct verdict refuse(unsigned status, const char *why)
{
    return (struct verdict){status, why};
}

const char *http_method_name(enum http_method method)
{
    for (size_t i = 0; i < METHODS; i++) {
        if (methods[i].method == method)
            return methods[i].name;
    }
    return "?";
}

struct slice head_find(const struct head *head, const char *name, size_t *out_count)
{
    struct slice found = {0};
    size_t count = 0;
    for (size_t i = 0; i < head->header_count; i++) {
        if (!text_is_nocase(head->headers[i].name, name))
            continue;
        if (count++ == 0)
            found = text_trim(head->headers[i].value);
    }
    *out_count = count;
    return found;
}

static struct verdict check_method(struct slice name, enum http_method *out_method)
{
    for (size_t i = 0; i < METHODS; i++) {
        if (slice_is(name, methods[i].name)) {
            *out_method = methods[i].method;
            return pass;
        }
    }
    return refuse(text_is_token(name) ? 501 : 400, "unknown method");
}

static bool is_visible(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '!' || text.at[i] > '~')
            return false;
    }
    return true;
}

// Every escape whole, and none of them a control byte.
static bool has_sound_escapes(struct slice path)
{
    for (size_t i = 0; i < path.len; i++) {
        if (path.at[i] != '%')
            continue;
        int high = path.len - i > 2 ? text_hex_value(path.at[i + 1]) : -1;
        int low = high >= 0 ? text_hex_value(path.at[i + 2]) : -1;
        int byte = high * 16 + low;
        if (low < 0 || byte < 0x20 || byte == 0x7f)
            return false;
    }
    return true;
}

struct slice guard_origin_form(struct slice target, bool tls)
{
    const struct slice scheme = text_slice(tls ? "https://" : "http://");
    if (target.len < scheme.len || !text_is_nocase((struct slice){target.at, scheme.len}, scheme.at))
        return target;
    const char *authority = target.at + scheme.len;
    const char *path = memchr(authority, '/', target.len - scheme.len);
    if (path == NULL || path == authority || memchr(authority, '@', (size_t)(path - authority)) != NULL ||
        !is_visible((struct slice){authority, (size_t)(path - authority)}))
        return target;
    return (struct slice){path, target.len - (size_t)(path - target.at)};
}

static struct verdict check_target(const struct head *head)
{
    struct slice path = head->path;
    if (path.len == 0 || path.at[0] != '/')
        return refuse(400, "the request target must be a path");
    if (!is_visible(path) || !is_visible(head->query))
        return refuse(400, "the request target holds a byte that is not printable ASCII");
    if (!has_sound_escapes(path))
        return refuse(400, "the path holds a broken escape or an encoded control byte");
    return pass;
}

static bool is_field_value(struct slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.at[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

// Credentials, and what the body is: two lines of one could be read either way (RFC 9110, 5.3). A set's bit,
// or 0 for any other field.
static unsigned single_field(struct slice name)
{
    static const char *const names[] = {"Authorization", "Content-Type", "X-Vault-Token", "Session-Key",
                                        "Api-Key"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (text_is_nocase(name, names[i]))
            return 1u << i;
    }
    return 0;
}

static struct verdict check_headers(const struct head *head)
{
    unsigned seen = 0;
    for (size_t i = 0; i < head->header_count; i++) {
        if (!text_is_token(head->headers[i].name) || !is_field_value(head->headers[i].value))
            return refuse(400, "malformed header field");
        const unsigned single = single_field(head->headers[i].name);
        if ((seen & single) != 0)
            return refuse(400, "a credential or Content-Type stands in more than one line");
        seen |= single;
    }
    return pass;
}

static struct verdict check_host(const struct head *head)
{
    size_t count;
    struct slice host = head_find(head, "Host", &count);
    if (count != 1)
        return refuse(400, "exactly one Host is required");
    bool sound = host.len > 0 && is_visible(host);
    for (size_t i = 0; sound && i < host.len; i++)
        sound = host.at[i] != ',' && host.at[i] != '/' && host.at[i] != '@' && host.at[i] != '\\';
    return sound ? pass : refuse(400, "malformed Host");
}

static bool parse_length(struct slice digits, uint64_t *out_length)
{
    uint64_t length = 0;
    if (digits.len == 0 || digits.len > LENGTH_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.at[i] < '0' || digits.at[i] > '9')
            return false;
        length = length * 10 + (uint64_t)(digits.at[i] - '0');
    }
    *out_length = length;
    return true;
}

// RFC 9112, 6: how long the body is, if there is exactly one way to read that.
static struct verdict check_framing(const struct head *head, struct shape *shape)
{
    size_t lengths, codings;
    struct slice length = head_find(head, "Content-Length", &lengths);
    struct slice coding = head_find(head, "Transfer-Encoding", &codings);
    if (lengths > 1 || codings > 1 || (lengths > 0 && codings > 0))
        return refuse(400, "the length of the body is ambiguous");
    if (codings == 1) {
        if (head->minor == 0 || !text_is_nocase(coding, "chunked"))
            return refuse(400, "Transfer-Encoding must be chunked");
        shape->body = BODY_CHUNKED;
    } else if (lengths == 1) {
        if (!parse_length(length, &shape->length))
            return refuse(400, "malformed Content-Length");
        shape->body = BODY_LENGTH;
    }
    return pass;
}

static struct verdict check_expect(const struct head *head, struct shape *shape)
{
    size_t count;
    struct slice expect = head_find(head, "Expect", &count);
    if (count > 1 || (count == 1 && !text_is_nocase(expect, "100-continue")))
        return refuse(417, "only 100-continue can be expected");
    shape->expects_continue = count == 1 && head->minor == 1;
    return pass;
}

// civetweb decides by itself whether it closes; this may only say "keep" where it surely keeps.
static bool wants_keep_alive(const struct head *head)
{
    size_t connections, upgrades;
    struct slice connection = head_find(head, "Connection", &connections);
    head_find(head, "Upgrade", &upgrades);
    if (upgrades > 0)
        return false;
    if (connections == 0)
        return head->minor == 1;
    return connections == 1 && text_is_nocase(connection, "keep-alive");
}

struct verdict guard_check(const struct head *head, struct shape *out_shape)
{
    struct shape shape = {0};
    struct verdict verdict = pass;
    // Counted first: of too many, the server drops some, which is no plain layout either.
    if (head->header_count > GUARD_HEADERS_MAX)
        verdict = refuse(431, "too many header fields");
    else if (!head->plain_layout)
        verdict = refuse(400, "malformed request head");
    if (verdict.status == 0)
        verdict = check_headers(head);
    if (verdict.status == 0)
        verdict = check_method(head->method, &shape.method);
    if (verdict.status == 0)
        verdict = check_target(head);
    if (verdict.status == 0)
        verdict = check_host(head);
    if (verdict.status == 0)
        verdict = check_framing(head, &shape);
    if (verdict.status == 0)
        verdict = check_expect(head, &shape);
    if (verdict.status == 0) {
        shape.keep_alive = wants_keep_alive(head);
        *out_shape = shape;
    }
    return verdict;
}
